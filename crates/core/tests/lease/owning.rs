//! An owner that keeps its lease, and one that cannot.

use super::scene::{FIGURES, ME, OTHER, Scene};
use clawmend_core::failover::lease::{
    ActId, Answer, Directive, Evidence, Figures, Gate, Gateway, Request, Telling, Term, View, Why,
};

#[test]
fn a_free_lease_is_taken_and_the_deadman_is_armed_before_the_start() {
    let mut scene = Scene::new();
    scene.run(3_000);
    let arm = scene.log.iter().position(|(_, directive)| matches!(directive, Directive::Arm { .. })).unwrap();
    let persist = scene.log.iter().rposition(|(_, d)| matches!(d, Directive::Persist)).unwrap();
    let start = scene.log.iter().position(|(_, directive)| matches!(directive, Directive::Start { .. })).unwrap();
    assert!(arm < start && persist > start, "{:#?}", scene.log);
    assert!(matches!(scene.log[start - 1].1, Directive::Persist), "it is on record before it happens");
    assert_eq!(scene.told(), [Telling::Owns { term: Term(1) }]);
}

#[test]
fn it_is_counted_from_when_the_request_left() {
    let mut scene = Scene::new();
    scene.offline = true;
    scene.begin_guard();
    let Some((_, Directive::Ask { request, .. })) = scene.log.last().cloned() else { panic!("{:?}", scene.log) };
    let sent = scene.now();
    scene.sleep(FIGURES.answer_ms / 2);
    let view = View { term: Term(4), ..View::default() };
    scene.see(Evidence::Answered { request, sent, answer: Answer::Seen(view) });
    let Some((_, Directive::Ask { request, what: Request::Acquire })) = scene.log.last().cloned() else {
        panic!("{:?}", scene.log)
    };
    let sent = scene.now();
    scene.sleep(FIGURES.answer_ms / 2);
    let answer = Answer::Acquired { term: Term(5), suspects: Default::default() };
    scene.see(Evidence::Answered { request, sent, answer });
    assert_eq!(scene.holder.lease().unwrap().deadline, sent.plus(15_000 - 15 - 2_000));
}

#[test]
fn a_lease_that_is_renewed_goes_on_under_one_term() {
    let mut scene = Scene::owning();
    scene.run(3_600_000);
    assert_eq!(scene.term(), Some(Term(1)));
    assert_eq!(scene.steps(), Vec::<&str>::new());
    assert!(matches!(scene.holder.gate(scene.now()), Gate::Open { term: Term(1), .. }));
}

#[test]
fn without_an_answer_the_gateway_ends_before_the_lease_is_over_in_anybodys_view() {
    let mut scene = Scene::owning();
    scene.offline = true;
    scene.run(60_000);
    let (at, why) = scene.ended().unwrap();
    assert_eq!(why, Why::RanOut);
    assert!(at + FIGURES.kill_ms < scene.expires, "ended at {at}, the store forgets at {}", scene.expires);
    assert_eq!(scene.holder.gate(scene.now()), Gate::Closed);
    assert_eq!(scene.steps(), ["end", "disable"]);
}

#[test]
fn it_takes_the_lease_again_under_another_term_when_the_store_is_back() {
    let mut scene = Scene::owning();
    scene.offline = true;
    scene.run(60_000);
    scene.offline = false;
    scene.run(5_000);
    assert_eq!(scene.term(), Some(Term(2)));
    assert_eq!(scene.steps(), ["end", "disable", "acquire", "start"]);
}

#[test]
fn a_lease_that_ran_out_is_left_to_others_first_also_by_the_first_in_the_list() {
    let mut scene = Scene::owning();
    scene.offline = true;
    scene.run(FIGURES.ttl_ms);
    let (lost, why) = scene.ended().unwrap();
    assert_eq!(why, Why::RanOut);
    scene.offline = false;
    scene.run(60_000);
    let again = scene.started().unwrap();
    assert!(again >= lost + FIGURES.handover_ms, "lost at {lost}, taken back at {again}");
    assert!(again <= lost + FIGURES.handover_ms + FIGURES.ttl_ms, "lost at {lost}, taken back at {again}");
}

#[test]
fn a_node_that_slept_through_its_lease_and_more_does_not_rest_once_more() {
    let mut scene = Scene::owning();
    scene.sleep(FIGURES.ttl_ms + FIGURES.handover_ms);
    let woke = scene.ms;
    scene.run(60_000);
    let again = scene.started().unwrap();
    assert!(again < woke + FIGURES.handover_ms, "woke at {woke}, taken back at {again}");
}

#[test]
fn a_link_to_the_store_that_comes_and_goes_leads_to_one_takeover() {
    let fast = Figures::fast();
    let mut scene = Scene::owning_with(fast);
    // The second in the list, whose own link holds: it waits its turn from when it sees the lease free.
    let (mut free_ms, mut other) = (0, None);
    for tenth in 0..1_200 {
        scene.offline = tenth % 100 < 50;
        free_ms = if scene.alive() { 0 } else { free_ms + 100 };
        if let Some(term) = other {
            assert_eq!(scene.other(OTHER, &Request::Renew { term, off: Default::default() }), Answer::Renewed { term });
        } else if free_ms >= fast.rank_ms + fast.look_ms {
            let Answer::Acquired { term, .. } = scene.other(OTHER, &Request::Acquire) else {
                panic!("{:?}", scene.log)
            };
            other = Some(term);
        }
        scene.run(100);
    }
    assert!(other.is_some(), "{:#?}", scene.log);
    assert_eq!(scene.steps(), ["end", "disable"], "{:#?}", scene.log);
}

#[test]
fn a_refused_renewal_ends_it_at_once() {
    let mut scene = Scene::owning();
    scene.expires = scene.ms;
    assert!(matches!(scene.other(OTHER, &Request::Acquire), Answer::Acquired { term: Term(2), .. }));
    scene.run(FIGURES.renew_ms);
    assert_eq!(scene.ended().unwrap().1, Why::Taken);
    scene.run(60_000);
    assert_eq!(scene.steps().iter().filter(|step| **step == "start").count(), 1, "only when it is free again");
}

/// Of a candidate: `people.rs`.
#[test]
fn an_owner_that_is_told_of_a_free_lease_asks_at_once_and_believes_the_answer_alone() {
    let mut scene = Scene::owning();
    scene.run(FIGURES.renew_ms / 2);
    let asked = scene.asked();
    scene.see(Evidence::Freed);
    assert_eq!(scene.asked(), asked + 1);
    scene.run(FIGURES.renew_ms / 4);
    assert_eq!((scene.ended(), scene.term()), (None, Some(Term(1))), "it was an old tale");
    assert_eq!(scene.asked(), asked + 1, "once");

    scene.expires = scene.ms;
    assert!(matches!(scene.other(OTHER, &Request::Acquire), Answer::Acquired { term: Term(2), .. }));
    scene.see(Evidence::Freed);
    assert_eq!(scene.ended().unwrap().1, Why::Taken);
}

#[test]
fn an_answer_with_another_term_renews_nothing_and_is_told() {
    let mut scene = Scene::owning();
    scene.answers_instead = Some(Answer::Renewed { term: Term(9) });
    scene.run(60_000);
    assert_eq!(scene.ended().unwrap().1, Why::RanOut);
    assert!(scene.told().contains(&Telling::StoreConfused { said: Term(9), known: Term(1) }));
}

#[test]
fn a_store_that_was_put_back_to_an_older_state_is_not_believed() {
    let mut scene = Scene::owning();
    scene.offline = true;
    scene.run(60_000);
    (scene.record, scene.expires, scene.offline) = (Default::default(), 0, false);
    scene.log.clear();
    scene.run(60_000);
    assert_eq!(scene.started(), None);
    assert_eq!(scene.told(), [Telling::StoreConfused { said: Term(0), known: Term(1) }]);
}

#[test]
fn an_end_that_is_not_proven_is_insisted_on_and_the_lease_is_kept() {
    let mut scene = Scene::owning();
    scene.unkillable = true;
    scene.see(Evidence::Conflict);
    scene.run(60_000);
    assert!(scene.told().contains(&Telling::StillRunning));
    assert_eq!(scene.term(), Some(Term(1)), "nobody else may take it while this gateway may run");
    let ends = scene.steps();
    assert!(ends.len() > 10 && ends.iter().all(|step| *step == "end"), "{ends:?}");
    scene.unkillable = false;
    scene.run(FIGURES.kill_ms);
    assert_eq!(scene.steps()[ends.len()..], ["end", "disable", "release"]);
}

#[test]
fn a_gateway_that_crashed_is_started_again_under_the_same_term() {
    let mut scene = Scene::owning();
    scene.life = None;
    scene.see(Evidence::Gateway(Gateway::Ended { after: ActId(1) }));
    scene.run(FIGURES.retry_ms);
    assert_eq!((scene.steps(), scene.term()), (vec!["start"], Some(Term(1))));
}

#[test]
fn a_node_on_which_it_does_not_start_leaves_it_to_another() {
    let mut scene = Scene::new();
    scene.can_start = false;
    scene.run(FIGURES.retry_ms * 3);
    assert_eq!(scene.steps(), ["acquire", "start", "start", "start", "disable", "release"]);
    assert!(scene.told().contains(&Telling::GaveUp(Why::CannotStart)));
}

#[test]
fn nothing_starts_without_a_deadman_and_the_lease_is_left_to_another_node() {
    let mut scene = Scene::new();
    scene.can_arm = false;
    scene.run(FIGURES.handover_ms);
    assert_eq!(scene.steps(), ["acquire", "disable", "release"]);
    assert_eq!(scene.told(), [Telling::NoDeadman, Telling::GaveUp(Why::CannotStart)]);
    scene.run(600_000);
    assert_eq!(scene.started(), None, "nobody else came, so it tried again");
    assert!(scene.steps().len() > 6);
    scene.can_arm = true;
    scene.run(60_000);
    assert!(scene.started().is_some());
}

/// Such as with a runtime folder that is full: it is known for seconds before the deadman would strike.
#[test]
fn a_deadman_that_cannot_be_armed_anew_is_forestalled_by_a_drain() {
    let mut scene = Scene::owning();
    scene.can_arm = false;
    let strikes = scene.fenced.unwrap().until;
    scene.run(FIGURES.ttl_ms);
    assert_eq!(scene.steps()[..4], ["quiesce", "end", "disable", "release"], "{:?}", scene.log);
    let quiet = scene.when(|directive| matches!(directive, Directive::Quiesce { .. })).unwrap();
    let (ended, why) = scene.ended().unwrap();
    assert_eq!(why, Why::NoDeadman);
    assert!(ended <= strikes.0 && ended - quiet >= FIGURES.renew_ms, "{quiet} {ended} {strikes:?}");
    assert_eq!(scene.told()[0], Telling::GaveUp(Why::NoDeadman));
    // Once is not enough: a keeper may be slow for a moment.
    let mut scene = Scene::owning();
    scene.can_arm = false;
    scene.run(FIGURES.renew_ms);
    scene.can_arm = true;
    scene.run(60_000);
    assert_eq!((scene.ended(), scene.told()), (None, Vec::new()));
}

#[test]
fn a_guard_that_ends_gives_back_a_lease_that_nothing_runs_under_and_no_other() {
    let mut scene = Scene::owning();
    scene.see(Evidence::GuardEnds);
    scene.run(1_000);
    assert_eq!((scene.steps(), scene.holder.giving_up()), (Vec::new(), None), "the next guard goes on with it");
    // As in a container that ends: the gateway's end is proven a moment after the guard is told to end.
    scene.life = None;
    scene.see(Evidence::Gateway(Gateway::Ended { after: ActId(u64::MAX) }));
    assert_eq!(scene.started(), None);
    assert_eq!(scene.steps().last(), Some(&"release"), "{:?}", scene.steps());
    let suspected = scene.record.view(false).suspects.contains(&ME);
    assert_eq!((scene.term(), suspected), (None, false));
}
