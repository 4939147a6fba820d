//! A stand-in of a Kubernetes API server for Leases, as strict as "API Concepts" and the reference of
//! `coordination.k8s.io/v1` say: a `PUT` with an old `resourceVersion` is a conflict, a second `POST` exists already, a
//! version grows with each write and is opaque, a wrong token is 401, times have six digits.

use super::http::{Request, header, read_request};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/";

/// How the stand-in behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubeMode {
    /// As the real one.
    Ok,
    /// 429 for so many requests, with this `Retry-After` in seconds, and as the real one afterwards.
    Busy {
        /// How many.
        times: u32,
        /// Seconds.
        retry_after: u32,
    },
    /// It carries writes out and never answers them; reads are answered.
    MuteWrites,
    /// It carries requests out and answers this status and text.
    Says {
        /// HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// Its admission refuses who may only read.
    ReadOnly,
}

#[derive(Debug)]
struct State {
    mode: KubeMode,
    over: bool,
    token: Option<String>,
    namespace: String,
    leases: BTreeMap<String, Value>,
    version: u64,
    writes: usize,
    conflicts: usize,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stand-in. Its threads end when it is dropped.
#[derive(Debug)]
pub struct KubeApi {
    shared: Arc<Shared>,
    /// Where it listens.
    pub port: u16,
}

impl KubeApi {
    /// Serves this namespace on loopback, to whoever has this token.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(namespace: &str, token: Option<&str>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("stand-in of an API server")?;
        let port = listener.local_addr()?.port();
        let state = State {
            mode: KubeMode::Ok,
            over: false,
            token: token.map(str::to_owned),
            namespace: namespace.to_owned(),
            leases: BTreeMap::new(),
            version: 4_711,
            writes: 0,
            conflicts: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.lock().over {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || serve(&shared, stream));
            }
        });
        Ok(Self { shared, port })
    }

    /// Changes how it behaves, from the next request on; writes that wait for an answer lose their connection.
    pub fn set_mode(&self, mode: KubeMode) {
        self.shared.lock().mode = mode;
        self.shared.changed.notify_all();
    }

    /// The only token from now on.
    pub fn set_token(&self, token: &str) {
        self.shared.lock().token = Some(token.to_owned());
    }

    /// The Lease as it is stored.
    #[must_use]
    pub fn lease(&self, name: &str) -> Option<Value> {
        self.shared.lock().leases.get(name).cloned()
    }

    /// Stores a Lease, as somebody else would.
    pub fn put(&self, name: &str, mut lease: Value) {
        let mut state = self.shared.lock();
        state.version += 1;
        lease["metadata"]["resourceVersion"] = json!(state.version.to_string());
        state.leases.insert(name.to_owned(), lease);
    }

    /// Deletes a Lease, as a person would.
    pub fn delete(&self, name: &str) {
        self.shared.lock().leases.remove(name);
    }

    /// Writes that were done, and those that were refused because of another before them.
    #[must_use]
    pub fn writes_and_conflicts(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.writes, state.conflicts)
    }
}

impl Drop for KubeApi {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        // Wakes the accepting thread so that it ends.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Status, body, and the seconds of `Retry-After`.
type Reply = (u16, Value, Option<u32>);

fn serve(shared: &Shared, mut stream: TcpStream) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    while let Ok(Some(request)) = read_request(&mut reader) {
        let mut state = shared.lock();
        let (status, body, retry_after) = answer(&mut state, &request);
        let text = match &state.mode {
            KubeMode::MuteWrites if request.method != "GET" => {
                while state.mode == KubeMode::MuteWrites && !state.over {
                    state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                return;
            }
            KubeMode::Says { status, body } => (*status, body.clone()),
            KubeMode::Ok | KubeMode::Busy { .. } | KubeMode::MuteWrites | KubeMode::ReadOnly => {
                (status, body.to_string())
            }
        };
        drop(state);
        let wait = retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
        let (status, body) = text;
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{wait}Content-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
            return;
        }
    }
}

fn answer(state: &mut State, request: &Request) -> Reply {
    let bearer = header(&request.headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    if state.token.is_some() && state.token.as_deref() != bearer {
        return failure(401, "Unauthorized", "Unauthorized");
    }
    if let KubeMode::Busy { times, retry_after } = state.mode {
        let left = times.saturating_sub(1);
        state.mode = if left == 0 { KubeMode::Ok } else { KubeMode::Busy { times: left, retry_after } };
        let (status, body, _) = failure(429, "TooManyRequests", "too many requests, please try again later");
        return (status, body, Some(retry_after));
    }
    if state.mode == KubeMode::ReadOnly && request.method != "GET" {
        return failure(403, "Forbidden", "leases.coordination.k8s.io is forbidden: User \"x\" cannot update resource");
    }
    let Some((namespace, rest)) = request.path.strip_prefix(LEASES).and_then(|rest| rest.split_once('/')) else {
        return failure(404, "NotFound", "the server could not find the requested resource");
    };
    let name = rest.strip_prefix("leases").unwrap_or_default().trim_start_matches('/').to_owned();
    match (request.method.as_str(), namespace == state.namespace, name.is_empty()) {
        ("GET", true, false) => match state.leases.get(&name) {
            Some(lease) => (200, lease.clone(), None),
            None => not_found(&name),
        },
        ("GET", false, false) => not_found(&name),
        ("POST", false, true) => failure(404, "NotFound", &format!("namespaces \"{namespace}\" not found")),
        ("POST", true, true) => create(state, &request.body),
        ("PUT", true, false) => replace(state, &name, &request.body),
        _ => failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
    }
}

fn create(state: &mut State, body: &Value) -> Reply {
    let name = body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if body.pointer("/metadata/resourceVersion").is_some() {
        return failure(400, "BadRequest", "resourceVersion should not be set on objects to be created");
    }
    if state.leases.contains_key(&name) {
        state.conflicts += 1;
        return failure(409, "AlreadyExists", &format!("leases.coordination.k8s.io \"{name}\" already exists"));
    }
    store(state, &name, body, 201)
}

fn replace(state: &mut State, name: &str, body: &Value) -> Reply {
    let Some(kept) = state.leases.get(name) else { return not_found(name) };
    if body.pointer("/metadata/resourceVersion") != kept.pointer("/metadata/resourceVersion") {
        state.conflicts += 1;
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        return failure(409, "Conflict", why);
    }
    store(state, name, body, 200)
}

fn store(state: &mut State, name: &str, body: &Value, status: u16) -> Reply {
    if let Some(why) = invalid(name, body) {
        return failure(422, "Invalid", &format!("Lease.coordination.k8s.io \"{name}\" is invalid: {why}"));
    }
    state.version += 3;
    state.writes += 1;
    let mut kept = body.clone();
    kept["metadata"]["resourceVersion"] = json!(state.version.to_string());
    kept["metadata"]["uid"] = json!("0b8f2a3c-0000-4000-8000-000000000000");
    state.leases.insert(name.to_owned(), kept.clone());
    (status, kept, None)
}

/// What validation of a Lease refuses (`ValidateLeaseSpec`, and the formats of its fields).
fn invalid(name: &str, body: &Value) -> Option<&'static str> {
    let spec = &body["spec"];
    let number = |field: &str| spec.get(field).map(|value| value.as_i64().filter(|n| i32::try_from(*n).is_ok()));
    let named = |text: &Value| text.as_str() == Some(name);
    let micro = |field: &str| {
        spec.get(field).is_none_or(|time| {
            let digits = |time: &str| Some(time.split_once('.')?.1.strip_suffix('Z')?.len() == 6);
            time.as_str().and_then(digits) == Some(true)
        })
    };
    if body["kind"] != "Lease" || body["apiVersion"] != "coordination.k8s.io/v1" || !named(&body["metadata"]["name"]) {
        return Some("kind, apiVersion or name");
    }
    if number("leaseDurationSeconds").is_some_and(|seconds| seconds.is_none_or(|seconds| seconds <= 0)) {
        return Some("spec.leaseDurationSeconds: must be greater than 0");
    }
    if number("leaseTransitions").is_some_and(|count| count.is_none_or(|count| count < 0)) {
        return Some("spec.leaseTransitions: must be greater than or equal to 0");
    }
    let annotations = body.pointer("/metadata/annotations").and_then(Value::as_object);
    if annotations.is_some_and(|all| all.values().any(|value| !value.is_string())) {
        return Some("metadata.annotations: expected strings");
    }
    (!micro("renewTime") || !micro("acquireTime")).then_some("a time that is no MicroTime")
}

fn not_found(name: &str) -> Reply {
    let (code, mut body, wait) = failure(404, "NotFound", &format!("leases.coordination.k8s.io \"{name}\" not found"));
    body["details"] = json!({"name": name, "group": "coordination.k8s.io", "kind": "leases"});
    (code, body, wait)
}

fn failure(code: u16, reason: &str, message: &str) -> Reply {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    (code, body, None)
}
