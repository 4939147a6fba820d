//! Groups lines that nobody knows into patterns: a person sees three patterns, not three thousand lines.
//!
//! A line's variable parts (figures, ids, paths, addresses) are masked; lines of equal length whose words are mostly
//! equal become one pattern (the idea of Drain, He et al. 2017). Invariant: at most [`MAX_PATTERNS`] patterns and
//! [`MAX_WORDS`] words of each are kept, whatever comes in.

use std::collections::BTreeMap;

/// Most patterns.
pub const MAX_PATTERNS: usize = 256;
/// Most words of a line that count.
pub const MAX_WORDS: usize = 40;
/// What stands for a part that differs.
const ANY: &str = "<*>";

/// Lines that look alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    words: Vec<String>,
    /// How many.
    pub count: u64,
    /// Number of the first line.
    pub first: u64,
    /// Number of the last line.
    pub last: u64,
    /// The first line as it was.
    pub example: String,
}

impl Pattern {
    /// The pattern, with `<*>` for what differs.
    #[must_use]
    pub fn text(&self) -> String {
        self.words.join(" ")
    }
}

/// All patterns of a log.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    by_length: BTreeMap<usize, Vec<Pattern>>,
    kept: usize,
    /// Lines that found no place any more.
    pub left_out: u64,
}

impl Patterns {
    /// Adds a line.
    pub fn add(&mut self, number: u64, line: &str) {
        let words: Vec<String> = line.split_whitespace().take(MAX_WORDS).map(mask).collect();
        if words.is_empty() {
            return;
        }
        let peers = self.by_length.entry(words.len()).or_default();
        if let Some(pattern) = peers.iter_mut().find(|pattern| alike(&pattern.words, &words)) {
            for (kept, word) in pattern.words.iter_mut().zip(&words) {
                if kept != word {
                    ANY.clone_into(kept);
                }
            }
            pattern.count = pattern.count.saturating_add(1);
            pattern.last = number;
        } else if self.kept < MAX_PATTERNS {
            self.kept += 1;
            peers.push(Pattern { words, count: 1, first: number, last: number, example: line.to_owned() });
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// The patterns that stand for most lines.
    #[must_use]
    pub fn top(&self, most: usize) -> Vec<&Pattern> {
        let mut all: Vec<&Pattern> = self.by_length.values().flatten().collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then(a.first.cmp(&b.first)));
        all.truncate(most);
        all
    }

    /// How many patterns there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.kept
    }

    /// Nothing was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.kept == 0
    }
}

/// A word without what differs from time to time.
fn mask(word: &str) -> String {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let digits = bare.chars().filter(char::is_ascii_digit).count();
    let hex = bare.len() >= 8 && bare.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if hex || (digits > 0 && !bare.contains('=')) || bare.len() > 120 {
        return ANY.to_owned();
    }
    if let Some((name, value)) = word.split_once('=')
        && !value.is_empty()
        && value.chars().any(|c| c.is_ascii_digit())
    {
        return format!("{name}={ANY}");
    }
    if bare.matches(['/', '\\']).count() >= 2 {
        return ANY.to_owned();
    }
    word.to_owned()
}

/// At least six of ten words are equal, the first fixed one among them.
fn alike(pattern: &[String], words: &[String]) -> bool {
    let fixed = |word: &&String| *word != ANY;
    if pattern.iter().find(fixed) != words.iter().find(fixed) {
        return false;
    }
    let equal = pattern.iter().zip(words).filter(|(a, b)| a == b).count();
    equal * 10 >= pattern.len() * 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_thousand_lines_become_three_patterns() {
        let mut patterns = Patterns::default();
        for number in 0..1000_u64 {
            patterns.add(number, &format!("sync of room {number} failed after {}ms: quota gone", number * 7));
            patterns.add(number, &format!("cannot open /var/spool/x/{number}/file.tmp for user=u{number}"));
            patterns.add(number, &format!("worker 0x{number:08x} gave up"));
        }
        assert_eq!(patterns.len(), 3, "{:#?}", patterns.top(9));
        let top = patterns.top(3);
        assert!(top.iter().all(|pattern| (pattern.count, pattern.first, pattern.last) == (1000, 0, 999)));
        let texts: Vec<String> = top.iter().map(|pattern| pattern.text()).collect();
        assert!(texts.contains(&"sync of room <*> failed after <*> quota gone".to_owned()), "{texts:?}");
    }

    #[test]
    fn it_is_bounded_whatever_comes() {
        let mut patterns = Patterns::default();
        let word = |number: u64| -> String {
            (0..6).map(|digit| char::from(b'a' + u8::try_from((number >> (4 * digit)) & 15).unwrap_or(0))).collect()
        };
        for number in 0..5000 {
            patterns.add(number, &format!("{} {} happened", word(number), word(number * 31)));
        }
        assert_eq!(patterns.len(), MAX_PATTERNS);
        assert!(patterns.left_out > 0);
        patterns.add(1, &"x ".repeat(100_000));
        patterns.add(1, "   ");
    }
}
