//! The doctor before its judges: real fault logs, real normal logs, other programs' errors, its own examples.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use clawmend::doctor::exam::Exam;
use clawmend::doctor::log::Log;
use clawmend::doctor::report::{DoctorReport, Tongue, report};
use clawmend::doctor::{Library, consult, trial};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn diagnose(library: &Library, log: Log, told: bool) -> DoctorReport {
    let mut exam = Exam::new(&library.cases, told).unwrap();
    exam.read(log);
    report(library, &consult(library, &exam, None, &BTreeMap::new()), Tongue::English)
}

fn say(library: &Library, text: &str) -> DoctorReport {
    let exam = Exam::new(&library.cases, false).unwrap();
    report(library, &consult(library, &exam, Some(text), &BTreeMap::new()), Tongue::English)
}

fn logs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/fault-logs")
}

fn ids(report: &DoctorReport) -> Vec<String> {
    report.causes.iter().map(|cause| format!("{} {:.2}", cause.case, cause.confidence)).collect()
}

/// File, case, cause code, class. An empty case: it shows no fault.
const FAULTS: [(&str, &str, &str, &str); 38] = [
    ("00-normal-boot-and-cli-restart.stdout.txt", "", "", ""),
    ("a-sigstop-hang.txt", "process-frozen", "frozen", "lifecycle"),
    ("b1-sigkill.txt", "killed", "crashed", "crash"),
    ("b2-boot-1-then-sigkill.txt", "killed", "crashed", "crash"),
    ("b2-boot-2-then-sigkill.txt", "killed", "crashed", "crash"),
    ("b2-boot-3-then-sigkill.txt", "killed", "crashed", "crash"),
    ("b2-boot-4-then-sigkill.txt", "crash-loop-breaker", "channels_suppressed", "lifecycle"),
    ("c1-start-corrupt-json-truncated.txt", "config-unusable", "refused_to_start", "config"),
    ("c10-start-lan-no-auth.txt", "bind-without-auth", "refused_to_start", "config"),
    ("c2-start-garbage.txt", "config-unusable", "refused_to_start", "config"),
    ("c20-running-config-corruption.txt", "config-broken-while-running", "config_invalid", "config"),
    ("c21-start-corrupt-with-last-good.txt", "config-unparseable", "refused_to_start", "config"),
    ("c3-start-empty-file.txt", "config-unusable", "refused_to_start", "config"),
    ("c4-start-missing-config.txt", "config-missing", "refused_to_start", "config"),
    ("c5-start-unknown-key.txt", "config-unknown-key", "refused_to_start", "config"),
    ("c6-start-wrong-type-port.txt", "config-wrong-type", "refused_to_start", "config"),
    ("c7-start-missing-gateway-mode.txt", "config-unusable", "refused_to_start", "config"),
    ("c8-start-legacy-models-default.txt", "config-old-form", "refused_to_start", "config"),
    ("d1-second-instance-same-home.txt", "second-instance", "refused_to_start", "port-lock"),
    ("d2-second-instance-other-home-same-port.txt", "port-taken-by-gateway", "refused_to_start", "port-lock"),
    ("d3-port-taken-by-foreign-process.txt", "port-taken-by-stranger", "refused_to_start", "port-lock"),
    ("e1-sigterm-idle.txt", "", "", ""),
    ("e1b-sigterm-during-boot.txt", "", "", ""),
    // It was stopped in order, but had started without channels.
    ("e1c-sigint.txt", "crash-loop-breaker", "channels_suppressed", "lifecycle"),
    ("e2-sigusr2-restart.txt", "", "", ""),
    ("e3-sigusr1-inspector.txt", "", "", ""),
    ("e4-sigterm-with-inflight-turn.txt", "", "", ""),
    ("e5-external-supervisor-sigusr2.txt", "", "", ""),
    ("h2-disk-full-at-start.txt", "disk-full-at-start", "refused_to_start", "fd-disk"),
    ("h3-disk-full-while-running.txt", "disk-full", "disk_full", "fd-disk"),
    ("i-oom-max-old-space-256.txt", "", "", ""),
    ("i-oom-max-old-space-64.txt", "heap-exhausted", "memory_exhausted", "memory"),
    ("j1-node20-unsupported.txt", "node-unsupported", "refused_to_start", "update"),
    ("k1-model-provider-down.txt", "provider-unreachable", "provider_unreachable", "model-provider"),
    ("m1-telegram-channel-lifecycle.txt", "channel-credentials-refused", "channel_deaf", "channel-generic"),
    (
        "n2-alive-but-not-listening-after-failed-inprocess-restart.txt",
        "alive-not-listening",
        "not_listening",
        "lifecycle",
    ),
    ("o1-event-loop-spin.txt", "event-loop-blocked", "spinning", "event-loop"),
    ("openclaw-file-log-sample.jsonl", "config-unknown-key", "refused_to_start", "config"),
];

#[test]
fn every_fault_log_is_named_first_and_normal_ones_are_not() {
    let library = Library::built_in();
    let mut wrong = Vec::new();
    for (file, case, code, class) in FAULTS {
        let report = diagnose(&library, Log::open(&logs().join(file), None).unwrap(), false);
        let found = report.causes.first().map_or(("", "", String::new()), |cause| {
            (cause.case.as_str(), cause.cause.code.as_str(), clawmend::doctor::report::name(&cause.class))
        });
        if found != (case, code, class.to_owned()) {
            wrong.push(format!("{file}: {found:?}, all: {:?}", ids(&report)));
        }
        assert_eq!(report.abstained, report.causes.is_empty());
        if let Some(first) = report.causes.first() {
            assert!(!first.evidence.is_empty() && !first.remedy.is_empty() && first.confidence >= 0.5, "{file}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all: BTreeSet<String> = std::fs::read_dir(logs())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    assert_eq!(all, FAULTS.iter().map(|fault| fault.0.to_owned()).collect(), "a file nobody judges");
}

#[test]
fn the_library_is_whole() {
    let library = Library::built_in();
    assert!(library.problems.is_empty(), "{:#?}", library.problems);
    assert!(library.cases.len() >= 60, "{}", library.cases.len());
    let ids: BTreeSet<&str> = library.cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids.len(), library.cases.len());
    for case in &library.cases {
        for beaten in &case.beats {
            assert!(ids.contains(beaten.as_str()), "{} beats {beaten}, which is not there", case.id);
        }
        assert!(!case.lines.is_empty(), "{} has no line that was seen", case.id);
    }
}

#[test]
fn every_case_finds_its_own_lines_and_none_is_surer() {
    let library = Library::built_in();
    let failures: Vec<String> = (0..library.cases.len()).filter_map(|place| trial::failure(&library, place)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
