//! Pages of `docs/` that a task writes, and the part of them that people write.

/// What stands below this line is not written by the task, and stays.
const BY_HAND: &str = "\n<!-- Below: by hand. -->\n";

/// The part of an older page that was written by hand, with its mark.
pub fn by_hand(page: &str) -> &str {
    page.find(BY_HAND).and_then(|at| page.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_by_hand_stays() {
        let page = format!("old{BY_HAND}kept\n");
        assert_eq!(format!("new{}", by_hand(&page)), format!("new{BY_HAND}kept\n"));
        assert_eq!(by_hand("old"), "");
    }
}
