//! The secrets of a standby by real rsync over a real sshd of this machine.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clawmend::failover::secrets::{Brought, HostKey, Identity, Secrets, SecretsError, Source};
use clawmend::host::program::Surroundings;
use clawmend_testkit::lab::{skipped, until};
use clawmend_testkit::sshd::{Sshd, new_key};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const CANARY: &str = "sk-canary-5f1d9a7733c04b1e";

/// A host that keeps secrets, and a standby.
struct Scene {
    /// Ended before its folder goes.
    sshd: Option<Sshd>,
    kept: PathBuf,
    secrets: Secrets,
    dir: tempfile::TempDir,
}

/// `None`, said: this machine cannot.
fn scene(name: &str) -> Option<Scene> {
    if Command::new("rsync").arg("--version").output().is_err() {
        skipped(name, &clawmend_testkit::lab::Unavailable("needs rsync: apt-get install rsync".into()));
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let sshd = match Sshd::start(dir.path()).unwrap() {
        Ok(sshd) => sshd,
        Err(reason) => {
            skipped(name, &reason);
            return None;
        }
    };
    let kept = dir.path().join("kept");
    fs::create_dir_all(kept.join("models")).unwrap();
    fs::write(kept.join("telegram"), CANARY).unwrap();
    fs::write(kept.join("models/key"), "another").unwrap();
    fs::set_permissions(kept.join("telegram"), fs::Permissions::from_mode(0o644)).unwrap();
    let user = Command::new("id").arg("-un").output().unwrap();
    let address = format!(
        "{}@127.0.0.1:{}:{}",
        String::from_utf8(user.stdout).unwrap().trim(),
        sshd.port,
        kept.to_str().unwrap()
    );
    let secrets = Secrets {
        source: Source::parse(&address).unwrap(),
        host_key: HostKey::parse(&sshd.host_key().unwrap()).unwrap(),
        identity: Some(Identity::parse(sshd.identity().to_str().unwrap()).unwrap()),
        into: dir.path().join("a standby's \"home\"/secrets: all"),
        work: dir.path().join("state of the guard"),
        limit: Duration::from_secs(60),
    };
    Some(Scene { sshd: Some(sshd), kept, secrets, dir })
}

impl Scene {
    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.secrets.into.join(path)).ok()
    }

    /// Nothing lies beside the folder.
    fn is_clean(&self) {
        let beside: Vec<_> = fs::read_dir(self.secrets.into.parent().unwrap()).unwrap().flatten().collect();
        assert!(beside.iter().all(|entry| entry.path() == self.secrets.into), "{beside:?}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn they_are_brought_whole_and_private_and_taken_away() {
    let Some(scene) = scene("secrets are brought") else { return };
    for (name, content) in [
        ("whatsapp/default/creds.json", "ratchet"),
        ("identity/device.json", "key"),
        ("device-auth.json", "key"),
        ("oauth.json", "refresh"),
        ("agents/main/auth-profiles.json", "refresh"),
        ("openclaw.sqlite", "db"),
    ] {
        fs::create_dir_all(scene.kept.join(name).parent().unwrap()).unwrap();
        fs::write(scene.kept.join(name), content).unwrap();
    }
    symlink("/etc/passwd", scene.kept.join("link")).unwrap();
    let bytes = u64::try_from(CANARY.len() + "another".len()).unwrap();
    assert_eq!(scene.secrets.look(Surroundings::Own).map(|found| found.files), Ok(2));
    assert!(!scene.secrets.into.exists(), "a look brings nothing");
    assert_eq!(scene.secrets.bring(), Ok(Brought { files: 2, bytes }));
    assert_eq!(scene.read("telegram").as_deref(), Some(CANARY));
    let into = &scene.secrets.into;
    assert_eq!((mode(into), mode(&into.join("models"))), (0o700, 0o700));
    assert_eq!((mode(&into.join("telegram")), mode(&into.join("models/key"))), (0o600, 0o600));
    for stays in ["whatsapp", "identity", "device-auth.json", "oauth.json", "agents", "openclaw.sqlite", "link"] {
        assert!(fs::symlink_metadata(into.join(stays)).is_err(), "{stays}");
    }
    // What has changed there has changed here.
    fs::remove_file(scene.kept.join("telegram")).unwrap();
    fs::write(scene.kept.join("models/key"), "new").unwrap();
    assert_eq!(scene.secrets.bring(), Ok(Brought { files: 1, bytes: 3 }));
    assert_eq!((scene.read("telegram"), scene.read("models/key").as_deref()), (None, Some("new")));
    scene.is_clean();
    assert_eq!(scene.secrets.wipe(), Ok(true));
    assert!(!into.exists());
    assert_eq!(scene.secrets.wipe(), Ok(false));
}

#[test]
fn a_host_that_shows_another_key_is_not_spoken_to() {
    let Some(mut scene) = scene("another host key") else { return };
    scene.secrets.bring().unwrap();
    drop(scene.sshd.take());
    new_key(&scene.dir.path().join("host")).unwrap();
    let other = Sshd::start(scene.dir.path()).unwrap().unwrap();
    let address = scene.secrets.source.to_string();
    let user = address.split('@').next().unwrap();
    scene.secrets.source =
        Source::parse(&format!("{user}@127.0.0.1:{}:{}", other.port, scene.kept.to_str().unwrap())).unwrap();
    assert_eq!(scene.secrets.bring(), Err(SecretsError::OtherKey));
    assert_eq!(scene.read("telegram").as_deref(), Some(CANARY), "what was there stays");
    scene.is_clean();
}

#[test]
fn a_host_that_refuses_or_does_not_answer_is_said() {
    let Some(mut scene) = scene("a host that refuses") else { return };
    let stranger = scene.dir.path().join("stranger");
    new_key(&stranger).unwrap();
    let known = scene.secrets.identity.replace(Identity::parse(stranger.to_str().unwrap()).unwrap());
    let refused = scene.secrets.bring();
    assert!(matches!(refused, Err(SecretsError::Refused { .. })), "{refused:?}");
    let looked = scene.secrets.look(Surroundings::Own);
    assert!(matches!(looked, Err(SecretsError::Refused { .. })), "{looked:?}");
    scene.secrets.identity = known;
    let there = fs::rename(&scene.kept, scene.dir.path().join("elsewhere"));
    there.unwrap();
    let missing = scene.secrets.bring();
    assert!(matches!(missing, Err(SecretsError::NoSuchFolder { .. })), "{missing:?}");
    drop(scene.sshd.take());
    let gone = scene.secrets.bring();
    assert!(matches!(gone, Err(SecretsError::Unreachable { .. })), "{gone:?}");
    assert!(!scene.secrets.into.exists(), "nothing was half brought");
}

#[test]
fn a_host_that_hangs_is_given_up_in_time() {
    let Some(mut scene) = scene("a host that hangs") else { return };
    let sshd = scene.sshd.as_ref().unwrap();
    let stopped = |signal| {
        let pid = rustix::process::Pid::from_raw(i32::try_from(sshd.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    };
    stopped(rustix::process::Signal::STOP);
    scene.secrets.limit = Duration::from_secs(3);
    let begin = Instant::now();
    let hangs = scene.secrets.bring();
    let took = begin.elapsed();
    stopped(rustix::process::Signal::CONT);
    assert!(matches!(hangs, Err(SecretsError::TooSlow(_) | SecretsError::Unreachable { .. })), "{hangs:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    scene.secrets.limit = Duration::from_secs(60);
    until("the host to go on", Duration::from_secs(60), || scene.secrets.bring().is_ok()).unwrap();
}

#[test]
fn a_folder_of_others_is_never_touched() {
    let Some(mut scene) = scene("a folder of others") else { return };
    let theirs = scene.dir.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("mine"), "mine").unwrap();
    let link = scene.dir.path().join("link");
    symlink(&theirs, &link).unwrap();
    let file = theirs.join("mine");
    for folder in [theirs.clone(), link, file] {
        scene.secrets.into.clone_from(&folder);
        let not_ours = SecretsError::NotOurs { folder };
        assert_eq!(scene.secrets.look(Surroundings::Own), Err(not_ours.clone()));
        assert_eq!(scene.secrets.bring(), Err(not_ours.clone()));
        assert_eq!(scene.secrets.wipe(), Err(not_ours));
    }
    assert_eq!(fs::read_to_string(theirs.join("mine")).unwrap(), "mine");
}

#[test]
fn too_much_is_refused_and_what_was_there_stays() {
    let Some(scene) = scene("too many secrets") else { return };
    scene.secrets.bring().unwrap();
    for number in 0..1_001 {
        fs::write(scene.kept.join(format!("file-{number}")), "x").unwrap();
    }
    assert_eq!(scene.secrets.bring(), Err(SecretsError::TooMuch));
    assert_eq!(scene.read("telegram").as_deref(), Some(CANARY));
    assert_eq!(scene.read("file-0"), None);
    scene.is_clean();
}

/// A volume that is not mounted after a boot, such as one that is encrypted.
#[test]
fn nothing_does_not_take_the_place_of_what_is_there() {
    let Some(scene) = scene("no secrets") else { return };
    scene.secrets.bring().unwrap();
    fs::remove_dir_all(&scene.kept).unwrap();
    fs::create_dir(&scene.kept).unwrap();
    assert_eq!(scene.secrets.bring(), Err(SecretsError::Empty));
    fs::write(scene.kept.join("small"), "x").unwrap();
    for bytes in [(16 << 20) + 1, 24 << 20] {
        fs::write(scene.kept.join("large"), vec![7; bytes]).unwrap();
        assert_eq!(scene.secrets.look(Surroundings::Own), Err(SecretsError::TooMuch));
        assert_eq!(scene.secrets.bring(), Err(SecretsError::TooMuch), "one that is left out silently is missed later");
    }
    assert_eq!(scene.read("telegram").as_deref(), Some(CANARY));
    scene.is_clean();
}

/// Whatever of it went first.
#[test]
fn a_guard_that_died_while_it_took_them_away_is_followed_by_one_that_does() {
    let Some(scene) = scene("died while it wiped") else { return };
    scene.secrets.bring().unwrap();
    let beside = scene.secrets.into.parent().unwrap().join(".secrets: all.clawmend-new");
    fs::rename(&scene.secrets.into, &beside).unwrap();
    fs::remove_file(beside.join(".brought-by-clawmend")).unwrap();
    assert_eq!(scene.secrets.wipe(), Ok(false));
    scene.is_clean();
    assert!(scene.secrets.bring().is_ok());
}

#[test]
fn a_guard_that_died_between_two_names_lost_nothing() {
    let Some(mut scene) = scene("died between two names") else { return };
    scene.secrets.bring().unwrap();
    let into = scene.secrets.into.clone();
    let beside = |end: &str| into.parent().unwrap().join(format!(".secrets: all.clawmend-{end}"));
    fs::rename(&into, beside("old")).unwrap();
    fs::create_dir(beside("new")).unwrap();
    fs::write(beside("new").join("half"), "half").unwrap();
    drop(scene.sshd.take());
    let gone = scene.secrets.bring();
    assert!(matches!(gone, Err(SecretsError::Unreachable { .. })), "{gone:?}");
    assert_eq!(scene.read("telegram").as_deref(), Some(CANARY));
    // Both names were given already.
    fs::create_dir(beside("old")).unwrap();
    assert_eq!(scene.secrets.wipe(), Ok(true));
    scene.is_clean();
}
