//! The classifier of log lines against texts that real gateways wrote (OpenClaw 2026.9.6).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm
)]

use clawmend::openclaw::logs::signs::of_line;
use clawmend_core::diagnosis::RefusalReason;
use clawmend_core::observation::LogSign;

/// The signs in a file, in short form and in order.
fn signs(name: &str) -> Vec<String> {
    let path = format!("{}/tests/fixtures/openclaw/logs/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().filter_map(of_line).map(|sign| short(&sign)).collect()
}

fn short(sign: &LogSign) -> String {
    match sign {
        LogSign::Refused { reason, text } => {
            assert!(text.chars().count() <= 300 && !text.contains('\n'));
            format!("refused {reason:?}")
        }
        LogSign::Draining { timeout_ms } => format!("draining {timeout_ms}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_observed_text_is_told() {
    let cases: [(&str, &[&str]); 18] = [
        ("refused-corrupt.txt", &["refused Config"]),
        ("refused-lan-without-auth.txt", &["refused Config"]),
        ("refused-missing.txt", &["refused Config"]),
        ("refused-no-mode.txt", &["refused Config"]),
        ("refused-unknown-key.txt", &["refused Config"]),
        ("refused-wrong-type.txt", &["refused Config"]),
        ("refused-duplicate.txt", &["refused Duplicate"]),
        ("refused-disk-full.txt", &["refused Disk"]),
        ("refused-port-gateway.txt", &["refused Port"]),
        ("refused-port-foreign.txt", &["BreakerTripped", "refused Port"]),
        ("refused-node.txt", &["refused Runtime"]),
        ("stop-idle.txt", &["StopSignal"]),
        ("stop-sigint.txt", &["BreakerTripped", "StopSignal"]),
        ("stop-draining.txt", &["StopSignal", "draining 315000"]),
        ("restart-in-process.txt", &["RestartInProcess"]),
        ("restart-by-exit.txt", &["RestartByExit"]),
        ("startup-failed-alive.txt", &["RestartInProcess", "StartupFailedAlive"]),
        ("breaker.txt", &["BreakerTripped", "StopSignal"]),
    ];
    for (name, expected) in cases {
        assert_eq!(signs(name), expected, "{name}");
    }
}

#[test]
fn a_broken_config_under_a_running_gateway_is_no_refusal() {
    assert!(!signs("running-config-broken.txt").iter().any(|sign| sign.starts_with("refused")));
}

#[test]
fn the_json_log_says_the_same() {
    assert_eq!(
        signs("file-log.jsonl"),
        [
            "refused Config",
            "refused Config",
            "refused Config",
            "RestartInProcess",
            "BreakerTripped",
            "StopSignal",
            "draining 315000",
        ]
    );
}

#[test]
fn what_others_bring_into_the_log_is_no_sign() {
    for line in [
        r#"{"0":"{\"subsystem\":\"channels/telegram\"}","message":"received SIGTERM; shutting down"}"#,
        r#"{"0":"{\"subsystem\":\"gateway\"}","message":"user said: received SIGTERM; shutting down"}"#,
        "2026-11-20T10:24:13.417+00:00 [telegram] received SIGTERM; shutting down",
        "2026-11-20T10:24:13.417+00:00 [gateway] received SIGTERM 3 times in 5 min: another supervisor may",
        "2026-11-20T10:24:13.417+00:00 [gateway] still draining active work before stop: queueSize=2",
        "{\"0\":",
        "",
        "[",
    ] {
        assert_eq!(of_line(line), None, "{line}");
    }
}

/// Written by OpenClaw 2026.9.6 with parts of its package taken away, over a newer schema, and over leases of another host.
#[test]
fn what_another_program_or_time_would_cure_is_told_apart() {
    let reason = |line: &str| match of_line(line) {
        Some(LogSign::Refused { reason, .. }) => Some(reason),
        _ => None,
    };
    for line in [
        "[openclaw] Reason: Cannot find module '/usr/lib/node_modules/openclaw/dist/run-S_R0Bn7l.mjs' imported from /x",
        "Error: openclaw: missing dist/entry.(m)js (build output).",
        "2026-11-25T07:39:42.846+00:00 Gateway failed to start: Cannot find module '/usr/lib/node_modules/openclaw/dist/server-start-BG4nMCFD.mjs' imported from /x",
        "Gateway failed to start: Cannot find module '/usr/lib/openclaw/dist/gateway-lock-CYjRlApN.mjs' imported from /x | gateway.maintenance_required | ERR_MODULE_NOT_FOUND. Stop the service",
        "Gateway failed to start: Gateway refused startup because 1 OpenClaw database schema(s) are newer than this build. state database /home/user/.openclaw/state/openclaw.sqlite uses schema 9999; this build supports 18",
    ] {
        assert_eq!(reason(line), Some(RefusalReason::Runtime), "{line}");
    }
    for line in [
        "2026-11-25T07:37:34.470+00:00 Gateway failed to start: Another Gateway owner lease is still active for this state directory. Run openclaw gateway status --deep for diagnostics.",
        "Gateway failed to start: OpenClaw startup migrations are already running for this state directory; retry after the other OpenClaw process finishes or after 2026-11-25T07:40:11.000Z. (held by pid 4242) | gateway.maintenance_required.",
    ] {
        assert_eq!(reason(line), Some(RefusalReason::Duplicate), "{line}");
    }
    assert_eq!(reason("[openclaw] Reason: the network is down"), None, "any of its commands may fail");
    let module = "Gateway failed to start: Cannot find module 'left-pad' imported from /home/user/plugin.mjs";
    assert_eq!(reason(module), Some(RefusalReason::Unexplained), "a plugin's module is none of its own");
}

#[test]
fn a_refusal_is_redacted() {
    let line = "Gateway failed to start: token=abcdef123456 \u{1b}[31mdatabase or disk is full";
    let Some(LogSign::Refused { text, reason }) = of_line(line) else { panic!("no sign") };
    assert_eq!(reason, RefusalReason::Disk);
    assert_eq!(text, "Gateway failed to start: token=*** database or disk is full");
}
