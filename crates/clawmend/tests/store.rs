//! The store against killed processes, full disks, damaged files and other programs' databases.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout)]

use clawmend::store::{Filter, Limits, NAME, ReadError, Store, StoreError, StoreHealth, WaitingWish, wishes};
use clawmend_core::diagnosis::Cause;
use clawmend_core::directive::{Action, ActionResult, Directive, DirectiveId, IncidentId};
use clawmend_core::gateway::{Control, GatewayId};
use clawmend_core::incident::{IncidentEvent, Outcome, What};
use clawmend_core::time::{Moment, Wall};
use clawmend_core::wish::{Desired, Standing, Wish};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn id() -> GatewayId {
    GatewayId("default".into())
}

fn event(incident: u64, at: u64, what: What) -> IncidentEvent {
    let wall = Wall(1_790_000_000_000 + i64::try_from(at).unwrap());
    IncidentEvent { incident: IncidentId(incident), mono: Moment(at), wall, what }
}

fn opened(incident: u64, at: u64) -> IncidentEvent {
    let onset = Wall(1_790_000_000_000 + i64::try_from(at).unwrap() - 40);
    event(incident, at, What::Opened { onset, onset_uncertainty_ms: 5, detected_after_ms: 40, incarnation: None })
}

fn closed(incident: u64, at: u64) -> IncidentEvent {
    event(incident, at, What::Closed { outcome: Outcome::Recovered })
}

fn evidence(incident: u64, text: impl Into<String>) -> IncidentEvent {
    event(incident, incident, What::Evidence { text: text.into() })
}

fn kill(directive: u64) -> Directive {
    let id = DirectiveId(directive);
    Directive { id, incident: None, target: None, action: Action::Kill, reason: "spinning".into() }
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn health(store: &Store) -> StoreHealth {
    // This answer comes after the opening and after everything that was sent before.
    block(store.load(&id())).unwrap();
    store.health().borrow().clone()
}

#[test]
fn an_incident_is_folded_from_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_daemon(folder.path()).unwrap();
    let (directive, action) = (DirectiveId(7), Action::Spawn);
    let events = vec![
        opened(1, 1000),
        event(1, 1001, What::Diagnosed { cause: Cause::Crashed { how: "signal 9".into() } }),
        event(1, 1002, What::Acted { directive, action, reason: "it crashed".into() }),
        event(1, 1003, What::Result { directive, result: ActionResult::Done }),
        event(1, 3000, What::Serving),
        closed(1, 3001),
    ];
    store.append(&id(), events.clone()).durable_blocking().unwrap();
    let found = block(store.incident(None, IncidentId(1))).unwrap();
    let (record, kept) = &found[0];
    assert_eq!(kept, &events);
    assert_eq!(record.cause, Some(("crashed".into(), "signal 9".into())));
    assert_eq!(record.detected_after_ms, Some(40));
    assert_eq!(record.start_issued_after_ms, Some(42));
    assert_eq!(record.serving_after_ms, Some(2040));
    assert_eq!(record.outcome, Some(Outcome::Recovered));
    assert_eq!(block(store.last_recovery(&id())).unwrap().as_ref(), Some(record));
    assert_eq!(block(store.last_recovery(&GatewayId("other".into()))).unwrap(), None);
}

#[test]
fn pages_go_through_all_incidents_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_daemon(folder.path()).unwrap();
    for n in 1..=25 {
        // Several at the same instant, so that the order needs more than the time.
        store.append(&id(), vec![opened(n, n / 3)]).durable_blocking().unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = block(store.incidents(Filter::default(), 4, cursor)).unwrap();
        seen.extend(page.incidents.iter().map(|(record, _)| record.id.0));
        let Some(next) = page.next else { break };
        cursor = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
    let none = Filter { gateway: Some(GatewayId("other".into())), open_only: true };
    assert!(block(store.incidents(none, 4, None)).unwrap().incidents.is_empty());
}

#[test]
fn what_a_guard_needs_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let standing = Standing { desired: Desired::Stopped, emergency: true, ..Standing::default() };
    {
        let store = Store::open_daemon(folder.path()).unwrap();
        store.remember(&id(), &Standing::default()).durable_blocking().unwrap();
        store.remember(&id(), &standing).durable_blocking().unwrap();
        store.persist(&id(), "{\"budget\":3}".into()).durable_blocking().unwrap();
        store.intent(&id(), &kill(1), Wall(1)).durable_blocking().unwrap();
        store.intent(&id(), &kill(2), Wall(2)).durable_blocking().unwrap();
        store.settled(&id(), DirectiveId(1)).durable_blocking().unwrap();
        block(store.close());
    }
    let wish = WaitingWish { at: Wall(3), wish: Wish::Start };
    wishes::add_waiting(folder.path(), &id(), wish.clone()).unwrap();
    let store = Store::open_daemon(folder.path()).unwrap();
    let loaded = block(store.load(&id())).unwrap();
    assert_eq!(loaded.standing, Some(standing));
    assert_eq!(loaded.memory.as_deref(), Some("{\"budget\":3}"));
    assert_eq!(loaded.intents, vec![(Wall(2), kill(2))]);
    assert_eq!(loaded.waiting, vec![wish]);
    store.wishes_taken(&id()).unwrap();
    assert!(block(store.load(&id())).unwrap().waiting.is_empty());
}

#[test]
fn waiting_wishes_replace_older_ones_of_their_kind() {
    let folder = tempfile::tempdir().unwrap();
    let pause = Wish::Pause { until: None, reason: Some("upgrade".into()) };
    let said = [pause.clone(), Wish::Stop, Wish::Resume, pause.clone(), Wish::EmergencyStop, Wish::Restart];
    for (at, wish) in (0..).zip(said) {
        wishes::add_waiting(folder.path(), &id(), WaitingWish { at: Wall(at), wish }).unwrap();
    }
    let kept = wishes::waiting(folder.path(), &id()).unwrap();
    assert_eq!(kept.iter().map(|w| w.wish.clone()).collect::<Vec<_>>(), [pause, Wish::EmergencyStop]);
    let standing = wishes::preview(Standing::default(), &kept);
    assert!(standing.emergency && standing.pause.is_some());
}

/// A damaged database must not turn a stopped gateway into a running one.
#[test]
fn a_damaged_database_is_set_aside_and_the_wishes_survive() {
    let folder = tempfile::tempdir().unwrap();
    let stopped = Standing { desired: Desired::Stopped, ..Standing::default() };
    {
        let store = Store::open_daemon(folder.path()).unwrap();
        store.remember(&id(), &stopped).durable_blocking().unwrap();
        block(store.close());
    }
    let garbage = vec![0xa5; 50_000];
    std::fs::write(folder.path().join(NAME), &garbage).unwrap();
    assert!(matches!(Store::open_reader(folder.path()), Err(ReadError::Damaged { .. })));
    let store = Store::open_daemon(folder.path()).unwrap();
    let StoreHealth::Damaged { moved_to } = health(&store) else { panic!("the damage was not seen") };
    assert_eq!(std::fs::read(&moved_to).unwrap(), garbage);
    assert!(moved_to.file_name().unwrap().to_str().unwrap().starts_with("clawmend.db.damaged-"));
    assert_eq!(block(store.load(&id())).unwrap().standing, Some(stopped));
    store.append(&id(), vec![opened(1, 1)]).durable_blocking().unwrap();
    assert_eq!(Store::open_reader(folder.path()).unwrap().incident(None, IncidentId(1)).unwrap().len(), 1);
}

#[test]
fn a_damaged_database_does_not_cost_the_guard_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_daemon(folder.path()).unwrap();
    for round in 1..=3 {
        store.persist(&id(), format!("{{\"budget\":{round}}}")).durable_blocking().unwrap();
    }
    block(store.close());
    std::fs::write(folder.path().join(NAME), vec![0xa5; 50_000]).unwrap();
    let store = Store::open_daemon(folder.path()).unwrap();
    let loaded = block(store.load(&id())).unwrap();
    assert_eq!((loaded.memory, loaded.memory_copy.as_deref()), (None, Some("{\"budget\":3}")));
    // A copy that grew beyond all measure is named, and nothing hangs on it.
    std::fs::write(folder.path().join("memory-default.json"), vec![b' '; 1 << 20]).unwrap();
    let loaded = block(store.load(&id())).unwrap();
    assert_eq!(loaded.memory_copy, None);
    assert!(loaded.notes.iter().any(|note| note.contains("second copy")), "{:?}", loaded.notes);
}

#[test]
fn the_copy_is_kept_while_the_database_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    // A folder in its place: nothing can be opened there, and it is no damage that could be set aside.
    std::fs::create_dir(folder.path().join(NAME)).unwrap();
    let store = Store::open_daemon(folder.path()).unwrap();
    assert!(store.append(&id(), vec![opened(1, 1)]).durable_blocking().is_err());
    store.persist(&id(), "{\"budget\":1}".into()).durable_blocking().unwrap();
    store.persist(&id(), "{\"budget\":2}".into()).durable_blocking().unwrap();
    drop(store);
    let store = Store::open_daemon(folder.path()).unwrap();
    assert_eq!(block(store.load(&id())).unwrap().memory_copy.as_deref(), Some("{\"budget\":2}"));
}

/// The whole file is overwritten while the guard has it open.
#[test]
fn damage_that_shows_at_work_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_daemon(folder.path()).unwrap();
    for n in 1..=300 {
        store.append(&id(), vec![opened(n, n), evidence(n, "x".repeat(2000))]).durable_blocking().unwrap();
    }
    let path = folder.path().join(NAME);
    let size = std::fs::metadata(&path).unwrap().len();
    std::fs::write(&path, vec![0x5a; usize::try_from(size).unwrap()]).unwrap();
    let mut n = 300;
    let end = Instant::now() + PATIENCE;
    while health(&store) == StoreHealth::Ok && Instant::now() < end {
        n += 1;
        store.append(&id(), vec![opened(n, n), evidence(n, "y".repeat(2000))]).durable_blocking().unwrap();
    }
    assert!(matches!(health(&store), StoreHealth::Damaged { .. }), "{:?}", health(&store));
    let reader = Store::open_reader(folder.path()).unwrap();
    assert_eq!(reader.incident(None, IncidentId(n)).unwrap().len(), 1);
}

#[test]
fn a_newer_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    block(Store::open_daemon(folder.path()).unwrap().close());
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.execute("UPDATE meta SET value = '99' WHERE key = 'schema'", []).unwrap();
    drop(newer);
    let before = std::fs::read(&path).unwrap();
    let error = Store::open_reader(folder.path()).unwrap_err();
    assert!(matches!(error, ReadError::OtherSchema { found: 99, .. }), "{error}");
    for round in 1..=2 {
        let store = Store::open_daemon(folder.path()).unwrap();
        assert_eq!(health(&store), StoreHealth::Newer { found: 99, left_at: path.clone() });
        store.append(&id(), vec![opened(round, round)]).durable_blocking().unwrap();
        block(store.close());
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let page = Store::open_reader(folder.path()).unwrap().incidents(&Filter::default(), 10, None).unwrap();
    assert_eq!(page.incidents.len(), 2);
}

#[test]
fn the_oldest_closed_incidents_go_first_and_open_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_with(folder.path(), Limits { incidents: 10, bytes: 1 << 30, events: 20 }).unwrap();
    store.append(&id(), vec![opened(1, 1)]).durable_blocking().unwrap();
    for n in 2..=30 {
        store.append(&id(), vec![opened(n, n), evidence(n, "e"), closed(n, n)]).durable_blocking().unwrap();
    }
    let page = block(store.incidents(Filter::default(), 100, None)).unwrap();
    let left: Vec<u64> = page.incidents.iter().map(|(record, _)| record.id.0).collect();
    assert_eq!(left, [30, 29, 28, 27, 26, 25, 24, 23, 22, 1]);
    let long = (0..50).map(|_| evidence(1, "again")).chain([closed(31, 31)]).collect();
    store.append(&id(), long).durable_blocking().unwrap();
    let (_, events) = block(store.incident(None, IncidentId(1))).unwrap().remove(0);
    assert_eq!(events.len(), 20);
    assert!(matches!(events[0].what, What::Opened { .. }));
}

#[test]
fn a_large_database_shrinks() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 1 << 20;
    let store = Store::open_with(folder.path(), Limits { incidents: 10_000, bytes: limit, events: 5000 }).unwrap();
    for n in 1..=600 {
        let events = vec![opened(n, n), evidence(n, "x".repeat(8000)), closed(n, n)];
        store.append(&id(), events).durable_blocking().unwrap();
    }
    block(store.close());
    let size = std::fs::metadata(folder.path().join(NAME)).unwrap().len();
    assert!(size < 2 * limit, "{size} bytes for a limit of {limit}");
}

#[test]
fn files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("a/b");
    let store = Store::open_daemon(&state).unwrap();
    store.remember(&id(), &Standing::default()).durable_blocking().unwrap();
    assert_eq!(std::fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(&state).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}

const CHILD: &str = "CLAWMEND_TEST_STORE_CHILD";

/// Not a test by itself: the process that the next test kills.
#[test]
#[ignore = "run by the test that kills it"]
fn child_that_writes_until_it_is_killed() {
    let Ok(state) = std::env::var(CHILD) else { return };
    let store = Store::open_daemon(Path::new(&state)).unwrap();
    let page = block(store.incidents(Filter::default(), 1, None)).unwrap();
    let first = page.incidents.first().map_or(1, |(record, _)| record.id.0 + 1);
    let mut out = std::io::stdout().lock();
    for n in first.. {
        let receipt = store.append(&id(), vec![opened(n, n), evidence(n, "e"), closed(n, n)]);
        receipt.durable_blocking().unwrap();
        if n % 3 == 0 {
            store.intent(&id(), &kill(n), Wall(0)).durable_blocking().unwrap();
            store.settled(&id(), DirectiveId(n)).durable_blocking().unwrap();
        }
        writeln!(out, "acknowledged {n}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 1..=8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = 0;
        for line in lines {
            // A torn last line is no acknowledgement that anybody has read.
            if let Some(n) = line.split("acknowledged ").nth(1).and_then(|n| n.parse::<u64>().ok()) {
                last = last.max(n);
                seen += 1;
                if seen == 17 * round {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(seen >= 17 * round, "the child wrote {seen} in round {round}");
    }
    let reader = Store::open_reader(folder.path()).unwrap();
    for n in 1..=last {
        let found = reader.incident(None, IncidentId(n)).unwrap();
        assert_eq!(found.len(), 1, "incident {n} of {last} was acknowledged and is gone");
        assert_eq!(found[0].1.len(), 3, "incident {n} lost events");
    }
    assert!(last > 8 * 17);
    println!("{last} incidents acknowledged before 8 kills, all there");
}

#[test]
fn readers_see_whole_incidents_while_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_daemon(folder.path()).unwrap();
    store.append(&id(), vec![opened(1, 1), closed(1, 1)]).durable_blocking().unwrap();
    let reader_of = |state: std::path::PathBuf| {
        std::thread::spawn(move || {
            let (mut newest, mut looks, end) = (0, 0, Instant::now() + PATIENCE);
            while newest < 300 && Instant::now() < end {
                let reader = Store::open_reader(&state).unwrap();
                let page = reader.incidents(&Filter::default(), 200, None).unwrap();
                newest = page.incidents[0].0.id.0;
                assert!(page.incidents.iter().all(|(record, _)| record.outcome.is_some()));
                looks += 1;
            }
            (newest, looks)
        })
    };
    let readers = [reader_of(folder.path().into()), reader_of(folder.path().into())];
    for n in 2..=300 {
        store.append(&id(), vec![opened(n, n), closed(n, n)]).durable_blocking().unwrap();
    }
    for reader in readers {
        let (newest, looks) = reader.join().unwrap();
        assert_eq!(newest, 300);
        assert!(looks > 0);
    }
}

/// A file system of 1 MiB, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "none"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            Some(Self(folder))
        } else {
            eprintln!("skipped: a small file system cannot be mounted here (needs root)");
            None
        }
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        while file.write_all(&[0; 1]).is_ok() {}
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.0.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_holds_events_until_there_is_room() {
    let Some(disk) = SmallDisk::new() else { return };
    let state = disk.0.path().join("state");
    let store = Store::open_daemon(&state).unwrap();
    store.append(&id(), vec![opened(1, 1)]).durable_blocking().unwrap();
    disk.fill();
    let (mut acknowledged, mut held) = (1, 0);
    for n in 2..=80 {
        match store.append(&id(), vec![opened(n, n), evidence(n, "x".repeat(3000))]).durable_blocking() {
            Ok(()) => acknowledged += 1,
            Err(StoreError::Full { kept: true }) => held += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(held > 0, "the disk was never full");
    assert!(matches!(health(&store), StoreHealth::DiskFull { dropped: 0, .. }), "{:?}", health(&store));
    let intent = store.intent(&id(), &kill(1), Wall(0)).durable_blocking();
    assert!(matches!(intent, Ok(()) | Err(StoreError::Full { kept: false })), "{intent:?}");
    std::fs::remove_file(disk.ballast()).unwrap();
    store.append(&id(), vec![opened(81, 81)]).durable_blocking().unwrap();
    assert_eq!(health(&store), StoreHealth::Ok);
    let reader = Store::open_reader(&state).unwrap();
    for n in 1..=81 {
        assert_eq!(reader.incident(None, IncidentId(n)).unwrap().len(), 1, "incident {n}");
    }
    println!("{acknowledged} acknowledged, {held} held in memory, all written in the end");
}

#[test]
fn what_is_held_is_bounded_and_what_was_dropped_is_counted() {
    let Some(disk) = SmallDisk::new() else { return };
    let state = disk.0.path().join("state");
    std::fs::create_dir(&state).unwrap();
    disk.fill();
    // There was never a database: nothing can be written at all.
    let store = Store::open_daemon(&state).unwrap();
    for n in 1..=5000 {
        assert!(store.append(&id(), vec![opened(n, n)]).durable_blocking().is_err());
    }
    let (held, dropped) = match health(&store) {
        StoreHealth::DiskFull { held, dropped } | StoreHealth::Unwritable { held, dropped, .. } => (held, dropped),
        other @ (StoreHealth::Ok | StoreHealth::Damaged { .. } | StoreHealth::Newer { .. }) => panic!("{other:?}"),
    };
    assert_eq!((held, dropped), (4096, 904));
    let introduced = clawmend::store::Introduction {
        gateway: id(),
        state_dir: "/x".into(),
        url: None,
        control: Control::Full,
        at: Wall(0),
    };
    assert!(store.introduce(introduced).durable_blocking().is_err());
}
