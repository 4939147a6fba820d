//! Gateways that the guard may only look at.

use super::scene::{KILLED, Scene};
use clawmend_core::directive::Action;
use clawmend_core::gateway::Control;
use clawmend_core::observation::{ActiveState, Exit};

#[test]
fn who_may_only_look_names_the_fault_and_calls_a_person() {
    let mut scene = Scene::healthy_unit();
    scene.guardian.set_control(Control::Observe);
    scene.end(Exit::Unknown);
    scene.unit(ActiveState::AutoRestart, Some(KILLED));
    scene.idle(10);
    assert!(scene.actions().is_empty());
    let report = scene.guardian.report();
    assert_eq!(report.cause.map(|cause| cause.code()), Some("crashed"));
    assert!(report.told.is_some_and(|told| told.contains("only look")));

    scene.guardian.set_control(Control::Full);
    scene.idle(2);
    assert_eq!(scene.actions(), [Action::Hasten]);
}
