//! What must not leave this host, and so must not lie in the workspace.
//!
//! Invariant: folders are compared where they really are, with links followed; a link that lies in the workspace itself
//! counts as well. Nothing is changed. Start at [`Stays::apart_from`].

use super::judge::shown;
use crate::openclaw::discovery::Home;
use std::path::{Path, PathBuf};

/// Places that stay on this host.
#[derive(Clone, Copy, Debug)]
pub struct Stays<'a> {
    /// OpenClaw's state folder and its config.
    pub home: &'a Home,
    /// Clawmend's own state folder.
    pub state: &'a Path,
    /// `[standby.secrets] into`.
    pub secrets: Option<&'a Path>,
}

impl Stays<'_> {
    /// A workspace that lies in one of them is as it should be.
    ///
    /// # Errors
    /// In a sentence for people: one of them is the workspace, or lies in it.
    pub fn apart_from(&self, workspace: &Path) -> Result<(), String> {
        const WORKSPACE: &str = "set the workspace to a folder of its own, in OpenClaw's config";
        const INTO: &str = "set `into` to a folder elsewhere";
        let places = [
            ("OpenClaw's state folder", Some(self.home.state_dir.as_path()), WORKSPACE),
            ("OpenClaw's config", Some(self.home.config_path.as_path()), WORKSPACE),
            ("Clawmend's state folder", Some(self.state), WORKSPACE),
            ("the folder of `[standby.secrets]`", self.secrets, INTO),
        ];
        let root = real(workspace);
        for (what, place, remedy) in places {
            if let Some(place) = place
                && (real(place).starts_with(&root) || by_name(place).starts_with(&root))
            {
                let (workspace, place) = (written(workspace), written(place));
                return Err(format!(
                    "the workspace {workspace} holds {what} ({place}), which must not leave this host; {remedy}"
                ));
            }
        }
        Ok(())
    }
}

/// Links followed, as far as it is there.
fn real(path: &Path) -> PathBuf {
    for around in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (around.canonicalize(), path.strip_prefix(around)) {
            return real.join(rest);
        }
    }
    path.to_owned()
}

/// The same, without following its last part.
fn by_name(path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(around), Some(name)) => real(around).join(name),
        _ => path.to_owned(),
    }
}

fn written(path: &Path) -> String {
    shown(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openclaw::discovery::discover;
    use std::fs;

    #[test]
    fn a_workspace_lies_in_what_stays_and_never_around_it() {
        let user = tempfile::tempdir().unwrap();
        let home = discover(|_| None, user.path()).remove(0);
        fs::create_dir_all(&home.state_dir).unwrap();
        let (state, into) = (user.path().join("clawmend/state"), user.path().join("brought/secrets"));
        let stays = Stays { home: &home, state: &state, secrets: Some(&into) };
        let apart = |folder: &str| stays.apart_from(&user.path().join(folder));
        for fine in [".openclaw/workspace", ".openclaw/other", "assistant", "brought/secrets/x", ".openclaw-more"] {
            assert_eq!(apart(fine), Ok(()), "{fine}");
        }
        for (folder, what) in [
            ("", "OpenClaw's state folder"),
            (".openclaw", "OpenClaw's state folder"),
            ("clawmend", "Clawmend's state folder"),
            ("clawmend/state", "Clawmend's state folder"),
            ("brought", "`[standby.secrets]`"),
            ("brought/secrets", "`into`"),
        ] {
            let why = apart(folder).unwrap_err();
            assert!(why.contains(what) && why.contains("must not leave this host"), "{folder}: {why}");
            assert!(why.contains(user.path().to_str().unwrap()), "{why}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_on_both_sides() {
        use std::os::unix::fs::symlink;
        let user = tempfile::tempdir().unwrap();
        let home = discover(|_| None, user.path()).remove(0);
        let (disk, settings) = (user.path().join("disk"), user.path().join("settings"));
        for folder in [&disk.join("openclaw"), &settings] {
            fs::create_dir_all(folder).unwrap();
        }
        symlink(disk.join("openclaw"), &home.state_dir).unwrap();
        fs::write(settings.join("openclaw.json"), "{}").unwrap();
        symlink(settings.join("openclaw.json"), &home.config_path).unwrap();
        symlink(&disk, user.path().join("ws")).unwrap();
        let state = user.path().join("state");
        let stays = Stays { home: &home, state: &state, secrets: None };
        for (folder, what) in
            [("ws", "state folder"), ("disk", "state folder"), ("settings", "config"), (".openclaw", "state folder")]
        {
            let why = stays.apart_from(&user.path().join(folder)).unwrap_err();
            assert!(why.contains(what), "{folder}: {why}");
        }
        assert_eq!(stays.apart_from(&home.state_dir.join("workspace")), Ok(()));
    }
}
