//! The keeper's loop: one thread, one `poll`.
//!
//! Invariant: nothing here waits for a guard, a log or a gateway; every turn ends, whatever the others do.

mod fence;

use super::child::Child;
use super::connection::Connection;
use super::deadman::Deadman;
use super::ending::Ending;
use super::init::Init;
use super::output::Output;
use super::protocol::{
    Answer, Asked, AskedHead, Event, Refusal, RefusalCode, Request, State, TAIL_MAX, Tail, Told, ToldEvent, VERSION,
};
use super::signals::Signals;
use crate::host::files::FileLock;
use crate::host::{printable, process, signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, wait};
use serde::Serialize;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Guards, their event connections, and a few that are about to close.
const CONNECTIONS_MAX: usize = 16;
/// How long the record of an end may wait for the answer to it: both are written in the same folder, and the guard's
/// note of the next start should not queue behind the record.
const RECORD_WAITS: Duration = Duration::from_millis(20);
/// Without child and guard, a keeper ends by itself.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// A keeper.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    connections: Vec<Connection>,
    signals: Signals,
    child: Child,
    deadman: Deadman,
    /// The whole gateway is being ended by force.
    ending: Option<Ending>,
    /// All that is below us was started by the gateway: there is no guard, and nothing was there before us.
    alone: bool,
    output: Output,
    /// Set by SIGTERM: no spawn any more, and we end with the child.
    stopping: bool,
    idle_since: Instant,
    /// Since when an end waits to be recorded.
    unrecorded: Option<Instant>,
    init: Option<Init>,
    /// Why no process can be proven, and so none ended, on this system.
    unprovable: Option<String>,
    _lock: FileLock,
}

/// What became readable.
#[derive(Default)]
struct Ready {
    listener: bool,
    child_signal: bool,
    end_signal: bool,
    output: bool,
    adopted_ended: bool,
    connections: Vec<usize>,
}

impl Server {
    /// Takes the folder's lock and opens the socket. With `init`, also starts the guard and never ends by idleness.
    pub fn open(dir: &Path, lock: FileLock, init: Option<Init>) -> io::Result<Self> {
        let signals = Signals::install()?;
        let mut output = Output::open(dir)?;
        let deadman = Deadman::load(dir)?;
        let child = Child::load(dir, &mut output, deadman.struck_under());
        child.save();
        let alone = fence::begins_alone(deadman.state().is_some()) && init.is_none();
        let listener = super::socket::listen(dir)?;
        listener.set_nonblocking(true)?;
        let idle_since = Instant::now();
        Ok(Self {
            listener,
            connections: Vec::new(),
            signals,
            child,
            deadman,
            ending: None,
            alone,
            output,
            stopping: false,
            idle_since,
            unrecorded: None,
            init,
            unprovable: signal::provable().err(),
            _lock: lock,
        })
    }

    /// Runs to the end. Returns what a PID 1 exits with: the gateway's own status.
    pub fn run(mut self) -> io::Result<u8> {
        loop {
            if let Some(init) = &mut self.init {
                init.tend(self.stopping && self.child.running().is_none());
            }
            if self.is_over() {
                self.record();
                self.output.drain();
                self.output.settle();
                return Ok(self.init.as_ref().map_or(0, Init::exit_code));
            }
            let ready = self.wait()?;
            self.turn(&ready);
        }
    }

    fn is_over(&self) -> bool {
        if self.child.running().is_some() || self.ending.is_some() {
            return false;
        }
        match &self.init {
            Some(init) => self.stopping && init.is_done(),
            None => self.stopping || (self.connections.is_empty() && self.idle_since.elapsed() >= IDLE_MAX),
        }
    }

    fn wait(&self) -> io::Result<Ready> {
        let mut fds = vec![
            PollFd::new(&self.listener, PollFlags::IN),
            PollFd::new(&self.signals.child, PollFlags::IN),
            PollFd::new(&self.signals.end, PollFlags::IN),
            PollFd::new(self.output.fifo(), PollFlags::IN),
            // Wakes us; what is due is then read from the clock.
            PollFd::from_borrowed_fd(self.deadman.timer(), PollFlags::IN),
        ];
        let fixed = fds.len();
        fds.extend(self.connections.iter().map(|c| PollFd::from_borrowed_fd(c.stream().as_fd(), c.interest())));
        let pidfd = self.child.pidfd();
        fds.extend(pidfd.map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        match poll(&mut fds, self.patience().as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready { child_signal: true, ..Ready::default() }),
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok(Ready {
            listener: is_ready(0),
            child_signal: is_ready(1),
            end_signal: is_ready(2),
            output: is_ready(3),
            connections: (0..self.connections.len()).filter(|at| is_ready(fixed + at)).collect(),
            adopted_ended: pidfd.is_some() && is_ready(fixed + self.connections.len()),
        })
    }

    /// How long nothing may happen; `None` is for ever.
    fn patience(&self) -> Option<Timespec> {
        let idle = self.init.is_none() && self.child.running().is_none() && self.connections.is_empty();
        let idle = idle.then(|| IDLE_MAX.saturating_sub(self.idle_since.elapsed()));
        let record = self.unrecorded.map(|since| RECORD_WAITS.saturating_sub(since.elapsed()));
        let init = self.init.as_ref().and_then(Init::patience);
        let wanted = [idle, record, init, self.ending_patience()].into_iter().flatten().min()?;
        // A millisecond more, so that the deadline has passed when we wake.
        Timespec::try_from(wanted + Duration::from_millis(1)).ok()
    }

    fn turn(&mut self, ready: &Ready) {
        self.mind_deadman();
        if ready.child_signal {
            Signals::clear(&self.signals.child);
            self.reap();
        }
        if ready.adopted_ended
            && let Some(event) = self.child.adopted_ended()
        {
            self.tell(&event);
        }
        if ready.end_signal {
            Signals::clear(&self.signals.end);
            self.stop_in_order();
        }
        for at in &ready.connections {
            self.serve(*at);
        }
        if ready.listener {
            self.accept();
        }
        if ready.output {
            self.output.drain();
        }
        if self.unrecorded.is_some_and(|since| since.elapsed() >= RECORD_WAITS) {
            self.record();
        }
        self.connections.retain(|connection| !connection.closed);
        if self.child.running().is_some() || !self.connections.is_empty() {
            self.idle_since = Instant::now();
        }
    }

    /// All children that changed: the gateway, the guard (as PID 1), orphans (as PID 1).
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED) {
            let Ok(pid) = u32::try_from(pid.as_raw_nonzero().get()) else { continue };
            let over = !status.stopped() && !status.continued();
            if let Some(init) = self.init.as_mut().filter(|_| over) {
                init.reaped(pid);
            }
            if let Some(event) = self.child.changed(pid, status) {
                self.tell(&event);
            }
        }
    }

    fn record(&mut self) {
        self.child.save();
        self.unrecorded = None;
    }

    fn tell(&mut self, event: &Event) {
        let line = encode(&ToldEvent { v: VERSION, event: event.clone() });
        self.connections.iter_mut().filter(|connection| connection.subscribed).for_each(|c| c.send(&line));
        // The guard first, the record after: this is the fast path of a restart.
        if let Event::Exited(ended) = event {
            self.unrecorded.get_or_insert_with(Instant::now);
            if let Some(init) = &mut self.init {
                init.gateway_ended(ended.exit);
            }
        }
    }

    /// SIGTERM. A plain keeper goes on until its child has ended by itself. A PID 1 asks the gateway to end in order,
    /// and ends it by force at the second request or at its limit.
    fn stop_in_order(&mut self) {
        let first = !std::mem::replace(&mut self.stopping, true);
        let Some(init) = &mut self.init else { return };
        let life = self.child.running().map(|child| child.incarnation.clone());
        init.stop(life.as_ref(), first);
        if first {
            self.tell(&Event::Stopping);
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.connections.len() < CONNECTIONS_MAX && self.may_speak(&stream) {
                self.connections.extend(Connection::new(stream).ok());
            }
        }
    }

    /// Our own user or root, and nobody from the gateway's own process tree.
    fn may_speak(&self, stream: &UnixStream) -> bool {
        // A caller outside our pid namespace (a container's host) has pid 0 here, which rustix takes for an error. The
        // folder's mode has let it in, and the gateway's tree cannot be out there.
        let Ok(peer) = rustix::net::sockopt::socket_peercred(stream) else { return true };
        let user_fits = peer.uid == rustix::process::geteuid() || peer.uid.is_root();
        let pid = u32::try_from(peer.pid.as_raw_nonzero().get()).ok();
        let inside = |pid| {
            self.child.running().is_some_and(|child| process::is_descendant(pid, &child.incarnation))
                || self.is_of_the_gateway(pid)
        };
        user_fits && !pid.is_some_and(inside)
    }

    fn serve(&mut self, at: usize) {
        let Some(connection) = self.connections.get_mut(at) else { return };
        connection.flush();
        for line in connection.read_lines() {
            let changed = self.answer(at, &line);
            // After the reply: a successor's knowledge must not delay the guard.
            if changed {
                self.record();
            }
        }
    }

    /// Returns whether something changed that a successor must know.
    fn answer(&mut self, at: usize, line: &[u8]) -> bool {
        // An array could pass for a struct.
        let head = line.starts_with(b"{").then(|| serde_json::from_slice::<AskedHead>(line).ok()).flatten();
        let Some(head) = head else {
            self.connections[at].closed = true;
            return false;
        };
        let asked = match serde_json::from_slice::<Asked>(line) {
            Ok(asked) => asked,
            Err(error) => {
                let unknown = error.to_string().contains("unknown variant");
                let code = if unknown { RefusalCode::UnknownRequest } else { RefusalCode::BadRequest };
                self.reply::<()>(at, head.id, Err(Refusal::new(code, printable(error.to_string().as_bytes(), 300))));
                return false;
            }
        };
        self.carry_out(at, asked)
    }

    fn carry_out(&mut self, at: usize, Asked { id, request, .. }: Asked) -> bool {
        self.mind_deadman();
        match request {
            Request::Hello => self.reply(at, id, Ok(self.state())),
            Request::Subscribe => {
                self.connections[at].subscribed = true;
                self.reply(at, id, Ok(self.state()));
            }
            Request::Spawn(_) | Request::Adopt(_) if self.stopping => {
                self.reply::<()>(at, id, Err(Refusal::new(RefusalCode::Stopping, "this keeper is ending")));
            }
            Request::Spawn(order) => {
                let outcome = self.spawn(&order);
                self.reply(at, id, outcome);
                return true;
            }
            Request::Adopt(order) => {
                let outcome = self.child.adopt(order, &mut self.output);
                self.reply(at, id, outcome);
                return true;
            }
            Request::Ack { incarnation } => {
                self.child.acknowledge(&incarnation);
                self.reply(at, id, Ok(Empty {}));
                return true;
            }
            Request::Tail { bytes } => {
                self.output.drain();
                let limit = usize::try_from(bytes).unwrap_or(TAIL_MAX);
                let tail = fitting_tail(&self.output.tail(limit));
                self.reply(at, id, Ok(tail));
            }
            Request::Arm { term, until_ms } => {
                let outcome = self.arm(term, until_ms);
                self.reply(at, id, outcome);
            }
            Request::Disarm { term } => {
                let outcome = self.disarm(term).map(|()| Empty {});
                self.reply(at, id, outcome);
            }
            Request::Kill => {
                let killed = self.kill();
                self.reply(at, id, Ok(killed));
            }
            Request::Quit => self.quit(at, id),
        }
        false
    }

    fn quit(&mut self, at: usize, id: u64) {
        match self.child.running().cloned() {
            Some(child) => {
                let message = "the gateway still runs".to_owned();
                self.reply::<()>(
                    at,
                    id,
                    Err(Refusal { code: RefusalCode::Busy, message, child: Some(Box::new(child)) }),
                );
            }
            None => {
                self.stopping = true;
                self.reply(at, id, Ok(Empty {}));
            }
        }
    }

    fn state(&self) -> State {
        State {
            pid: std::process::id(),
            child: self.child.running().cloned(),
            exits: self.child.exits().to_vec(),
            capabilities: self.capabilities(),
            stopping: self.stopping,
            dropped_lines: self.output.dropped_lines(),
            deadman: self.deadman.state(),
        }
    }

    fn capabilities(&self) -> Vec<String> {
        let deadman = self.unprovable.is_none().then_some("deadman");
        self.init.iter().map(|_| "init").chain(deadman).map(str::to_owned).collect()
    }

    fn reply<T: Serialize>(&mut self, at: usize, id: u64, outcome: Result<T, Refusal>) {
        let answer = match outcome {
            Ok(value) => Answer::Ok(value),
            Err(refusal) => Answer::Error(refusal),
        };
        let line = encode(&Told { v: VERSION, id, answer });
        if let Some(connection) = self.connections.get_mut(at) {
            connection.send(&line);
        }
    }
}

#[derive(Serialize)]
struct Empty {}

/// Our own types always encode; should one not, an empty line tells the guard that something is wrong.
fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).map(crate::version::onto_wire).unwrap_or_default()
}

/// The newest part of `bytes` whose escaped form fits into a line.
fn fitting_tail(bytes: &[u8]) -> Tail {
    const BUDGET: usize = super::protocol::LINE_MAX - 256;
    let mut from = bytes.len().saturating_sub(BUDGET);
    loop {
        let text = String::from_utf8_lossy(&bytes[from..]).into_owned();
        if encode(&text).len() <= BUDGET {
            return Tail { text };
        }
        from += (bytes.len() - from).div_ceil(2);
    }
}

/// A signal to a life; whoever is gone needs none, and PID 1 has nobody to tell of a failure.
pub(super) fn signal_life(life: &clawmend_core::gateway::Incarnation, which: signal::Signal) {
    drop(signal::send(life, which));
}
