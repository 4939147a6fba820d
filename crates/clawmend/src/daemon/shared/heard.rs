//! What reaches a node's loop from beside it, and the ward that it speaks to.
//!
//! Invariant: neither waits for the other: what the ward is told runs beside the loop, in the order in which it was said.

use super::super::news::{self, AskGateway, News};
use crate::api::Answer;
use crate::api::server::Reply;
use clawmend_core::failover::lease::Evidence;
use clawmend_core::gateway::Incarnation;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// One piece of news for the loop.
#[derive(Debug)]
pub enum Heard {
    /// A fact.
    Evidence(Evidence),
    /// The process that the keeper has now.
    Child(Option<Incarnation>),
}

/// Words to the ward that wait at most. They are few: a start or a stop for each change of the lease.
const WORDS: usize = 16;

/// A ward whose loop turns answers in no time.
const WORD: Duration = Duration::from_secs(2);

/// The gateway's ward, as long as there is one.
#[derive(Debug)]
pub struct Ward {
    news: Rc<RefCell<Option<news::Sender>>>,
    words: mpsc::Sender<bool>,
    /// What it was told last.
    carrying: Rc<Cell<Option<bool>>>,
    /// The process that runs, as far as it is known here.
    life: RefCell<Option<Incarnation>>,
}

impl Ward {
    /// Speaks to whichever ward there is.
    #[must_use]
    pub fn new(news: Rc<RefCell<Option<news::Sender>>>) -> Rc<Self> {
        let (words, mut said) = mpsc::channel(WORDS);
        let (whom, carrying) = (Rc::clone(&news), Rc::new(Cell::new(None)));
        let told = Rc::clone(&carrying);
        tokio::task::spawn_local(async move {
            while let Some(carry) = said.recv().await {
                let Some(ward) = whom.borrow().clone() else { continue };
                let (reply, answer) = oneshot::channel();
                let _ = ward.send(News::Role { carry, reply }).await;
                if carry {
                    tokio::task::spawn_local(unless_refused(answer, Rc::clone(&told)));
                }
            }
        });
        Rc::new(Self { news, words, carrying, life: RefCell::default() })
    }

    /// It is to start its gateway when the gate opens, or to leave it off. Said once: a stop of a person that came since
    /// is not lifted by the next start.
    pub fn carry(&self, carry: bool) {
        if self.carrying.replace(Some(carry)) != Some(carry) && self.words.try_send(carry).is_err() {
            tracing::error!("the gateway's ward takes no word; it is told again");
            self.carrying.set(None);
        }
    }

    /// A person's word has taken the place of what it was told last: the next one is said in any case.
    pub fn say_anew(&self) {
        self.carrying.set(None);
    }

    /// A gateway that an earlier guard started is gone on with, so its ward carries it already.
    pub fn carries_already(&self) {
        self.carrying.set(Some(true));
    }

    /// The ward is another one now: it has to be told again.
    pub fn is_new(&self, ward: &news::Sender) {
        *self.news.borrow_mut() = Some(ward.clone());
        if let Some(carry) = self.carrying.take() {
            self.carry(carry);
        }
    }

    /// Asks the gateway itself to do something, and waits for its word.
    ///
    /// # Errors
    /// In words for people; it may have been done all the same.
    pub async fn ask(&self, what: AskGateway) -> Result<(), String> {
        let ward = self.news.borrow().clone().ok_or("its ward has not begun")?;
        let (reply, answer) = oneshot::channel();
        ward.send(News::Gateway(what, reply)).await.map_err(|_| "its ward has ended")?;
        answer.await.unwrap_or_else(|_| Err("its ward gave no answer".to_owned()))
    }

    /// A person has paused or stopped the gateway: what is asked of it is refused. `None`: it does not say.
    pub async fn is_hindered(&self) -> Option<bool> {
        let ward = self.news.borrow().clone()?;
        let (reply, answer) = oneshot::channel();
        ward.send(News::IsHindered(reply)).await.ok()?;
        tokio::time::timeout(WORD, answer).await.ok()?.ok()
    }

    /// It asks its gateway how the channels are; the gate hears the answer.
    pub fn wants_word(&self) {
        if let Some(ward) = &*self.news.borrow() {
            let (reply, _) = oneshot::channel();
            // One that has much to do is asked again.
            let _ = ward.try_send(News::Channels(reply));
        }
    }

    /// The process that runs, as far as it is known here.
    pub fn life(&self) -> Option<Incarnation> {
        self.life.borrow().clone()
    }

    /// It is this one now.
    pub fn set_life(&self, life: Option<Incarnation>) {
        *self.life.borrow_mut() = life;
    }
}

/// A word that was refused was not said: it is said again with the next start.
async fn unless_refused(answer: oneshot::Receiver<Reply>, told: Rc<Cell<Option<bool>>>) {
    if answer.await.is_ok_and(|reply| matches!(reply, Reply::Once(answer) if matches!(*answer, Answer::Failed { .. })))
        && told.get() == Some(true)
    {
        told.set(None);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use tokio::task::LocalSet;

    /// What is said within a moment.
    async fn said(inbox: &mut mpsc::Receiver<News>) -> Option<(bool, oneshot::Sender<Reply>)> {
        match tokio::time::timeout(Duration::from_millis(100), inbox.recv()).await {
            Ok(Some(News::Role { carry, reply })) => Some((carry, reply)),
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_word_is_said_once_unless_it_was_refused_or_a_person_has_taken_its_place() {
        let why = || "a person has paused it".to_owned();
        let answers =
            [(Answer::Failed { why: why() }, true), (Answer::Done { message: "it is being started".into() }, false)];
        LocalSet::new()
            .run_until(async {
                for (answer, again) in answers {
                    let (sender, mut inbox) = mpsc::channel(4);
                    let ward = Ward::new(Rc::new(RefCell::new(Some(sender))));
                    ward.carry(true);
                    let (carry, reply) = said(&mut inbox).await.unwrap();
                    assert!(carry);
                    reply.send(answer.into()).unwrap();
                    assert!(said(&mut inbox).await.is_none(), "nothing is said by itself");
                    ward.carry(true);
                    assert_eq!(said(&mut inbox).await.is_some(), again);
                    ward.carry(true);
                    assert!(said(&mut inbox).await.is_none(), "once");
                    ward.say_anew();
                    ward.carry(true);
                    assert!(said(&mut inbox).await.is_some());
                }
            })
            .await;
    }
}
