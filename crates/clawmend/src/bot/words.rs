//! All that the bot says, in both languages.
//!
//! Invariant: nothing of what somebody wrote is repeated.

use crate::api::types::GatewayStatus;
use crate::settings::Language;
use clawmend_core::health::Verdict;
use std::fmt::Write as _;

/// Most gateways that a status names.
const MAX_GATEWAYS: usize = 16;

/// What a tap came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tapped {
    /// It is done now.
    Approved,
    /// It is not done.
    Denied,
    /// The message was answered before.
    Used,
    /// It was decided before, or its time is over.
    Over,
    /// It is for nothing that waits: altered, or of another guard.
    Unknown,
    /// It could not be kept on record.
    NotKept,
    /// The guard did not answer.
    NoAnswer,
}

/// The labels of the buttons: to approve, to deny.
#[must_use]
pub const fn buttons(language: Language) -> (&'static str, &'static str) {
    match language {
        Language::English => ("✅ Approve", "❌ Deny"),
        Language::Chinese => ("✅ 批准", "❌ 拒绝"),
    }
}

/// The short answer to a tap; at most 200 characters.
#[must_use]
pub const fn tapped(language: Language, tapped: Tapped) -> &'static str {
    match (language, tapped) {
        (Language::English, Tapped::Approved) => "Approved. It is being done.",
        (Language::Chinese, Tapped::Approved) => "已批准，正在执行。",
        (Language::English, Tapped::Denied) => "Denied. Nothing is done.",
        (Language::Chinese, Tapped::Denied) => "已拒绝，不会执行。",
        (Language::English, Tapped::Used) => "This message was answered before. Nothing is done.",
        (Language::Chinese, Tapped::Used) => "此消息已经答复过，不会执行。",
        (Language::English, Tapped::Over) => "It was decided before, or its time is over. Nothing is done.",
        (Language::Chinese, Tapped::Over) => "已有结论或已过期，不会执行。",
        (Language::English, Tapped::Unknown) => "This button fits nothing that waits. Nothing is done.",
        (Language::Chinese, Tapped::Unknown) => "此按钮与任何待确认事项都不符，不会执行。",
        (Language::English, Tapped::NotKept) => {
            "It could not be kept on record, so nothing is done. Use `clawmend approve` in a shell of your own."
        }
        (Language::Chinese, Tapped::NotKept) => "无法记录，因此不会执行。请在自己的终端中使用 clawmend approve。",
        (Language::English, Tapped::NoAnswer) => "The guard did not answer in time. Ask for `status`.",
        (Language::Chinese, Tapped::NoAnswer) => "守护进程未及时答复。请发送“状态”查看。",
    }
}

/// To whom was bound just now.
#[must_use]
pub const fn paired(language: Language) -> &'static str {
    match language {
        Language::English => {
            "Paired. Questions of the guard come here from now on. I know: status, pause, resume, restart."
        }
        Language::Chinese => "配对成功。守护进程的问题今后会发到这里。可用命令：状态、暂停、恢复、重启。",
    }
}

/// To everything that is not on the list.
#[must_use]
pub const fn help(language: Language) -> &'static str {
    match language {
        Language::English => {
            "I know: status, pause, resume, restart (with the gateway's name where there are several). \
             A question is answered with its buttons."
        }
        Language::Chinese => "可用命令：状态、暂停、恢复、重启（有多个网关时请加上网关名称）。问题请用按钮答复。",
    }
}

/// There are several gateways, or none of that name.
#[must_use]
pub fn which(language: Language, known: &[String]) -> String {
    let known = known.join(", ");
    match language {
        Language::English => format!("Say which gateway, such as `restart NAME`. Known here: {known}"),
        Language::Chinese => format!("请指明网关，例如“重启 名称”。可用：{known}"),
    }
}

/// It takes a while.
#[must_use]
pub fn restarting(language: Language, id: &str) -> String {
    match language {
        Language::English => format!("{id}: is being restarted; I say when it serves."),
        Language::Chinese => format!("{id}：正在重启，恢复服务后会告知。"),
    }
}

/// A wish was obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obeyed {
    /// Hands off.
    Paused,
    /// Guards again.
    Resumed,
    /// Another life serves.
    Restarted,
}

/// That a wish was obeyed.
#[must_use]
pub fn obeyed(language: Language, id: &str, obeyed: Obeyed) -> String {
    match (language, obeyed) {
        (Language::English, Obeyed::Paused) => {
            format!("{id}: paused. The guard keeps its hands off until you send `resume`.")
        }
        (Language::Chinese, Obeyed::Paused) => format!("{id}：已暂停守护，发送“恢复”后继续。"),
        (Language::English, Obeyed::Resumed) => {
            format!("{id}: no pause is in force any more. What was stopped stays stopped.")
        }
        (Language::Chinese, Obeyed::Resumed) => format!("{id}：已恢复守护。已停止的网关保持停止。"),
        (Language::English, Obeyed::Restarted) => format!("{id}: restarted and serving."),
        (Language::Chinese, Obeyed::Restarted) => format!("{id}：已重启并恢复服务。"),
    }
}

/// A wish was not obeyed; `why` is what the guard says itself.
#[must_use]
pub fn not_obeyed(language: Language, id: &str, why: &str) -> String {
    match language {
        Language::English => format!("{id}: not done: {why}"),
        Language::Chinese => format!("{id}：未执行：{why}"),
    }
}

/// The guard did not answer.
#[must_use]
pub const fn no_answer(language: Language) -> &'static str {
    match language {
        Language::English => "the guard did not answer in time",
        Language::Chinese => "守护进程未及时答复",
    }
}

/// How the gateways are.
#[must_use]
pub fn status(language: Language, gateways: &[GatewayStatus]) -> String {
    if gateways.is_empty() {
        return no_answer(language).to_owned();
    }
    let mut text = String::new();
    for gateway in gateways.iter().take(MAX_GATEWAYS) {
        let (colon, open, close) = match language {
            Language::English => (": ", " (", ")"),
            Language::Chinese => ("：", "（", "）"),
        };
        let _ = write!(text, "{} {}{colon}{}", icon(gateway.verdict), gateway.id.0, verdict(language, gateway.verdict));
        if let Some(cause) = &gateway.cause {
            let _ = write!(text, "{open}{}{close}", cause.code);
        }
        let waiting = gateway.approvals.len();
        if waiting > 0 {
            let words = match language {
                Language::English => format!("; {waiting} wait for your word"),
                Language::Chinese => format!("；{waiting} 项等待您确认"),
            };
            text.push_str(&words);
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

const fn icon(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "🟢",
        Verdict::Starting | Verdict::Draining | Verdict::Suspect | Verdict::Degraded => "🟡",
        Verdict::Down => "🔴",
        Verdict::Stopped | Verdict::Paused | Verdict::Unknown => "⚪",
    }
}

const fn verdict(language: Language, verdict: Verdict) -> &'static str {
    match (language, verdict) {
        (Language::English, verdict) => verdict.name(),
        (Language::Chinese, Verdict::Healthy) => "正常",
        (Language::Chinese, Verdict::Starting) => "启动中",
        (Language::Chinese, Verdict::Draining) => "收尾中",
        (Language::Chinese, Verdict::Degraded) => "服务降级",
        (Language::Chinese, Verdict::Suspect) => "可疑，正在细查",
        (Language::Chinese, Verdict::Down) => "故障",
        (Language::Chinese, Verdict::Stopped) => "已停止",
        (Language::Chinese, Verdict::Paused) => "守护已暂停",
        (Language::Chinese, Verdict::Unknown) => "尚不清楚",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANGUAGES: [Language; 2] = [Language::English, Language::Chinese];

    #[test]
    fn every_message_in_both_languages() {
        use Tapped::{Approved, Denied, NoAnswer, NotKept, Over, Unknown, Used};
        let mut all = String::new();
        for language in LANGUAGES {
            let (yes, no) = buttons(language);
            let _ = writeln!(all, "[{yes}] [{no}]");
            for what in [Approved, Denied, Used, Over, Unknown, NotKept, NoAnswer] {
                assert!(tapped(language, what).chars().count() <= 200);
                let _ = writeln!(all, "{what:?}: {}", tapped(language, what));
            }
            let _ = writeln!(all, "{}\n{}", paired(language), help(language));
            let _ = writeln!(all, "{}", which(language, &["default".to_owned(), "work".to_owned()]));
            let _ = writeln!(all, "{}", restarting(language, "default"));
            for what in [Obeyed::Paused, Obeyed::Resumed, Obeyed::Restarted] {
                let _ = writeln!(all, "{}", obeyed(language, "default", what));
            }
            let _ = writeln!(all, "{}", not_obeyed(language, "default", no_answer(language)));
            let _ = writeln!(all, "{}\n", status(language, &[]));
        }
        insta::assert_snapshot!(all);
    }
}
