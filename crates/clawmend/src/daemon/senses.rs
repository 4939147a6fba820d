//! Looking at the live process: the kernel's view, its listener, its health endpoints, its RPC.
//!
//! Invariant: a probe only goes to a socket that this very process was seen to own just now, and at most
//! [`IN_FLIGHT`] probes are under way. Senses collect; they conclude nothing.

use super::news::{News, Sender};
use crate::host::process::{Depth, Look, Sampler};
use crate::host::socket::{self, ListenSocket, PortOwner};
use crate::probe::connect::{Scheme, Target};
use crate::probe::http::{HttpProbe, Limits};
use clawmend_core::gateway::Incarnation;
use clawmend_core::observation::{Endpoint, Evidence, HttpOutcome, HttpSeen, Listener};
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

/// Probes under way at most: the one that waits for a silent gateway, and fresh ones beside it.
const IN_FLIGHT: usize = 3;
/// Looks that only ask whether the known socket is still open, before all sockets are listed again: five minutes at
/// rest. Such a look misses nothing but a `shutdown(2)` of a listening socket, which Node never does.
const SHORT_LOOKS: u32 = 30;

/// Where the gateway may be expected to listen, before it was seen to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Port from the lock file: right even after the config was edited (OpenClaw 2026.9.6).
    pub lock_port: Option<u16>,
    /// Port from environment or config.
    pub config_port: Option<u16>,
    /// It speaks TLS.
    pub tls: bool,
}

/// Eyes on one life.
pub struct Senses {
    life: Incarnation,
    sampler: Sampler,
    target: Option<Target>,
    /// The gateway's socket, what it was chosen by, and short looks at it since then.
    own: Option<(ListenSocket, Expected, u32)>,
    kept: Rc<RefCell<Option<HttpProbe>>>,
    in_flight: Rc<Cell<usize>>,
}

impl Senses {
    /// For this life.
    #[must_use]
    pub fn new(life: &Incarnation) -> Self {
        Self {
            life: life.clone(),
            sampler: Sampler::new(life.clone()),
            target: None,
            own: None,
            kept: Rc::default(),
            in_flight: Rc::default(),
        }
    }

    /// Whom they watch.
    #[must_use]
    pub const fn life(&self) -> &Incarnation {
        &self.life
    }

    /// Where it listens, once seen.
    #[must_use]
    pub const fn target(&self) -> Option<Target> {
        self.target
    }

    /// Where it listens, if that socket is proven to be its own, now. Elsewhere no secret may be sent.
    #[must_use]
    pub fn proven(&self) -> Option<Target> {
        let (own, _, _) = self.own.as_ref()?;
        self.target.filter(|target| target.address == reachable(own.addr) && socket::is_held(self.life.pid, own))
    }

    /// One look at the process. `None`: the look failed for a reason on our side.
    pub fn look(&mut self, depth: Depth) -> Option<Evidence> {
        match self.sampler.sample(depth) {
            Look::Alive(sample) => Some(Evidence::Process(sample)),
            // Its end comes from whoever watches for it, with the manner of it.
            Look::Gone | Look::CannotTell(_) => None,
        }
    }

    /// Who listens where the gateway should; finds out where that is. Not `closely`: a socket that is still open is
    /// enough, and the backlog is the one of the last whole look.
    pub fn listen(&mut self, expected: &Expected, closely: bool) -> Listener {
        if let Some((own, chosen_by, looks)) = &mut self.own
            && !closely
            && *looks < SHORT_LOOKS
            && chosen_by == expected
            && socket::is_held(self.life.pid, own)
        {
            *looks += 1;
            return Listener::Own { port: own.addr.port(), backlog: own.backlog };
        }
        self.own = None;
        let Some(sockets) = socket::listening(self.life.pid) else {
            // We may not look into it: go by what its lock or config says.
            let port = expected.lock_port.or(expected.config_port);
            self.aim(port.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)), expected);
            return Listener::Unknown;
        };
        let Some(own) = own_socket(&sockets, expected) else {
            return self.without_listener(expected);
        };
        self.sampler.set_gateway_port(Some(own.addr.port()));
        self.aim(Some(reachable(own.addr)), expected);
        self.own = Some((own, expected.clone(), 0));
        Listener::Own { port: own.addr.port(), backlog: own.backlog }
    }

    fn without_listener(&mut self, expected: &Expected) -> Listener {
        let port = self.target.map(|target| target.address.port()).or(expected.lock_port).or(expected.config_port);
        self.aim(None, expected);
        let Some(port) = port else { return Listener::Absent };
        match socket::owner_of(port) {
            PortOwner::Process { pid, .. } if pid == self.life.pid => Listener::Absent,
            PortOwner::Process { pid, name } => Listener::Foreign { port, pid: Some(pid), name },
            PortOwner::Hidden => Listener::Foreign { port, pid: None, name: "a process of another user".to_owned() },
            PortOwner::Nobody | PortOwner::Unknown => Listener::Absent,
        }
    }

    fn aim(&mut self, address: Option<SocketAddr>, expected: &Expected) {
        let scheme = if expected.tls { Scheme::Tls } else { Scheme::Plain };
        let target = address.map(|address| Target { address, scheme });
        if self.target != target {
            self.target = target;
            *self.kept.borrow_mut() = None;
        }
    }

    /// Asks the given endpoints one after another, beside the caller.
    pub fn probe(&self, endpoints: &'static [Endpoint], limits: Limits, news: &Sender) {
        let Some(target) = self.target else {
            // The kernel already told that nobody listens: no need to knock.
            let outcome = HttpOutcome::Refused;
            let seen = HttpSeen { endpoint: Endpoint::Healthz, latency_ms: 0, outcome };
            let _ = news.try_send(News::Evidence(Evidence::Http(seen)));
            return;
        };
        if self.in_flight.get() >= IN_FLIGHT {
            return;
        }
        self.in_flight.set(self.in_flight.get() + 1);
        let (kept, in_flight, news) = (Rc::clone(&self.kept), Rc::clone(&self.in_flight), news.clone());
        tokio::task::spawn_local(async move {
            let probe = kept.borrow_mut().take().filter(|probe| probe.target() == target);
            let mut probe = probe.unwrap_or_else(|| HttpProbe::new(target));
            for endpoint in endpoints {
                let late = |seen| {
                    let _ = news.try_send(News::Evidence(Evidence::Http(seen)));
                };
                let seen = probe.probe(*endpoint, limits, late).await;
                let silent = matches!(
                    seen.outcome,
                    HttpOutcome::TimedOut | HttpOutcome::Refused | HttpOutcome::Broken | HttpOutcome::Late
                );
                let _ = news.send(News::Evidence(Evidence::Http(seen))).await;
                if silent {
                    break;
                }
            }
            *kept.borrow_mut() = Some(probe);
            in_flight.set(in_flight.get().saturating_sub(1));
        });
    }
}

/// The gateway's own socket among those of its process: by its lock's port, else its config's, else the only one
/// that is no inspector's.
fn own_socket(sockets: &[ListenSocket], expected: &Expected) -> Option<ListenSocket> {
    let by_port = |port: Option<u16>| sockets.iter().find(|socket| Some(socket.addr.port()) == port).copied();
    by_port(expected.lock_port).or_else(|| by_port(expected.config_port)).or_else(|| {
        let mut others = sockets.iter().filter(|socket| !(9229..=9239).contains(&socket.addr.port()));
        let first = others.next().copied();
        let same_port = first.is_some_and(|first| others.all(|other| other.addr.port() == first.addr.port()));
        first.filter(|_| same_port && expected.lock_port.is_none() && expected.config_port.is_none())
    })
}

/// An address that can be connected to.
fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), addr.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), addr.port()),
        IpAddr::V4(_) | IpAddr::V6(_) => addr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(addr: &str) -> Option<ListenSocket> {
        addr.parse().ok().map(|addr| ListenSocket { addr, backlog: 0, inode: 0, descriptor: 0 })
    }

    #[test]
    fn the_lock_tells_the_port_better_than_the_config() {
        let sockets: Vec<_> = ["127.0.0.1:9229", "127.0.0.1:1", "127.0.0.1:2"].into_iter().filter_map(socket).collect();
        let expected = Expected { lock_port: Some(2), config_port: Some(1), tls: false };
        assert_eq!(own_socket(&sockets, &expected).map(|own| own.addr.port()), Some(2));
        let expected = Expected { lock_port: None, config_port: Some(3), tls: false };
        assert_eq!(own_socket(&sockets, &expected), None, "an unknown socket is not taken for the gateway's");
        let expected = Expected::default();
        assert_eq!(own_socket(&sockets[..2], &expected).map(|own| own.addr.port()), Some(1), "not the inspector");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_socket_is_believed_until_it_is_closed_or_another_is_expected() {
        let Some(life) = crate::host::process::incarnation_of(std::process::id()) else { return };
        let bind = || std::net::TcpListener::bind("127.0.0.1:0").ok();
        let (Some(first), Some(second)) = (bind(), bind()) else { return };
        let port = |listener: &std::net::TcpListener| listener.local_addr().map_or(0, |addr| addr.port());
        let on = |port| Expected { lock_port: None, config_port: Some(port), tls: false };
        let (one, two) = (port(&first), port(&second));
        let own = |listener| matches!(listener, Listener::Own { port, .. } if port == one);
        let mut senses = Senses::new(&life);
        assert_eq!(senses.proven(), None, "nobody has looked");
        assert!(own(senses.listen(&on(one), false)));
        assert!(senses.proven().is_some() && senses.proven() == senses.target());
        for _ in 0..3 * SHORT_LOOKS {
            assert!(own(senses.listen(&on(one), false)));
        }
        assert!(senses.own.as_ref().is_some_and(|(_, _, looks)| *looks <= SHORT_LOOKS), "looked at whole in between");
        assert!(matches!(senses.listen(&on(two), false), Listener::Own { port, .. } if port == two));
        assert!(own(senses.listen(&on(one), false)));
        drop(first);
        assert_eq!(senses.proven(), None, "closed since the last look: no secret goes there");
        assert!(!own(senses.listen(&on(one), false)), "closed, and seen at the next look");
        assert_eq!(senses.target(), None);
    }

    #[test]
    fn an_unspecified_address_is_reached_on_loopback() {
        assert_eq!(socket("0.0.0.0:5").map(|own| reachable(own.addr)), "127.0.0.1:5".parse().ok());
        assert_eq!(socket("[::]:5").map(|own| reachable(own.addr)), "[::1]:5".parse().ok());
    }
}
