#![allow(clippy::unwrap_used)]

use super::*;
use crate::settings::{Settings, parse};
use std::path::Path;

const ETCD: &str = "[shared.etcd]\nendpoints = [\"http://10.0.0.5:2379\"]\n";

fn parsed(text: &str) -> Result<Settings, String> {
    parse(Path::new("clawmend.toml"), text).map_err(|error| error.to_string())
}

/// A good section with one more line, or without the line of that name.
fn with(line: &str, store: &str) -> String {
    let key = line.split(' ').next().unwrap_or_default();
    let usual = ["group = \"home\"", "nodes = [\"attic\", \"cellar\", \"cloud\"]", "node = \"cellar\""];
    let kept: Vec<&str> = usual.into_iter().filter(|usual| !usual.starts_with(&format!("{key} ="))).collect();
    format!("[shared]\n{}\n{line}\n{store}", kept.join("\n"))
}

fn wrong(line: &str, store: &str) -> String {
    parsed(&with(line, store)).unwrap_err()
}

#[test]
fn a_group_with_etcd_is_read() {
    let text = with(
        "paused = \"external_fence\"\nfence_command = [\"/usr/local/bin/off\", \"--now\"]\ntiming = \"fast\"\nlease_ms = 6000\n\
         egress_fence = true",
        "[shared.etcd]\nendpoints = [\"https://a.example:2379\", \"https://10.0.0.6:2379\"]\nca_file = \"/etc/ca.pem\"\n\
         user = \"clawmend\"\npassword_file = \"/run/secrets/etcd\"\n",
    );
    let shared = parsed(&text).unwrap().shared.unwrap();
    assert_eq!((shared.node, shared.node().rank), (NodeId(2), 1));
    assert_eq!((shared.name_of(NodeId(1)), shared.name_of(NodeId(3))), (Some("attic"), Some("cloud")));
    assert_eq!((shared.name_of(NodeId(0)), shared.name_of(NodeId(4))), (None, None));
    assert_eq!(shared.figures, Figures { ttl_ms: 6_000, ..Figures::fast() });
    assert!(shared.egress_fence);
    let fence = shared.fence.unwrap();
    assert_eq!(
        (fence.program.to_str(), fence.arguments, fence.timeout_ms),
        (Some("/usr/local/bin/off"), vec!["--now".to_owned()], 30_000)
    );
    let StoreSettings::Etcd(etcd) = shared.store else { unreachable!() };
    assert_eq!(etcd.endpoints[0].place(), "a.example:2379");
    assert_eq!(etcd.login.unwrap().password, crate::settings::CredentialSource::File("/run/secrets/etcd".into()));
}

#[test]
fn the_usual_is_patient_and_asks_a_person() {
    let shared = parsed(&with("", ETCD)).unwrap().shared.unwrap();
    assert_eq!((shared.figures, shared.paused, shared.fence), (Figures::steady(), PausePolicy::Manual, None));
    assert!(!shared.egress_fence);
    assert_eq!(parsed("").unwrap().shared, None);
}

#[test]
fn within_a_cluster_nothing_needs_to_be_said() {
    let shared = parsed(&with("", "[shared.kubernetes]\n")).unwrap().shared.unwrap();
    let StoreSettings::Kubernetes(kubernetes) = shared.store else { unreachable!() };
    assert_eq!(kubernetes.server.place(), "kubernetes.default.svc:443");
    assert_eq!(kubernetes.token_file.unwrap(), Path::new("/var/run/secrets/kubernetes.io/serviceaccount/token"));
    assert_eq!(kubernetes.namespace, None);
}

#[test]
fn what_is_wrong_is_said_with_what_was_expected() {
    let hook = "paused = \"external_fence\"\nfence_command";
    let etcd = |line: &str| wrong("", &format!("[shared.etcd]\nendpoints = [\"https://10.0.0.5:2379\"]\n{line}\n"));
    let endpoint = |url: &str| wrong("", &format!("[shared.etcd]\nendpoints = [\"{url}\"]\n"));
    let kubernetes = |line: &str| wrong("", &format!("[shared.kubernetes]\n{line}\n"));
    let told = [
        wrong("group = \"Home\"", ETCD),
        wrong("nodes = [\"cellar\"]", ETCD),
        wrong("nodes = [\"cellar\", \"cellar\"]", ETCD),
        wrong("nodes = [\"cellar\", \"-\"]", ETCD),
        wrong("node = \"roof\"", ETCD),
        wrong("node = 2", ETCD),
        wrong("timing = \"document\"", ETCD),
        wrong("lease_ms = 4500", ETCD),
        wrong("lease_ms = 6000", ETCD),
        wrong("timing = \"fast\"\nlease_ms = 3000", ETCD),
        wrong("paused = \"never\"", ETCD),
        wrong("paused = \"external_fence\"", ETCD),
        wrong("egress_fence = \"on\"", ETCD),
        wrong("fence_command = [\"/bin/off\"]", ETCD),
        wrong("fence_timeout_ms = 5000", ETCD),
        wrong(&format!("{hook} = [\"off\"]"), ETCD),
        wrong(&format!("{hook} = []"), ETCD),
        wrong(&format!("{hook} = \"/bin/off\""), ETCD),
        wrong(&format!("{hook} = [\"/bin/off\"]\nfence_timeout_ms = 1"), ETCD),
        wrong("gateway = \"../x\"", ETCD),
        wrong("typo = 1", ETCD),
        wrong("", ""),
        wrong("", &format!("{ETCD}[shared.kubernetes]\n")),
        wrong("", "[shared.etcd]\nendpoints = []\n"),
        endpoint("http://etcd.example:2379"),
        endpoint("http://8.8.8.8:2379"),
        endpoint("https://u:p@10.0.0.5:2379"),
        endpoint("https://10.0.0.5:2379/v3"),
        endpoint("10.0.0.5:2379"),
        etcd("user = \"clawmend\""),
        etcd("password_env = \"ETCD_PASSWORD\""),
        etcd("user = \"clawmend\"\npassword_env = \"hunter-2\""),
        etcd("user = \"clawmend\"\npassword_file = \"password\""),
        etcd("user = \"clawmend\"\npassword_env = \"A\"\npassword_file = \"/b\""),
        wrong("", &format!("{ETCD}user = \"clawmend\"\npassword_env = \"A\"\n")),
        kubernetes("server = \"https://10.0.0.1:6443\""),
        kubernetes("server = \"http://10.0.0.1:8001\"\nnamespace = \"x\"\ntoken_file = \"/t\""),
        kubernetes("namespace = \"a/b\""),
        kubernetes("name = \"x\""),
        parsed(&format!("{}[standby]\nside = \"standby\"\npeer = \"10.0.0.1:1\"\n", with("", ETCD))).unwrap_err(),
    ];
    insta::assert_snapshot!(told.join("\n"));
}
