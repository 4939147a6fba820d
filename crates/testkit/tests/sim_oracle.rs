//! The oracle can fail: guards that are known to be bad are found out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use clawmend_core::directive::{Action, Cadence, Directive, DirectiveId, Output};
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::{Endpoint, Evidence, HttpOutcome};
use clawmend_core::time::{Moment, Now};
use clawmend_testkit::sim::brain::Brain;
use clawmend_testkit::sim::{Setting, live};
use std::collections::BTreeSet;

/// Starts what ended, and kills at the first late answer when it is hasty.
struct Simple<const HASTY: bool, const LAZY: bool> {
    last: u64,
    life: Option<Incarnation>,
}

impl<const HASTY: bool, const LAZY: bool> Simple<HASTY, LAZY> {
    fn ask(&mut self, action: Action, out: &mut Vec<Output>) {
        self.last += 1;
        let target = self.life.clone();
        let id = DirectiveId(self.last);
        out.push(Output::Do(Directive { id, incident: None, target, action, reason: String::new() }));
    }
}

impl<const HASTY: bool, const LAZY: bool> Brain for Simple<HASTY, LAZY> {
    type Saved = ();

    fn born(_setting: Setting, (): (), now: Now) -> Self {
        Self { last: now.mono.0, life: None }
    }

    fn save(&self, _now: Now) {}

    fn observe(&mut self, _now: Now, evidence: &Evidence, out: &mut Vec<Output>) {
        match evidence {
            Evidence::Appeared(appeared) => self.life = Some(appeared.incarnation.clone()),
            Evidence::NotThere => self.ask(Action::Spawn, out),
            Evidence::Gone(_) if !LAZY => self.ask(Action::Spawn, out),
            Evidence::Http(seen)
                if HASTY
                    && seen.endpoint == Endpoint::Healthz
                    && matches!(seen.outcome, HttpOutcome::TimedOut | HttpOutcome::Refused) =>
            {
                self.ask(Action::Kill, out);
            }
            Evidence::Gone(_)
            | Evidence::EndedEarlier(_)
            | Evidence::KillLeft(_)
            | Evidence::Process(_)
            | Evidence::Listener(_)
            | Evidence::Http(_)
            | Evidence::Synthetic(_)
            | Evidence::Rpc(_)
            | Evidence::Service(_)
            | Evidence::ServiceUnseen
            | Evidence::ForeignJob(_)
            | Evidence::Log(_)
            | Evidence::Config(_)
            | Evidence::Disk(_)
            | Evidence::LockHolder(_)
            | Evidence::Surroundings(_)
            | Evidence::Guard(_)
            | Evidence::Person(_)
            | Evidence::Examined(_)
            | Evidence::Counsel(_)
            | Evidence::Decision(_)
            | Evidence::ConfigDoubt(_)
            | Evidence::FlagFile(_)
            | Evidence::Result { .. } => {}
        }
    }

    fn poll(&mut self, _now: Now, _out: &mut Vec<Output>) {}

    fn next_wake(&self) -> Option<Moment> {
        None
    }

    fn cadence(&self) -> Cadence {
        Cadence { http_ms: 1_000, process_ms: 1_000, closely: false, readiness: false }
    }
}

fn rules<B: Brain>() -> (BTreeSet<String>, u64) {
    let mut broken = BTreeSet::new();
    let mut false_kills = 0;
    for seed in (0..10).step_by(2) {
        let (tally, _) = live::<B>(seed, 20, false);
        false_kills += tally.false_kills;
        broken.extend(tally.violations.into_iter().map(|violation| violation.rule));
    }
    println!("{broken:?}, {false_kills} false kills");
    (broken, false_kills)
}

#[test]
fn a_hasty_guard_is_found_out() {
    let (broken, false_kills) = rules::<Simple<true, false>>();
    assert!(false_kills > 0);
    for rule in ["boot_interrupted", "third_unclean_end"] {
        assert!(broken.contains(rule), "{rule} is not among {broken:?}");
    }
}

#[test]
fn a_guard_that_only_starts_is_found_out() {
    let (broken, false_kills) = rules::<Simple<false, false>>();
    assert_eq!(false_kills, 0);
    for rule in ["too_late", "not_found", "persons_wish"] {
        assert!(broken.contains(rule), "{rule} is not among {broken:?}");
    }
}

#[test]
fn a_guard_that_does_nothing_is_found_out() {
    let (broken, _) = rules::<Simple<false, true>>();
    assert!(broken.contains("too_late"), "{broken:?}");
}
