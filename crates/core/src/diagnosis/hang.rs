//! Tells the eight kinds of a hang apart, by evidence and not by words.
//!
//! Each kind has its own proof in figures of the kernel, the process table or the gateway's own measurements; a line
//! of a log alone never proves one. What was not measured is `None` and proves nothing. Start at [`classes`].

use super::class::HangClass;

/// What was measured of a gateway that does not answer. `None`: not known.
#[derive(Clone, Debug, Default, PartialEq, PartialOrd)]
pub struct HangEvidence {
    /// CPU that the process used, in cores, over the last seconds.
    pub cpu_cores: Option<f64>,
    /// The main thread gave up the CPU by itself in that time.
    pub yields: Option<bool>,
    /// It has answered nothing for so long.
    pub silent_ms: Option<u64>,
    /// Share of its memory limit (cgroup or heap) that is in use, 0 to 1.
    pub memory_share: Option<f64>,
    /// Growth of its resident memory over the last 30 minutes, as a share of what it had.
    pub memory_growth: Option<f64>,
    /// Open descriptors as a share of the limit, 0 to 1.
    pub descriptor_share: Option<f64>,
    /// A lock, pid file or port is held in the name of a process that is proven dead.
    pub dead_owner: Option<bool>,
    /// Live gateways of this home or on this port.
    pub instances: Option<u32>,
    /// Most established connections to one remote address.
    pub connections_to_one: Option<u32>,
    /// Requests that wait for a connection, as the gateway says.
    pub waiting_for_connection: Option<bool>,
    /// Connections whose other side has not answered for 30 s: SYN sent, or data unacknowledged.
    pub unanswered_connections: Option<u32>,
    /// Share of the last minute in which some task waited for CPU, memory or I/O (PSI `some`), 0 to 1.
    pub pressure: Option<f64>,
    /// Share of a core's time stolen or withheld from it (steal, CPU quota), 0 to 1.
    pub withheld: Option<f64>,
}

/// A kind of hang, with the figures that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HangFinding {
    /// Which.
    pub class: HangClass,
    /// For people.
    pub because: String,
}

/// Connections to one address that only a pool without room explains.
const POOL_FULL: u32 = 50;

/// Every kind for which there is proof, the most basic first: a starved host makes every other figure look bad, and a
/// process that burns CPU explains why nothing else moves.
#[must_use]
pub fn classes(seen: &HangEvidence) -> Vec<HangFinding> {
    let checks = [several, stale, starved, descriptors, memory, event_loop, pool, dependency];
    checks.iter().filter_map(|check| check(seen)).collect()
}

fn several(seen: &HangEvidence) -> Option<HangFinding> {
    let count = seen.instances.filter(|count| *count > 1)?;
    Some(found(HangClass::SeveralInstances, format!("{count} live gateways share this home or port")))
}

fn stale(seen: &HangEvidence) -> Option<HangFinding> {
    let alone = seen.instances.is_none_or(|count| count <= 1);
    (seen.dead_owner? && alone)
        .then(|| found(HangClass::StaleResidue, "a lock, pid file or port belongs to a dead process".to_owned()))
}

fn starved(seen: &HangEvidence) -> Option<HangFinding> {
    let pressure = seen.pressure.filter(|share| *share >= 0.4);
    let withheld = seen.withheld.filter(|share| *share >= 0.3);
    // A gateway that has the CPU to itself is not starved, however busy the host is.
    if seen.cpu_cores.is_some_and(|cores| cores >= 0.9) {
        return None;
    }
    let because = match (pressure, withheld) {
        (_, Some(share)) => format!("{} % of its CPU time was withheld", percent(share)),
        (Some(share), None) => format!("tasks of this host waited {} % of the last minute", percent(share)),
        (None, None) => return None,
    };
    Some(found(HangClass::HostStarved, because))
}

fn descriptors(seen: &HangEvidence) -> Option<HangFinding> {
    let share = seen.descriptor_share.filter(|share| *share >= 0.9)?;
    Some(found(HangClass::DescriptorLeak, format!("{} % of its descriptors are in use", percent(share))))
}

fn memory(seen: &HangEvidence) -> Option<HangFinding> {
    let full = seen.memory_share.filter(|share| *share >= 0.9);
    let growing = seen.memory_growth.filter(|share| *share >= 0.5);
    let because = match (full, growing) {
        (Some(share), _) => format!("{} % of its memory limit is in use", percent(share)),
        (None, Some(share)) => format!("its memory grew by {} % in 30 minutes", percent(share)),
        (None, None) => return None,
    };
    Some(found(HangClass::MemoryLeak, because))
}

fn event_loop(seen: &HangEvidence) -> Option<HangFinding> {
    let silent = seen.silent_ms.filter(|ms| *ms >= 10_000)?;
    let burns = seen.cpu_cores? >= 0.3 && !seen.yields?;
    // Memory at its limit makes the collector burn CPU in the same way.
    let collecting = seen.memory_share.is_some_and(|share| share >= 0.9);
    (burns && !collecting).then(|| {
        let seconds = silent / 1000;
        found(HangClass::EventLoopBlocked, format!("silent for {seconds} s, burns CPU and never yields"))
    })
}

fn pool(seen: &HangEvidence) -> Option<HangFinding> {
    let many = seen.connections_to_one.filter(|count| *count >= POOL_FULL)?;
    let idle = seen.cpu_cores.is_none_or(|cores| cores < 0.3);
    (idle && seen.waiting_for_connection?).then(|| {
        found(HangClass::PoolExhausted, format!("{many} connections to one address, and requests wait for one"))
    })
}

fn dependency(seen: &HangEvidence) -> Option<HangFinding> {
    let unanswered = seen.unanswered_connections.filter(|count| *count > 0)?;
    let idle = seen.cpu_cores.is_none_or(|cores| cores < 0.3);
    (idle && seen.waiting_for_connection != Some(true))
        .then(|| found(HangClass::DependencySlow, format!("{unanswered} connections have not been answered for 30 s")))
}

fn found(class: HangClass, because: String) -> HangFinding {
    HangFinding { class, because }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn percent(share: f64) -> u32 {
    (share.clamp(0.0, 10.0) * 100.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything measured, nothing wrong.
    fn well() -> HangEvidence {
        HangEvidence {
            cpu_cores: Some(0.01),
            yields: Some(true),
            silent_ms: Some(30_000),
            memory_share: Some(0.3),
            memory_growth: Some(0.02),
            descriptor_share: Some(0.05),
            dead_owner: Some(false),
            instances: Some(1),
            connections_to_one: Some(3),
            waiting_for_connection: Some(false),
            unanswered_connections: Some(0),
            pressure: Some(0.02),
            withheld: Some(0.0),
        }
    }

    fn first(seen: &HangEvidence) -> Option<HangClass> {
        classes(seen).first().map(|finding| finding.class)
    }

    #[test]
    fn each_kind_has_its_own_proof() {
        let kinds = [
            (HangEvidence { cpu_cores: Some(1.0), yields: Some(false), ..well() }, HangClass::EventLoopBlocked),
            (HangEvidence { memory_share: Some(0.97), ..well() }, HangClass::MemoryLeak),
            (HangEvidence { memory_growth: Some(0.8), ..well() }, HangClass::MemoryLeak),
            (HangEvidence { descriptor_share: Some(0.99), ..well() }, HangClass::DescriptorLeak),
            (HangEvidence { dead_owner: Some(true), instances: Some(0), ..well() }, HangClass::StaleResidue),
            (HangEvidence { instances: Some(2), ..well() }, HangClass::SeveralInstances),
            (
                HangEvidence { connections_to_one: Some(50), waiting_for_connection: Some(true), ..well() },
                HangClass::PoolExhausted,
            ),
            (HangEvidence { unanswered_connections: Some(4), ..well() }, HangClass::DependencySlow),
            (HangEvidence { pressure: Some(0.8), ..well() }, HangClass::HostStarved),
            (HangEvidence { withheld: Some(0.5), ..well() }, HangClass::HostStarved),
        ];
        for (seen, class) in kinds {
            assert_eq!(first(&seen), Some(class), "{seen:?}");
            assert_eq!(classes(&seen).len(), 1, "{seen:?}");
        }
        assert_eq!(first(&well()), None);
        assert_eq!(first(&HangEvidence::default()), None);
    }

    #[test]
    fn look_alikes_are_told_apart() {
        let collecting = HangEvidence { cpu_cores: Some(1.0), yields: Some(false), memory_share: Some(0.98), ..well() };
        assert_eq!(first(&collecting), Some(HangClass::MemoryLeak));
        let busy_host = HangEvidence { cpu_cores: Some(1.0), yields: Some(false), pressure: Some(0.9), ..well() };
        assert_eq!(first(&busy_host), Some(HangClass::EventLoopBlocked));
        let twin_with_lock = HangEvidence { instances: Some(2), dead_owner: Some(true), ..well() };
        assert_eq!(first(&twin_with_lock), Some(HangClass::SeveralInstances));
        let unknown = HangEvidence { cpu_cores: Some(1.0), silent_ms: Some(60_000), ..HangEvidence::default() };
        assert_eq!(first(&unknown), None, "burning CPU alone proves nothing");
    }
}
