//! Bytes that nobody can trust, through the readers of config and log: arbitrary ones, and real ones that were cut,
//! turned round and mixed. The fuzz targets in `fuzz/` go on where this ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fuzzed;

use proptest::prelude::*;
use std::path::Path;

/// Real files to begin with.
fn samples(folder: &str, most: usize) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let read = |path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.truncate(most);
        bytes
    };
    names.into_iter().map(read).collect()
}

/// One of the samples with a piece of it changed.
fn damaged(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let index = any::<prop::sample::Index>;
    (prop::sample::select(samples), index(), index(), proptest::collection::vec(any::<u8>(), 0..24)).prop_map(
        |(mut bytes, from, to, instead)| {
            let (a, b) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
            let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 200));
            bytes.splice(from..to, instead);
            bytes
        },
    )
}

fn mixed(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..600), damaged(samples)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_as_a_config(bytes in mixed(samples("../../fuzz/seeds/config_check", 20_000))) {
        fuzzed::config_check(&bytes);
    }

    #[test]
    fn any_bytes_as_an_answer_of_an_ai(bytes in mixed(samples("../../fuzz/seeds/ai_reply", 20_000))) {
        fuzzed::ai_reply(&bytes);
    }

    #[test]
    fn any_bytes_as_a_log(bytes in mixed(samples("../testkit/fault-logs", 6_000))) {
        fuzzed::log_reader(&bytes);
    }
}

#[test]
fn the_samples_as_they_are() {
    samples("../../fuzz/seeds/config_check", 20_000).iter().for_each(|bytes| fuzzed::config_check(bytes));
    samples("../../fuzz/seeds/ai_reply", 20_000).iter().for_each(|bytes| fuzzed::ai_reply(bytes));
    samples("../testkit/fault-logs", 200_000).iter().for_each(|bytes| fuzzed::log_reader(bytes));
}
