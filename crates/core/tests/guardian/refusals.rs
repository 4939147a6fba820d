//! Starts that it refuses, and what may be done about the reason.

use super::scene::{KILLED, Scene};
use clawmend_core::diagnosis::{Cause, RefusalReason};
use clawmend_core::directive::{Action, ActionResult};
use clawmend_core::health::Verdict;
use clawmend_core::incident::Outcome;
use clawmend_core::observation::{
    ConfigSeen, ConfigValidity, DiskSeen, Evidence, Exit, Listener, LockHolder, LogSign, Surroundings,
};
use clawmend_core::wish::Wish;

#[test]
fn a_refusal_waits_for_its_cause_to_change_and_no_longer() {
    let mut scene = Scene::healthy_child();
    let broken = ConfigValidity::Invalid { line: 3, column: 1, message: "unexpected end".into() };
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 2, validity: broken }));
    assert_eq!(scene.guardian.verdict(), Verdict::Degraded, "the latent bomb is said at once");
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.pass(2_000);
    scene.end(Exit::Code { code: 78 });
    let restore = scene.one();
    assert_eq!(restore.action, Action::RestoreConfig { rejected: 2 });
    scene.see(&Evidence::Result {
        directive: restore.id,
        result: ActionResult::Moot { reason: "nothing is proven".into() },
    });
    scene.idle(240);
    assert!(scene.actions().is_empty(), "no restart storm, and no second try for the same config");
    let report = scene.guardian.report();
    assert!(matches!(report.cause, Some(Cause::RefusedToStart { reason: RefusalReason::Config, .. })), "{report:?}");
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 3, validity: ConfigValidity::Valid }));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

/// A gateway that was well, and now refuses to start with a truncated config.
fn refused_over_its_config() -> Scene {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    refuse_over(&mut scene, 2);
    scene
}

/// The config is broken, the gateway is killed, and refuses.
fn refuse_over(scene: &mut Scene, fingerprint: u64) {
    let broken = ConfigValidity::Invalid { line: 3, column: 1, message: "unexpected end".into() };
    scene.see(&Evidence::Config(ConfigSeen { fingerprint, validity: broken }));
    scene.end(KILLED);
    let (_, spawn) = scene.until_asked(60);
    assert_eq!(spawn.action, Action::Spawn);
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.pass(2_000);
    scene.end(Exit::Code { code: 78 });
}

#[test]
fn a_refused_config_is_restored_and_the_start_is_verified() {
    let mut scene = refused_over_its_config();
    assert_eq!(scene.escalated(), [""; 0], "nobody is called for what is about to be mended");
    let restore = scene.one();
    assert_eq!(restore.action, Action::RestoreConfig { rejected: 2 });
    scene.done(&restore);
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    let spawn = scene.one();
    assert_eq!(spawn.action, Action::Spawn);
    assert_eq!(scene.escalated(), [""; 0]);
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.run(30);
    assert_eq!(scene.guardian.verdict(), Verdict::Healthy);
    let recovery = scene.guardian.memory().last_recovery.clone();
    assert_eq!(recovery.map(|recovery| recovery.outcome), Some(Outcome::Recovered));
    scene.asked();
    // Weeks later the same thing may happen again.
    refuse_over(&mut scene, 2);
    assert_eq!(scene.one().action, Action::RestoreConfig { rejected: 2 });
}

#[test]
fn a_config_that_broke_right_before_the_refusal_is_restored_too() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    let text = "missing gateway.mode".to_owned();
    scene.see(&Evidence::Log(LogSign::Refused { text, reason: RefusalReason::Config }));
    scene.end(Exit::Code { code: 78 });
    let early = scene.one();
    assert_eq!(early.action, Action::RestoreConfig { rejected: 1 });
    let reason = "the config has been changed meanwhile".to_owned();
    scene.see(&Evidence::Result { directive: early.id, result: ActionResult::Retry { reason } });
    let broken = ConfigValidity::Invalid { line: 3, column: 1, message: "unexpected end".into() };
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 2, validity: broken }));
    scene.idle(2);
    assert_eq!(scene.actions(), [Action::RestoreConfig { rejected: 2 }]);
    let report = scene.guardian.report();
    assert!(report.cause.is_some_and(|cause| cause.detail().contains("line 3")));
}

#[test]
fn a_config_that_was_seen_to_be_gone_during_the_start_is_restored() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 0, validity: ConfigValidity::Missing }));
    scene.end(Exit::Code { code: 78 });
    assert_eq!(scene.one().action, Action::RestoreConfig { rejected: 0 });
}

#[test]
fn a_restored_config_that_is_refused_as_well_is_not_fought_over() {
    let mut scene = refused_over_its_config();
    let restore = scene.one();
    scene.done(&restore);
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 3, validity: ConfigValidity::Valid }));
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.pass(2_000);
    let text = "Invalid config".to_owned();
    scene.see(&Evidence::Log(LogSign::Refused { text, reason: RefusalReason::Config }));
    scene.out.clear();
    scene.end(Exit::Code { code: 78 });
    scene.idle(60);
    assert_eq!(scene.escalated().len(), 1, "a person hears of it");
    assert!(scene.actions().iter().all(|action| !matches!(action, Action::RestoreConfig { .. })));
    // Whatever a person writes now is tried, and is not overwritten either.
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 4, validity: ConfigValidity::Valid }));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn nothing_is_restored_against_a_person_or_for_another_reason() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.see(&Evidence::Person(Wish::Pause { until: None, reason: None }));
    let broken = ConfigValidity::Invalid { line: 3, column: 1, message: "unexpected end".into() };
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 2, validity: broken }));
    scene.end(Exit::Code { code: 78 });
    scene.idle(60);
    assert_eq!(scene.actions(), [], "paused");

    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.see(&Evidence::Disk(DiskSeen { free_bytes: 0, writable: true }));
    scene.end(Exit::Code { code: 78 });
    scene.idle(60);
    assert_eq!(scene.actions(), [Action::FreeLogs], "the disk is full, its config is good");
}

#[test]
fn its_own_lock_is_no_other_gateway_and_its_end_is_no_invitation() {
    let mut scene = Scene::healthy_child();
    scene.see(&Evidence::Config(ConfigSeen { fingerprint: 1, validity: ConfigValidity::Valid }));
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    let holder = LockHolder { pid: scene.pid, same_home: true, healthy: true, name: "openclaw".into() };
    scene.see(&Evidence::LockHolder(holder));
    scene.pass(20_000);
    scene.see(&Evidence::Listener(Listener::Foreign { port: 18789, pid: Some(7), name: "nginx".into() }));
    let text = "another gateway instance is already listening".to_owned();
    scene.see(&Evidence::Log(LogSign::Refused { text, reason: RefusalReason::Port }));
    scene.end(Exit::Code { code: 1 });
    scene.see(&Evidence::Surroundings(Surroundings::LockFreed));
    scene.idle(20);
    assert_eq!(scene.actions(), [], "the port is still taken: the next try comes with the slow timer");
    let report = scene.guardian.report();
    let Some(Cause::RefusedToStart { reason: RefusalReason::Port, detail }) = &report.cause else {
        panic!("{report:?}");
    };
    assert_eq!(detail, "port 18789 is taken by nginx (pid 7)");
    scene.see(&Evidence::Surroundings(Surroundings::PortFreed));
    assert_eq!(scene.actions(), [Action::Spawn], "now it is free");
}

#[test]
fn a_full_disk_that_is_understood_late_is_answered_when_it_is_freed() {
    let mut scene = Scene::healthy_child();
    scene.end(Exit::Code { code: 78 });
    let mut seen = DiskSeen { free_bytes: 0, writable: false };
    scene.see(&Evidence::Disk(seen));
    let cause = scene.guardian.report().cause;
    assert!(matches!(cause, Some(Cause::RefusedToStart { reason: RefusalReason::Disk, .. })), "{cause:?}");
    scene.idle(120);
    assert_eq!(scene.actions(), [Action::FreeLogs], "old logs are all that is ours to delete");
    seen = DiskSeen { free_bytes: 10 << 30, writable: true };
    scene.see(&Evidence::Disk(seen));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

/// Another start that was refused, by these words and this exit code, before it served.
fn refused(scene: &mut Scene, reason: RefusalReason, code: i32) {
    scene.end(KILLED);
    let spawn = scene.one();
    scene.done(&spawn);
    scene.appear(Some(&spawn));
    scene.pass(3_000);
    scene.see(&Evidence::Log(LogSign::Refused { text: "what it said".to_owned(), reason }));
    scene.end(Exit::Code { code });
    let cause = scene.guardian.report().cause;
    assert!(matches!(&cause, Some(Cause::RefusedToStart { reason: said, .. }) if *said == reason), "{cause:?}");
}

#[test]
fn a_lease_that_nobody_is_seen_to_hold_is_tried_again_soon() {
    for code in [1, 78] {
        let mut scene = Scene::healthy_child();
        refused(&mut scene, RefusalReason::Duplicate, code);
        scene.idle(29);
        assert_eq!(scene.actions(), [], "no storm");
        scene.idle(2);
        assert_eq!(scene.actions(), [Action::Spawn], "it runs out by itself");
    }
}

#[test]
fn while_the_other_gateway_is_seen_its_end_is_waited_for() {
    let mut scene = Scene::healthy_child();
    refused(&mut scene, RefusalReason::Duplicate, 78);
    scene.see(&Evidence::LockHolder(LockHolder {
        pid: 4_242,
        same_home: true,
        healthy: true,
        name: "openclaw".into(),
    }));
    scene.idle(300);
    assert_eq!(scene.actions(), []);
    scene.see(&Evidence::Surroundings(Surroundings::LockFreed));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn a_package_that_lacks_a_part_waits_for_its_change() {
    let mut scene = Scene::healthy_child();
    refused(&mut scene, RefusalReason::Runtime, 1);
    scene.idle(300);
    assert_eq!(scene.actions(), [], "no storm");
    scene.see(&Evidence::Surroundings(Surroundings::Package));
    assert_eq!(scene.actions(), [Action::Spawn]);
}

#[test]
fn a_part_that_goes_away_under_a_gateway_that_served_makes_a_crash() {
    let mut scene = Scene::healthy_child();
    let text = "Gateway failed to start: Cannot find module".to_owned();
    scene.see(&Evidence::Log(LogSign::Refused { text, reason: RefusalReason::Runtime }));
    scene.end(Exit::Code { code: 1 });
    let cause = scene.guardian.report().cause;
    assert!(matches!(&cause, Some(Cause::Crashed { how }) if how == "exit 1"), "{cause:?}");
    assert_eq!(scene.actions(), [Action::Spawn], "a start loads what is there now");
}
