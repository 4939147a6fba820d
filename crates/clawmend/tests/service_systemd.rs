//! The systemd adapter against a real user manager, on a small service with the settings of OpenClaw's unit.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

use clawmend::service::{Look, Manager, ServiceEvent, Unit, UnitName, watch};
use clawmend_core::directive::ActionResult;
use clawmend_core::observation::{ActiveState, Exit, JobKind};
use clawmend_testkit::systemd_lab::{LabUnit, SystemdLab};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const LIMIT: Duration = Duration::from_secs(30);

/// Files in its home: `refuse` makes it exit 78, `slow-start` keeps it in `activating`, `slow-stop` lets it drain.
const SERVICE: &str = "[Unit]
Description=Stand-in for a gateway
StartLimitBurst=10
StartLimitIntervalSec=300
[Service]
ExecStartPre=/bin/sh -c '[ ! -e %h/slow-start ] || sleep 20'
ExecStart=/bin/sh -c '[ ! -e %h/refuse ] || exit 78; trap \"[ ! -e %h/slow-stop ] || sleep 1; exit 0\" TERM; while :; do sleep 1000 & wait; done'
Restart=always
RestartSec=5
RestartPreventExitStatus=78
TimeoutStopSec=330
TimeoutStartSec=30
SuccessExitStatus=0 143
KillMode=mixed
[Install]
WantedBy=default.target
";

struct Bench {
    lab: SystemdLab,
    unit: LabUnit,
    guard: Watched,
    /// Another connection: the person.
    person: Watched,
    _root: tempfile::TempDir,
}

struct Watched {
    unit: Unit,
    events: mpsc::Receiver<ServiceEvent>,
}

fn look(event: &ServiceEvent) -> Option<&Look> {
    if let ServiceEvent::Seen(look) = event { Some(look) } else { None }
}

fn settled_in(event: &ServiceEvent, state: ActiveState) -> bool {
    look(event).is_some_and(|look| look.seen.settled && look.seen.state == state && look.seen.job.is_none())
}

fn settled_down(event: &ServiceEvent) -> bool {
    settled_in(event, ActiveState::Inactive) || settled_in(event, ActiveState::Failed)
}

fn foreign(events: &[ServiceEvent]) -> Vec<JobKind> {
    let kind = |event: &ServiceEvent| if let ServiceEvent::ForeignJob(kind) = event { Some(*kind) } else { None };
    events.iter().filter_map(kind).collect()
}

impl Watched {
    fn new(lab: &SystemdLab, unit: &LabUnit) -> Self {
        let name = UnitName::parse(&unit.name).unwrap();
        let (unit, events) = watch(Manager::SystemdAt(lab.bus_address()), name).unwrap();
        Self { unit, events }
    }

    /// Waits for an event that `wanted` likes; returns everything up to it.
    async fn until(&mut self, what: &str, wanted: impl Fn(&ServiceEvent) -> bool) -> Vec<ServiceEvent> {
        let mut seen = Vec::new();
        let wait = async {
            loop {
                let event = self.events.recv().await.expect("the watch goes on");
                let found = wanted(&event);
                seen.push(event);
                if found {
                    break;
                }
            }
        };
        if tokio::time::timeout(LIMIT, wait).await.is_err() {
            panic!("{what} was not seen: {seen:#?}");
        }
        seen
    }

    /// Waits for a settled state; returns the look and all foreign jobs on the way.
    async fn settled(&mut self, state: ActiveState) -> (Look, Vec<JobKind>) {
        let events = self.until(&format!("settled {state:?}"), |event| settled_in(event, state)).await;
        let jobs = foreign(&events);
        match events.into_iter().next_back() {
            Some(ServiceEvent::Seen(look)) => (*look, jobs),
            other => panic!("{other:?}"),
        }
    }

    async fn state(&mut self, state: ActiveState) -> Vec<ServiceEvent> {
        self.until(&format!("{state:?}"), |event| look(event).is_some_and(|look| look.seen.state == state)).await
    }

    /// Forgets what came until now.
    fn forget(&mut self) {
        while self.events.try_recv().is_ok() {}
    }
}

impl Bench {
    /// A lab with the running service, or `None` where labs cannot run.
    async fn start() -> Option<Self> {
        let root = tempfile::tempdir().unwrap();
        let mut lab = match SystemdLab::start(root.path()) {
            Ok(lab) => lab,
            Err(reason) => {
                eprintln!("skipped: {reason}");
                return None;
            }
        };
        let unit = lab.add_unit("gateway", SERVICE).unwrap();
        assert!(lab.systemctl(["enable", "--now", &unit.name]).unwrap().status.success());
        let mut guard = Watched::new(&lab, &unit);
        let mut person = Watched::new(&lab, &unit);
        guard.settled(ActiveState::Active).await;
        person.settled(ActiveState::Active).await;
        Some(Self { lab, unit, guard, person, _root: root })
    }

    fn flag(&self, name: &str, on: bool) {
        let path = self.lab.home().join(name);
        if on { std::fs::write(path, "").unwrap() } else { std::fs::remove_file(path).unwrap() }
    }

    fn main_pid(&self) -> u32 {
        let output = self.lab.systemctl(["show", "-P", "MainPID", &self.unit.name]).unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
    }

    fn is_active(&self) -> bool {
        self.lab.systemctl(["is-active", &self.unit.name]).unwrap().status.success()
    }

    /// `systemctl --user stop`, as a person types it, without blocking the events.
    fn types_stop(&self) -> std::process::Child {
        self.lab.command("systemctl").args(["--user", "stop", &self.unit.name]).spawn().unwrap()
    }

    /// Kills the main process and waits until the guard sees the wait for the automatic restart.
    async fn kill_and_see_the_wait(&mut self) {
        self.person.forget();
        assert_eq!(self.person.unit.kill_main(self.main_pid(), 9).await, ActionResult::Done);
        self.guard.state(ActiveState::AutoRestart).await;
    }

    async fn person_starts(&mut self) -> Vec<JobKind> {
        self.person.forget();
        assert_eq!(self.person.unit.reset_failed().await, ActionResult::Done);
        assert_eq!(self.person.unit.start().await, ActionResult::Done);
        let jobs = self.guard.settled(ActiveState::Active).await.1;
        self.person.forget();
        jobs
    }
}

#[tokio::test]
async fn hasten_beats_the_restart_delay_and_revives_nothing() {
    let Some(mut bench) = Bench::start().await else { return };
    let mut took = Vec::new();
    for _ in 0..5 {
        let killed = Instant::now();
        bench.kill_and_see_the_wait().await;
        assert_eq!(bench.guard.unit.try_restart().await, ActionResult::Done);
        bench.guard.state(ActiveState::Active).await;
        took.push(killed.elapsed().as_millis());
        let (look, jobs) = bench.guard.settled(ActiveState::Active).await;
        assert_eq!(jobs, [], "our own restart is nobody else's");
        assert!(look.seen.main_pid.is_some());
        assert_eq!(look.seen.limits.restart_delay_ms, 5_000);
        assert_eq!((look.seen.limits.start_burst, look.seen.limits.stop_timeout_ms), (10, 330_000));
    }
    eprintln!("kill -> new process, ms: {took:?} (RestartSec=5)");
    assert!(took.iter().all(|ms| *ms < 5_000));

    let mut stop = bench.types_stop();
    let (look, jobs) = bench.guard.settled(ActiveState::Inactive).await;
    assert!(stop.wait().unwrap().success());
    assert_eq!(jobs, [JobKind::Stop]);
    assert_eq!(look.seen.last_exit, Some(Exit::Code { code: 0 }));
    assert!(matches!(bench.guard.unit.try_restart().await, ActionResult::Moot { .. }));
    // The very call, which the adapter did not send: systemd itself revives nothing by it.
    let call = ["--job-mode=fail", "try-restart", &bench.unit.name];
    assert!(bench.lab.systemctl(call).unwrap().status.success());
    assert!(!bench.is_active());
}

#[tokio::test]
async fn a_late_call_does_not_hit_a_new_process() {
    let Some(mut bench) = Bench::start().await else { return };
    let first = bench.main_pid();
    bench.kill_and_see_the_wait().await;
    assert!(matches!(bench.guard.unit.restart(first).await, ActionResult::Moot { .. }));
    assert_eq!(bench.guard.unit.try_restart().await, ActionResult::Done);
    bench.guard.settled(ActiveState::Active).await;
    let second = bench.main_pid();
    assert_ne!(first, second);
    for late in [bench.guard.unit.try_restart().await, bench.guard.unit.restart(first).await] {
        assert!(matches!(late, ActionResult::Moot { .. }), "{late:?}");
    }
    assert_eq!(bench.main_pid(), second, "a process that has just been started was restarted");
    assert_eq!(bench.guard.unit.restart(second).await, ActionResult::Done);
    bench.guard.until("the restart", |event| look(event).is_some_and(|look| look.seen.main_pid != Some(second))).await;
}

#[tokio::test]
async fn a_refusal_settles_as_failed_and_can_be_started() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.flag("refuse", true);
    bench.kill_and_see_the_wait().await;
    bench.guard.unit.try_restart().await;
    let (look, jobs) = bench.guard.settled(ActiveState::Failed).await;
    assert_eq!(look.seen.last_exit, Some(Exit::Code { code: Exit::REFUSED }));
    assert_eq!(jobs, []);
    bench.flag("refuse", false);
    assert_eq!(bench.guard.unit.start().await, ActionResult::Done);
    assert_eq!(bench.guard.settled(ActiveState::Active).await.1, []);
}

#[tokio::test]
async fn a_persons_stop_is_seen_in_every_state() {
    let Some(mut bench) = Bench::start().await else { return };
    let states = [
        (ActiveState::AutoRestart, None),
        (ActiveState::Activating, Some("slow-start")),
        (ActiveState::Deactivating, Some("slow-stop")),
    ];
    for (state, slow) in states {
        if let Some(slow) = slow {
            bench.flag(slow, true);
        }
        // Our own restart is under way in `activating` and `deactivating` when the person's stop comes.
        let (guard, running) = (bench.guard.unit.clone(), bench.main_pid());
        let ours = async move {
            if state == ActiveState::Deactivating { guard.restart(running).await } else { guard.try_restart().await }
        };
        if state != ActiveState::Deactivating {
            bench.kill_and_see_the_wait().await;
        }
        let ours = (state != ActiveState::AutoRestart).then(|| tokio::spawn(ours));
        if ours.is_some() {
            assert_eq!(foreign(&bench.guard.state(state).await), []);
        }
        let mut stop = bench.types_stop();
        let wanted = |event: &ServiceEvent| matches!(event, ServiceEvent::ForeignJob(JobKind::Stop));
        bench.guard.until(&format!("the stop in {state:?}"), wanted).await;
        bench.guard.until("the end", settled_down).await;
        assert!(stop.wait().unwrap().success());
        if let Some(ours) = ours {
            eprintln!("our restart in {state:?}, overtaken by a stop: {:?}", ours.await.unwrap());
        }
        assert!(matches!(bench.guard.unit.try_restart().await, ActionResult::Moot { .. }));
        if let Some(slow) = slow {
            bench.flag(slow, false);
        }
        assert_eq!(bench.person_starts().await, [JobKind::Start], "a person's start is seen as well");
    }
}

#[tokio::test]
async fn whoever_stops_around_a_crash_wins() {
    let Some(mut bench) = Bench::start().await else { return };
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut hastened = 0;
    for round in 0..30 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let stop_first = seed.is_multiple_of(3);
        let gap = Duration::from_micros(seed / 8 % 25_000);
        let (person, main_pid) = (bench.person.unit.clone(), bench.main_pid());
        let race = tokio::spawn(async move {
            if stop_first {
                let stop = person.stop().await;
                tokio::time::sleep(gap / 10).await;
                person.kill_main(main_pid, 9).await;
                stop
            } else {
                person.kill_main(main_pid, 9).await;
                tokio::time::sleep(gap).await;
                person.stop().await
            }
        });
        // The guard hastens whenever it sees the wait, as early as it can.
        let mut events = Vec::new();
        let mut calls = Vec::new();
        let end = tokio::time::timeout(LIMIT, async {
            loop {
                let event = bench.guard.events.recv().await.unwrap();
                if look(&event).is_some_and(|look| look.seen.state == ActiveState::AutoRestart) {
                    let unit = bench.guard.unit.clone();
                    calls.push(tokio::spawn(async move { unit.try_restart().await }));
                }
                let over = settled_down(&event) && race.is_finished();
                events.push(event);
                if over {
                    break;
                }
            }
        });
        assert!(end.await.is_ok(), "round {round}: the unit did not stay down");
        assert_eq!(race.await.unwrap(), ActionResult::Done);
        for call in calls {
            hastened += usize::from(call.await.unwrap() == ActionResult::Done);
        }
        assert!(foreign(&events).contains(&JobKind::Stop), "round {round}: the stop was not seen: {events:#?}");
        assert!(!bench.is_active(), "round {round}: it lives again");
        bench.person_starts().await;
    }
    eprintln!("30 races, in {hastened} a restart of ours came first: stayed stopped each time");
}

#[tokio::test]
async fn the_start_limit_can_be_cleared() {
    let Some(mut bench) = Bench::start().await else { return };
    let mut last = ActionResult::Done;
    for _ in 0..12 {
        bench.kill_and_see_the_wait().await;
        last = bench.guard.unit.try_restart().await;
        if last != ActionResult::Done {
            break;
        }
        bench.guard.state(ActiveState::Active).await;
    }
    assert!(matches!(last, ActionResult::Retry { .. }), "{last:?}");
    let (look, jobs) = bench.guard.settled(ActiveState::Failed).await;
    assert_eq!(jobs, []);
    assert!(matches!(look.seen.last_exit, Some(Exit::Signal { signal: 9, .. })));
    assert_eq!(bench.guard.unit.reset_failed().await, ActionResult::Done);
    assert_eq!(bench.guard.unit.start().await, ActionResult::Done);
    assert_eq!(bench.guard.settled(ActiveState::Active).await.1, []);
}

#[tokio::test]
async fn systemds_own_restart_is_not_a_persons() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.kill_and_see_the_wait().await;
    let (look, jobs) = bench.guard.settled(ActiveState::Active).await;
    assert_eq!(jobs, []);
    assert_eq!(look.restarts, 1);
}

#[tokio::test]
async fn a_manager_that_hangs_is_told_and_a_kill_hits_only_whom_it_meant() {
    let Some(mut bench) = Bench::start().await else { return };
    let pid = bench.main_pid();
    assert!(matches!(bench.person.unit.kill_main(pid + 1, 9).await, ActionResult::Moot { .. }));
    assert_eq!(bench.main_pid(), pid);
    let Some(manager) = bench.lab.manager() else {
        return eprintln!("skipped: the user's own manager is not stopped");
    };
    manager.signal(rustix::process::Signal::STOP).unwrap();
    bench.guard.until("the loss", |event| matches!(event, ServiceEvent::Lost { .. })).await;
    manager.signal(rustix::process::Signal::CONT).unwrap();
    let (look, jobs) = bench.guard.settled(ActiveState::Active).await;
    assert_eq!((look.seen.main_pid, jobs), (Some(pid), Vec::new()));
}

#[tokio::test]
async fn a_reboot_of_the_manager_is_survived_and_told_apart() {
    let Some(mut bench) = Bench::start().await else { return };
    if !bench.lab.is_own() {
        return eprintln!("skipped: the user's own manager is not rebooted");
    }
    let is_loss = |event: &ServiceEvent| matches!(event, ServiceEvent::Lost { .. });
    // By hand, after the manager's own start.
    assert!(bench.lab.systemctl(["restart", &bench.unit.name]).unwrap().status.success());
    bench.guard.until("the restart", |event| *event == ServiceEvent::ForeignJob(JobKind::Restart)).await;
    let (restarted, _) = bench.guard.settled(ActiveState::Active).await;
    assert!(!restarted.started_at_boot);

    bench.lab.reboot_user_manager().unwrap();
    let shutdown = bench.guard.until("the loss", is_loss).await;
    assert_eq!(foreign(&shutdown), [], "a shutdown is no person's stop");
    let (booted, jobs) = bench.guard.settled(ActiveState::Active).await;
    assert!(booted.started_at_boot, "{booted:?}");
    assert_eq!(jobs, []);

    assert_eq!(bench.guard.unit.set_enabled(false).await, ActionResult::Done);
    bench.lab.reboot_user_manager().unwrap();
    bench.guard.until("the loss", is_loss).await;
    let (stopped, _) = bench.guard.settled(ActiveState::Inactive).await;
    assert!(!stopped.seen.enabled);
    let fragment = stopped.fragment.expect("its file is known");
    assert_eq!(std::fs::read_to_string(fragment).unwrap(), SERVICE);
    assert_eq!(bench.guard.unit.set_enabled(true).await, ActionResult::Done);
    let enabled = |event: &ServiceEvent| look(event).is_some_and(|look| look.seen.enabled);
    bench.guard.until("enabled", enabled).await;
    // systemd may have unloaded the unit since nothing uses it; its start is seen all the same.
    assert!(bench.lab.systemctl(["start", &bench.unit.name]).unwrap().status.success());
    let (started, jobs) = bench.guard.settled(ActiveState::Active).await;
    assert!(!started.started_at_boot);
    assert_eq!(jobs, [JobKind::Start]);
}
