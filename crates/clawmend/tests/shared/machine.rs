//! The hook that turns a paused machine off.

use super::scene::frozen::Frozen;
use anyhow::{Context, Result};
use clawmend_testkit::lab::Life;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The hook of the setting `fence_command`, as a person would write it.
pub struct Hook(PathBuf);

impl Hook {
    /// It fails until it is told otherwise.
    pub fn new(folder: &Path) -> Result<Self> {
        let hook = Self(folder.join("hook"));
        let here = hook.0.display();
        let text = format!(
            "#!/bin/sh\n\
             echo \"$# $*\" >> '{here}.calls'\n\
             env | cut -d= -f1 >> '{here}.environment'\n\
             read -r plan < '{here}.plan'\n\
             case $plan in\n\
             hang) sleep 600 & echo $! >> '{here}.hung'; wait;;\n\
             off) while read -r pid; do kill -9 \"$pid\"; done < '{here}.pids'; exit 0;;\n\
             esac\n\
             exit 1\n"
        );
        std::fs::write(&hook.0, text)?;
        std::fs::set_permissions(&hook.0, std::fs::Permissions::from_mode(0o755))?;
        hook.plan("fail")?;
        Ok(hook)
    }

    /// For the settings.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn beside(&self, ending: &str) -> PathBuf {
        self.0.with_extension(ending)
    }

    /// What the next call does: `fail`, `hang`, or `off` with [`Self::turns_off`].
    pub fn plan(&self, plan: &str) -> Result<()> {
        let next = self.beside("next");
        std::fs::write(&next, format!("{plan}\n"))?;
        std::fs::rename(next, self.beside("plan")).context("the hook's plan")
    }

    /// From the next call on it turns this machine off.
    pub fn turns_off(&self, frozen: &Frozen) -> Result<()> {
        let pids: String = frozen.lives().iter().map(|life| format!("{}\n", life.pid)).collect();
        std::fs::write(self.beside("pids"), pids)?;
        self.plan("off")
    }

    fn lines(&self, ending: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.beside(ending)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How many arguments each call had, and which.
    pub fn calls(&self) -> Vec<String> {
        self.lines("calls")
    }

    /// The names in the environment of all calls, without those that a shell sets by itself.
    pub fn environment(&self) -> Vec<String> {
        let mut names = self.lines("environment");
        names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(&name.as_str()));
        names.sort();
        names.dedup();
        names
    }

    /// What a call that hung has started, and whether that lives.
    pub fn hung(&self) -> Vec<(u32, bool)> {
        let pids = self.lines("hung").into_iter().filter_map(|line| line.parse().ok());
        pids.map(|pid| (pid, Life::of(pid).is_ok_and(|life| life.alive()))).collect()
    }
}
