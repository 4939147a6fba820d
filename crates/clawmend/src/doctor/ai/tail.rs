//! The end of a log: what was written last tells most about what nobody knows.

use super::evidence::{Evidence, MAX_LINES};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// How much of the end is read.
const MAX_BYTES: u64 = 64 * 1024;

/// Adds the last lines of a log for which `ours` holds.
///
/// # Errors
/// It is no ordinary file, or cannot be read.
pub fn add(evidence: &mut Evidence, path: &Path, ours: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    // Asked before it is opened: opening a pipe waits for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(MAX_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    if from > 0 {
        // Its beginning was not read, and with it what says whether something in it is a secret.
        lines.drain(..1);
    }
    lines.retain(|line| !line.is_empty() && ours(line));
    for line in lines.iter().skip(lines.len().saturating_sub(MAX_LINES)) {
        let text = String::from_utf8_lossy(line);
        evidence.add_last(path, &crate::doctor::line::parse(&text).text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::doctor::ai::hidden::Hidden;

    #[test]
    fn the_end_of_a_log_of_any_size_and_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut bytes = vec![b'x'; 200_000];
        bytes.extend_from_slice(b" half of a line\nfirst\n\xff\xfe binary\n\nlast without an end");
        std::fs::write(&path, bytes).unwrap();
        let mut evidence = Evidence::new(Hidden::default().mask());
        add(&mut evidence, &path, |line| line != b"first").unwrap();
        let texts: Vec<_> = evidence.lines().map(|line| line.text.clone()).collect();
        assert_eq!(texts, ["\u{fffd}\u{fffd} binary", "last without an end"]);
        assert!(add(&mut evidence, folder.path(), |_| true).is_err());
    }
}
