//! Channels that OpenClaw's breaker left out.

use super::scene::{Scene, Ways};
use clawmend_core::directive::{Action, ActionResult, Directive};
use clawmend_core::observation::{ChannelState, Endpoint, Evidence, HttpOutcome, Listener, Readiness, RpcSeen};

impl Scene {
    /// Serves, with a channel that OpenClaw's breaker left out, for so long or until something is asked for.
    fn serve_without_channel(&mut self, at_most_s: u64) -> Option<Directive> {
        let account = ChannelState {
            channel: "telegram".into(),
            account: "default".into(),
            wanted: true,
            running: false,
            connected: None,
            suppressed: true,
            stopped_by_person: false,
            terminal: false,
            error: None,
        };
        self.see(&Evidence::Rpc(RpcSeen::Channels { accounts: vec![account] }));
        for _ in 0..at_most_s * 2 {
            if let Some(directive) = self.asked().into_iter().next() {
                return Some(directive);
            }
            self.tick_without_channel();
        }
        None
    }

    fn tick_without_channel(&mut self) {
        self.pass(500);
        self.cpu_ms += 5;
        self.voluntary += 1;
        self.look();
        self.see(&Evidence::Listener(Listener::Own { port: 18789, backlog: 0 }));
        self.http(Endpoint::Healthz, HttpOutcome::Ok);
        let readiness = Readiness { ready: true, suppressed: vec!["telegram".into()], ..Readiness::default() };
        self.http(Endpoint::Readyz, HttpOutcome::Readiness(readiness));
    }

    fn answered(&mut self, directive: &Directive, result: ActionResult) {
        self.see(&Evidence::Result { directive: directive.id, result });
    }
}

#[test]
fn a_channel_start_that_does_not_get_through_is_no_try_and_keeps_no_other_step_waiting() {
    let mut scene = Scene::healthy_child();
    let starts = |action: &Action| matches!(action, Action::StartChannel { .. });
    for _ in 0..8 {
        let asked = scene.serve_without_channel(60).expect("it is tried again");
        assert!(starts(&asked.action), "{asked:?}");
        scene.answered(&asked, ActionResult::Retry { reason: "there is no connection to the gateway".into() });
        assert_eq!(scene.serve_without_channel(25), None, "not at once");
    }
    let asked = scene.serve_without_channel(60).expect("it is tried again");
    scene.answered(&asked, ActionResult::Retry { reason: "there is no connection to the gateway".into() });
    scene.ways = Ways::stopped();
    let (waited, asked) = scene.watch(5_000);
    assert_eq!(asked.map(|asked| asked.action), Some(Action::Terminate { wake: true }));
    assert!(waited <= 1_000, "{waited} ms");
}

#[test]
fn channel_starts_are_bounded_also_where_none_gets_through() {
    let retry = ActionResult::Retry { reason: "there is no connection to the gateway".into() };
    for (result, expected) in [(ActionResult::Done, 3), (retry, 23)] {
        let mut scene = Scene::healthy_child();
        let mut starts = 0;
        while let Some(asked) = scene.serve_without_channel(120) {
            starts += 1;
            assert!(starts < 100);
            scene.answered(&asked, result.clone());
        }
        assert_eq!(starts, expected, "{result:?}");
    }
}
