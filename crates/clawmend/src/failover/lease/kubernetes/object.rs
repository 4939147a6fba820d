//! The Lease as an object of Kubernetes. What others have put into it is kept as it is.

use super::super::Trouble;
use clawmend_core::time::Wall;
use serde_json::{Map, Value, json};

/// Where the record lies. A name without a prefix is private to its user (Kubernetes, "Annotations").
const ANNOTATION: &str = "clawmend-record";
/// Longest `resourceVersion`; it is opaque.
const VERSION_MAX: usize = 256;

#[derive(Clone, Debug)]
pub struct Lease {
    body: Value,
    version: String,
}

impl Lease {
    /// One that the server does not have yet.
    pub fn new(namespace: &str, name: &str) -> Self {
        let body = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": name, "namespace": namespace },
        });
        Self { body, version: String::new() }
    }

    /// `None`: it is not the Lease of this name.
    pub fn read(body: Value, name: &str) -> Option<Self> {
        let metadata = body.get("metadata")?;
        let version = metadata.get("resourceVersion")?.as_str()?.to_owned();
        let fits = body.get("kind")?.as_str()? == "Lease"
            && metadata.get("name")?.as_str()? == name
            && body.get("spec").is_none_or(Value::is_object)
            && metadata.get("annotations").is_none_or(|all| all.is_object() || all.is_null())
            && (1..=VERSION_MAX).contains(&version.len());
        fits.then_some(Self { body, version })
    }

    /// Changes with each write.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub const fn body(&self) -> &Value {
        &self.body
    }

    /// # Errors
    /// Somebody else's Lease: it is not touched.
    pub fn record(&self) -> Result<&str, Trouble> {
        let found = self.body.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION)?.as_str());
        found.ok_or(Trouble::Foreign { what: "the Lease has no record of ours" })
    }

    /// How long its holder says that it lives, in seconds.
    pub fn duration_s(&self) -> u64 {
        self.body.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64).unwrap_or(0)
    }

    pub fn set_record(&mut self, text: &str) {
        let metadata = child(&mut self.body, "metadata");
        child(metadata, "annotations")[ANNOTATION] = json!(text);
    }

    /// For people who look at it with `kubectl`; nothing is decided by it, except for `seconds`.
    pub fn set_spec(&mut self, holder: Option<&str>, seconds: u64, term: u64, now: Wall, begins: bool) {
        let spec = child(&mut self.body, "spec");
        let time = micro_time(now);
        if let Value::Object(spec) = spec {
            match holder {
                Some(holder) => spec.insert("holderIdentity".to_owned(), json!(holder)),
                None => spec.remove("holderIdentity"),
            };
            if begins {
                spec.insert("acquireTime".to_owned(), json!(time));
            }
            spec.insert("renewTime".to_owned(), json!(time));
            spec.insert("leaseDurationSeconds".to_owned(), json!(i32::try_from(seconds).unwrap_or(i32::MAX)));
            spec.insert("leaseTransitions".to_owned(), json!(i32::try_from(term).unwrap_or(i32::MAX)));
        }
    }
}

/// The object under this name, made if there is none.
fn child<'a>(of: &'a mut Value, name: &str) -> &'a mut Value {
    let found = &mut of[name];
    if !found.is_object() {
        *found = Value::Object(Map::new());
    }
    found
}

/// `MicroTime`: RFC 3339 with six digits.
fn micro_time(now: Wall) -> String {
    let time = jiff::Timestamp::from_millisecond(now.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_others_put_into_it_stays() {
        let body = json!({
            "kind": "Lease",
            "metadata": { "name": "x", "resourceVersion": "7", "labels": { "a": "b" }, "annotations": { "c": "d" } },
            "spec": { "holderIdentity": "old", "strategy": "OldestEmulationVersion" },
        });
        let mut lease = Lease::read(body, "x").unwrap();
        lease.set_record("{}");
        lease.set_spec(Some("cellar"), 15, u64::MAX, Wall(1_800_000_000_123), true);
        insta::assert_json_snapshot!(lease.body());
        lease.set_spec(None, 15, 4, Wall(1_800_000_000_123), false);
        assert_eq!(lease.body().pointer("/spec/holderIdentity"), None);
    }

    #[test]
    fn something_else_is_no_lease() {
        let bodies = [
            json!(null),
            json!([]),
            json!({ "kind": "Status", "code": 200 }),
            json!({ "kind": "Lease", "metadata": { "name": "y", "resourceVersion": "7" } }),
            json!({ "kind": "Lease", "metadata": { "name": "x", "resourceVersion": "" } }),
            json!({ "kind": "Lease", "metadata": { "name": "x", "resourceVersion": 7 } }),
            json!({ "kind": "Lease", "metadata": { "name": "x", "resourceVersion": "7", "annotations": [] } }),
            json!({ "kind": "Lease", "metadata": { "name": "x", "resourceVersion": "7" }, "spec": 1 }),
        ];
        for body in bodies {
            assert!(Lease::read(body.clone(), "x").is_none(), "{body}");
        }
    }
}
