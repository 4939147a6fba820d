#![allow(clippy::unwrap_used, clippy::panic)]
use super::object::hash;
use super::*;
use clawmend_core::gateway::{GatewayId, Incarnation};
use clawmend_core::generation::Keeping;
use clawmend_core::time::Wall;
use std::path::{Path, PathBuf};

struct Lab {
    dir: tempfile::TempDir,
    room: Room,
    config: PathBuf,
}

fn lab() -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let room = Room::open(&dir.path().join("state"), &GatewayId("default".into())).unwrap();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    Lab { config: home.join("openclaw.json"), room, dir }
}

fn snapshot(lab: &Lab, text: &str) -> Snapshot {
    Snapshot::of_file(&lab.config, text.as_bytes().to_vec())
}

fn folder(lab: &Lab, id: &str) -> PathBuf {
    lab.dir.path().join("state/generations/default").join(id)
}

fn proof(at: i64) -> Proof {
    Proof { at: Wall(at), by: Incarnation { pid: 7, start: 1, boot: "b".into() }, well_ms: 60_000 }
}

const MODE: &str = "{gateway: {mode: 'local', port: 19789}}";

#[test]
fn a_generation_is_kept_once_and_stays_private() {
    let lab = lab();
    let one = lab.room.keep(&snapshot(&lab, MODE), Wall(1), |record| record.readable = true).unwrap();
    let Kept::New(id) = &one else { panic!("{one:?}") };
    assert_eq!(lab.room.keep(&snapshot(&lab, MODE), Wall(9), |_| {}).unwrap(), Kept::Known(id.clone()));
    let all = lab.room.list().unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].record.first_seen, all[0].record.last_seen, all[0].record.readable), (Wall(1), Wall(9), true));
    assert_eq!(lab.room.find(&id[..6]).unwrap(), *id);
    assert!(matches!(lab.room.find("proven"), Err(RoomError::Unknown(_))));
    assert!(matches!(lab.room.find("../.."), Err(RoomError::Unknown(_))));
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&folder(&lab, id)), 0o700);
        for file in ["0", "manifest.json", "record.json"] {
            assert_eq!(mode(&folder(&lab, id).join(file)), 0o600);
        }
    }
}

#[test]
fn a_poisoned_copy_is_never_used() {
    let lab = lab();
    let id = lab.room.keep(&snapshot(&lab, MODE), Wall(1), |_| {}).unwrap().id().to_owned();
    lab.room.prove(&id, proof(5)).unwrap();
    std::fs::write(folder(&lab, &id).join("0"), MODE.replace("19789", "6666")).unwrap();
    assert!(lab.room.load(&id).is_err() && lab.room.prove(&id, proof(6)).is_err());
    assert_eq!(lab.room.newest_proven().unwrap(), None);
    assert!(lab.room.list().unwrap()[0].damaged);
    // The true content, seen again, takes its place, but nobody says any more that it is proven.
    lab.room.keep(&snapshot(&lab, MODE), Wall(7), |_| {}).unwrap();
    assert!(lab.room.load(&id).is_ok() && lab.room.newest_proven().unwrap().is_none());
}

#[test]
fn a_lost_record_is_made_anew_and_proves_nothing() {
    let lab = lab();
    let id = lab.room.keep(&snapshot(&lab, MODE), Wall(1), |_| {}).unwrap().id().to_owned();
    lab.room.prove(&id, proof(5)).unwrap();
    for damage in ["", "{\"schema\":", "[]"] {
        std::fs::write(folder(&lab, &id).join("record.json"), damage).unwrap();
        let all = lab.room.list().unwrap();
        assert!(all[0].record.proven.is_none() && all[0].record.first_seen > Wall(1_000) && !all[0].damaged);
    }
}

#[test]
fn what_a_person_forgot_is_not_kept_again() {
    let lab = lab();
    let id = lab.room.keep(&snapshot(&lab, MODE), Wall(1), |_| {}).unwrap().id().to_owned();
    lab.room.forget(&id).unwrap();
    assert!(!folder(&lab, &id).exists());
    assert_eq!(lab.room.keep(&snapshot(&lab, MODE), Wall(2), |_| {}).unwrap(), Kept::Forgotten(id.clone()));
    assert!(lab.room.list().unwrap().is_empty() && matches!(lab.room.forget(&id), Err(RoomError::Unknown(_))));
}

#[test]
fn old_ones_go_and_the_newest_proven_stays() {
    let lab = lab();
    let keep =
        |n: i64| lab.room.keep(&snapshot(&lab, &format!("{{a: {n}}}")), Wall(n), |_| {}).unwrap().id().to_owned();
    let ids: Vec<String> = (0..6).map(keep).collect();
    lab.room.prove(&ids[0], proof(1)).unwrap();
    lab.room.prove(&ids[1], proof(2)).unwrap();
    let keeping = Keeping { unproven: 2, proven: 1, ..Keeping::default() };
    let gone = lab.room.thin_out(Wall(10), &keeping, &[&ids[2]]).unwrap();
    assert_eq!(gone, [ids[3].clone(), ids[0].clone()]);
    assert_eq!(lab.room.list().unwrap().len(), 4);
}

#[test]
fn a_replaced_file_keeps_mode_and_old_content() {
    let lab = lab();
    std::fs::write(&lab.config, "broken").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&lab.config, std::fs::Permissions::from_mode(0o640)).unwrap();
    }
    let (target, old) = Target::look(&lab.config).unwrap();
    assert_eq!((old.as_deref(), target.sha256()), (Some(&b"broken"[..]), Some(hash(b"broken").as_str())));
    let aside = replace(&target, MODE.as_bytes(), Some(("rejected", Wall(1_795_000_000_000)))).unwrap().unwrap();
    assert_eq!(std::fs::read(&lab.config).unwrap(), MODE.as_bytes());
    assert_eq!(std::fs::read(&aside).unwrap(), b"broken");
    assert!(
        aside.to_str().unwrap().ends_with("openclaw.json.clawmend-rejected-20261118T110640Z"),
        "{}",
        aside.display()
    );
    assert_eq!(std::fs::read_dir(lab.config.parent().unwrap()).unwrap().count(), 2, "nothing else is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(std::fs::metadata(&lab.config).unwrap().mode() & 0o777, 0o640);
        assert_eq!(std::fs::metadata(&aside).unwrap().mode() & 0o777, 0o600);
    }
    // The same look a second time is stale.
    assert!(matches!(replace(&target, b"x", None), Err(WriteError::Changed { .. })));
    assert_eq!(std::fs::read(&lab.config).unwrap(), MODE.as_bytes());
}

#[test]
fn what_somebody_changed_meanwhile_is_left_alone() {
    let lab = lab();
    let (nothing, _) = Target::look(&lab.config).unwrap();
    std::fs::write(&lab.config, "theirs").unwrap();
    assert!(matches!(replace(&nothing, b"ours", None), Err(WriteError::Changed { .. })));
    let (target, _) = Target::look(&lab.config).unwrap();
    std::fs::write(&lab.config, "other!").unwrap();
    assert!(matches!(replace(&target, b"ours", None), Err(WriteError::Changed { .. })));
    assert_eq!(std::fs::read(&lab.config).unwrap(), b"other!");
    std::fs::remove_file(&lab.config).unwrap();
    let (nothing, _) = Target::look(&lab.config).unwrap();
    replace(&nothing, b"ours", None).unwrap();
    assert_eq!(std::fs::read(&lab.config).unwrap(), b"ours");
    assert_eq!(std::fs::read_dir(lab.config.parent().unwrap()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn links_folders_and_read_only_files() {
    use std::os::unix::fs::PermissionsExt;
    let lab = lab();
    let real = lab.dir.path().join("real.json");
    std::fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink(&real, &lab.config).unwrap();
    let (target, _) = Target::look(&lab.config).unwrap();
    replace(&target, b"new", None).unwrap();
    assert!(std::fs::symlink_metadata(&lab.config).unwrap().is_symlink());
    assert_eq!(std::fs::read(&real).unwrap(), b"new");
    std::fs::remove_file(&lab.config).unwrap();
    std::fs::create_dir(&lab.config).unwrap();
    assert!(matches!(Target::look(&lab.config), Err(WriteError::NotAFile { .. })));
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o400)).unwrap();
    let (target, _) = Target::look(&real).unwrap();
    assert!(matches!(replace(&target, b"x", None), Err(WriteError::NotPermitted { .. })));
}

fn config(port: &str, rest: &str) -> String {
    format!("// mine\n{{\n  gateway: {{mode: 'local', port: {port}, bind: 'loopback'}}, // here\n{rest}}}\n")
}

fn verdict(value: &serde_json::Value) -> Option<String> {
    let good = value.pointer("/gateway/port").is_some_and(serde_json::Value::is_u64) && value.get("bad").is_none();
    (!good).then(|| "the port".to_owned())
}

fn parsed(text: &str) -> serde_json::Value {
    json5::from_str(text).unwrap()
}

#[test]
fn only_the_keys_that_break_it_are_taken_back() {
    let lab = lab();
    let proven = config("19789", "  channels: {telegram: {enabled: true}},\n");
    let text = config("'abc'", "  channels: {telegram: {enabled: false}}, /* off */\n  logging: {level: 'debug'},\n");
    let loaded = Loaded { id: "x".into(), snapshot: snapshot(&lab, &proven) };
    let value = parsed(&text);
    let subject = Subject { present: Some(&value), text: Some(&text), witness: None };
    let out = compose(&subject, &loaded, true, verdict).unwrap();
    let wanted = text.replace("'abc'", "19789");
    assert_eq!(String::from_utf8(out.files[0].1.clone()).unwrap(), wanted, "comments and all the rest stay");
    assert!(matches!(out.how, How::Keys(keys) if keys.len() == 1 && keys[0].to_string() == "gateway.port"));
}

#[test]
fn a_lost_config_comes_back_without_old_roles() {
    let lab = lab();
    let proven = config("19789", "  channels: {telegram: {enabled: true, botToken: '1:OLD'}},\n");
    let witness = parsed(&config("19789", "  channels: {telegram: {enabled: false, botToken: '2:NEW'}},\n"));
    let loaded = Loaded { id: "x".into(), snapshot: snapshot(&lab, &proven) };
    let subject = Subject { present: None, text: None, witness: Some(&witness) };
    let out = compose(&subject, &loaded, true, verdict).unwrap();
    let text = String::from_utf8(out.files[0].1.clone()).unwrap();
    assert_eq!(parsed(&text), witness);
    assert!(text.starts_with("// mine"), "{text}");
    let untouched = compose(&Subject::default(), &loaded, true, verdict).unwrap();
    assert_eq!(untouched.files[0].1, proven.as_bytes());
    let same = Subject { present: Some(&witness), text: None, witness: None };
    assert_eq!(compose(&same, &loaded, true, verdict).unwrap_err(), ComposeError::Nothing);
    let bad = Loaded { id: "x".into(), snapshot: snapshot(&lab, "{bad: 1}") };
    assert!(matches!(compose(&Subject::default(), &bad, true, verdict), Err(ComposeError::StillBroken(_))));
}

#[test]
fn applying_keeps_what_was_there_and_compares_first() {
    let lab = lab();
    std::fs::write(&lab.config, "broken").unwrap();
    let before = snapshot(&lab, "broken");
    let files = [(lab.config.clone(), MODE.as_bytes().to_vec())];
    let done = apply(&lab.room, Some(&before), &files, Some("rejected"), Wall(1)).unwrap();
    assert_eq!(done.written.as_slice(), std::slice::from_ref(&lab.config));
    assert_eq!(std::fs::read(done.aside.unwrap()).unwrap(), b"broken");
    let kept = lab.room.list().unwrap();
    assert_eq!(lab.room.load(&kept[0].id).unwrap().snapshot, before);
    let stale = apply(&lab.room, Some(&before), &files, Some("rejected"), Wall(2));
    assert!(matches!(stale, Err(ApplyError::Write(WriteError::Changed { .. }))));
    std::fs::remove_file(&lab.config).unwrap();
    assert!(matches!(
        apply(&lab.room, Some(&before), &files, None, Wall(2)),
        Err(ApplyError::Write(WriteError::Changed { .. }))
    ));
    apply(&lab.room, None, &files, None, Wall(3)).unwrap();
    assert_eq!(std::fs::read(&lab.config).unwrap(), MODE.as_bytes());
}
