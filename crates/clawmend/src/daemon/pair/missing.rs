//! A primary that watches for its standby, and tells people when nobody would take over any more.
//!
//! Invariant: what is told is durable before it is told; before a standby is missed this node sees that it reaches
//! something itself. Start at [`Watch::begin`].

use super::Pair;
use crate::failover::look::{reaches, references};
use crate::failover::words;
use crate::host::clock;
use clawmend_core::failover::primary::{Evidence, Output, Primary};
use clawmend_core::failover::{Telling, telling};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Between two looks at the time.
const EVERY: Duration = Duration::from_secs(10);
/// What is beyond this node answers within this time.
const REACH_LIMIT: Duration = Duration::from_secs(5);

/// Its state.
pub struct Watch {
    pair: Rc<Pair>,
    machine: RefCell<Primary>,
}

impl Watch {
    /// From now on, as long as the guard lives.
    pub fn begin(pair: Rc<Pair>) -> Rc<Self> {
        // An earlier guard may have ended before its words were heard.
        pair.kept.borrow().words.iter().for_each(|word| pair.voice.word(word));
        let machine = RefCell::new(Primary::new(pair.kept.borrow().primary, clock::now()));
        let watch = Rc::new(Self { pair, machine });
        let polling = Rc::clone(&watch);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                polling.poll().await;
            }
        });
        watch
    }

    /// The standby has asked.
    pub fn asked(&self) {
        self.observe(Evidence::Asked);
    }

    async fn poll(&self) {
        self.pair.save_again();
        let mut out = Vec::new();
        self.machine.borrow_mut().poll(clock::now(), &mut out);
        let doubts = out.contains(&Output::Doubt);
        self.carry_out(out);
        if doubts {
            self.observe(Evidence::Reaches(self.reaches_anything().await));
        }
    }

    fn observe(&self, evidence: Evidence) {
        let mut out = Vec::new();
        self.machine.borrow_mut().observe(clock::now(), evidence, &mut out);
        self.carry_out(out);
    }

    /// A node with no reference cannot doubt itself.
    async fn reaches_anything(&self) -> bool {
        let references = references(self.pair.settings.reference);
        for one in &references {
            if reaches(*one, REACH_LIMIT).await {
                return true;
            }
        }
        references.is_empty()
    }

    fn carry_out(&self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Persist => self.remember(),
                Output::Tell(told) => self.tell(&told),
                // Whoever polls looks.
                Output::Doubt => {}
            }
        }
    }

    fn tell(&self, told: &Telling) {
        let episode = self.machine.borrow().memory().episode;
        let word = telling::notice(&self.pair.home.id, &episode, told, &[], clock::now().wall);
        self.pair.kept.borrow_mut().note_word(word.clone());
        self.remember();
        if let Some(words) = words::telling(told) {
            self.pair.say(&words);
        }
        self.pair.voice.word(&word);
    }

    fn remember(&self) {
        self.pair.kept.borrow_mut().primary = *self.machine.borrow().memory();
        self.pair.save();
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cli::Account;
    use crate::daemon::setup::{Charge, Holding};
    use crate::daemon::voice::Voice;
    use crate::failover::kept;
    use crate::openclaw::discovery::discover;
    use std::path::Path;
    use tokio::task::LocalSet;

    fn guard(folder: &Path) -> Rc<Pair> {
        let text = "[standby]\nside = \"primary\"\nlisten = \"127.0.0.1:1\"\n";
        let settings = crate::settings::parse(Path::new("x"), text).unwrap().standby.unwrap();
        let voice = Rc::new(Voice::new(Account::silent(), folder.to_owned()));
        let charges = [Charge { home: discover(|_| None, folder).remove(0), holding: Holding::Foreign }];
        Pair::new(Some(&settings), &charges, folder, &voice).unwrap().unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn that_there_was_a_standby_and_what_was_told_outlive_the_guard() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let local = LocalSet::new();
        local
            .run_until(async {
                let watch = Watch::begin(guard(at));
                assert!(!kept::load(at).primary.heard);
                watch.asked();
                assert!(kept::load(at).primary.heard);
                watch.tell(&Telling::StandbyLost);
            })
            .await;
        let next = guard(at);
        let kept = next.kept.borrow();
        assert!(kept.primary.heard);
        let keys: Vec<&str> = kept.words.iter().filter_map(|word| word.key.rsplit('/').next()).collect();
        assert_eq!(keys, ["standby-lost"]);
    }
}
