//! The words that the bot understands.
//!
//! Invariant: a closed list. A text that is not on it is nothing; no part of it goes anywhere but into a comparison.

/// Longest text that can be a command, in bytes.
const MAX: usize = 96;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// How the gateways are.
    Status,
    /// The guard is to keep its hands off.
    Pause,
    /// It is to guard again.
    Resume,
    /// The gateway is to be restarted.
    Restart,
}

/// A command of the closed list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What.
    pub order: Order,
    /// At which gateway, as it was typed: only ever compared with the names that are known.
    pub gateway: Option<String>,
}

impl Command {
    /// Reads a text of the chat: one word of either language, and the name of a gateway where that is needed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX {
            return None;
        }
        let mut words = text.split_whitespace();
        let word = words.next()?;
        let word = word.strip_prefix('/').unwrap_or(word);
        // In its menu Telegram writes `/status@name_of_the_bot`.
        let word = word.split_once('@').map_or(word, |(word, _)| word).to_ascii_lowercase();
        let order = match word.as_str() {
            "status" | "状态" => Order::Status,
            "pause" | "暂停" => Order::Pause,
            "resume" | "恢复" => Order::Resume,
            "restart" | "重启" => Order::Restart,
            _ => return None,
        };
        let gateway = words.next().map(str::to_owned);
        words.next().is_none().then_some(Self { order, gateway })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_closed_list_is_understood() {
        let parse = |text: &str| Command::parse(text).map(|command| (command.order, command.gateway));
        for (text, order) in [
            ("status", Order::Status),
            ("/status@guard_bot", Order::Status),
            (" Pause ", Order::Pause),
            ("暂停", Order::Pause),
            ("恢复", Order::Resume),
            ("RESUME", Order::Resume),
            ("重启", Order::Restart),
            ("/restart", Order::Restart),
        ] {
            assert_eq!(parse(text), Some((order, None)), "{text}");
        }
        assert_eq!(parse("restart work"), Some((Order::Restart, Some("work".to_owned()))));
        for text in [
            "",
            "/",
            "stop",
            "restart; rm -rf /",
            "restart a b",
            "please restart",
            "$(restart)",
            "//restart",
            &"restart ".repeat(50),
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
