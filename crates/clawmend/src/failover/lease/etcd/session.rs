//! The members of an etcd cluster, and who we are to them.
//!
//! Invariants: only members of the cluster that answered first are used; an endpoint that did not bring a request to its
//! end is not the first that the next one tries; a request is sent again only where etcd said that it was not let in.

use super::super::http::{Call, Http, Lines, Reply};
use super::super::{CannotOpen, Trouble, secret};
use super::wire::{Authenticated, Headed, Transacted};
use crate::settings::{EtcdSettings, Login, StoreUrl};
use clawmend_core::time::Wall;
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What etcd calls a token that it does not know, or not any more: its member was restarted, or users were changed.
const STALE_TOKEN: [&str; 3] = ["invalid auth token", "user name is empty", "revision in header is old"];
/// What it says of a write when its database has grown to its limit. By its status it would only be busy.
const FULL: &str = "database space exceeded";
/// What it says of a wrong name or password.
const WRONG_LOGIN: &str = "authentication failed";

#[derive(Debug)]
pub struct Session {
    http: Http,
    /// With connections of its own: a watch never gives one back, and a renewal should find one that is open.
    watches: Http,
    endpoints: Vec<StoreUrl>,
    login: Option<Login>,
    /// For a look at one endpoint, so that the others have their turn.
    share: Duration,
    known: Mutex<Known>,
}

/// What one endpoint tells unasked.
#[derive(Debug)]
pub struct Watch {
    pub at: usize,
    pub lines: Lines,
}

#[derive(Debug, Default)]
struct Known {
    /// The endpoint to begin with.
    first: usize,
    /// The one that was the last to bring a request to its end.
    worked: usize,
    cluster: Option<u64>,
    token: Option<SecretString>,
}

impl Session {
    pub fn new(settings: &EtcdSettings, answer_ms: u64) -> Result<Self, CannotOpen> {
        let count = u64::try_from(settings.endpoints.len()).unwrap_or(u64::MAX).max(1);
        Ok(Self {
            http: Http::new(settings.ca_file.as_deref())?,
            watches: Http::new(settings.ca_file.as_deref())?,
            endpoints: settings.endpoints.clone(),
            login: settings.login.clone(),
            // Room for what follows the look.
            share: Duration::from_millis(answer_ms.saturating_mul(7) / 8 / count),
            known: Mutex::default(),
        })
    }

    /// For people.
    pub fn places(&self) -> String {
        self.endpoints.iter().map(StoreUrl::place).collect::<Vec<_>>().join(", ")
    }

    /// Of the member that answered last.
    pub fn clock(&self) -> Option<Wall> {
        self.http.clock()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first endpoint that answers, and its answer. For reading only: it may be sent to all of them, and once more
    /// where no connection held, since a kept one does not outlive a restart of its member.
    pub async fn first(&self, path: &str, body: &Value) -> Result<(usize, Transacted), Trouble> {
        let count = self.endpoints.len();
        let begin = self.known().first;
        // Until this request has come to its end: whoever keeps it waiting is not asked first again.
        self.known().first = (begin + 1) % count.max(1);
        let mut last = None;
        for round in begin..begin + 2 * count {
            let at = round % count;
            if round == begin + count && !matches!(last, Some(Trouble::Unreachable { .. })) {
                break;
            }
            match tokio::time::timeout(self.share, self.call(at, path, body)).await {
                Ok(Ok(found)) => return Ok((at, found)),
                Ok(Err(trouble)) => last = Some(trouble),
                Err(_) => {
                    let why = format!("no answer within {} ms", self.share.as_millis());
                    last = Some(Trouble::Unreachable { place: self.place(at), why });
                }
            }
        }
        Err(last.unwrap_or(Trouble::Garbled { place: self.places(), what: "nothing" }))
    }

    /// This endpoint brought a request to its end.
    pub fn worked(&self, at: usize) {
        let mut known = self.known();
        (known.first, known.worked) = (at, at);
    }

    /// A watch, at the endpoint that was the last to work. A token that its member does not know any more is fetched anew
    /// by the next call only: a watch with it begins, and is canceled.
    pub async fn watch(&self, body: &Value) -> Result<Watch, Trouble> {
        let at = self.worked_last();
        let token = match &self.login {
            Some(login) => Some(self.token(at, login).await?),
            None => None,
        };
        let Some(endpoint) = self.endpoints.get(at) else { return Err(self.garbled(at, "nothing")) };
        let place = endpoint.place();
        let (method, url) = (Method::POST, endpoint.at("/v3/watch"));
        let call = Call { method, url, place: &place, authorization: token.as_ref(), body: Some(body) };
        match self.watches.lines(call).await? {
            Ok(lines) => Ok(Watch { at, lines }),
            Err(reply) => Err(self.refused(at, &reply)),
        }
    }

    /// The endpoint that was the last to bring a request to its end.
    pub fn worked_last(&self) -> usize {
        self.known().worked
    }

    /// Another endpoint was the last to bring a request to its end.
    pub fn works_elsewhere(&self, at: usize) -> bool {
        self.worked_last() != at
    }

    /// It is not known to be of another cluster. A watch does not settle which one is ours: it is answered also by a member
    /// that has lost all others.
    pub fn may_be_ours(&self, said: &impl Headed) -> bool {
        self.known().cluster.is_none_or(|ours| ours == said.header().cluster_id)
    }

    pub fn other_cluster(&self, at: usize) -> Trouble {
        Trouble::OtherCluster { place: self.place(at) }
    }

    /// A watch that etcd does not go on with, and why.
    pub fn unheard(&self, at: usize, why: &str) -> Trouble {
        Trouble::Unheard { place: self.place(at), said: crate::notify::http::said(why) }
    }

    /// One call to one endpoint.
    pub async fn call<T: DeserializeOwned + Headed>(&self, at: usize, path: &str, body: &Value) -> Result<T, Trouble> {
        let token = match &self.login {
            Some(login) => Some(self.token(at, login).await?),
            None => None,
        };
        let reply = self.send(at, path, body, token.as_ref()).await?;
        let Some(login) = self.login.as_ref().filter(|_| is_stale(&reply)) else { return self.read(at, &reply) };
        self.known().token = None;
        let token = self.token(at, login).await?;
        let reply = self.send(at, path, body, Some(&token)).await?;
        self.read(at, &reply)
    }

    /// The same call to every endpoint. One that does not answer holds none up.
    pub async fn each<T: DeserializeOwned + Headed>(&self, path: &str, body: &Value) -> Vec<Result<T, Trouble>> {
        let calls = (0..self.endpoints.len()).map(|at| async move {
            let late = |_| Err(Trouble::Late { after: self.share });
            tokio::time::timeout(self.share, self.call(at, path, body)).await.unwrap_or_else(late)
        });
        futures_util::future::join_all(calls).await
    }

    async fn token(&self, at: usize, login: &Login) -> Result<SecretString, Trouble> {
        if let Some(token) = &self.known().token {
            return Ok(token.clone());
        }
        let password = secret::password(&login.password)?;
        let body = json!({ "name": login.user, "password": password.expose_secret() });
        let reply = self.send(at, "/v3/auth/authenticate", &body, None).await?;
        let token = self.read::<Authenticated>(at, &reply)?.token;
        self.known().token = Some(token.clone());
        Ok(token)
    }

    async fn send(&self, at: usize, path: &str, body: &Value, token: Option<&SecretString>) -> Result<Reply, Trouble> {
        let Some(endpoint) = self.endpoints.get(at) else { return Err(self.garbled(at, "nothing")) };
        let place = endpoint.place();
        let (method, url) = (Method::POST, endpoint.at(path));
        self.http.send(Call { method, url, place: &place, authorization: token, body: Some(body) }).await
    }

    fn read<T: DeserializeOwned + Headed>(&self, at: usize, reply: &Reply) -> Result<T, Trouble> {
        if reply.status != 200 {
            return Err(self.refused(at, reply));
        }
        let read: T = reply.parse().ok_or_else(|| self.garbled(at, "something that is no answer of etcd"))?;
        let cluster = read.header().cluster_id;
        if *self.known().cluster.get_or_insert(cluster) != cluster {
            return Err(self.other_cluster(at));
        }
        Ok(read)
    }

    fn refused(&self, at: usize, reply: &Reply) -> Trouble {
        let (place, status, said) = (self.place(at), reply.status, reply.said());
        if said.contains("requested lease not found") {
            Trouble::Expired
        } else if matches!(status, 401 | 403) || said.contains(WRONG_LOGIN) || is_stale(reply) {
            Trouble::Denied { place, status, said }
        } else if said.contains(FULL) {
            Trouble::Full { place }
        } else if status == 429 || said.contains("too many requests") {
            Trouble::Busy { place }
        } else {
            Trouble::Status { place, status, said }
        }
    }

    pub fn garbled(&self, at: usize, what: &'static str) -> Trouble {
        Trouble::Garbled { place: self.place(at), what }
    }

    fn place(&self, at: usize) -> String {
        self.endpoints.get(at).map(StoreUrl::place).unwrap_or_default()
    }
}

fn is_stale(reply: &Reply) -> bool {
    let said = if reply.status == 200 { String::new() } else { reply.said() };
    reply.status == 401 || STALE_TOKEN.iter().any(|sign| said.contains(sign))
}
