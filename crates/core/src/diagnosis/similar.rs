//! How alike two texts are. Rare words weigh more, and words that no case knows weigh most, so that a text about
//! something else never looks alike.
//!
//! Works for English words and for Chinese, which has no spaces: there two neighbouring characters are a word.

use std::collections::{BTreeMap, BTreeSet};

/// Most words of one text that are looked at.
const MAX_WORDS: usize = 200;
/// Words that say nothing in a description of a fault.
const EMPTY: [&str; 34] = [
    "the", "a", "an", "is", "are", "was", "were", "be", "it", "its", "my", "our", "to", "of", "in", "on", "at", "and",
    "or", "for", "with", "any", "more", "i", "me", "do", "does", "did", "has", "have", "please", "help", "why",
    "openclaw",
];
/// The same in Chinese: characters that join words.
const EMPTY_HAN: [char; 8] = ['的', '了', '我', '请', '吗', '呢', '啊', '是'];

/// The words of a text.
#[must_use]
pub fn words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut before: Option<char> = None;
    for c in text.chars().chain([' ']) {
        if words.len() >= MAX_WORDS {
            break;
        }
        let han = is_han(c);
        if !han && (c.is_alphanumeric() || c == '_') {
            word.extend(c.to_lowercase());
        } else {
            keep(&mut words, &std::mem::take(&mut word));
        }
        if han && !EMPTY_HAN.contains(&c) {
            if let Some(before) = before {
                words.insert([before, c].iter().collect());
            }
            before = Some(c);
        } else if !EMPTY_HAN.contains(&c) {
            before = None;
        }
    }
    words
}

fn keep(words: &mut BTreeSet<String>, word: &str) {
    let word = word.strip_suffix("n't").unwrap_or(word);
    if word.len() < 2 || word.len() > 64 || EMPTY.contains(&word) {
        return;
    }
    // Figures say when and how much, not what.
    if word.chars().all(|c| c.is_ascii_digit()) && word.len() != 3 {
        return;
    }
    words.insert(stem(word).to_owned());
}

/// The word without its English ending.
fn stem(word: &str) -> &str {
    for ending in ["ing", "ed", "es", "s"] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.len() >= 4
        {
            return stem;
        }
    }
    word
}

const fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}')
}

/// Known texts, each with what it stands for.
#[derive(Clone, Debug, Default)]
pub struct Known {
    texts: Vec<(usize, BTreeSet<String>)>,
    holds: BTreeMap<String, u32>,
}

impl Known {
    /// Adds a text that stands for `meaning`.
    pub fn add(&mut self, meaning: usize, text: &str) {
        let words = words(text);
        if words.is_empty() {
            return;
        }
        for word in &words {
            *self.holds.entry(word.clone()).or_default() += 1;
        }
        self.texts.push((meaning, words));
    }

    /// For every meaning its likeness to `text`, 0 to 1, the best first; what is less than `least` is left out.
    #[must_use]
    pub fn like(&self, text: &str, least: f64) -> Vec<(usize, f64)> {
        let asked = words(text);
        let asked_weight = self.weight(&asked);
        let mut best: BTreeMap<usize, f64> = BTreeMap::new();
        if asked_weight <= 0.0 {
            return Vec::new();
        }
        for (meaning, known) in &self.texts {
            let common: BTreeSet<String> = known.intersection(&asked).cloned().collect();
            if common.is_empty() {
                continue;
            }
            let likeness = 2.0 * self.weight(&common) / (asked_weight + self.weight(known));
            let entry = best.entry(*meaning).or_default();
            *entry = entry.max(likeness);
        }
        let mut best: Vec<_> = best.into_iter().filter(|(_, likeness)| *likeness >= least).collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        best
    }

    /// Inverse document frequency, summed. A word that nobody knows is as rare as can be.
    fn weight(&self, words: &BTreeSet<String>) -> f64 {
        let texts = f64::from(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        let rarity = |word: &String| {
            let holds = f64::from(self.holds.get(word).copied().unwrap_or(0));
            (1.0 + (texts + 1.0) / (holds + 0.5)).ln()
        };
        words.iter().map(rarity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let mut known = Known::default();
        known.add(0, "gateway does not start");
        known.add(0, "网关无法启动");
        known.add(1, "telegram does not answer");
        known.add(1, "Telegram 机器人没有反应");
        known.add(2, "disk full");
        known.add(2, "磁盘空间不足");
        known
    }

    #[test]
    fn both_languages_find_their_meaning() {
        for (text, meaning) in [
            ("The gateway won't start", 0),
            ("我的网关启动不了,无法启动", 0),
            ("telegram bot not answering", 1),
            ("磁盘空间已满,不足", 2),
            ("the disk is full", 2),
        ] {
            assert_eq!(known().like(text, 0.3).first().map(|found| found.0), Some(meaning), "{text}");
        }
    }

    #[test]
    fn unknown_words_speak_against_it() {
        assert!(known().like("the weather in Berlin is fine today", 0.1).is_empty());
        let sure = known().like("disk full", 0.0)[0].1;
        let unsure = known().like("disk of the washing machine full of strange coloured socks", 0.0)[0].1;
        assert!(sure > 0.99 && unsure < 0.5, "{sure} {unsure}");
        assert!(known().like("", 0.0).is_empty() && known().like("的了吗", 0.0).is_empty());
    }
}
