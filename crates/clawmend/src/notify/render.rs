//! From the parts of a letter to the text of a channel: escaped, bounded, the front kept.
//!
//! Invariants: every character of a letter goes through the channel's escape, control characters and those that reorder
//! or hide text become spaces, and no page is longer than its limit, counted after escaping and with all markup (a
//! service that counts less takes it, too). What was left out is said. Start at [`pages`].

use super::letter::{Kind, Letter, Part};
use crate::openclaw::redact::is_invisible;
use clawmend_core::alert::Level;

/// Said at the end of what does not fit.
const SHORTENED: &str = "\n(shortened)";

/// What a service counts. Where it says "characters" and nothing else, UTF-16 units are the careful reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of UTF-8.
    Bytes,
    /// Units of UTF-16: two for most emoji.
    Utf16,
}

impl Unit {
    /// Length of a text.
    #[must_use]
    pub fn of(self, text: &str) -> usize {
        match self {
            Self::Bytes => text.len(),
            Self::Utf16 => text.chars().map(char::len_utf16).sum(),
        }
    }
}

/// Appends one character so that the channel shows it as it is.
pub type Escape = fn(char, &mut String);

/// How a channel marks its text up. Each pair goes around the content.
#[derive(Clone, Copy, Debug)]
pub struct Markup {
    /// In sentences.
    pub escape: Escape,
    /// In lines of code.
    pub escape_code: Escape,
    /// Around a heading.
    pub heading: (&'static str, &'static str),
    /// Around a sentence.
    pub text: (&'static str, &'static str),
    /// Around the name of a fact.
    pub label: (&'static str, &'static str),
    /// Around an item of a list.
    pub item: (&'static str, &'static str),
    /// Around lines of code.
    pub code: (&'static str, &'static str),
}

/// No markup at all.
pub const PLAIN: Markup = Markup {
    escape: as_it_is,
    escape_code: as_it_is,
    heading: ("", ""),
    text: ("", ""),
    label: ("", ""),
    item: ("- ", ""),
    code: ("", ""),
};

/// The escape of plain text.
pub fn as_it_is(c: char, out: &mut String) {
    out.push(c);
}

/// For HTML and everything that borrows its three entities.
pub fn html(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        _ => out.push(c),
    }
}

/// The parts of a letter on at most `count` pages of at most `limit` each. A part begins a new page where it would not
/// fit whole.
#[must_use]
pub fn pages(parts: &[Part], markup: &Markup, unit: Unit, limit: usize, count: usize) -> Vec<String> {
    let mut pages = vec![Page::new(unit, limit)];
    for part in parts {
        let Some(last) = pages.last_mut() else { break };
        let before = last.clone();
        if last.part(part, markup) {
            continue;
        }
        if pages.len() == count {
            break;
        }
        if !before.text.is_empty() {
            if let Some(last) = pages.last_mut() {
                *last = before;
            }
            pages.push(Page::new(unit, limit));
            if pages.last_mut().is_some_and(|page| page.part(part, markup)) {
                continue;
            }
        }
        break;
    }
    pages.into_iter().map(Page::finish).filter(|page| !page.is_empty()).collect()
}

/// The same on one page.
#[must_use]
pub fn page(parts: &[Part], markup: &Markup, unit: Unit, limit: usize) -> String {
    pages(parts, markup, unit, limit, 1).pop().unwrap_or_default()
}

/// One line within `limit`, its end replaced by `…` where it does not fit.
#[must_use]
pub fn line(text: &str, escape: Escape, unit: Unit, limit: usize) -> String {
    let mut out = String::new();
    let (mut length, mut fits) = (0, 0);
    for c in text.chars() {
        let mut piece = String::new();
        escape(visible(c), &mut piece);
        length += unit.of(&piece);
        if length > limit {
            out.truncate(fits);
            out.push('…');
            return out;
        }
        out.push_str(&piece);
        if length + unit.of("…") <= limit {
            fits = out.len();
        }
    }
    out
}

/// The title with a mark by which it is told from others at a glance.
#[must_use]
pub fn marked_title(letter: &Letter, escape: Escape, unit: Unit, limit: usize) -> String {
    let mark = mark(letter);
    format!("{mark} {}", line(&letter.title, escape, unit, limit.saturating_sub(unit.of(mark) + 1)))
}

/// One emoji for what the letter is.
#[must_use]
pub const fn mark(letter: &Letter) -> &'static str {
    match (letter.kind, letter.level) {
        (Kind::Resolved, _) => "✅",
        (_, Level::Critical) => "🔴",
        (_, Level::Error) => "🟠",
        (_, Level::Warning) => "🟡",
        (_, Level::Info) => "🔵",
    }
}

/// Control characters, and those that reorder or hide text, are blanks.
#[must_use]
pub fn visible(c: char) -> char {
    if c.is_control() || is_invisible(c) { ' ' } else { c }
}

/// A page being written.
#[derive(Clone)]
struct Page {
    text: String,
    /// Of `text`.
    length: usize,
    unit: Unit,
    limit: usize,
    over: bool,
}

impl Page {
    const fn new(unit: Unit, limit: usize) -> Self {
        Self { text: String::new(), length: 0, unit, limit, over: false }
    }

    /// `false`: only its front went in, or nothing, and the page is full.
    fn part(&mut self, part: &Part, markup: &Markup) -> bool {
        match part {
            Part::Heading(text) => {
                // An empty line above, unless it is the first.
                let gap = if self.text.is_empty() { "" } else { "\n" };
                self.markup(gap) && self.begin() && self.piece(markup.heading, text, markup.escape)
            }
            Part::Text(text) => self.begin() && self.piece(markup.text, text, markup.escape),
            Part::Fact { label, value } => {
                self.begin()
                    && self.markup(markup.text.0)
                    && self.piece(markup.label, &format!("{label}:"), markup.escape)
                    && self.piece((" ", markup.text.1), value, markup.escape)
            }
            Part::Item(text) => self.begin() && self.piece(markup.item, text, markup.escape),
            Part::Code(lines) => self.begin() && self.lines(markup.code, lines, markup.escape_code),
        }
    }

    /// A new line, unless it is the first.
    fn begin(&mut self) -> bool {
        self.text.is_empty() || self.markup("\n")
    }

    fn piece(&mut self, around: (&str, &str), content: &str, escape: Escape) -> bool {
        self.around(around, content.chars(), escape)
    }

    fn lines(&mut self, around: (&str, &str), lines: &[String], escape: Escape) -> bool {
        let joined = lines.iter().enumerate().flat_map(|(at, line)| {
            let gap = (at > 0).then_some('\n');
            gap.into_iter().chain(line.chars().map(visible))
        });
        self.around(around, joined, escape)
    }

    /// What is opened is closed, whether or not the content fits.
    fn around(&mut self, (open, close): (&str, &str), content: impl Iterator<Item = char>, escape: Escape) -> bool {
        if !self.fits(self.unit.of(open) + self.unit.of(close)) {
            return false;
        }
        self.push(open);
        let mut piece = String::new();
        for c in content {
            piece.clear();
            if c == '\n' {
                piece.push(c)
            } else {
                escape(visible(c), &mut piece)
            }
            if !self.fits(self.unit.of(&piece) + self.unit.of(close)) {
                break;
            }
            self.push(&piece);
        }
        self.push(close);
        !self.over
    }

    fn markup(&mut self, text: &str) -> bool {
        if self.fits(self.unit.of(text)) {
            self.push(text);
        }
        !self.over
    }

    /// Whether so much more fits with the note at the end; if not, the page is full.
    fn fits(&mut self, more: usize) -> bool {
        self.over |= self.length + more + self.unit.of(SHORTENED) > self.limit;
        !self.over
    }

    fn push(&mut self, text: &str) {
        self.length += self.unit.of(text);
        self.text.push_str(text);
    }

    fn finish(mut self) -> String {
        if self.over {
            self.push(SHORTENED);
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MARKED: Markup = Markup {
        escape: html,
        escape_code: html,
        heading: ("<b>", "</b>"),
        text: ("", ""),
        label: ("<b>", "</b>"),
        item: ("• ", ""),
        code: ("<pre>", "</pre>"),
    };

    fn parts() -> Vec<Part> {
        vec![
            Part::Text("It is <down> & out.".to_owned()),
            Part::Heading("Tried".to_owned()),
            Part::Item("restart".to_owned()),
            Part::Fact { label: "Since".to_owned(), value: "03:30".to_owned() },
            Part::Code(vec!["a </pre> b".to_owned(), "c\u{1b}[31m\u{202e}d".to_owned()]),
        ]
    }

    #[test]
    fn it_is_escaped_and_marked_up() {
        insta::assert_snapshot!(page(&parts(), &MARKED, Unit::Bytes, 1000), @r"
        It is &lt;down&gt; &amp; out.

        <b>Tried</b>
        • restart
        <b>Since:</b> 03:30
        <pre>a &lt;/pre&gt; b
        c [31m d</pre>
        ");
    }

    #[test]
    fn at_any_limit_it_fits_and_what_was_opened_is_closed() {
        let whole = page(&parts(), &MARKED, Unit::Bytes, 1000).len();
        for limit in SHORTENED.len()..whole + SHORTENED.len() + 2 {
            let text = page(&parts(), &MARKED, Unit::Bytes, limit);
            assert!(text.len() <= limit, "{limit}: {text}");
            assert_eq!(text.matches("<pre>").count(), text.matches("</pre>").count(), "{limit}: {text}");
            assert_eq!(text.matches("<b>").count(), text.matches("</b>").count(), "{limit}: {text}");
            assert_eq!(text.ends_with("(shortened)"), limit < whole + SHORTENED.len(), "{limit}: {text}");
        }
    }

    #[test]
    fn units_are_what_they_say() {
        let log = Part::Code(vec!["😀".repeat(1000)]);
        let bytes = page(std::slice::from_ref(&log), &PLAIN, Unit::Bytes, 100);
        let utf16 = page(&[log], &PLAIN, Unit::Utf16, 100);
        assert!((97..=100).contains(&bytes.len()), "{}", bytes.len());
        assert!((99..=100).contains(&utf16.encode_utf16().count()), "{}", utf16.encode_utf16().count());
    }

    #[test]
    fn a_part_that_does_not_fit_begins_a_page_and_only_the_last_is_cut() {
        let parts: Vec<Part> = (0..4).map(|n| Part::Code(vec![n.to_string().repeat(60)])).collect();
        let pages = pages(&parts, &PLAIN, Unit::Bytes, 100, 3);
        assert_eq!(pages.len(), 3);
        assert_eq!(pages[0], "0".repeat(60));
        assert!(pages[2].starts_with("222") && pages[2].ends_with("(shortened)"), "{}", pages[2]);
    }

    #[test]
    fn a_line_is_cut_with_a_mark() {
        assert_eq!(line("all of it", as_it_is, Unit::Bytes, 9), "all of it");
        assert_eq!(line("all of it!", as_it_is, Unit::Bytes, 9), "all of…");
        assert_eq!(line("<<", html, Unit::Utf16, 5), "&lt;…");
        assert_eq!(line("a\u{7}b", as_it_is, Unit::Bytes, 9), "a b");
    }
}
