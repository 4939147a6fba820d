//! Text that fits into what a service takes, from the front.
//!
//! Invariants: limits are in bytes of UTF-8, and a cut is between characters; what was cut is said at the end. Every
//! text of a letter passes [`Budget::take`] or [`Lines`] on its way out: control characters and characters that reorder
//! text become spaces there.

use crate::openclaw::redact::plain;

/// Stands at the end of what was shortened.
pub(super) const SHORTENED: &str = "(shortened · 有删节)";

/// How much room is left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    left: usize,
    cut: bool,
}

impl Budget {
    pub(super) const fn of(bytes: usize) -> Self {
        Self { left: bytes, cut: false }
    }

    /// Something did not fit. Nothing fits from there on: the front is kept without gaps.
    pub(super) const fn is_cut(self) -> bool {
        self.cut
    }

    /// Room for markup of our own; `false` when there is none.
    pub(super) const fn frame(&mut self, bytes: usize) -> bool {
        if self.cut || bytes > self.left {
            self.cut = true;
            return false;
        }
        self.left -= bytes;
        true
    }

    /// As much of `text` as fits, each character as `write` puts it.
    pub(super) fn take(&mut self, text: &str, write: impl Fn(char, &mut String)) -> String {
        let mut out = String::new();
        // A character takes a byte or more: what lies behind that many characters cannot fit.
        let front: String = text.chars().take(self.left + 1).collect();
        for c in plain(&front).chars() {
            let before = out.len();
            if !self.cut {
                write(c, &mut out);
            }
            if self.cut || out.len() > self.left {
                out.truncate(before);
                self.cut = true;
                break;
            }
        }
        self.cut |= front.len() < text.len();
        self.left = self.left.saturating_sub(out.len());
        out
    }
}

/// A character as it is.
pub(super) fn verbatim(c: char, out: &mut String) {
    out.push(c);
}

/// `text` in at most `bytes`, with an ellipsis where it was cut: for titles.
pub(super) fn title(text: &str, bytes: usize) -> String {
    let mut whole = Budget::of(bytes);
    let full = whole.take(text, verbatim);
    if !whole.is_cut() {
        return full;
    }
    let mut front = Budget::of(bytes.saturating_sub('…'.len_utf8())).take(text, verbatim);
    front.push('…');
    front
}

/// Markdown of a bounded length, line by line.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    out: String,
    budget: Budget,
    end: &'static str,
}

impl Lines {
    /// For `bytes` in all; each line ends with `end`.
    pub(super) fn new(bytes: usize, end: &'static str) -> Self {
        Self { out: String::new(), budget: Budget::of(bytes.saturating_sub(SHORTENED.len())), end }
    }

    /// A line of a letter's text between markup of our own.
    pub(super) fn push(&mut self, before: &str, text: &str, after: &str) {
        self.pushed(before, &prose(text), after, self.end);
    }

    /// `label` and `value` with markup of our own around each.
    pub(super) fn pair(&mut self, before: &str, label: &str, between: &str, value: &str, after: &str) {
        if !self.budget.frame(before.len() + between.len() + after.len() + self.end.len()) {
            return;
        }
        let label = self.budget.take(&prose(label), verbatim);
        let value = self.budget.take(&prose(value), verbatim);
        for piece in [before, &label, between, &value, after, self.end] {
            self.out.push_str(piece);
        }
    }

    /// Lines between two fences.
    pub(super) fn fenced(&mut self, lines: &[String]) {
        if !self.budget.frame("```\n```\n".len()) {
            return;
        }
        self.out.push_str("```\n");
        for line in lines {
            self.pushed("", &code(line), "", "\n");
        }
        self.out.push_str("```\n");
    }

    /// A line of code between markup of our own.
    pub(super) fn coded(&mut self, before: &str, text: &str, after: &str) {
        self.pushed(before, &code(text), after, self.end);
    }

    fn pushed(&mut self, before: &str, text: &str, after: &str, end: &str) {
        if !self.budget.frame(before.len() + after.len() + end.len()) {
            return;
        }
        let text = self.budget.take(text, verbatim);
        for piece in [before, &text, after, end] {
            self.out.push_str(piece);
        }
    }

    /// All of it.
    pub(super) fn finish(mut self) -> String {
        if self.budget.is_cut() {
            self.out.push_str(SHORTENED);
        } else {
            self.out.truncate(self.out.trim_end().len());
        }
        self.out
    }
}

/// Prose without markup. These services document no way to escape a character, so those that begin a link, an image, a
/// tag, a mention or an emphasis are replaced by their wide forms, which look alike and mean nothing.
pub(super) fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Before a bracket of an escape sequence becomes a wide one.
    for (at, c) in plain(text).trim_start().chars().enumerate() {
        out.push(match c {
            '<' => '＜',
            '>' => '＞',
            '[' => '［',
            ']' => '］',
            '*' => '＊',
            '`' => '｀',
            '@' => '＠',
            '#' if at == 0 => '＃',
            other => other,
        });
    }
    out
}

/// Code without markup, and still code: a space is put where a tag, a mention, a link or an image would begin, for
/// clients that do not know code; a command means the same with it. A backtick becomes an apostrophe: it would end the
/// code.
pub(super) fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in plain(text).chars() {
        let opens = (before == '<' && !c.is_whitespace()) || (before == ']' && c == '(');
        if opens {
            out.push(' ');
        }
        out.push(if c == '`' { '\'' } else { c });
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_between_characters_and_keeps_the_front() {
        let mut budget = Budget::of(7);
        assert_eq!(budget.take("网关网关", verbatim), "网关");
        assert!(budget.is_cut());
        assert_eq!(budget.take("x", verbatim), "", "nothing after a gap");
        assert_eq!(title("网关网关", 9), "网关…");
        assert_eq!(title("网关", 9), "网关");
    }

    #[test]
    fn lines_stay_within_their_limit_and_say_that_they_were_cut() {
        for limit in [30, 31, 32, 100, 4096] {
            let mut lines = Lines::new(limit, "\n");
            lines.push("**", "标题", "**");
            lines.fenced(&vec!["日志 log line".to_owned(); 1000]);
            lines.push("", "after the gap", "");
            let text = lines.finish();
            assert!(text.len() <= limit, "{} > {limit}", text.len());
            assert!(text.ends_with(SHORTENED), "{text}");
            assert_eq!(text.matches("```").count() % 2, 0, "{text}");
            assert!(!text.contains("after the gap"));
        }
    }

    #[test]
    fn no_markup_of_others_is_left() {
        assert_eq!(prose("\u{1b}[31m# <@all> [a](http://x) **b** `c`"), "＃ ＜＠all＞ ［a］(http://x) ＊＊b＊＊ ｀c｀");
        assert_eq!(code("<@all> ![a](x) ```"), "< @all> ![a] (x) '''");
        assert_eq!(code("npm i openclaw@latest < in.txt"), "npm i openclaw@latest < in.txt");
        assert_eq!(Budget::of(99).take("\u{1b}[31mred\u{7}\u{202e}x\ny", verbatim), "red  x y");
    }
}
