//! What a child's command would start, for `status`.
//!
//! Invariant: a folder of the gateway's `PATH` may hang (a network that is gone), so it is looked at beside the loop, one
//! look at a time, and not more often than is of use to anybody. Start at [`Program::report`].

use super::body::ChildCommand;
use crate::api::types::ProgramReport;
use crate::openclaw::program;
use clawmend_core::time::Moment;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::rc::Rc;
use tokio::sync::oneshot;

/// Between two looks, in milliseconds.
const EVERY_MS: u64 = 30_000;

/// A command, and what is known of it.
pub struct Program {
    command: ChildCommand,
    known: Rc<RefCell<Known>>,
}

#[derive(Default)]
struct Known {
    looked: Option<Moment>,
    under_way: bool,
    report: Option<ProgramReport>,
}

impl Program {
    /// Nothing is looked at yet.
    #[must_use]
    pub fn new(command: ChildCommand) -> Self {
        Self { command, known: Rc::default() }
    }

    /// As it was last seen; none before the first look is over.
    #[must_use]
    pub fn report(&self, now: Moment) -> Option<ProgramReport> {
        self.look_if_due(now);
        self.known.borrow().report.clone()
    }

    /// Begins a look where the last one is too old. On the thread of the loop.
    pub fn look_if_due(&self, now: Moment) {
        let mut known = self.known.borrow_mut();
        if known.under_way || known.looked.is_some_and(|looked| now.since(looked) < EVERY_MS) {
            return;
        }
        (known.under_way, known.looked) = (true, Some(now));
        let (command, known) = (self.command.clone(), Rc::clone(&self.known));
        let (told, hears) = oneshot::channel();
        // A thread of its own, which nobody waits for: one that hangs keeps no other work and no end of the guard.
        let begun = std::thread::Builder::new().name("program".into()).spawn(move || drop(told.send(look(&command))));
        if let Err(error) = begun {
            tracing::debug!(%error, "what the gateway's command starts is not looked at");
        }
        tokio::task::spawn_local(async move {
            let seen = hears.await.ok().flatten();
            let mut known = known.borrow_mut();
            (known.under_way, known.report) = (false, seen);
        });
    }
}

fn look(command: &ChildCommand) -> Option<ProgramReport> {
    let name = command.argv.first()?.clone();
    let path = command.env.get("PATH").map(OsStr::new);
    // As the child, which is started in its own folder, finds it.
    let word = if name.contains(std::path::is_separator) { command.cwd.join(&name) } else { name.clone().into() };
    let found = program::found(&word.to_string_lossy(), path);
    let asks = found.as_deref().is_some_and(program::asks_for_node);
    Some(ProgramReport {
        openclaw: found.as_deref().and_then(program::version_of),
        lacks: (asks && program::found("node", path).is_none()).then(|| "node".to_owned()),
        path: found.map(|path| path.display().to_string()),
        name,
    })
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use tokio::task::LocalSet;

    fn install(folder: &Path, version: &str) {
        std::fs::write(folder.join("package.json"), format!(r#"{{"name": "openclaw", "version": "{version}"}}"#))
            .unwrap();
        let program = folder.join("openclaw");
        std::fs::write(&program, "#!/usr/bin/env node\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    async fn seen(program: &Program, now: Moment) -> ProgramReport {
        while program.known.borrow().under_way || program.report(now).is_none() {
            tokio::task::yield_now().await;
        }
        program.report(now).unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn it_is_looked_at_beside_the_loop_and_again_later() {
        let folder = tempfile::tempdir().unwrap();
        let command = ChildCommand {
            argv: vec!["openclaw".into(), "gateway".into()],
            env: [("PATH".to_owned(), folder.path().display().to_string())].into(),
            env_remove: Vec::new(),
            cwd: "/".into(),
            log_dir: folder.path().into(),
        };
        LocalSet::new()
            .run_until(async {
                let at = |ms: u64| Moment(1_000 + ms);
                let program = Program::new(command);
                assert_eq!(program.report(at(0)), None, "the loop does not wait for it");
                let none = seen(&program, at(0)).await;
                assert_eq!((none.name.as_str(), none.path, none.openclaw, none.lacks), ("openclaw", None, None, None));
                install(folder.path(), "2026.9.6");
                assert_eq!(seen(&program, at(EVERY_MS - 1)).await.openclaw, None, "not more often than is of use");
                program.look_if_due(at(EVERY_MS));
                let there = seen(&program, at(EVERY_MS)).await;
                assert_eq!((there.openclaw.as_deref(), there.lacks.as_deref()), (Some("2026.9.6"), Some("node")));
            })
            .await;
    }
}
