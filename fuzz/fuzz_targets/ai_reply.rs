#![no_main]
//! Whatever an engine answers: it is understood or refused, and nothing else happens.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = clawmend::doctor::ai::reply::parse(bytes);
});
