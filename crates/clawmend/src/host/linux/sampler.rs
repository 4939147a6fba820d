//! Looks at one process through files that stay open.
//!
//! Invariant: a file under `/proc/PID` that was opened for one life never shows another: after its end reading it
//! fails (`ESRCH`), also when the pid is reused. The start time is compared in each look all the same.

use super::procfs::{self, Stat, Status};
use super::{cgroup, inspector};
use crate::host::process::{Depth, Look};
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::{Held, ProcessSample, RunState};
use std::fs::File;
use std::io;

/// See the facade.
#[derive(Debug)]
pub struct Sampler {
    life: Incarnation,
    gateway_port: Option<u16>,
    mounts: cgroup::Mounts,
    files: Option<Files>,
    /// Of the last whole look, when nobody held it.
    free: Option<Status>,
}

#[derive(Debug)]
struct Files {
    stat: File,
    status: File,
    cgroup: File,
    /// What `cgroup` said when `cgroup_files` were opened.
    cgroup_text: Vec<u8>,
    cgroup_files: cgroup::Files,
}

/// Why a look showed nothing.
enum Blind {
    Gone,
    CannotTell(String),
}

impl From<io::Error> for Blind {
    fn from(error: io::Error) -> Self {
        let gone = error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
        if gone || error.kind() == io::ErrorKind::NotFound { Self::Gone } else { Self::CannotTell(error.to_string()) }
    }
}

impl Sampler {
    /// See the facade.
    pub fn new(life: Incarnation) -> Self {
        Self { life, gateway_port: None, mounts: cgroup::Mounts::default(), files: None, free: None }
    }

    /// See the facade.
    pub fn set_gateway_port(&mut self, port: Option<u16>) {
        self.gateway_port = port;
    }

    /// See the facade.
    pub fn sample(&mut self, depth: Depth) -> Look {
        match self.look(depth) {
            Ok(sample) => Look::Alive(sample),
            Err(Blind::Gone) => {
                self.files = None;
                Look::Gone
            }
            Err(Blind::CannotTell(reason)) => {
                self.files = None;
                Look::CannotTell(reason)
            }
        }
    }

    fn look(&mut self, depth: Depth) -> Result<ProcessSample, Blind> {
        let files = match self.files.take() {
            Some(files) => files,
            None => self.open()?,
        };
        let files = self.files.insert(files);
        let mut buffer = [0; 4096];
        let stat = read_stat(&files.stat, &mut buffer)?;
        if stat.start != self.life.start {
            return Err(Blind::Gone);
        }
        let ordinary = matches!(run_state(stat.state), RunState::Running | RunState::Sleeping);
        if let Some(status) = self.free.filter(|_| depth == Depth::Glance && ordinary) {
            return Ok(assemble(&self.life, stat, status, false));
        }
        let status = procfs::parse_status(procfs::read_at_start(&files.status, &mut buffer)?);
        files.follow_cgroup(&self.mounts, &mut buffer)?;
        let frozen = files.cgroup_files.is_frozen();
        let mut sample = assemble(&self.life, stat, status, frozen);
        self.free = sample.held.is_none().then_some(status);
        if depth == Depth::Closely {
            sample.throttled = files.cgroup_files.throttled();
            look_into_descriptors(&mut sample, self.gateway_port);
        }
        Ok(sample)
    }

    fn open(&mut self) -> Result<Files, Blind> {
        if self.life.boot != crate::host::clock::boot_id() {
            return Err(Blind::Gone);
        }
        self.mounts = cgroup::Mounts::read();
        let file = |name: &str| File::open(format!("/proc/{}/{name}", self.life.pid));
        Ok(Files {
            stat: file("stat")?,
            status: file("status")?,
            cgroup: file("cgroup")?,
            cgroup_text: Vec::new(),
            cgroup_files: cgroup::Files::default(),
        })
    }
}

impl Files {
    /// A process can be moved: the files of its cgroup are opened anew when it was.
    fn follow_cgroup(&mut self, mounts: &cgroup::Mounts, buffer: &mut [u8]) -> Result<(), Blind> {
        let text = procfs::read_at_start(&self.cgroup, buffer)?;
        if text != self.cgroup_text {
            self.cgroup_files = cgroup::Files::open(mounts, &String::from_utf8_lossy(text));
            self.cgroup_text = text.to_vec();
        }
        Ok(())
    }
}

fn read_stat(file: &File, buffer: &mut [u8]) -> Result<Stat, Blind> {
    let text = procfs::read_at_start(file, buffer)?;
    procfs::parse_stat(text).ok_or_else(|| Blind::CannotTell("/proc/PID/stat is not in a form we know".to_owned()))
}

fn assemble(life: &Incarnation, stat: Stat, status: Status, frozen: bool) -> ProcessSample {
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    let page_kib = (rustix::param::page_size() / 1024).max(1) as u64;
    let held = if frozen {
        Some(Held::Frozen)
    } else if status.tracer != 0 {
        Some(Held::Traced { tracer: status.tracer })
    } else {
        None
    };
    ProcessSample {
        incarnation: life.clone(),
        state: run_state(stat.state),
        cpu_ms: stat.cpu_ticks.saturating_mul(1000) / ticks_per_second,
        voluntary: status.voluntary,
        involuntary: status.involuntary,
        rss_kib: stat.rss_pages.saturating_mul(page_kib),
        threads: stat.threads,
        descriptors: None,
        throttled: None,
        held,
    }
}

fn look_into_descriptors(sample: &mut ProcessSample, gateway_port: Option<u16>) {
    let pid = sample.incarnation.pid;
    let Some(descriptors) = super::tcp::Descriptors::read(pid) else { return };
    sample.descriptors = Some(descriptors.count);
    if sample.held.is_none() && inspector::has_client(pid, &descriptors, gateway_port) {
        sample.held = Some(Held::Inspected);
    }
}

fn run_state(letter: u8) -> RunState {
    match letter {
        b'R' => RunState::Running,
        b'S' | b'I' => RunState::Sleeping,
        b'D' => RunState::Blocked,
        b'T' => RunState::Stopped,
        b't' => RunState::Traced,
        b'Z' | b'X' => RunState::Dead,
        _ => RunState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::print_stdout)]
    use super::*;
    use crate::host::process::incarnation_of;
    use crate::host::signal::{Signal, send};
    use std::process::Command;
    use std::time::{Duration, Instant};

    fn alive(look: Look) -> ProcessSample {
        match look {
            Look::Alive(sample) => sample,
            other @ (Look::Gone | Look::CannotTell(_)) => unreachable!("{other:?}"),
        }
    }

    /// Looks until the condition holds; the kernel takes a moment to carry out a signal.
    fn look_until(sampler: &mut Sampler, depth: Depth, holds: impl Fn(&ProcessSample) -> bool) -> ProcessSample {
        let begun = Instant::now();
        loop {
            let sample = alive(sampler.sample(depth));
            if holds(&sample) || begun.elapsed() > Duration::from_secs(10) {
                return sample;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_stop_a_new_life_and_an_end_are_told_apart() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let life = incarnation_of(child.id()).unwrap();
        let mut sampler = Sampler::new(life.clone());
        let sample = look_until(&mut sampler, Depth::Closely, |sample| sample.state == RunState::Sleeping);
        assert_eq!(sample.state, RunState::Sleeping);
        assert!(sample.rss_kib > 0 && sample.threads == 1 && sample.descriptors.is_some());
        send(&life, Signal::Stop).unwrap();
        assert_eq!(look_until(&mut sampler, Depth::Glance, |s| s.state == RunState::Stopped).state, RunState::Stopped);
        let mut other = life.clone();
        other.start += 1;
        assert_eq!(Sampler::new(other).sample(Depth::Glance), Look::Gone);
        send(&life, Signal::Kill).unwrap();
        assert_eq!(look_until(&mut sampler, Depth::Glance, |s| s.state == RunState::Dead).state, RunState::Dead);
        child.wait().unwrap();
        assert_eq!(sampler.sample(Depth::Glance), Look::Gone);
    }

    #[test]
    fn a_frozen_cgroup_is_seen_without_looking_closely() {
        let dir = std::path::PathBuf::from(format!("/sys/fs/cgroup/freezer/clawmend-test-{}", std::process::id()));
        if !rustix::process::geteuid().is_root() || std::fs::create_dir(&dir).is_err() {
            println!("skipped: no writable v1 freezer hierarchy on this machine");
            return;
        }
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let mut sampler = Sampler::new(incarnation_of(child.id()).unwrap());
        assert_eq!(alive(sampler.sample(Depth::Whole)).held, None);
        std::fs::write(dir.join("cgroup.procs"), child.id().to_string()).unwrap();
        std::fs::write(dir.join("freezer.state"), "FROZEN").unwrap();
        let held = alive(sampler.sample(Depth::Whole)).held;
        std::fs::write(dir.join("freezer.state"), "THAWED").unwrap();
        let thawed = alive(sampler.sample(Depth::Whole)).held;
        child.kill().unwrap();
        child.wait().unwrap();
        std::fs::remove_dir(&dir).unwrap();
        assert_eq!(held, Some(Held::Frozen));
        assert_eq!(thawed, None);
    }

    #[test]
    fn an_inspector_with_a_client_is_seen_and_another_port_is_not() {
        const SERVER: &str = "import socket,sys\n\
            s=socket.socket(); s.bind(('127.0.0.1',int(sys.argv[1]))); s.listen()\n\
            print('up',flush=True); c=s.accept(); print('in',flush=True); sys.stdin.read()";
        let free = (9229..=9249).find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok());
        let ordinary = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for (port, expected) in [(free.unwrap(), Some(Held::Inspected)), (ordinary, None)] {
            let mut server = match Command::new("python3")
                .args(["-c", SERVER, &port.to_string()])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
            {
                Ok(server) => server,
                Err(error) => {
                    println!("skipped: no python3 ({error})");
                    return;
                }
            };
            let mut lines = std::io::BufRead::lines(std::io::BufReader::new(server.stdout.take().unwrap()));
            assert_eq!(lines.next().unwrap().unwrap(), "up");
            let mut sampler = Sampler::new(incarnation_of(server.id()).unwrap());
            assert_eq!(alive(sampler.sample(Depth::Closely)).held, None);
            let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            assert_eq!(lines.next().unwrap().unwrap(), "in");
            let listening = crate::host::socket::listening(server.id()).unwrap();
            assert_eq!(listening.len(), 1);
            assert_eq!(listening[0].addr.port(), port);
            assert!(crate::host::socket::is_held(server.id(), &listening[0]));
            assert!(!crate::host::socket::is_held(std::process::id(), &listening[0]), "ours, not theirs");
            let owner = crate::host::socket::owner_of(port);
            assert!(matches!(owner, crate::host::socket::PortOwner::Process { pid, .. } if pid == server.id()));
            let held = alive(sampler.sample(Depth::Closely)).held;
            drop(client);
            server.kill().unwrap();
            server.wait().unwrap();
            assert!(!crate::host::socket::is_held(server.id(), &listening[0]), "it is gone");
            assert_eq!(held, expected, "port {port}");
        }
    }

    #[test]
    fn a_glance_passes_on_switches_and_looks_whole_where_something_is_odd() {
        let mut sampler = Sampler::new(incarnation_of(std::process::id()).unwrap());
        let first = alive(sampler.sample(Depth::Glance));
        assert!(sampler.free.is_some(), "the first look is a whole one");
        sampler.free = sampler.free.map(|free| Status { voluntary: 7, ..free });
        assert_eq!(alive(sampler.sample(Depth::Glance)).voluntary, 7, "a glance must not read it");
        assert_eq!(first.held, None);
        alive(sampler.sample(Depth::Whole));
        assert_ne!(sampler.free.unwrap().voluntary, 7, "a whole look does");

        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let life = incarnation_of(child.id()).unwrap();
        let mut sampler = Sampler::new(life.clone());
        look_until(&mut sampler, Depth::Whole, |sample| sample.state == RunState::Sleeping);
        sampler.free = sampler.free.map(|free| Status { voluntary: 7_000_000, ..free });
        send(&life, Signal::Stop).unwrap();
        let stopped = look_until(&mut sampler, Depth::Glance, |sample| sample.state == RunState::Stopped);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_ne!(stopped.voluntary, 7_000_000, "who holds a stopped process is looked up at once");
    }

    #[test]
    fn a_look_is_cheap() {
        let mut sampler = Sampler::new(incarnation_of(std::process::id()).unwrap());
        alive(sampler.sample(Depth::Whole));
        let mut fastest = Duration::MAX;
        for _ in 0..200 {
            let begun = Instant::now();
            alive(sampler.sample(Depth::Whole));
            fastest = fastest.min(begun.elapsed());
        }
        println!("fastest look: {fastest:?}");
        assert!(fastest < Duration::from_micros(400), "{fastest:?}");
    }
}
