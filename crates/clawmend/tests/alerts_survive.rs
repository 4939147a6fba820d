//! A guard that is killed between a decision and its delivery: nothing is lost, and a repeat is marked as one.
//!
//! The gateway is a program that refuses to start, which only a person can end. All else is real: guard, keeper, store,
//! and a service on loopback that takes its time to answer.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use clawmend_testkit::alerts::{StandIn, Verdict};
use clawmend_testkit::lab::{NONCE_VARIABLE, new_nonce, sweep};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Rounds of each of the threads.
const ROUNDS: u64 = 5;
const THREADS: u64 = 4;
/// Generous: the machine may be busy.
const BOUND: Duration = Duration::from_secs(60);
/// How long after the decision a guard is killed at most: the letter is on its way by then, or has just arrived.
const WINDOW_MS: u64 = 1_500;
const MARK: &str = "(perhaps a repeat)";

/// One guard and its folders.
struct Scene {
    folder: tempfile::TempDir,
    nonce: String,
    guard: Option<Child>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.kill();
        // The keeper outlives its guard, as it should; it bears our mark.
        sweep(&self.nonce);
    }
}

impl Scene {
    fn new(service: &StandIn) -> Self {
        let scene = Self::without_a_place();
        scene.set_place(service);
        scene
    }

    fn set_place(&self, service: &StandIn) {
        let place = format!("[[to]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}/hook\"\n", service.url());
        private(&self.home().join("settings/notify.toml"), &place);
    }

    fn without_a_place() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        for name in [".openclaw", "guard-state", "guard-run", "settings"] {
            std::fs::create_dir_all(home.join(name)).unwrap();
            std::fs::set_permissions(home.join(name), std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        std::fs::write(home.join(".openclaw/openclaw.json"), "{\"gateway\": {\"mode\": \"local\"}}").unwrap();
        private(
            &home.join("settings/clawmend.toml"),
            "[guard]\nflag_file = \"/nonexistent/flag\"\nlanguage = \"en\"\n",
        );
        Self { folder, nonce: new_nonce(), guard: None }
    }

    fn home(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> Command {
        let home = self.home();
        let mut command = Command::new(env!("CARGO_BIN_EXE_clawmend"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", home)
            .env("OPENCLAW_STATE_DIR", home.join(".openclaw"))
            .env("CLAWMEND_STATE_DIR", home.join("guard-state"))
            .env("CLAWMEND_RUNTIME_DIR", home.join("guard-run"))
            .env("CLAWMEND_CONFIG", home.join("settings/clawmend.toml"))
            .env(NONCE_VARIABLE, &self.nonce)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn start(&mut self) {
        self.start_over("exit 78");
    }

    /// Over a program of this text, in place of a gateway.
    fn start_over(&mut self, program: &str) {
        let mut command = self.command();
        command.args(["run", "--", "/bin/sh", "-c", program]).stdout(Stdio::null());
        self.guard = Some(command.spawn().unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.kill();
            let _ = guard.wait();
        }
    }

    /// What the record says of deliveries.
    fn told(&self) -> Vec<Value> {
        let output = self.command().args(["notify", "log", "--json"]).output().unwrap();
        let log: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        log["deliveries"].as_array().cloned().unwrap_or_default()
    }
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        assert!(begin.elapsed() < BOUND, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One death; whether it came before the record told of a delivery.
fn round(delay_ms: u64) -> bool {
    let service = StandIn::start(|request, _| {
        // Between the moment when it has the message and its answer.
        std::thread::sleep(Duration::from_millis(60));
        let title = request.json().map(|body| body["data"]["title"].clone()).unwrap_or_default();
        Verdict::text(200, "ok").accepting(json!({"key": request.header("webhook-id"), "title": title}))
    })
    .unwrap();
    let mut scene = Scene::new(&service);
    scene.start();
    until("a decision", || (!scene.told().is_empty()).then_some(()));
    std::thread::sleep(Duration::from_millis(delay_ms));
    scene.kill();
    let early = scene.told().iter().any(|row| row["state"] != json!("delivered"));
    scene.start();
    until("every letter to arrive", || {
        let told = scene.told();
        (!told.is_empty() && told.iter().all(|row| row["state"] == json!("delivered"))).then_some(())
    });
    let accepted = service.accepted();
    for row in scene.told() {
        let copies: Vec<&Value> = accepted.iter().filter(|message| message["key"] == row["key"]).collect();
        assert!(!copies.is_empty(), "killed after {delay_ms} ms: {row} never arrived: {accepted:?}");
        for copy in copies.iter().skip(1) {
            let title = copy["title"].as_str().unwrap_or_default();
            assert!(title.starts_with(MARK), "killed after {delay_ms} ms: a repeat without a mark: {accepted:?}");
        }
        assert!(copies.len() <= 2, "killed after {delay_ms} ms: {accepted:?}");
    }
    early
}

#[test]
fn twenty_deaths_lose_nothing_and_mark_every_repeat() {
    let seed = std::env::var("CLAWMEND_LAB_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() & 0xffff_ffff).unwrap_or(1)
    });
    eprintln!("measured: dice of CLAWMEND_LAB_SEED={seed}");
    let dice = |number: u64| {
        let mixed = (seed ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 31)) % WINDOW_MS
    };
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| (thread * ROUNDS..(thread + 1) * ROUNDS).map(dice).collect::<Vec<u64>>())
        .map(|delays| std::thread::spawn(move || delays.into_iter().filter(|delay| round(*delay)).count()))
        .collect();
    let early: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    eprintln!("measured: {} deaths, {early} of them before a delivery was on record", THREADS * ROUNDS);
    assert!(early > 0, "no death fell between decision and delivery");
}

#[test]
fn a_place_that_was_set_a_moment_ago_is_told() {
    let service = StandIn::start(|_, _| Verdict::text(200, "ok").accepting(json!("here"))).unwrap();
    let mut scene = Scene::without_a_place();
    scene.start();
    until("the guard to answer", || {
        let output = scene.command().args(["status", "--json"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains("\"running\":true").then_some(())
    });
    scene.set_place(&service);
    until("the letter to arrive", || (!service.accepted().is_empty()).then_some(()));
}

#[test]
fn a_heartbeat_tells_that_every_gateway_was_judged() {
    let service = StandIn::start(|request, _| {
        let body = request.json().unwrap_or_default();
        Verdict::text(200, "ok").accepting(json!({"path": request.path, "body": body}))
    })
    .unwrap();
    let mut scene = Scene::without_a_place();
    let heartbeat = format!("[heartbeat]\naddress = \"{}/ping\"\nevery_ms = 10000\n", service.url());
    private(&scene.home().join("settings/notify.toml"), &heartbeat);
    scene.start_over("sleep 600");
    until("a sign of life", || service.accepted().iter().any(|beat| beat["path"] == json!("/ping")).then_some(()));
    for beat in service.accepted() {
        let well = beat["body"]["ok"] == json!(true);
        assert_eq!(beat["path"] == json!("/ping"), well, "{beat}");
        assert_eq!(
            well,
            beat["body"]["gateways"][0]["verdict"] != json!("unknown") && beat["body"]["guarded"] == json!(1)
        );
    }
}

/// Words that a standby has kept.
fn kept_words(scene: &Scene) -> usize {
    let text = std::fs::read_to_string(scene.home().join("guard-state/standby.json")).unwrap_or_default();
    let kept: Value = serde_json::from_str(&text).unwrap_or_default();
    kept["words"].as_array().map_or(0, Vec::len)
}

/// A standby that has lost its primary and must not take over says so once, however many guards find it out. Each is
/// killed at the instant at which what it has to say is on the disk.
#[test]
fn a_word_on_a_pair_is_told_once_by_three_guards() {
    let service = StandIn::start(|request, _| {
        Verdict::text(200, "ok").accepting(request.json().map(|body| body["data"].clone()).unwrap_or_default())
    })
    .unwrap();
    let mut scene = Scene::new(&service);
    private(&scene.home().join("guard-state/pair.key"), &"0a".repeat(32));
    let settings = scene.home().join("settings/clawmend.toml");
    let reference = service.url().replace("http://", "");
    let standby = format!(
        "[standby]\nside = \"standby\"\npeer = \"127.0.0.1:1\"\nreference = \"{reference}\"\ntiming = \"fast\"\n"
    );
    let text = std::fs::read_to_string(&settings).unwrap();
    private(&settings, &(text + &standby));
    for guard in 1..=3 {
        scene.start();
        until("its word to be on the disk", || (kept_words(&scene) >= guard).then_some(()));
        scene.kill();
    }
    scene.start();
    until("the letter to arrive", || (!service.accepted().is_empty()).then_some(()));
    until("the last guard to find it out", || (kept_words(&scene) > 3).then_some(()));
    until("the letter to be settled", || {
        let told = scene.told();
        (!told.is_empty() && told.iter().all(|row| row["state"] == json!("delivered"))).then_some(())
    });
    let told = scene.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let letters = service.accepted();
    for letter in letters.iter().skip(1) {
        assert!(letter["title"].as_str().is_some_and(|title| title.starts_with(MARK)), "{letters:?}");
    }
    let key = letters[0]["key"].as_str().unwrap_or_default();
    assert!(key.starts_with("default/pair-1-") && key.contains("/refused-"), "{letters:?}");
    assert_eq!(letters[0]["level"], json!("critical"), "{letters:?}");
}
