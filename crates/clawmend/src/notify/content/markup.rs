//! The text of a template, read as the parts of a letter.
//!
//! `# title`, `## heading`, `**Label:** value`, `- item`, lines between ``` as they are; all else is a sentence. Whatever a
//! text holds, something readable comes out.

use crate::notify::letter::Part;
use crate::openclaw::redact::plain;

/// Parts of one letter.
const MAX_PARTS: usize = 200;
/// Longest line, in characters.
const MAX_LINE: usize = 1_000;

/// Title, and the rest.
#[must_use]
pub fn read(text: &str) -> (String, Vec<Part>) {
    let (mut title, mut parts) = (String::new(), Vec::new());
    let mut code: Option<Vec<String>> = None;
    for line in text.lines() {
        let line = line_of(line);
        if parts.len() >= MAX_PARTS {
            break;
        }
        if line.trim_start().starts_with("```") {
            match code.take() {
                Some(lines) if !lines.is_empty() => parts.push(Part::Code(lines)),
                Some(_) => {}
                None => code = Some(Vec::new()),
            }
        } else if let Some(lines) = &mut code {
            if !line.trim().is_empty() && lines.len() < MAX_PARTS {
                lines.push(line);
            }
        } else if let Some(found) = line.strip_prefix("# ").filter(|_| title.is_empty()) {
            found.trim().clone_into(&mut title);
        } else {
            parts.extend(part(line.trim()));
        }
    }
    parts.extend(code.filter(|lines| !lines.is_empty()).map(Part::Code));
    if title.is_empty() {
        "OpenClaw".clone_into(&mut title);
    }
    (title, parts)
}

fn line_of(line: &str) -> String {
    plain(line).chars().take(MAX_LINE).collect()
}

fn part(line: &str) -> Option<Part> {
    if line.is_empty() {
        return None;
    }
    if let Some(heading) = line.strip_prefix("## ") {
        return Some(Part::Heading(heading.trim().to_owned()));
    }
    if let Some(item) = line.strip_prefix("- ") {
        return Some(Part::Item(item.trim().to_owned()));
    }
    if let Some((label, value)) = line.strip_prefix("**").and_then(|rest| rest.split_once("**")) {
        let label = label.trim_end_matches([':', '：']).trim();
        return Some(Part::Fact { label: label.to_owned(), value: value.trim().to_owned() });
    }
    Some(Part::Text(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_part_is_read() {
        let text =
            "# A title\n\n**Since:** 03:30\n**时间：** 03:30\n## Done\n- first\nA sentence.\n```\n$ ls\n\n  b\n```\n";
        let (title, parts) = read(text);
        assert_eq!(title, "A title");
        let fact = |label: &str| Part::Fact { label: label.into(), value: "03:30".into() };
        assert_eq!(
            parts,
            [
                fact("Since"),
                fact("时间"),
                Part::Heading("Done".into()),
                Part::Item("first".into()),
                Part::Text("A sentence.".into()),
                Part::Code(vec!["$ ls".into(), "  b".into()]),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_gives_clean_bounded_lines(text in "(?s).{0,4000}") {
            let (title, parts) = read(&text);
            prop_assert!(!title.is_empty() && parts.len() <= MAX_PARTS);
            let lines = parts.iter().flat_map(|part| match part {
                Part::Heading(text) | Part::Text(text) | Part::Item(text) => vec![text],
                Part::Fact { label, value } => vec![label, value],
                Part::Code(lines) => lines.iter().collect(),
            });
            for line in lines.chain(std::iter::once(&title)) {
                prop_assert!(line.chars().count() <= MAX_LINE && !line.chars().any(char::is_control), "{line:?}");
            }
        }
    }
}
