//! The lab on itself: units run, a reboot starts what is enabled, nothing is left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use super::SystemdLab;
use std::path::Path;

fn cgroup_folders(id: &str) -> usize {
    ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .iter()
        .filter(|base| Path::new(base).join(id).exists())
        .count()
}

#[test]
fn a_lab_runs_units_survives_reboots_and_leaves_nothing() {
    for _ in 0..3 {
        let root = tempfile::tempdir().unwrap();
        let mut lab = match SystemdLab::start(root.path()) {
            Ok(lab) => lab,
            Err(reason) => return eprintln!("skipped: {reason}"),
        };
        let text = "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=default.target\n";
        let unit = lab.add_unit("sleeper", text).unwrap();
        assert!(lab.systemctl(["enable", "--now", &unit.name]).unwrap().status.success());
        let active = |lab: &SystemdLab| lab.systemctl(["is-active", &unit.name]).unwrap().status.success();
        assert!(active(&lab));
        if lab.is_own() {
            let pid = |lab: &SystemdLab| lab.systemctl(["show", "-P", "MainPID", &unit.name]).unwrap().stdout;
            let before = pid(&lab);
            lab.reboot_user_manager().unwrap();
            lab.systemctl(["is-system-running", "--wait"]).unwrap();
            assert!(active(&lab), "an enabled unit starts with its manager");
            assert_ne!(before, pid(&lab));
            lab.start_system_manager().unwrap();
            let asked = lab.command("systemctl").args(["show", "-P", "LoadState", &unit.name]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&asked.stdout).trim(), "not-found");
        }
        let id = lab.id.clone();
        drop(lab);
        assert_eq!(cgroup_folders(&id), 0);
    }
}
