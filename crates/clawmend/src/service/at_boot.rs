//! What a service manager starts by itself after a boot or a login.
//!
//! Invariants: it is read from the folders of unit files, so no manager needs to run or to answer; a unit counts as
//! enabled when a link to it lies in a folder `….wants` or `….requires` (systemd.unit(5)), and is not masked. Every list is
//! bounded. Start at [`enabled`].

use super::{Manager, ServiceError, UnitName, launchd, task_scheduler};
use std::path::{Path, PathBuf};

/// Most names of one folder that are looked at.
const NAMES_MAX: usize = 4096;

/// A unit that is started by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enabled {
    /// Its name.
    pub unit: UnitName,
    /// Whose it is.
    pub manager: Manager,
}

/// Where this manager has its units, the first before the others.
#[must_use]
pub fn folders(manager: &Manager, user_home: &Path) -> Vec<PathBuf> {
    let config = || std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| user_home.join(".config"), PathBuf::from);
    match manager {
        Manager::SystemdUser | Manager::SystemdAt(_) => vec![
            config().join("systemd/user"),
            user_home.join(".local/share/systemd/user"),
            PathBuf::from("/etc/systemd/user"),
            PathBuf::from("/usr/lib/systemd/user"),
        ],
        Manager::SystemdSystem => ["/etc/systemd/system", "/usr/lib/systemd/system"].map(PathBuf::from).to_vec(),
        Manager::Launchd | Manager::TaskScheduler => Vec::new(),
    }
}

/// The enabled units of the user and of the machine that `is_wanted` names.
///
/// # Errors
/// Not on this system.
pub fn enabled(user_home: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Enabled>, ServiceError> {
    if cfg!(target_os = "macos") {
        return Err(launchd::unsupported());
    }
    if cfg!(windows) {
        return Err(task_scheduler::unsupported());
    }
    let mut found = Vec::new();
    for manager in [Manager::SystemdUser, Manager::SystemdSystem] {
        for name in in_folders(&folders(&manager, user_home), is_wanted) {
            found.push(Enabled { unit: name, manager: manager.clone() });
        }
    }
    Ok(found)
}

fn in_folders(folders: &[PathBuf], is_wanted: &dyn Fn(&str) -> bool) -> Vec<UnitName> {
    let mut found: Vec<UnitName> = Vec::new();
    for folder in folders {
        let pulls = |name: &String| name.ends_with(".wants") || name.ends_with(".requires");
        for target in names_in(folder).into_iter().filter(pulls) {
            for name in names_in(&folder.join(target)).into_iter().filter(|name| is_wanted(name)) {
                let Ok(unit) = UnitName::parse(&name) else { continue };
                if !found.contains(&unit) && !is_masked(folders, &name) {
                    found.push(unit);
                }
            }
        }
    }
    found
}

/// The first file of this name is a link to nothing: then nothing starts it.
fn is_masked(folders: &[PathBuf], name: &str) -> bool {
    let first = folders.iter().map(|folder| folder.join(name)).find(|path| path.symlink_metadata().is_ok());
    first.is_some_and(|path| std::fs::read_link(path).is_ok_and(|target| target == Path::new("/dev/null")))
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(NAMES_MAX);
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_unit_is_enabled_by_a_link_and_not_when_it_is_masked() {
        let folder = tempfile::tempdir().unwrap();
        let (etc, lib) = (folder.path().join("etc"), folder.path().join("lib"));
        let link = |target: &str, at: PathBuf| {
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, at).unwrap();
        };
        let name = "openclaw-gateway.service";
        std::fs::create_dir_all(&lib).unwrap();
        std::fs::write(lib.join(name), "").unwrap();
        let folders = [etc.clone(), lib.clone()];
        let names = || -> Vec<String> {
            let found = in_folders(&folders, &|name| name.starts_with("openclaw-gateway"));
            found.iter().map(|unit| unit.as_str().to_owned()).collect()
        };
        assert!(names().is_empty(), "installed and not enabled");
        link("../openclaw-gateway.service", etc.join("default.target.wants").join(name));
        link("x", etc.join("default.target.requires").join(name));
        link("x", lib.join("default.target.wants/openclaw-gateway-work.service"));
        link("x", lib.join("default.target.wants/other.service"));
        assert_eq!(names(), [name, "openclaw-gateway-work.service"]);
        link("/dev/null", etc.join(name));
        assert_eq!(names(), ["openclaw-gateway-work.service"]);
    }
}
