//! What the kernel says of processes.
//!
//! Invariant: whatever is told of an [`Incarnation`] was read from that life and no other: its start time is
//! proven in the same look. Start with [`Sampler`].

use super::os;
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::ProcessSample;

/// The life that has this pid now. `None` when there is none, or we may not see it.
#[must_use]
pub fn incarnation_of(pid: u32) -> Option<Incarnation> {
    os::process::incarnation_of(pid)
}

/// This life still runs (or has ended and waits for its parent to take note).
#[must_use]
pub fn is_alive(life: &Incarnation) -> bool {
    incarnation_of(life.pid).as_ref() == Some(life)
}

/// How long this life has lasted, in milliseconds. `None` where the system's start time cannot be told in time.
#[must_use]
pub fn age_ms(life: &Incarnation, now: clawmend_core::time::Now) -> Option<u64> {
    os::process::age_ms(life, now)
}

/// One look at a process.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// It lives.
    Alive(ProcessSample),
    /// That life has ended and was reaped; its pid may belong to another by now.
    Gone,
    /// We could not see, for this reason. Says nothing about the process.
    CannotTell(String),
}

/// How much a look takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// State, CPU and memory. Switches and holders are those of the last whole look, as long as it ran or slept free
    /// then and still does; else this is a whole look.
    Glance,
    /// Also switches, a tracer and a frozen cgroup.
    Whole,
    /// Also descriptors, CPU throttling and inspector clients.
    Closely,
}

/// Looks at one life again and again. Keeps what it needs open, so that a look is cheap (Linux: ≤ 40 µs).
#[derive(Debug)]
pub struct Sampler {
    inner: os::process::Sampler,
}

impl Sampler {
    /// For this life. Opens nothing yet.
    #[must_use]
    pub fn new(of: Incarnation) -> Self {
        Self { inner: os::process::Sampler::new(of) }
    }

    /// The gateway's own port, so that it is never taken for an inspector's.
    pub fn set_gateway_port(&mut self, port: Option<u16>) {
        self.inner.set_gateway_port(port);
    }

    /// Looks.
    pub fn sample(&mut self, depth: Depth) -> Look {
        self.inner.sample(depth)
    }
}

/// A variable in the environment that the process was started with. `None` when it has none such, has ended, or may
/// not be looked into. At most 2 MiB are read.
#[must_use]
pub fn environ_value(of: &Incarnation, key: &str) -> Option<String> {
    os::process::environ_value(of, key)
}

/// The environment that the process was started with, name and value. Empty when it has ended, or may not be looked
/// into. At most 2 MiB are read.
#[must_use]
pub fn environ(of: &Incarnation) -> Vec<(String, String)> {
    os::process::environ(of)
}

/// Its direct children.
#[must_use]
pub fn children(of: &Incarnation) -> Vec<Incarnation> {
    os::process::children(of)
}

/// Its children, theirs, and so on, in one look at the process table.
#[must_use]
pub fn descendants(of: &Incarnation) -> Vec<Incarnation> {
    os::process::descendants(of)
}

/// The cgroup of a process as a path (v2, else v1 `name=systemd`). `None` when the system has no such thing.
/// Ask while the process lives: it cannot be known afterwards.
#[must_use]
pub fn cgroup_of(life: &Incarnation) -> Option<String> {
    os::process::cgroup_of(life)
}

/// Processes of the group that `leader` led, or in `cgroup` or below it, besides the leader itself. The leader may be
/// dead: the kernel does not reuse its pid while the group has members. The root cgroup matches nobody.
#[must_use]
pub fn in_same_group_or_cgroup(leader: &Incarnation, cgroup: Option<&str>) -> Vec<Incarnation> {
    os::process::in_same_group_or_cgroup(leader, cgroup)
}

/// `pid` is this life, or was started by it, directly or through others, or lives in its own cgroup (a cgroup
/// that is shared with us, such as a login session, says nothing, unless it is a service's and not the guard's own).
#[must_use]
pub fn is_descendant(pid: u32, of: &Incarnation) -> bool {
    os::process::is_descendant(pid, of)
}

/// Gives this very process the name that `ps` and `top` show; at most 15 bytes count. Started through `/proc/self/exe`,
/// it would be called `exe`. Where the system has no such name, or refuses it, nothing happens.
pub fn name_self(name: &std::ffi::CStr) {
    os::process::name_self(name);
}

/// What people call the program; at most 64 characters, printable. Never used to decide.
#[must_use]
pub fn name(pid: u32) -> String {
    os::process::name(pid)
}
