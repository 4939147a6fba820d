//! Who may act at all, and which action belongs to whom.

use super::*;

#[test]
fn who_may_only_look_touches_nothing() {
    let world = World::new(ActiveState::Active);
    for action in actions() {
        for origin in ORIGINS {
            let s = Situation { control: Control::Observe, ..world.unit() };
            assert_eq!(permit(&action, origin, &s), Err(Refusal::ObserveOnly), "{action:?} {origin:?}");
        }
    }
}

#[test]
fn every_action_belongs_to_its_form() {
    let world = World::new(ActiveState::Active);
    for (form, wrong) in [
        (Form::Child, vec![1, 2, 3, 4, 5, 6, 7]),
        (Form::Systemd, vec![0]),
        (Form::Launchd, vec![0, 1]),
        (Form::ScheduledTask, vec![0, 1]),
        (Form::Foreign, vec![0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 14, 16]),
    ] {
        for (index, action) in actions().iter().enumerate() {
            let refused =
                permit(action, Origin::Person, &Situation { form, ..world.unit() }) == Err(Refusal::WrongForm);
            assert_eq!(refused, wrong.contains(&index), "{form:?} {action:?}");
        }
    }
    for action in [Action::Terminate { wake: false }, Action::Kill] {
        let s = Situation { form: Form::Foreign, ..world.child() };
        assert_eq!(permit(&action, Origin::Ladder, &s), Err(Refusal::NobodyStartsIt));
    }
}

#[test]
fn refusals_have_distinct_codes_and_one_sentence_each() {
    let held = HELD.map(|held| Refusal::Held { held });
    let states = STATES.map(|state| Refusal::UnitState { state });
    for refusal in held.into_iter().chain(states).chain([Refusal::OneAtATime { outstanding: DirectiveId(1) }]) {
        let text = refusal.to_string();
        assert!(!text.is_empty() && !text.contains('\n') && !text.ends_with('.'), "{text}");
    }
    assert_eq!(Refusal::OneAtATime { outstanding: DirectiveId(7) }.to_string(), "directive 7 is still under way");
}
