//! What the keeper tells of our child: births, ends, and what a refusal said last.
//!
//! Invariant: the keeper is never waited for here. An end is acknowledged after it was booked, and booked once: one
//! whose last words are asked for waits in [`Ward::unheard`], and the keeper's second word on it changes nothing.

use super::super::body::{Body, Child};
use super::super::news::{News, Sender};
use super::Ward;
use super::begin::KEEPER_RETRY;
use crate::keeper::protocol::{Ended, Event, Spawned, State};
use crate::openclaw::logs::signs;
use clawmend_core::directive::DirectiveId;
use clawmend_core::gateway::Incarnation;
use clawmend_core::health::Verdict;
use clawmend_core::observation::{Appeared, Evidence, Exit, Gone};
use clawmend_core::time::{Moment, Now};
use clawmend_core::wish::Wish;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Output of the gateway that is read after a refusal: its reason is among the last lines.
const LAST_WORDS: u32 = 8 * 1024;
/// How long a refusal waits for its last words. A keeper answers within a millisecond; one that is stopped or starved
/// could not start the gateway anew either.
const WORDS_PATIENCE: Duration = Duration::from_secs(10);

impl Ward {
    pub(super) fn keeper_event(&mut self, now: Now, event: Event) {
        match event {
            Event::Exited(ended) => self.child_ended(now, ended),
            // The kernel's word on it comes with the next look, which is now.
            Event::Stopped { .. } | Event::Continued { .. } => self.next.look.set(now.mono),
            Event::Stopping => {
                tracing::info!(gateway = %self.home.id.0, "the keeper was told to end with its gateway");
                // Whoever ends the container ends the gateway: no start goes against that.
                self.observe(now, &Evidence::Person(Wish::StandBy));
            }
            Event::Other => {}
        }
    }

    fn child_ended(&mut self, now: Now, ended: Ended) {
        if self.unheard.as_ref().is_some_and(|unheard| unheard.incarnation == ended.incarnation) {
            return;
        }
        if self.senses.as_ref().is_some_and(|senses| *senses.life() != ended.incarnation) {
            // An older life; the present one goes on.
            return self.book_earlier(now, ended);
        }
        if self.senses.is_none() && self.guardian.verdict() != Verdict::Unknown {
            // It ended before the answer to its spawn was here: a life all the same, and one that did not last.
            self.died_at_birth(now, &ended);
        }
        if matches!(ended.exit, Exit::Code { code: 1 | 78 }) && self.body.child().is_some() {
            self.ask_for_last_words(now, ended);
        } else {
            self.book_end(now, ended);
        }
    }

    /// A refusal is told apart by what the gateway said: its end waits for that, and the loop does not.
    fn ask_for_last_words(&mut self, now: Now, ended: Ended) {
        self.book_unheard(now);
        let life = ended.incarnation.clone();
        self.look_away(&life);
        self.unheard = Some(ended);
        let (body, news) = (Rc::clone(&self.body), self.news.clone());
        tokio::task::spawn_local(async move {
            let text = match body.child() {
                Some(child) => tokio::time::timeout(WORDS_PATIENCE, child.tail(LAST_WORDS)).await.unwrap_or_default(),
                None => String::new(),
            };
            let _ = news.send(News::LastWords { life, text }).await;
        });
    }

    /// The words come first, then the end that they explain.
    pub(super) fn last_words(&mut self, now: Now, life: &Incarnation, text: &str) {
        let Some(ended) = self.unheard.take_if(|unheard| unheard.incarnation == *life) else { return };
        for sign in text.lines().filter_map(signs::of_line) {
            self.observe(now, &Evidence::Log(sign));
        }
        let mut found = Vec::new();
        self.around.look_after_refusal(&mut found);
        for evidence in &found {
            self.observe(now, evidence);
        }
        self.book_end(now, ended);
    }

    /// Something newer came before the words did: no end is left out for that.
    pub(super) fn book_unheard(&mut self, now: Now) {
        if let Some(ended) = self.unheard.take() {
            self.book_end(now, ended);
        }
    }

    fn book_end(&mut self, now: Now, ended: Ended) {
        let uncertainty_ms = now.mono.since(Moment(ended.at_ms));
        let life = ended.incarnation.clone();
        self.gone(now, Gone { incarnation: ended.incarnation, exit: ended.exit, uncertainty_ms });
        self.acknowledge(life);
    }

    /// An end before that of the present or last life, which an earlier guard may not have booked.
    fn book_earlier(&mut self, now: Now, ended: Ended) {
        let uncertainty_ms = now.mono.since(Moment(ended.at_ms));
        let life = ended.incarnation.clone();
        self.observe(
            now,
            &Evidence::EndedEarlier(Gone { incarnation: life.clone(), exit: ended.exit, uncertainty_ms }),
        );
        self.acknowledge(life);
    }

    fn died_at_birth(&mut self, now: Now, ended: &Ended) {
        let note = self.body.child().and_then(Child::note).filter(|note| note.nonce == ended.nonce);
        if let Some(note) = note {
            let appeared = Appeared {
                incarnation: ended.incarnation.clone(),
                age_ms: now.mono.since(Moment(ended.at_ms)),
                by: Some(DirectiveId(note.directive)),
                at_boot: false,
                restarts_by_exit: true,
            };
            self.appeared(now, appeared);
        }
    }

    /// Lets the keeper forget an end, once it is on record. A keeper keeps 64 ends at most.
    fn acknowledge(&mut self, life: Incarnation) {
        self.unacknowledged.push(life);
    }

    /// The keeper was found, or is new: compare what it knows with what we believe.
    pub(super) fn keeper_state(&mut self, now: Now, state: State) {
        if let Some(child) = &state.child {
            (self.adopting, self.child_known) = (false, true);
            self.child_found(now, child);
            for ended in state.exits {
                self.book_earlier(now, ended);
            }
            return;
        }
        if self.adopting {
            return;
        }
        if self.body.child().and_then(Child::orphan).is_some() {
            return self.adopt_orphan(now, state);
        }
        self.without_child(now, state);
    }

    /// The process that was to be adopted has ended.
    pub(super) fn not_adopted(&mut self, now: Now, state: State) {
        if std::mem::take(&mut self.adopting) {
            self.without_child(now, state);
        }
    }

    fn without_child(&mut self, now: Now, state: State) {
        self.child_known = true;
        let believed = self.senses.as_ref().map(|senses| senses.life().clone());
        let mut exits = state.exits;
        match exits.pop() {
            Some(last) => {
                for older in exits {
                    self.book_earlier(now, older);
                }
                self.child_ended(now, last);
            }
            None => match believed {
                Some(life) => self.gone(now, Gone { incarnation: life, exit: Exit::Unknown, uncertainty_ms: 1_000 }),
                None => self.observe(now, &Evidence::NotThere),
            },
        }
    }

    fn child_found(&mut self, now: Now, child: &Spawned) {
        self.appeared(
            now,
            Appeared {
                incarnation: child.incarnation.clone(),
                age_ms: now.mono.since(Moment(child.spawned_at_ms)),
                by: Some(DirectiveId(child.directive)),
                at_boot: false,
                restarts_by_exit: true,
            },
        );
    }

    /// The gateway outlived its keeper: the new one takes it over, beside the loop. What else the keeper knows are ends
    /// of lives before; too many of them would keep it from taking anything over.
    fn adopt_orphan(&mut self, now: Now, mut state: State) {
        self.adopting = true;
        for ended in std::mem::take(&mut state.exits) {
            self.book_earlier(now, ended);
        }
        tokio::task::spawn_local(adopt(Rc::clone(&self.body), self.news.clone(), state));
    }

    /// Tells the keeper that it is not needed any more.
    pub(super) fn dismiss(&self, done: oneshot::Sender<()>) {
        let body = Rc::clone(&self.body);
        tokio::task::spawn_local(async move {
            if let Some(child) = body.child() {
                child.dismiss().await;
            }
            let _ = done.send(());
        });
    }
}

/// Tries until the process has a keeper or has ended: as long as it lives, nothing else may be started.
async fn adopt(body: Rc<Body>, news: Sender, state: State) {
    let mut told = false;
    while let Some((child, (life, note))) = body.child().and_then(|child| Some((child, child.orphan()?))) {
        match child.adopt(&life, &note).await {
            Ok(spawned) => {
                let state = State { child: Some(spawned), ..state };
                let _ = news.send(News::KeeperState(state)).await;
                return;
            }
            Err(error) if !std::mem::replace(&mut told, true) => {
                tracing::warn!(%error, "the gateway outlived its keeper and could not be handed to a new one yet");
            }
            Err(_) => {}
        }
        if news.is_closed() {
            return;
        }
        tokio::time::sleep(KEEPER_RETRY).await;
    }
    let _ = news.send(News::NotAdopted(state)).await;
}
