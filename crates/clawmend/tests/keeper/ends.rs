//! Ends of the child: told at once, as they were, and kept until somebody took note.

use super::lab::{Lab, next_end, soon, state_when, until};
use clawmend::host::process::is_alive;
use clawmend::host::signal::{Signal, send};
use clawmend::keeper::protocol::{Event, SpawnOrder};
use clawmend_core::observation::Exit;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "current_thread")]
async fn an_exit_is_kept_until_it_is_acknowledged_also_without_any_guard() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let spawned = lab.spawn(&mut keeper, 1, "sleep 0.2; exit 7").await;
    drop(keeper);
    until("the child's end", || !is_alive(&spawned.incarnation)).await;

    let mut keeper = lab.keeper().await;
    let state = state_when(&mut keeper, |state| state.child.is_none()).await;
    assert_eq!(state.exits.len(), 1);
    assert_eq!(state.exits[0].exit, Exit::Code { code: 7 });
    assert_eq!(state.exits[0].nonce, lab.nonce(1));
    keeper.ack(&spawned.incarnation).await.unwrap();
    assert!(keeper.hello().await.unwrap().exits.is_empty());
    keeper.quit().await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn an_end_is_recorded_for_a_successor_unasked_and_the_next_child_is_timed_from_it() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let first = lab.spawn(&mut keeper, 1, "sleep 0.1; exit 7").await;
    assert_eq!(first.after_end_us, None);
    let (record, nonce) = (lab.keeper_dir().join("state.json"), lab.nonce(1));
    let recorded = || -> Option<bool> {
        let record: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).ok()?).ok()?;
        Some(record["exits"][0]["nonce"] == nonce.as_str() && record["child"].is_null())
    };
    until("the end to be on record", || recorded() == Some(true)).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let second = lab.spawn(&mut keeper, 2, "sleep 600").await;
    assert!(second.after_end_us.is_some_and(|us| us >= 30_000), "{:?}", second.after_end_us);
}

#[tokio::test(flavor = "current_thread")]
async fn signals_and_cores_are_told_as_they_were() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let (_, mut events) = keeper.events().await.unwrap();
    for (directive, signal, number) in [(1, Signal::Kill, 9), (2, Signal::Term, 15)] {
        let spawned = lab.spawn(&mut keeper, directive, "exec sleep 600").await;
        send(&spawned.incarnation, signal).unwrap();
        let ended = next_end(&mut events).await;
        assert_eq!(ended.exit, Exit::Signal { signal: number, core: false });
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_stop_is_told_within_milliseconds() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let (_, mut events) = keeper.events().await.unwrap();
    let spawned = lab.spawn(&mut keeper, 1, "exec sleep 600").await;
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let begun = Instant::now();
        send(&spawned.incarnation, Signal::Stop).unwrap();
        let event = soon(events.next()).await.unwrap();
        fastest = fastest.min(begun.elapsed());
        assert!(matches!(event, Event::Stopped { .. }), "{event:?}");
        send(&spawned.incarnation, Signal::Cont).unwrap();
        let event = soon(events.next()).await.unwrap();
        assert!(matches!(event, Event::Continued { .. }), "{event:?}");
    }
    println!("SIGSTOP to event: {fastest:?} at best of 10");
    assert!(fastest < Duration::from_millis(10), "{fastest:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn exit_to_event_and_request_to_exec_are_fast() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let (_, mut events) = keeper.events().await.unwrap();
    let (mut exits, mut spawns) = (Vec::new(), Vec::new());
    for directive in 1..=20 {
        let order = SpawnOrder { argv: vec!["/bin/sleep".into(), "600".into()], ..lab.order(directive, "") };
        let begun = Instant::now();
        let spawned = keeper.spawn(order).await.unwrap();
        spawns.push(begun.elapsed());
        let begun = Instant::now();
        send(&spawned.incarnation, Signal::Kill).unwrap();
        let ended = next_end(&mut events).await;
        exits.push(begun.elapsed());
        keeper.ack(&ended.incarnation).await.unwrap();
    }
    exits.sort();
    spawns.sort();
    println!(
        "kill to event: best {:?}, median {:?}; request to exec: best {:?}, median {:?}",
        exits[0], exits[10], spawns[0], spawns[10]
    );
    assert!(exits[0] < Duration::from_millis(20) && spawns[0] < Duration::from_millis(50));
}
