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
fn every_kind_of_hang_and_every_promised_kind_has_a_case() {
    use clawmend_core::diagnosis::case::Fact;
    use clawmend_core::diagnosis::class::HangClass;
    let library = Library::built_in();
    for class in HangClass::ALL {
        let names =
            |case: &&clawmend_core::diagnosis::case::Case| case.facts.iter().any(|fact| fact.is == Fact::Hang(class));
        assert_eq!(library.cases.iter().filter(names).count(), 1, "{class:?}");
        let mut exam = Exam::new(&library.cases, false).unwrap();
        exam.findings.facts.push((Fact::Hang(class), "the kernel says so".to_owned()));
        let found = report(&library, &consult(&library, &exam, None, &BTreeMap::new()), Tongue::English);
        assert_eq!(found.causes.len(), 1, "{class:?}: {:?}", ids(&found));
        assert_eq!(found.causes[0].evidence[0].kind, "fact");
    }
}

#[test]
fn every_case_finds_its_own_lines_and_none_is_surer() {
    let library = Library::built_in();
    let failures: Vec<String> = (0..library.cases.len()).filter_map(|place| trial::failure(&library, place)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The parts of a corpus, by name.
fn parts(text: &str) -> Vec<(String, String)> {
    let text = text.split_once("\n=== ").unwrap().1;
    text.split("\n=== ")
        .map(|part| part.split_once('\n').unwrap())
        .map(|(name, body)| (name.to_owned(), body.to_owned()))
        .collect()
}

#[test]
fn it_abstains_on_other_programs_errors() {
    let library = Library::built_in();
    let corpus = parts(include_str!("data/foreign-logs.txt"));
    assert!(corpus.len() >= 200, "{}", corpus.len());
    let distinct: BTreeSet<&String> = corpus.iter().map(|(_, text)| text).collect();
    assert!(distinct.len() >= 200, "{}", distinct.len());
    let claimed = |(name, text): &(String, String)| {
        let report = diagnose(&library, Log::of_text("log", text), false);
        (!report.causes.is_empty()).then(|| format!("{name}: {:?}", ids(&report)))
    };
    let claimed: Vec<String> = corpus.iter().filter_map(claimed).collect();
    assert!(claimed.is_empty(), "{}", claimed.join("\n"));
}

#[test]
fn healthy_logs_match_nothing() {
    let library = Library::built_in();
    for (name, text) in parts(include_str!("data/healthy-logs.txt")) {
        let report = diagnose(&library, Log::of_text("log", &text), true);
        assert!(report.causes.is_empty(), "{name}: {:?}", ids(&report));
    }
}

#[test]
fn a_symptom_in_both_languages_leads_to_its_case() {
    let library = Library::built_in();
    for (text, case) in [
        ("gateway does not start", "gateway-start-failed"),
        ("My gateway won't start any more", "gateway-start-failed"),
        ("网关无法启动", "gateway-start-failed"),
        ("我的网关启动失败了", "gateway-start-failed"),
        ("配置文件损坏", "config-unusable"),
        ("API 配额用尽", "provider-quota"),
        ("API quota exceeded", "provider-quota"),
        ("内存耗尽", "heap-exhausted"),
        ("模型响应太慢", "provider-slow"),
        ("模型不可达", "provider-unreachable"),
        ("端口被占用", "port-taken"),
        ("the port is already in use", "port-taken"),
        ("网关反复崩溃", "crashes-again-and-again"),
        ("gateway keeps crashing", "crashes-again-and-again"),
        ("机器人不回复", "channel-deaf"),
        ("my bot does not answer", "channel-deaf"),
        ("磁盘空间不足", "disk-full"),
        ("网关卡死", "gateway-silent"),
    ] {
        let report = say(&library, text);
        let first = report.causes.first().map_or("", |cause| cause.case.as_str());
        assert_eq!(first, case, "{text}: {:?}", ids(&report));
        assert!(
            report.causes.iter().all(|cause| cause.remedy.iter().all(|step| !step.auto)),
            "a likeness acts: {text}"
        );
    }
    for text in ["what is the weather in Berlin", "今天天气怎么样", "please write a poem about the sea", "x", ""]
    {
        assert!(say(&library, text).abstained, "{text}");
    }
    let copied = say(&library, "Error: EMFILE: too many open files, watch '/x'");
    assert_eq!(copied.causes[0].case, "descriptors-exhausted");
}

#[test]
fn the_shared_log_and_strange_bytes_change_nothing() {
    let library = Library::built_in();
    let line = br#"{"0":"{\"subsystem\":\"gateway\"}","message":"restart-loop breaker tripped: 3 unclean boot(s)","time":"2026-11-20T10:29:57.246+00:00"}"#;
    let mut bytes = b"\xff\xfe broken utf-8 \xc3\n".to_vec();
    bytes.extend_from_slice(&vec![b'x'; 300_000]);
    bytes.extend_from_slice(b" openclaw-gateway Missing config. Run\n\0\0\0\n");
    bytes.extend_from_slice(line);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, &bytes).unwrap();
    let mut exam = Exam::new(&library.cases, false).unwrap();
    exam.read(Log::open(&path, None).unwrap());
    let account = exam.accounts[0].1;
    assert_eq!((account.lines, account.cut, account.bytes, account.ended_early), (4, 1, bytes.len() as u64, false));
    let report = report(&library, &consult(&library, &exam, None, &BTreeMap::new()), Tongue::English);
    assert_eq!(report.causes[0].case, "crash-loop-breaker");
    assert_eq!(report.causes[0].evidence[0].line, Some(4));
}

#[test]
fn what_is_no_log_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let told = |path: &Path| Log::open(path, None).err().expect("it is no log").to_string();
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    assert!(told(&dir.path().join("gone")).contains("there is no file"));
    assert!(told(dir.path()).contains("a folder"));
    assert!(told(&put("packed", b"\x1f\x8b\x08\x00abc")).contains("compressed"));
    assert!(
        told(&put("program", &[b"\x7fELF".as_slice(), &[1, 2, 3, 4, 5, 6].repeat(500)].concat())).contains("not text")
    );
    assert!(Log::open(&put("empty", b""), None).is_ok());
    #[cfg(target_os = "linux")]
    assert!(told(Path::new("/dev/zero")).contains("device"));
}

#[test]
fn only_what_was_written_since_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let start = 1_795_000_000_000_i64;
    let mut text = String::new();
    for second in 0..20_000_i64 {
        let at = jiff::Timestamp::from_millisecond(start + second * 1000).unwrap();
        let what =
            if second == 100 || second == 19_000 { "Missing config. Run `openclaw setup`" } else { "[heartbeat] fine" };
        text.push_str(&format!("{at} {what}\n"));
    }
    std::fs::write(&path, &text).unwrap();
    let library = Library::built_in();
    let seen = |since: i64| {
        let mut exam = Exam::new(&library.cases, false).unwrap();
        exam.read(Log::open(&path, Some(since)).unwrap());
        (exam.accounts[0].1.lines, exam.findings.is_empty())
    };
    assert_eq!(seen(start), (20_000, false));
    let (lines, nothing) = seen(start + 18_990_000);
    assert!((1010..6000).contains(&lines) && !nothing, "{lines}");
    let (lines, nothing) = seen(start + 19_990_000);
    assert!((10..6000).contains(&lines), "{lines}");
    let _ = nothing;
}

/// How long a log of a megabyte takes, printed; the bound is generous, since a busy machine is no fault.
#[test]
fn a_log_of_a_megabyte_is_read_at_once() {
    let sample = std::fs::read_to_string(logs().join("h3-disk-full-while-running.txt")).unwrap();
    let text = sample.repeat(1 + (1 << 20) / sample.len());
    let began = std::time::Instant::now();
    let library = Library::built_in();
    let loaded = began.elapsed();
    let report = diagnose(&library, Log::of_text("log", &text), false);
    let all = began.elapsed();
    println!("{} bytes: library {loaded:?}, all {all:?}", text.len());
    assert_eq!(report.causes[0].case, "disk-full");
    assert!(all.as_secs() < 20, "{all:?}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Torn and shuffled pieces of real logs, and any bytes between them: no panic, every byte read, clean evidence.
    #[test]
    fn whatever_is_in_a_log_is_read(
        pieces in proptest::collection::vec((0..38_usize, 0..4000_usize, 0..400_usize, proptest::collection::vec(proptest::num::u8::ANY, 0..40)), 0..12)
    ) {
        static LIBRARY: std::sync::LazyLock<Library> = std::sync::LazyLock::new(Library::built_in);
        let mut bytes = Vec::new();
        for (file, start, length, noise) in pieces {
            let text = std::fs::read(logs().join(FAULTS[file].0)).unwrap();
            bytes.extend(text.iter().skip(start).take(length));
            bytes.extend(noise);
        }
        let mut exam = Exam::new(&LIBRARY.cases, true).unwrap();
        exam.read(Log::of_bytes("log", bytes.clone()));
        assert_eq!(exam.accounts[0].1.bytes, bytes.len() as u64);
        let found = report(&LIBRARY, &consult(&LIBRARY, &exam, None, &BTreeMap::new()), Tongue::Chinese);
        for evidence in found.causes.iter().flat_map(|cause| &cause.evidence) {
            assert!(!evidence.text.chars().any(char::is_control) && evidence.text.chars().count() <= 400);
        }
    }
}
