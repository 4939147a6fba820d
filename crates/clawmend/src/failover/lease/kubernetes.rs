//! The lease as a Lease of Kubernetes (`coordination.k8s.io/v1`), over its REST interface.
//!
//! The record lies in one annotation; the fields of the Lease say the same for people. Each write carries the
//! `resourceVersion` that was read, so the API server refuses it when anything was written meanwhile. Kubernetes does not
//! count the time of a Lease: each node does by its own clock ([`Patience`]), and the times in the Lease are never
//! compared with any clock.
//!
//! A Lease that is not there gets the same patience: it may have been deleted under a holder that has not noticed yet.
//!
//! Invariant: a write is sent again only where the API server surely has not done it (409, 429). If it is not surely done
//! it is `Unknown`.

mod object;

use super::envelope::{self, Group};
use super::http::{Call, Http, Reply};
use super::{CannotOpen, Told, Trouble, secret};
use crate::host::clock;
use crate::openclaw::files::read_bounded;
use crate::settings::{KubernetesSettings, StoreUrl};
use clawmend_core::failover::lease::{Answer, Figures, Patience, Record, Request};
use clawmend_core::time::Wall;
use object::Lease;
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A write that others were faster than is worked out anew at most so often.
const TRIES: u32 = 4;
/// Longest time that a holder's own Lease may claim, in seconds: beyond it somebody has made a mistake.
const CLAIM_MAX_S: u64 = 3_600;

/// The lease of one group in Kubernetes.
#[derive(Debug)]
pub struct Kubernetes {
    http: Http,
    server: StoreUrl,
    token_file: Option<PathBuf>,
    namespace: String,
    name: String,
    group: Group,
    ttl_ms: u64,
    drift_ppm: u32,
    /// An overloaded server may ask us to wait so long within one request.
    wait_max: Duration,
    patience: Mutex<Patience>,
}

/// The Lease as it was read.
#[derive(Debug)]
struct Sight {
    /// `None`: there is none.
    lease: Option<Lease>,
    record: Record,
    alive: bool,
}

impl Kubernetes {
    pub(super) fn open(settings: &KubernetesSettings, group: Group, figures: &Figures) -> Result<Self, CannotOpen> {
        let namespace = match &settings.namespace {
            Some(namespace) => namespace.clone(),
            None => own_namespace()?,
        };
        Ok(Self {
            http: Http::new(settings.ca_file.as_deref())?,
            server: settings.server.clone(),
            token_file: settings.token_file.clone(),
            namespace,
            name: format!("clawmend-{}", group.name),
            group,
            ttl_ms: figures.ttl_ms,
            drift_ppm: figures.drift_ppm,
            wait_max: Duration::from_millis(figures.answer_ms / 2),
            patience: Mutex::default(),
        })
    }

    pub(super) fn clock(&self) -> Option<Wall> {
        self.http.clock()
    }

    pub(super) fn describe(&self) -> String {
        format!("Kubernetes at {}, Lease {}/{}", self.server.place(), self.namespace, self.name)
    }

    pub(super) async fn ask(&self, request: &Request) -> Result<Told, Trouble> {
        let token = self.token()?;
        for _ in 0..TRIES {
            let seen = self.look(token.as_ref()).await?;
            let missing = (seen.lease.is_none() && seen.alive).then_some(Trouble::Missing);
            let mut record = seen.record.clone();
            let answer = record.apply(self.group.me, request, seen.alive);
            match &answer {
                Answer::Seen(_) | Answer::Refused(_) | Answer::Unknown => {
                    return Ok(Told { answer, trouble: missing });
                }
                Answer::Acquired { .. } if missing.is_some() => {
                    return Ok(Told { answer: Answer::Refused(seen.record.view(false)), trouble: missing });
                }
                Answer::Acquired { .. } | Answer::Renewed { .. } | Answer::Released { .. } => {}
            }
            if self.write(token.as_ref(), seen.lease, &record, matches!(answer, Answer::Acquired { .. })).await? {
                return Ok(Told { answer, trouble: None });
            }
        }
        Err(Trouble::Contended { tries: TRIES })
    }

    /// Reads the Lease. Without `resourceVersion` in the question the answer is the newest (Kubernetes, "API Concepts").
    async fn look(&self, token: Option<&SecretString>) -> Result<Sight, Trouble> {
        let reply = match self.call(token, Method::GET, &self.path(true), None).await {
            // A kept connection does not outlive a restart of the server; a read may be sent twice.
            Err(Trouble::Unreachable { .. }) => self.call(token, Method::GET, &self.path(true), None).await?,
            other => other?,
        };
        let lease = match reply.status {
            200 => Some(self.read(&reply)?),
            404 if self.says_there_is_none(&reply) => None,
            _ => return Err(self.refused(&reply)),
        };
        let record = match &lease {
            Some(lease) => envelope::open(&self.group, lease.record()?.as_bytes())?,
            None => Record::default(),
        };
        let claimed_ms = lease.as_ref().map_or(0, Lease::duration_s).min(CLAIM_MAX_S).saturating_mul(1_000);
        let ttl_ms = self.ttl_ms.max(claimed_ms);
        let alive = self.lives(lease.as_ref().map(Lease::version), ttl_ms);
        Ok(Sight { lease, record, alive })
    }

    /// What was read lies before the reading of the clock, so a holder is given too much time rather than too little.
    fn lives(&self, version: Option<&str>, ttl_ms: u64) -> bool {
        let now = clock::now().mono;
        let mut patience = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        patience.lives(version, now, ttl_ms, self.drift_ppm)
    }

    /// Writes if nothing was written since `lease` was read. False: something was, and this write is not done.
    async fn write(
        &self,
        token: Option<&SecretString>,
        lease: Option<Lease>,
        record: &Record,
        begins: bool,
    ) -> Result<bool, Trouble> {
        let text = envelope::seal(&self.group, record)?;
        let view = record.view(true);
        let holder = view.holder.map(|node| super::shown(&self.group, node));
        let (method, path) = match lease {
            Some(_) => (Method::PUT, self.path(true)),
            None => (Method::POST, self.path(false)),
        };
        let before = lease.as_ref().map(|lease| lease.version().to_owned());
        let mut lease = lease.unwrap_or_else(|| Lease::new(&self.namespace, &self.name));
        lease.set_record(&text);
        lease.set_spec(holder.as_deref(), self.ttl_ms.div_ceil(1_000), view.term.0, clock::now().wall, begins);
        let reply = self.call(token, method, &path, Some(lease.body())).await?;
        match reply.status {
            200 | 201 => {}
            409 => return Ok(false),
            _ => return Err(self.refused(&reply)),
        }
        let written = self.read(&reply)?;
        if before.as_deref() == Some(written.version()) || written.record() != Ok(text.as_str()) {
            return Err(self.garbled("that it wrote, and shows something else"));
        }
        self.lives(Some(written.version()), self.ttl_ms);
        Ok(true)
    }

    /// Sends it once more where an overloaded server has not taken it and asks for a short wait.
    async fn call(
        &self,
        token: Option<&SecretString>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Trouble> {
        let place = self.server.place();
        let call = || {
            let (method, url) = (method.clone(), self.server.at(path));
            self.http.send(Call { method, url, place: &place, authorization: token, body })
        };
        let reply = call().await?;
        match reply.retry_after {
            Some(wait) if reply.status == 429 && wait <= self.wait_max => {
                tokio::time::sleep(wait).await;
                call().await
            }
            _ => Ok(reply),
        }
    }

    /// The whole header.
    fn token(&self) -> Result<Option<SecretString>, Trouble> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let token = secret::token(path)?;
        Ok(Some(SecretString::from(format!("Bearer {}", token.expose_secret()))))
    }

    fn path(&self, of_lease: bool) -> String {
        let all = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace);
        if of_lease { format!("{all}/{}", self.name) } else { all }
    }

    fn read(&self, reply: &Reply) -> Result<Lease, Trouble> {
        let lease = reply.json().and_then(|body| Lease::read(body, &self.name));
        lease.ok_or_else(|| self.garbled("something that is not this Lease"))
    }

    fn refused(&self, reply: &Reply) -> Trouble {
        let (place, status, said) = (self.server.place(), reply.status, reply.said());
        match status {
            401 | 403 => Trouble::Denied { place, status, said },
            429 => Trouble::Busy { place },
            _ => Trouble::Status { place, status, said },
        }
    }

    /// By the API server's own word (Kubernetes, "API Concepts", kind `Status`). Whatever else answers 404 on its way, such
    /// as a proxy whose server is being replaced, does not take the lease away.
    fn says_there_is_none(&self, reply: &Reply) -> bool {
        let Some(status) = reply.json() else { return false };
        let says = |pointer: &str, text: &str| status.pointer(pointer).and_then(Value::as_str) == Some(text);
        says("/kind", "Status")
            && says("/reason", "NotFound")
            && says("/details/kind", "leases")
            && says("/details/name", &self.name)
    }

    fn garbled(&self, what: &'static str) -> Trouble {
        Trouble::Garbled { place: self.server.place(), what }
    }
}

/// The one of the pod that we run in.
fn own_namespace() -> Result<String, CannotOpen> {
    let bytes = read_bounded(&KubernetesSettings::namespace_file(), 256).map_err(|_| CannotOpen::NotInCluster)?;
    let name = String::from_utf8(bytes).map_err(|_| CannotOpen::NotInCluster)?.trim().to_owned();
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=63).contains(&name.len()) && name.bytes().all(fine) { Ok(name) } else { Err(CannotOpen::NotInCluster) }
}
