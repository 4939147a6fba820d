//! Planned switches, orders, split brains, and the order of several standbys.

use super::scene::{FIGURES, ME, OTHER, Scene};
use clawmend_core::failover::lease::{
    ActId, Answer, Directive, Evidence, Figures, Gateway, NodeId, Order, PausePolicy, Request, Telling, Why,
};

#[test]
fn a_planned_switch_drains_ends_switches_off_and_only_then_gives_the_lease_back() {
    let mut scene = Scene::owning();
    scene.say(Order::HandOver { to: Some(OTHER) });
    scene.run(2_000);
    assert_eq!(scene.steps(), ["quiesce"]);
    scene.see(Evidence::Quiesced);
    assert_eq!(scene.steps(), ["quiesce", "end", "disable", "release"]);
    assert_eq!(scene.record.view(true).reserved, Some(OTHER));
}

#[test]
fn a_switch_that_is_under_way_goes_to_whom_a_person_named_last_and_ends_no_later() {
    let mut scene = Scene::owning();
    let at = scene.ms;
    assert_eq!(scene.holder.giving_up(), None);
    scene.say(Order::HandOver { to: None });
    scene.run(4_000);
    scene.say(Order::HandOver { to: Some(OTHER) });
    let said = scene.holder.giving_up().unwrap();
    assert_eq!((said.why, said.to, said.until.unwrap().0), (Why::Person, Some(OTHER), at + FIGURES.drain_ms));
    scene.run(FIGURES.drain_ms);
    assert_eq!(scene.ended(), Some((at + FIGURES.drain_ms, Why::Person)));
    assert_eq!(scene.record.view(true).reserved, Some(OTHER));
    assert_eq!(scene.holder.giving_up(), None);
}

#[test]
fn a_person_who_names_a_target_does_not_hide_why_the_channels_are_given_up() {
    let mut scene = Scene::owning();
    scene.unkillable = true;
    scene.see(Evidence::Conflict);
    scene.say(Order::HandOver { to: Some(OTHER) });
    let said = scene.holder.giving_up().unwrap();
    assert_eq!((said.why, said.to), (Why::SplitBrain, Some(OTHER)));
}

#[test]
fn a_drain_has_a_budget_and_the_lease_is_kept_meanwhile() {
    let mut scene = Scene::owning();
    let at = scene.ms;
    scene.say(Order::HandOver { to: None });
    scene.run(FIGURES.drain_ms);
    assert_eq!(scene.ended(), Some((at + FIGURES.drain_ms, Why::Person)));
}

#[test]
fn a_drain_ends_with_the_lease() {
    let mut scene = Scene::owning();
    scene.offline = true;
    scene.run(9_000);
    let deadline = scene.holder.lease().unwrap().deadline;
    scene.say(Order::HandOver { to: None });
    scene.run(FIGURES.drain_ms);
    assert_eq!(scene.ended().unwrap().0, deadline.0);
}

#[test]
fn a_lease_that_is_meant_for_another_is_left_to_it() {
    let mut scene = Scene::owning();
    scene.say(Order::HandOver { to: Some(OTHER) });
    scene.see(Evidence::Quiesced);
    let at = scene.ms;
    scene.run(60_000);
    assert!(scene.started().unwrap() >= at + FIGURES.handover_ms, "{:#?}", scene.log);
}

#[test]
fn whom_it_is_meant_for_takes_it_at_once() {
    let mut scene = Scene::with(PausePolicy::Manual, 2);
    scene.other(OTHER, &Request::Acquire);
    let term = scene.record.view(true).term;
    scene.run(5_000);
    scene.other(OTHER, &Request::Release { term, to: Some(ME) });
    let at = scene.ms;
    scene.run(5_000);
    assert!(scene.started().unwrap() <= at + FIGURES.look_ms, "{:#?}", scene.log);
}

#[test]
fn a_candidate_that_is_told_of_a_free_lease_does_not_wait_for_its_next_look() {
    let mut scene = Scene::with(PausePolicy::ResidualWindow, 0);
    scene.other(OTHER, &Request::Acquire);
    let term = scene.record.view(true).term;
    scene.run(FIGURES.answer_ms + FIGURES.look_ms / 4);
    scene.see(Evidence::Freed);
    assert_eq!(scene.steps(), Vec::<&str>::new(), "the store says that it is held");
    let asked = scene.asked();
    scene.run(FIGURES.look_ms - 1);
    assert_eq!(scene.asked(), asked, "its looks keep their distance");
    scene.other(OTHER, &Request::Release { term, to: None });
    let at = scene.ms;
    scene.see(Evidence::Freed);
    assert_eq!(scene.started(), Some(at));
}

/// What had left before it says how it was.
#[test]
fn an_answer_that_was_on_its_way_does_not_stand_for_the_look_that_was_asked_for() {
    let mut scene = Scene::with(PausePolicy::ResidualWindow, 0);
    scene.other(OTHER, &Request::Acquire);
    scene.run(FIGURES.answer_ms + FIGURES.look_ms / 4);
    scene.offline = true;
    scene.run(FIGURES.look_ms);
    let Some((_, Directive::Ask { request, .. })) = scene.log.last().cloned() else { panic!("{:?}", scene.log) };
    let (sent, held) = (scene.now(), scene.record.view(true));
    scene.other(OTHER, &Request::Release { term: held.term, to: None });
    scene.see(Evidence::Freed);
    scene.offline = false;
    scene.see(Evidence::Answered { request, sent, answer: Answer::Seen(held) });
    assert_eq!(scene.started(), Some(scene.ms));
}

#[test]
fn a_node_that_could_start_nothing_leaves_the_lease_to_others() {
    let mut scene = Scene::with(PausePolicy::ResidualWindow, 0);
    scene.see(Evidence::Hindered(true));
    scene.run(60_000);
    assert_eq!(scene.steps(), Vec::<&str>::new());
    let at = scene.ms;
    scene.see(Evidence::Hindered(false));
    scene.run(5_000);
    assert!(scene.started().unwrap() <= at + FIGURES.look_ms, "{:#?}", scene.log);
    // One that owns goes on: what runs is not ended by it.
    scene.see(Evidence::Hindered(true));
    scene.run(60_000);
    assert_eq!((scene.ended(), scene.life.is_some()), (None, true));
}

/// They are heard of before the gateway's end, or after it, when it was tried to start it again.
#[test]
fn an_owner_whose_gateway_a_person_stops_gives_the_channels_up_at_once_and_stays_out() {
    for heard_first in [true, false] {
        let mut scene = Scene::owning();
        let end = |scene: &mut Scene| {
            scene.life = None;
            scene.see(Evidence::Gateway(Gateway::Ended { after: ActId(u64::MAX) }));
        };
        if heard_first {
            scene.see(Evidence::Hindered(true));
            scene.run(2_000);
            assert_eq!(scene.steps(), Vec::<&str>::new(), "what runs is not ended by it");
            end(&mut scene);
        } else {
            scene.can_start = false;
            end(&mut scene);
            scene.run(FIGURES.retry_ms);
            assert_eq!(scene.steps(), ["start"]);
            scene.can_start = true;
            scene.log.clear();
            scene.see(Evidence::Hindered(true));
        }
        assert_eq!(scene.steps(), ["disable", "release"], "{:#?}", scene.log);
        assert_eq!(scene.told(), [Telling::GaveUp(Why::Person)]);
        scene.log.clear();
        scene.run(120_000);
        assert_eq!(scene.steps(), Vec::<&str>::new(), "the lease is free, and it stays out");
        scene.see(Evidence::Hindered(false));
        scene.run(5_000);
        assert!(scene.started().is_some());
    }
}

#[test]
fn what_a_person_stopped_does_not_wait_mute_either() {
    let mut scene = Scene::warm();
    scene.see(Evidence::Hindered(true));
    scene.life = None;
    scene.see(Evidence::Gateway(Gateway::Ended { after: ActId(u64::MAX) }));
    scene.run(120_000);
    assert_eq!(scene.steps(), Vec::<&str>::new());
    scene.see(Evidence::Hindered(false));
    scene.run(FIGURES.retry_ms);
    assert_eq!(scene.steps().first(), Some(&"start mute"));
}

#[test]
fn the_second_standby_gives_the_first_time() {
    let mut scene = Scene::with(PausePolicy::ResidualWindow, 2);
    let at = scene.ms;
    scene.run(60_000);
    assert_eq!(scene.started().unwrap(), at + FIGURES.answer_ms + 2 * FIGURES.rank_ms);
}

#[test]
fn nobody_waits_for_one_before_it_who_let_the_lease_run_out() {
    for seen_before in [true, false] {
        let mut scene = Scene::with(PausePolicy::ResidualWindow, 1);
        // The third in the list: the first one is there, and the second one, who holds the lease, is not any more.
        scene.node.id = NodeId(3);
        scene.node.rank = 2;
        scene.begin_guard();
        scene.other(OTHER, &Request::Acquire);
        scene.offline = !seen_before;
        let mut free = 0;
        for _ in 0..FIGURES.ttl_ms + 1_000 {
            scene.run(1);
            free = if scene.alive() { scene.ms } else { free };
        }
        scene.offline = false;
        scene.run(60_000);
        let waited = scene.started().unwrap() - free;
        let ranks = if seen_before { 1 } else { 2 };
        let least = ranks * FIGURES.rank_ms;
        assert!((least..least + FIGURES.look_ms + FIGURES.answer_ms + 2_000).contains(&waited), "{ranks}: {waited} ms");
    }
}

#[test]
fn a_conflict_is_a_split_brain_and_keeps_the_node_out_until_a_person_says_otherwise() {
    let mut scene = Scene::owning();
    scene.see(Evidence::Conflict);
    scene.run(600_000);
    assert_eq!(scene.steps(), ["end", "disable", "release"]);
    assert_eq!(scene.told(), [Telling::GaveUp(Why::SplitBrain)]);
    scene.begin_guard();
    scene.run(60_000);
    assert_eq!(scene.steps().len(), 3, "also the next guard");
    scene.say(Order::Release);
    scene.run(60_000);
    assert_eq!(scene.steps()[3..], ["acquire", "start"]);
}

#[test]
fn a_conflict_on_a_node_that_does_not_own_is_nothing() {
    let mut scene = Scene::with(PausePolicy::Manual, 0);
    scene.other(OTHER, &Request::Acquire);
    scene.see(Evidence::Conflict);
    assert!(!scene.holder.memory().held);
}

#[test]
fn a_demoted_node_stays_out_and_a_promoted_one_comes_back() {
    let mut scene = Scene::owning();
    scene.say(Order::Demote);
    scene.see(Evidence::Quiesced);
    scene.run(600_000);
    assert_eq!(scene.steps(), ["quiesce", "end", "disable", "release"]);
    scene.say(Order::Promote { vouch: None });
    scene.run(FIGURES.look_ms);
    assert_eq!(scene.steps()[4..], ["acquire", "start"]);
}

#[test]
fn a_person_who_promotes_while_another_owns_hears_so() {
    let mut scene = Scene::owning();
    scene.say(Order::HandOver { to: Some(OTHER) });
    scene.see(Evidence::Quiesced);
    scene.other(OTHER, &Request::Acquire);
    scene.run(FIGURES.look_ms * 2);
    scene.say(Order::Promote { vouch: None });
    assert_eq!(scene.told().last(), Some(&Telling::HeldElsewhere { node: OTHER }));
    assert!(!scene.log.iter().any(|(_, directive)| matches!(directive, Directive::Start { .. })));
}

#[test]
fn a_primary_that_is_back_does_not_take_the_lease_from_who_owns() {
    let mut scene = Scene::with(PausePolicy::ResidualWindow, 0);
    scene.offline = true;
    scene.begin_guard();
    scene.other(OTHER, &Request::Acquire);
    scene.offline = false;
    for _ in 0..100 {
        let term = scene.record.view(true).term;
        scene.run(FIGURES.renew_ms);
        scene.other(OTHER, &Request::Renew { term, off: Default::default() });
    }
    assert_eq!(scene.started(), None);
}

/// Its channels are switched off while it drains: a guard that begins meanwhile does not go on as an owner that is deaf.
#[test]
fn a_guard_that_begins_in_a_planned_switch_carries_it_out() {
    let mut scene = Scene::owning();
    scene.say(Order::HandOver { to: Some(OTHER) });
    scene.run(1_000);
    assert!(scene.life.is_some(), "it drains");
    scene.begin_guard();
    // To whom they named, who suspects nobody.
    assert_eq!(scene.steps(), ["quiesce", "end", "disable", "release"]);
    assert!(!scene.holder.owns() && scene.life.is_none());
    let left = scene.record.view(scene.alive());
    assert_eq!((left.holder, left.reserved, left.suspects.len()), (None, Some(OTHER), 0));
}

#[test]
fn a_hold_counts_that_is_said_while_the_lease_is_asked_for() {
    for order in [Order::Hold, Order::Demote] {
        let mut scene = Scene::with(PausePolicy::ResidualWindow, 2);
        scene.run(FIGURES.answer_ms + FIGURES.look_ms);
        scene.offline = true;
        scene.run(2 * FIGURES.rank_ms);
        let Some((_, Directive::Ask { request, what: Request::Acquire })) = scene.log.last().cloned() else {
            panic!("{:?}", scene.log)
        };
        let sent = scene.now();
        scene.say(order.clone());
        let answer = scene.other(ME, &Request::Acquire);
        scene.offline = false;
        scene.see(Evidence::Answered { request, sent, answer });
        scene.run(60_000);
        assert_eq!(scene.steps(), ["acquire", "disable", "release"], "{order:?}");
        assert!(scene.holder.memory().held && scene.record.view(scene.alive()).suspects.is_empty());
    }
}

#[test]
fn what_is_worse_is_told_also_of_a_lease_that_is_being_given_up_already() {
    let mut scene = Scene::owning();
    scene.say(Order::HandOver { to: Some(OTHER) });
    scene.run(1_000);
    scene.see(Evidence::Conflict);
    assert_eq!(scene.told(), [Telling::GaveUp(Why::Person), Telling::GaveUp(Why::SplitBrain)]);
}

/// The lease is renewed meanwhile, and the deadman follows it.
#[test]
fn a_drain_may_take_longer_than_the_lease() {
    let figures = Figures::fast();
    assert!(figures.drain_ms > figures.usable_ms());
    let mut scene = Scene::owning_with(figures);
    scene.say(Order::HandOver { to: Some(OTHER) });
    for _ in 0..figures.drain_ms / 100 - 1 {
        scene.run(100);
        let fenced = scene.fenced.unwrap();
        assert!(scene.now() < fenced.until, "the deadman would have struck at {fenced:?}");
        assert_eq!(Some(fenced.term), scene.term());
    }
    scene.run(200);
    assert_eq!(scene.steps(), ["quiesce", "end", "disable", "release"]);
}

/// It may have to wait for days.
#[test]
fn a_persons_word_outlives_the_guard_until_it_is_carried_out() {
    let mut scene = Scene::with(PausePolicy::ResidualWindow, 5);
    scene.other(OTHER, &Request::Acquire);
    scene.run(2_000);
    scene.say(Order::Promote { vouch: None });
    scene.begin_guard();
    let free = scene.expires;
    scene.run(60_000);
    let waited = scene.started().unwrap() - free;
    assert!(waited < FIGURES.rank_ms, "out of turn: {waited} ms");
    assert!(!scene.disk.wanted);
}

/// An old word does not take what is meant for somebody else.
#[test]
fn whom_it_is_handed_over_to_comes_before_one_that_is_wanted() {
    let mut scene = Scene::with(PausePolicy::ResidualWindow, 0);
    scene.other(OTHER, &Request::Acquire);
    scene.run(2_000);
    scene.say(Order::Promote { vouch: None });
    let term = scene.record.view(true).term;
    scene.other(OTHER, &Request::Release { term, to: Some(NodeId(3)) });
    scene.expires = scene.ms;
    scene.run(FIGURES.handover_ms - FIGURES.look_ms);
    assert_eq!(scene.started(), None);
    scene.run(FIGURES.look_ms * 4);
    assert!(scene.started().is_some(), "nobody came");
}
