//! Who we are to etcd, and who it is to us.

use crate::scene::{LONG_MS, PATIENT_MS, acquire, etcd, is_watched, node, release, renew, section, sure, trouble};
use clawmend::failover::lease::{CannotOpen, LeaseStore, Trouble};
use clawmend_core::failover::lease::{Answer, Request, Term};
use clawmend_testkit::lab::{EtcdOptions, RealEtcd, Unavailable, skipped};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Only `clawmend` may write, and only its own keys.
fn ask_for_passwords(etcd: &RealEtcd) {
    let encoded = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let own = json!({ "permType": "READWRITE", "key": encoded("clawmend/"), "range_end": encoded("clawmend0") });
    for (path, body) in [
        ("/v3/auth/user/add", json!({ "name": "root", "password": "of-root" })),
        ("/v3/auth/role/add", json!({ "name": "root" })),
        ("/v3/auth/user/grant", json!({ "user": "root", "role": "root" })),
        ("/v3/auth/user/add", json!({ "name": "clawmend", "password": "correct horse" })),
        ("/v3/auth/role/add", json!({ "name": "clawmend" })),
        ("/v3/auth/role/grant", json!({ "name": "clawmend", "perm": own })),
        ("/v3/auth/user/grant", json!({ "user": "clawmend", "role": "clawmend" })),
        ("/v3/auth/user/add", json!({ "name": "stranger", "password": "correct horse" })),
        ("/v3/auth/enable", json!({})),
    ] {
        etcd.call(path, &body).unwrap();
    }
}

fn password_file(folder: &Path, text: &str, mode: u32) -> PathBuf {
    let path = folder.join(format!("{}-{mode:o}", text.len()));
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[tokio::test]
async fn a_password_is_needed_and_a_lost_token_is_fetched_anew() {
    let Some(mut etcd) = etcd("a_password_is_needed_and_a_lost_token_is_fetched_anew") else { return };
    ask_for_passwords(&etcd);
    let folder = tempfile::tempdir().unwrap();
    let login = |user: &str, text: &str, mode: u32| {
        let path = password_file(folder.path(), text, mode);
        let more = format!("user = \"{user}\"\npassword_file = \"{}\"", path.display());
        node(1, &section(&[etcd.url()], &more), LONG_MS, PATIENT_MS)
    };
    let good = login("clawmend", "correct horse\n", 0o600);
    let term = acquire(&good).await;
    let told = [
        trouble(&login("clawmend", "wrong", 0o600), &Request::Look).await,
        trouble(&login("nobody", "correct horse\n", 0o600), &Request::Look).await,
        trouble(&login("stranger", "correct horse\n", 0o600), &Request::Look).await,
        trouble(&node(1, &section(&[etcd.url()], ""), LONG_MS, PATIENT_MS), &Request::Look).await,
    ];
    let place = format!("127.0.0.1:{}", etcd.port);
    insta::assert_snapshot!(told.map(|why| why.to_string().replace(&place, "PLACE")).join("\n"));
    let open = trouble(&login("clawmend", "correct horse\n", 0o644), &Request::Look).await;
    assert!(open.to_string().contains("can be read by others"), "{open}");
    let unheard = login("stranger", "correct horse\n", 0o600).freed().await.unwrap_err().to_string();
    assert!(unheard.contains("permission denied"), "{unheard}");
    // Its tokens are in its memory.
    etcd.kill().unwrap();
    etcd.restart().unwrap();
    assert_eq!(sure(&good, &renew(term)).await, Answer::Renewed { term: Term(1) });
    let hears = async { good.freed().await.unwrap() };
    let does = async {
        is_watched(&etcd).await;
        assert_eq!(sure(&good, &release(term)).await, Answer::Released { term: Term(1) });
    };
    tokio::time::timeout(Duration::from_millis(PATIENT_MS), async { tokio::join!(hears, does) }).await.unwrap();
    assert!(!format!("{good:?}").contains("horse"));
}

/// An authority and a certificate for `127.0.0.1` that it signed; `None` without `openssl`.
fn authority(folder: &Path) -> Option<(PathBuf, PathBuf, PathBuf)> {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab-authority -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=lab -keyout key.pem -out leaf.csr",
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem",
    ]
    .iter()
    .all(|args| {
        let done = Command::new("openssl").args(args.split(' ')).current_dir(folder).output();
        done.is_ok_and(|done| done.status.success())
    })
    .then(|| (folder.join("ca.pem"), folder.join("cert.pem"), folder.join("key.pem")))
}

#[tokio::test]
async fn only_the_named_authority_is_believed() {
    let name = "only_the_named_authority_is_believed";
    let folder = tempfile::tempdir().unwrap();
    let both = (authority(&folder.path().join("a")), authority(&folder.path().join("b")));
    let (Some((ca, cert, key)), Some((other_ca, _, _))) = both else {
        return skipped(name, &Unavailable("openssl is not installed".into()));
    };
    let etcd = match RealEtcd::start(EtcdOptions { tls: Some((cert, key)), ..EtcdOptions::default() }).unwrap() {
        Ok(etcd) => etcd,
        Err(reason) => return skipped(name, &reason),
    };
    let with = |ca: &Path| section(&[etcd.url()], &format!("ca_file = \"{}\"", ca.display()));
    let good = node(1, &with(&ca), LONG_MS, PATIENT_MS);
    // A TLS server takes connections before etcd serves: the first answer is waited for.
    while good.ask(&Request::Look).await.answer == Answer::Unknown {}
    assert_eq!(acquire(&good).await, Term(1));
    let Trouble::Unreachable { why, .. } =
        trouble(&node(2, &with(&other_ca), LONG_MS, PATIENT_MS), &Request::Acquire).await
    else {
        panic!("another trouble")
    };
    assert!(why.contains("certificate"), "{why}");
    let plain = section(&[etcd.url().replace("https", "http")], "");
    trouble(&node(2, &plain, LONG_MS, PATIENT_MS), &Request::Look).await;
    let settings = crate::scene::settings(1, &with(&folder.path().join("a/names")));
    let refused = LeaseStore::open(&settings).map(drop);
    assert!(matches!(refused, Err(CannotOpen::NoCertificate { .. })), "{refused:?}");
    let settings = crate::scene::settings(1, &with(&folder.path().join("gone")));
    assert!(matches!(LeaseStore::open(&settings).map(drop), Err(CannotOpen::File { .. })));
}
