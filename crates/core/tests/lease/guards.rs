//! Guards that sleep, die and come back, and disks that are lost.

use super::scene::{FIGURES, ME, OTHER, Scene};
use clawmend_core::failover::lease::{ActId, Answer, Evidence, Fenced, Gateway, Memory, Request, Telling, Term, Why};
use clawmend_core::gateway::Incarnation;

#[test]
fn after_a_sleep_the_gateway_ends_before_the_store_is_asked() {
    let mut scene = Scene::owning();
    scene.sleep(FIGURES.asleep_ms + FIGURES.renew_ms);
    scene.poll();
    assert_eq!(scene.ended(), Some((scene.ms, Why::Woke)));
    scene.run(FIGURES.retry_ms);
    assert_eq!((scene.steps(), scene.term()), (vec!["end", "start"], Some(Term(1))), "the lease was still ours");
}

#[test]
fn a_sleep_longer_than_the_lease_leaves_nothing_of_it() {
    let mut scene = Scene::owning();
    scene.sleep(120_000);
    scene.other(OTHER, &Request::Acquire);
    scene.poll();
    assert_eq!(scene.steps(), ["end", "disable"]);
    assert_eq!(scene.term(), None);
}

#[test]
fn a_wake_that_only_another_source_saw_counts_as_one() {
    let mut scene = Scene::owning();
    scene.see(Evidence::Woke);
    assert_eq!(scene.ended().unwrap().1, Why::Woke);
}

#[test]
fn a_new_guard_leaves_the_gateway_alone_if_the_lease_is_renewed_under_the_same_term() {
    let mut scene = Scene::owning();
    scene.sleep(2_000);
    scene.begin_guard();
    scene.run(60_000);
    assert_eq!((scene.steps(), scene.term()), (vec![], Some(Term(1))));
}

#[test]
fn a_new_guard_that_gets_no_answer_ends_the_gateway() {
    let mut scene = Scene::owning();
    scene.offline = true;
    scene.begin_guard();
    scene.run(FIGURES.answer_ms);
    assert_eq!(scene.ended(), Some((scene.ms, Why::Unproven)));
}

#[test]
fn a_new_guard_ends_what_it_cannot_prove() {
    type Spoil = fn(&mut Scene);
    let spoil: [(&str, Spoil); 4] = [
        ("another process", |scene| {
            scene.life = Some(Incarnation { pid: 77, start: 7, boot: "a".to_owned() });
        }),
        ("a lost disk", |scene| scene.disk = Memory::default()),
        ("no deadman", |scene| scene.fenced = None),
        ("a deadman of another term", |scene| {
            scene.fenced = scene.fenced.map(|fenced| Fenced { term: Term(9), ..fenced });
        }),
    ];
    for (name, spoil) in spoil {
        let mut scene = Scene::owning();
        spoil(&mut scene);
        scene.begin_guard();
        assert_eq!(scene.ended(), Some((scene.ms, Why::Unproven)), "{name}");
        // Of what it does not remember it gives nothing back.
        let steps = if name == "a lost disk" { &["end", "disable"][..] } else { &["end", "disable", "release"] };
        assert_eq!(scene.steps(), steps, "{name}");
        let held = scene.record.view(scene.alive()).holder;
        assert_eq!(held.is_none(), name != "a lost disk", "{name}");
    }
}

/// Nobody waits for a lease whose gateway is proven to have ended, nor suspects its machine; this node comes after others.
#[test]
fn after_a_reboot_the_channels_are_switched_off_and_the_old_lease_is_given_back() {
    let mut scene = Scene::owning();
    (scene.life, scene.fenced) = (None, None);
    let at = scene.ms;
    scene.begin_guard();
    assert_eq!(scene.steps(), ["disable", "release"]);
    assert!(scene.record.view(scene.alive()).suspects.is_empty());
    scene.run(60_000);
    assert_eq!(scene.steps(), ["disable", "release", "acquire", "start"]);
    assert!(scene.started().unwrap() >= at + FIGURES.handover_ms);
    assert_eq!(scene.term(), Some(Term(2)));
}

#[test]
fn a_lost_disk_waits_for_its_own_forgotten_lease() {
    let mut scene = Scene::owning();
    (scene.life, scene.fenced, scene.disk) = (None, None, Memory::default());
    let expires = scene.expires;
    scene.begin_guard();
    scene.run(60_000);
    assert!(scene.started().unwrap() >= expires);
}

#[test]
fn a_process_that_nobody_here_started_is_ended() {
    let mut scene = Scene::with(Default::default(), 0);
    scene.other(OTHER, &Request::Acquire);
    let life = Incarnation { pid: 5, start: 5, boot: "a".to_owned() };
    scene.life = Some(life.clone());
    scene.see(Evidence::Gateway(Gateway::Stranger(life)));
    assert_eq!(scene.ended().unwrap().1, Why::NotOurs);
}

#[test]
fn a_start_that_was_overtaken_by_an_end_is_not_believed() {
    let mut scene = Scene::owning();
    scene.unkillable = true;
    scene.see(Evidence::Conflict);
    let life = scene.life.clone().unwrap();
    scene.see(Evidence::Gateway(Gateway::Started { act: ActId(1), life }));
    scene.see(Evidence::Gateway(Gateway::NotStarted { act: ActId(1) }));
    scene.run(1_000);
    assert_eq!(scene.steps(), ["end"], "nothing is released before the end is proven");
    assert_eq!(scene.record.view(true).holder, Some(ME));
}

/// The deadman ended it while the guard slept, so its end is told twice: for itself, and in answer to the order.
#[test]
fn an_end_that_was_proven_before_the_last_start_says_nothing_about_that() {
    let mut scene = Scene::owning();
    scene.unkillable = true;
    scene.sleep(FIGURES.asleep_ms + FIGURES.renew_ms);
    scene.poll();
    scene.unkillable = false;
    scene.life = None;
    scene.see(Evidence::Gateway(Gateway::Ended { after: ActId(1) }));
    scene.run(FIGURES.retry_ms);
    assert_eq!(scene.steps(), ["end", "start"]);
    scene.see(Evidence::Gateway(Gateway::Ended { after: ActId(2) }));
    scene.run(FIGURES.retry_ms * 2);
    assert_eq!(scene.steps(), ["end", "start"], "it runs");
}

#[test]
fn a_gateway_whose_fence_failed_ends_and_the_lease_goes_to_another_node() {
    let mut scene = Scene::owning();
    scene.see(Evidence::Unfenced);
    assert_eq!(scene.ended(), Some((scene.ms, Why::Unfenced)));
    scene.run(1_000);
    assert_eq!((scene.steps(), scene.term()), (vec!["end", "disable", "release"], None));
    assert_eq!(scene.told(), [Telling::GaveUp(Why::Unfenced)]);
    scene.see(Evidence::Unfenced);
    assert_eq!(scene.told().len(), 1, "there is nothing to give up");
    let answer = scene.other(OTHER, &Request::Acquire);
    assert!(matches!(answer, Answer::Acquired { .. }), "{answer:?}");
}
