#![no_main]
//! Whatever an engine answers: it is understood or refused, and nothing else happens.

#[allow(dead_code)]
#[path = "../../crates/clawmend/tests/fuzzed/mod.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzed::ai_reply(bytes));
