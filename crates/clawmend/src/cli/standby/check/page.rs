//! `clawmend standby check` as a page.

use super::{Level, Line};
use crate::cli::output::{Style, Tone, clean};

/// Of what a line says, in characters.
const WIDTH: usize = 90;

/// Each with how it is.
pub(super) fn rows(lines: &[Line], style: Style) -> String {
    let mut text = String::new();
    for line in lines {
        let mark = match line.level {
            Level::Good => style.paint(Tone::Good, "ok     "),
            Level::Warning => style.paint(Tone::Warning, "careful"),
            Level::Bad => style.paint(Tone::Bad, "wrong  "),
            Level::Unknown => style.paint(Tone::Quiet, "unknown"),
        };
        for (at, part) in folded(&clean(&line.text, 500)).iter().enumerate() {
            let (mark, check) = if at == 0 { (mark.as_str(), line.check) } else { ("       ", "") };
            text.push_str(&format!("{mark}  {check:<10} {part}\n"));
        }
    }
    text
}

/// In lines of a width that is read well, broken between words, and never within a command that is to be copied.
fn folded(text: &str) -> Vec<String> {
    let (mut lines, mut whole) = (vec![String::new()], String::new());
    for word in text.split(' ') {
        let between = if whole.is_empty() { "" } else { " " };
        whole = format!("{whole}{between}{word}");
        if whole.matches('`').count() % 2 == 1 {
            continue;
        }
        add(&mut lines, &std::mem::take(&mut whole));
    }
    add(&mut lines, &whole);
    lines
}

fn add(lines: &mut Vec<String>, whole: &str) {
    match lines.last_mut() {
        _ if whole.is_empty() => {}
        Some(last) if last.is_empty() => last.push_str(whole),
        Some(last) if last.chars().count() + 1 + whole.chars().count() <= WIDTH => {
            last.push(' ');
            last.push_str(whole);
        }
        Some(_) | None => lines.push(whole.to_owned()),
    }
}

/// Whether all of it is ready.
pub(super) fn ending(what: &str, ready: bool) -> String {
    if ready { format!("{what} is ready.\n") } else { format!("{what} is not ready.\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_never_broken_and_nothing_is_lost() {
        let long = "x".repeat(WIDTH);
        let command = format!("`chmod {long}`");
        let text = format!("first {command} and {long} `open");
        assert_eq!(folded(&text), ["first", command.as_str(), "and", &long, "`open"]);
        assert_eq!(folded(""), [""]);
    }
}
