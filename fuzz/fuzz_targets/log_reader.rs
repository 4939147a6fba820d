#![no_main]
//! What is asserted is in `crates/clawmend/tests/fuzzed/mod.rs`, shared with the ordinary tests.

#[allow(dead_code)]
#[path = "../../crates/clawmend/tests/fuzzed/mod.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::log_reader(bytes));
