//! Real processes of our own, each in one kind of trouble.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

use super::facts::Watched;
use super::{Figures, facts, measure};
use crate::host::process::incarnation_of;
use crate::host::signal::{Signal, send};
use crate::openclaw::discovery::{Home, discover};
use clawmend_core::diagnosis::case::Fact;
use clawmend_core::diagnosis::class::HangClass;
use clawmend_core::observation::RunState;
use std::io::{BufRead as _, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A busy machine lets a child wait for its turn.
const PATIENCE: Duration = Duration::from_secs(90);

/// Binds a socket, tells its port, and then does what the test says.
const SERVER: &str = "import socket,time,sys\ns=socket.socket();s.bind(('127.0.0.1',0));s.listen()\n\
    print(s.getsockname()[1],flush=True)\n";

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    children: Vec<Child>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), children: Vec::new() }
    }

    pub(crate) fn home(&self) -> Home {
        discover(|_| None, self.folder.path()).remove(0)
    }

    /// A child that runs this Python after the server's beginning; its port. `None` without Python.
    pub(crate) fn python(&mut self, then: &str) -> Option<u16> {
        let spawned = Command::new("python3").args(["-c", &format!("{SERVER}{then}")]).stdout(Stdio::piped()).spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                println!("skipped: no python3 ({error})");
                return None;
            }
        };
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = child.id();
        self.children.push(child);
        let port = line.trim().parse().unwrap();
        self.lock("gateway.state.lock", pid, incarnation_of(pid).unwrap().start, port);
        Some(port)
    }

    fn sleeper(&mut self) -> u32 {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id();
        self.children.push(child);
        pid
    }

    fn lock(&self, name: &str, pid: u32, start: u64, port: u16) {
        let home = self.home();
        let folder = home.lock_folders(uid(), &std::env::temp_dir())[0].clone();
        std::fs::create_dir_all(&folder).unwrap();
        let text = serde_json::json!({
            "pid": pid, "startTime": start, "port": port, "configPath": home.config_path, "stateDir": home.state_dir,
        });
        std::fs::write(folder.join(name), text.to_string()).unwrap();
    }

    /// Measures until the fact shows, as of a gateway that has lived for ten minutes.
    fn until(&self, silent_ms: Option<u64>, wanted: Fact) -> (Figures, String) {
        let begun = Instant::now();
        loop {
            let mut figures = measure(&self.home(), uid());
            if let Some(process) = &mut figures.process {
                process.age_ms = process.age_ms.map(|age| age + 600_000);
            }
            let facts = facts::of(&figures, Watched { silent_ms, memory_growth: None });
            if let Some((_, said)) = facts.iter().find(|(fact, _)| *fact == wanted) {
                return (figures, said.clone());
            }
            assert!(begun.elapsed() < PATIENCE, "{wanted:?} is not in {facts:?}, {figures:?}");
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for child in &mut self.children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

#[test]
fn a_child_that_spins() {
    let mut scene = Scene::new();
    if scene.python("while True: pass").is_none() {
        return;
    }
    let (figures, said) = scene.until(None, Fact::Spinning);
    let process = figures.process.as_ref().unwrap();
    assert_eq!((process.yields, process.held), (Some(0), None));
    assert!(said.contains(&process.pid.to_string()) && said.contains("/healthz"), "{said}");
    // Two seconds alone are no proof of a hang; what the guard has seen for longer is.
    let facts = facts::of(&figures, Watched::default());
    assert!(!facts.iter().any(|(fact, _)| *fact == Fact::Hang(HangClass::EventLoopBlocked)), "{facts:?}");
    let (mut figures, _) = scene.until(Some(30_000), Fact::Hang(HangClass::EventLoopBlocked));
    // What is so at the end of a start is no spin.
    if let Some(process) = &mut figures.process {
        process.age_ms = Some(20_000);
    }
    let facts = facts::of(&figures, Watched { silent_ms: Some(30_000), memory_growth: None });
    let spins = [Fact::Spinning, Fact::Hang(HangClass::EventLoopBlocked)];
    assert!(!facts.iter().any(|(fact, _)| spins.contains(fact)), "{facts:?}");
}

/// What a gateway that cannot be reached has grown by was seen by the guard; what one that answers takes is its own affair.
#[test]
fn memory_that_grew_over_half_an_hour_counts_while_nothing_answers() {
    let mut scene = Scene::new();
    if scene.python("while True: pass").is_none() {
        return;
    }
    let (mut figures, _) = scene.until(None, Fact::Spinning);
    let leak = Fact::Hang(HangClass::MemoryLeak);
    let said = |figures: &Figures, growth| {
        let facts = facts::of(figures, Watched { silent_ms: None, memory_growth: Some(growth) });
        facts.into_iter().find_map(|(fact, said)| (fact == leak).then_some(said))
    };
    let words = said(&figures, 0.8).unwrap();
    assert!(words.starts_with("its memory grew by 80 % in 30 minutes ("), "{words}");
    assert_eq!(said(&figures, 0.2), None);
    figures.process.as_mut().unwrap().answers = None;
    assert_eq!(said(&figures, 0.8), None);
}

/// Holds all the descriptors that it may have.
pub(crate) const LEAK: &str = "import resource,time\nresource.setrlimit(resource.RLIMIT_NOFILE,(64,64))\n\
    kept=[]\ntry:\n  while True: kept.append(open('/dev/null'))\nexcept OSError: pass\ntime.sleep(600)\n";

#[test]
fn a_child_that_leaks_descriptors() {
    let mut scene = Scene::new();
    if scene.python(LEAK).is_none() {
        return;
    }
    let (figures, said) = scene.until(None, Fact::Hang(HangClass::DescriptorLeak));
    assert_eq!(figures.process.as_ref().unwrap().descriptor_limit, Some(64));
    assert!(said.ends_with(" of 64)"), "{said}");
}

#[test]
fn a_child_that_is_stopped() {
    let mut scene = Scene::new();
    let pid = scene.sleeper();
    let life = incarnation_of(pid).unwrap();
    scene.lock("gateway.state.lock", pid, life.start, 1);
    send(&life, Signal::Stop).unwrap();
    let (figures, said) = scene.until(None, Fact::Stopped);
    assert_eq!(figures.process.unwrap().state, [RunState::Stopped; 2]);
    assert!(said.contains("state T"), "{said}");
}

#[test]
fn two_holders_and_a_pid_that_changed_hands() {
    let mut scene = Scene::new();
    let pid = scene.sleeper();
    let start = incarnation_of(pid).unwrap().start;
    scene.lock("gateway.state.lock", pid, start - 1, 1);
    let figures = measure(&scene.home(), uid());
    assert_eq!((figures.process.as_ref(), figures.reused_pid, figures.dead_locks), (None, Some(pid), 1));
    assert_eq!(facts::of(&figures, Watched::default())[0].0, Fact::Hang(HangClass::StaleResidue));
    scene.lock("gateway.state.lock", pid, start, 1);
    let other = scene.sleeper();
    scene.lock("gateway.0a1b2c3d.lock", other, incarnation_of(other).unwrap().start, 1);
    let figures = measure(&scene.home(), uid());
    assert_eq!((figures.instances, figures.dead_locks), (2, 0));
    let facts = facts::of(&figures, Watched::default());
    assert!(facts.iter().any(|(fact, _)| *fact == Fact::Hang(HangClass::SeveralInstances)), "{facts:?}");
}

#[test]
fn a_process_that_answers_is_no_hang_and_nobody_else_is_looked_at() {
    let scene = Scene::new();
    assert_eq!(measure(&scene.home(), uid()).process, None, "no lock, no look");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            while let Ok(count @ 1..) = stream.read(&mut request) {
                let ready = String::from_utf8_lossy(&request[..count]).contains("/readyz");
                let body = if ready { r#"{"ready":true,"failing":[]}"# } else { r#"{"ok":true,"status":"live"}"# };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(head.as_bytes()).unwrap();
            }
        }
    });
    let own = incarnation_of(std::process::id()).unwrap();
    scene.lock("gateway.state.lock", own.pid, own.start, port);
    let begun = Instant::now();
    let figures = loop {
        let figures = measure(&scene.home(), uid());
        let prompt = figures.process.as_ref().unwrap().answers.as_ref().is_some_and(super::Answers::is_prompt);
        if prompt {
            break figures;
        }
        assert!(begun.elapsed() < PATIENCE, "{figures:?}");
    };
    assert_eq!(figures.process.as_ref().unwrap().answers.as_ref().unwrap().ready, Some(true));
    assert_eq!(facts::of(&figures, Watched::default()), []);
}
