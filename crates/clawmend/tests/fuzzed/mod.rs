//! What is done with bytes that nobody can trust: one function per reader, for the fuzz targets in `fuzz/` and for
//! `hostile_bytes.rs`. Each asserts what must hold whatever comes in.

use clawmend::bundle::scrub::{self, Scrub};
use clawmend::bundle::settings;
use clawmend::doctor::ai::reply;
use clawmend::doctor::automaton::{Automaton, Scan};
use clawmend::doctor::exam::Exam;
use clawmend::doctor::log::{Log, MAX_LINE};
use clawmend::doctor::report::{Tongue, report};
use clawmend::doctor::{Library, consult, line};
use clawmend::openclaw::config::check::{Around, check_bytes, is_harmless};
use clawmend::openclaw::config::tree;
use clawmend::openclaw::discovery::{Home, discover};
use clawmend::openclaw::redact::redact;
use clawmend_core::diagnosis::advice;
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

/// Cases of a whole examination: all of them cost more time than they find.
const FEW: usize = 6;

fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(Library::built_in)
}

/// For whole examinations.
fn few() -> &'static Library {
    static FEW_CASES: OnceLock<Library> = OnceLock::new();
    FEW_CASES.get_or_init(|| Library { cases: library().cases[..FEW].to_vec(), ..Library::default() })
}

/// A home that is not there, so that nothing else is read.
fn home() -> &'static Home {
    static HOME: OnceLock<Home> = OnceLock::new();
    HOME.get_or_init(|| discover(|_| None, Path::new("/nonexistent/fuzzed")).remove(0))
}

/// Reads an AI's answer; what is understood stays within its bounds and can be said again.
pub fn ai_reply(bytes: &[u8]) {
    let Ok(advice) = reply::parse(bytes) else { return };
    assert!(advice.hypotheses().len() <= advice::MAX_HYPOTHESES && advice.plan().len() <= advice::MAX_STEPS);
    for hypothesis in advice.hypotheses() {
        assert!(hypothesis.title.chars().count() <= advice::MAX_TITLE);
        assert!((0.0..=1.0).contains(&hypothesis.confidence) && !hypothesis.evidence.is_empty());
    }
    assert_eq!(advice::Advice::of(advice.to_reply(), None).as_ref(), Ok(&advice));
}

/// Checks a config, hides its values, and finds its secrets.
pub fn config_check(bytes: &[u8]) {
    let env = |name: &str| name.len().is_multiple_of(2).then(|| "value of a variable".to_owned());
    let around = Around { env: &env, env_known: true, schema: None, version: Some("2026.9.6") };
    let checked = check_bytes(bytes.to_vec(), home(), &around);
    assert!(checked.findings.is_sorted_by(|a, b| a.severity >= b.severity), "the worst comes first");
    assert_eq!(checked.worst().is_none(), checked.passes());
    for finding in &checked.findings {
        if let Some(excerpt) = &finding.excerpt {
            assert!(excerpt.text.chars().count() <= 120 && !excerpt.text.chars().any(char::is_control));
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let secrets = match &checked.value {
        Some(value) => {
            let tree = tree(value);
            let hidden = settings::hidden(&tree);
            assert_eq!(hidden.is_object(), value.is_object());
            scrub::of_tree(&tree)
        }
        None => scrub::of_broken(&text),
    };
    let scrubbed = Scrub::new(&secrets, None).text(&text);
    assert!(!scrubbed.chars().any(|c| c.is_control() && c != '\n'));
    for secret in secrets.iter().map(|secret| secret.expose_secret()) {
        let plain = secret.len() >= 6 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        assert!(!plain || is_harmless(secret) || !scrubbed.contains(secret), "a secret shows");
    }
}

/// Reads a log, line by line and as an examination does.
pub fn log_reader(bytes: &[u8]) {
    thread_local! {
        static AUTOMATON: Automaton<'static> =
            Automaton::new(&library().cases).unwrap_or_else(|why| panic!("the library: {why}"));
    }
    let log = || Log::of_bytes("log", bytes.to_vec());
    let (mut lines, mut scan) = (0, Scan::default());
    let account = AUTOMATON.with(|automaton| {
        log().read(|number, line| {
            lines += 1;
            assert!(number == lines && line.len() <= MAX_LINE && !line.contains(&b'\n'));
            let text = String::from_utf8_lossy(line);
            let message = line::parse(&text);
            let _ = line::time_of(line);
            let shown = redact(&message.text, 400);
            assert!(shown.chars().count() <= 400 && !shown.chars().any(char::is_control));
            automaton.scan(line, &mut scan);
            for (case, sign) in &scan.signs {
                let _ = automaton.confirm(*case, *sign, &message.text);
            }
        })
    });
    assert_eq!((account.lines, account.bytes, account.ended_early), (lines, bytes.len() as u64, false));
    // Building an automaton costs more than all else: every fourth input pays for it.
    if !bytes.len().is_multiple_of(4) {
        return;
    }
    let told = bytes.len().is_multiple_of(8);
    let mut exam = Exam::new(&few().cases, told).unwrap_or_else(|why| panic!("the library: {why}"));
    exam.read(log());
    let report = report(few(), &consult(few(), &exam, None, &BTreeMap::new()), Tongue::English);
    assert!(report.causes.iter().all(|cause| (0.0..=1.0).contains(&cause.confidence)));
    assert_eq!(report.abstained, report.causes.is_empty());
}
