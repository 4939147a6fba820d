#![allow(clippy::unwrap_used)]
use super::*;

/// A stand-in for `journalctl`.
fn stand_in(script: &str) -> (tempfile::TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("journalctl");
    crate::host::program::stand_in::write(&program, &format!("#!/bin/sh\n{script}\n"));
    let unit = UnitName::parse("openclaw-gateway.service").unwrap();
    let command =
        command(&program.display().to_string(), &Manager::SystemdUser, &unit, 1234, (1_795_644_201_940, None));
    (folder, command)
}

fn text(heard: &Heard) -> String {
    String::from_utf8_lossy(&heard.text).into_owned()
}

/// The bound of a test; an answer comes within milliseconds on a quiet machine.
const GENEROUS: Duration = Duration::from_secs(60);

#[test]
fn it_is_asked_for_one_unit_since_a_time_and_without_our_environment() {
    let (_folder, command) =
        stand_in(r#"for word in "$@" "HOME=$HOME" "LANG=$LANG"; do printf '{"MESSAGE":"%s"}\n' "$word"; done"#);
    let heard = heard(command, GENEROUS);
    let mut words: Vec<&str> = std::str::from_utf8(&heard.text).unwrap().lines().collect();
    words.reverse();
    assert_eq!(
        words,
        [
            "--output=json",
            "--output-fields=MESSAGE",
            "--all",
            "--no-pager",
            "--reverse",
            "--lines=500",
            "--since=@1795644201",
            "_SYSTEMD_USER_UNIT=openclaw-gateway.service",
            "_UID=1234",
            "HOME=",
            "LANG=C.UTF-8",
        ]
    );
    assert_eq!(heard.left_out, None);
    let unit = UnitName::parse("openclaw.service").unwrap();
    let system = super::command(PROGRAM, &Manager::SystemdSystem, &unit, 0, (-5, Some(1_999)));
    let last: Vec<_> = system.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    assert_eq!(last[last.len() - 3..], ["--since=@0", "--until=@2", "_SYSTEMD_UNIT=openclaw.service"]);
}

#[test]
fn one_that_hangs_is_ended_and_what_it_has_said_counts() {
    let (folder, command) =
        stand_in(r#"echo $$ > "${0%/*}/pid"; printf '{"MESSAGE":"said"}\n{"MESSAGE":"ha'; exec sleep 1000"#);
    let heard = heard(command, Duration::from_secs(3));
    assert_eq!(text(&heard), "said\n");
    assert!(heard.left_out.as_ref().unwrap().contains("it took too long"), "{heard:?}");
    let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
    let until = Instant::now() + GENEROUS;
    while std::path::Path::new("/proc").join(pid.trim()).exists() {
        assert!(Instant::now() < until, "it runs on");
        std::thread::yield_now();
    }
}

#[test]
fn one_that_floods_is_ended_and_the_newest_counts() {
    let (_folder, command) = stand_in(r#"printf '{"MESSAGE":"newest"}\n'; exec yes '{"MESSAGE":"older and older"}'"#);
    let heard = heard(command, GENEROUS);
    assert!(heard.text.len() <= MAX_BYTES && heard.text.ends_with(b"\nnewest\n"));
    assert!(heard.left_out.unwrap().contains("more than 1048576 bytes"));
    // Without an end of line, and on the other pipe.
    let (_folder, command) = stand_in("exec tr '\\0' x </dev/zero");
    assert!(super::heard(command, GENEROUS).text.is_empty());
    let (_folder, command) = stand_in("yes complaint | head -c 5000000 >&2; printf '{\"MESSAGE\":\"said\"}\\n'");
    assert_eq!(text(&super::heard(command, GENEROUS)), "said\n");
}

#[test]
fn what_it_may_not_read_or_cannot_be_run_is_told() {
    let (_folder, command) =
        stand_in("echo 'No journal files were opened due to insufficient permissions.' >&2; exit 1");
    let refused = heard(command, GENEROUS);
    assert!(refused.text.is_empty() && refused.left_out.unwrap().contains("insufficient permissions"));
    let (_folder, command) = stand_in("echo 'Hint: You are currently not seeing messages from other users' >&2");
    assert!(heard(command, GENEROUS).left_out.unwrap().contains("Hint"));
    let (_folder, command) = stand_in("echo 'Hint' >&2; printf '{\"MESSAGE\":\"said\"}\\n'");
    assert_eq!(heard(command, GENEROUS).left_out, None, "it was heard all the same");
    let missing = heard(Command::new("/nonexistent/journalctl"), GENEROUS);
    assert!(missing.left_out.unwrap().contains("cannot be run"));
}
