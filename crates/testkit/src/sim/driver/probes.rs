//! What the guard looks at by itself: the process, its listener, its three endpoints.

use super::super::brain::Brain;
use super::super::fitted;
use super::super::process::{NEVER, Process, Stage};
use super::super::world::Out;
use super::Life;
use clawmend_core::observation::{Endpoint, EventLoop, Evidence, HttpOutcome, HttpSeen, Listener, Readiness};

/// When a probe is called late, and when it is given up.
const LATE_MS: u64 = 250;
const TIMEOUT_MS: u64 = 5_000;

/// Readiness is asked at least so often, also when nothing is suspected.
const READINESS_MS: u64 = 10_000;

impl<B: Brain> Life<B> {
    pub(super) fn look(&mut self) {
        let now = self.world.now;
        self.look_at = now + u64::from(self.cadence.process_ms);
        let closely = self.cadence.closely;
        let Some(process) = &self.world.process else {
            self.look_at = NEVER;
            return;
        };
        if let Evidence::Process(sample) = &mut self.sample {
            if sample.incarnation != process.incarnation {
                sample.incarnation.clone_from(&process.incarnation);
            }
            sample.state = process.run_state(&mut self.world.rng);
            sample.cpu_ms = process.cpu_ms(now) / 10 * 10;
            sample.voluntary = process.switches(now);
            sample.held = if closely || process.traced { process.held() } else { None };
        }
        if closely && let Evidence::Listener(listener) = &mut self.listener {
            *listener = if process.listens() {
                Listener::Own { port: 18_789, backlog: u32::from(!process.turns()) * 3 }
            } else if self.world.port_taken {
                Listener::Foreign { port: 18_789, pid: Some(7), name: "python3".to_owned() }
            } else {
                Listener::Absent
            };
        }
        let at = self.now();
        self.brain.observe(at, &self.sample, &mut self.out);
        if closely {
            self.brain.observe(at, &self.listener, &mut self.out);
        }
        self.after();
    }

    pub(super) fn probe(&mut self) {
        let now = self.world.now;
        if let Some((sent, late)) = self.asked {
            let waited = now - sent;
            if late || waited >= TIMEOUT_MS {
                self.asked = None;
                self.probe_at = now + u64::from(self.cadence.http_ms) / 2;
                return self.answer(Endpoint::Healthz, waited, HttpOutcome::TimedOut);
            }
            self.asked = Some((sent, true));
            self.probe_at = sent + TIMEOUT_MS;
            return self.answer(Endpoint::Healthz, waited, HttpOutcome::Late);
        }
        let Some(process) = &self.world.process else {
            self.probe_at = NEVER;
            return;
        };
        if !process.listens() {
            self.probe_at = now + u64::from(self.cadence.http_ms);
            return self.answer(Endpoint::Healthz, 1, HttpOutcome::Refused);
        }
        if !process.turns() {
            self.asked = Some((now, false));
            self.probe_at = now + LATE_MS;
            return;
        }
        self.probe_at = now + u64::from(self.cadence.http_ms);
        let (starting, readiness) =
            (process.stage == Stage::Sidecars, self.cadence.readiness || self.readiness_at <= now);
        let at = self.now();
        if let Evidence::Http(seen) = &mut self.http {
            seen.endpoint = Endpoint::Healthz;
            seen.latency_ms = 2;
            seen.outcome = HttpOutcome::Ok;
        }
        self.brain.observe(at, &self.http, &mut self.out);
        if readiness {
            self.ask_readiness(starting);
        }
        self.after();
    }

    fn ask_readiness(&mut self, starting: bool) {
        let at = self.now();
        self.readiness_at = at.mono.0 + READINESS_MS;
        let Some(process) = &self.world.process else { return };
        if let Evidence::Http(HttpSeen { outcome: HttpOutcome::Readiness(readiness), .. }) = &mut self.readiness {
            describe_readiness(process, readiness);
        }
        let outcome = match process.stage {
            Stage::Sidecars => HttpOutcome::Starting,
            Stage::Draining(_) => HttpOutcome::Draining,
            Stage::Exec
            | Stage::Failing(_)
            | Stage::Booting
            | Stage::Serving
            | Stage::Closing(_)
            | Stage::Inner
            | Stage::Deaf => HttpOutcome::Ok,
        };
        self.brain.observe(at, &self.readiness, &mut self.out);
        if starting || self.cadence.closely {
            if let Evidence::Http(seen) = &mut self.http {
                seen.endpoint = Endpoint::Startupz;
                seen.outcome = outcome;
            }
            self.brain.observe(at, &self.http, &mut self.out);
        }
    }

    fn answer(&mut self, endpoint: Endpoint, latency: u64, outcome: HttpOutcome) {
        if let Evidence::Http(seen) = &mut self.http {
            seen.endpoint = endpoint;
            seen.latency_ms = u32::try_from(latency).unwrap_or(u32::MAX);
            seen.outcome = outcome;
        }
        let at = self.now();
        self.brain.observe(at, &self.http, &mut self.out);
        self.after();
    }

    /// A question that waited is answered as soon as the event loop turns, or broken when the process is gone.
    pub(super) fn released_answers(&mut self) {
        let Some((sent, _)) = self.asked else { return };
        if self.world.out_kind != Out::No {
            return;
        }
        let outcome = match &self.world.process {
            None => HttpOutcome::Broken,
            Some(process) if !process.listens() => HttpOutcome::Broken,
            Some(process) if process.turns() => HttpOutcome::Ok,
            Some(_) => return,
        };
        self.asked = None;
        let now = self.world.now;
        self.probe_at = now + u64::from(self.cadence.http_ms) / 2;
        let latency = now - sent + fitted::ANSWER.mid;
        self.world.tell(
            fitted::ANSWER.mid,
            Evidence::Http(HttpSeen {
                endpoint: Endpoint::Healthz,
                latency_ms: u32::try_from(latency).unwrap_or(u32::MAX),
                outcome,
            }),
        );
    }
}

/// What `/readyz` says.
fn describe_readiness(process: &Process, readiness: &mut Readiness) {
    readiness.failing.clear();
    readiness.suppressed.clear();
    match process.stage {
        Stage::Sidecars => readiness.failing.push("startup-sidecars".to_owned()),
        Stage::Draining(_) => readiness.failing.push("gateway-draining".to_owned()),
        Stage::Exec
        | Stage::Failing(_)
        | Stage::Booting
        | Stage::Serving
        | Stage::Closing(_)
        | Stage::Inner
        | Stage::Deaf => {
            if process.deaf_channel {
                readiness.failing.push("telegram".to_owned());
            }
        }
    }
    if process.suppressed {
        readiness.suppressed.push("telegram".to_owned());
    }
    readiness.ready = readiness.failing.is_empty();
    readiness.event_loop = Some(EventLoop::default());
}
