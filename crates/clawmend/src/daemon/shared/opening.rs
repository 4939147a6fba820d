//! A gateway that ran mute is opened: its channels are switched on, and it takes that up while it runs.
//!
//! The gateway itself is asked to, which is quicker than an edit of its config's file: that it reads again after half a
//! second only. What it does not do is done in the file.
//!
//! It cannot while the lease of an earlier process lies in its way, which was killed in the middle of a change
//! ([`under_way::reload`]); it is started anew then, at once. Nodes of a group are ended by SIGKILL whenever they lose
//! their lease, and three such ends within five minutes trip OpenClaw's crash-loop breaker: a channel that is switched on
//! is not started then, but by `channels.start` (OpenClaw 2026.9.6).
//!
//! Most of the time goes into loading the channel's plugin, which OpenClaw does when the channel is on. With the channel on
//! and its accounts off it would be loaded before, but such a gateway sends what it is asked to send, with the token of an
//! account that is off: it would not be mute.
//!
//! Invariants: nothing is switched on or started from `not_after` on; it is said to be open only when the gateway itself
//! says that a channel of it is at work; whoever waits for an end of this process does not wait for this. Start at
//! [`run`].

use super::super::news::AskGateway;
use super::gate::{AccountName, Gate, Word};
use super::heard::{Heard, Ward};
use super::switching::Switching;
use crate::host::clock;
use crate::openclaw::under_way;
use clawmend_core::failover::lease::{ActId, Evidence, Gateway};
use clawmend_core::gateway::Incarnation;
use clawmend_core::time::Moment;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A channel that was switched on is at work within this, or the gateway has not taken it up: it took 0.8 to 4 s.
const AT_WORK: Duration = Duration::from_secs(12);
/// So long the gateway may take to switch its channels on by itself: it took 0.3 to 3 s. It answers when it has.
const BY_ITSELF: Duration = Duration::from_secs(6);
/// A gateway that lives takes a change up within this.
const OLD_RELOAD: Duration = Duration::from_millis(1_500);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(50);
/// So long it may take to start one channel.
const STARTING: Duration = Duration::from_secs(2);
/// Between two questions how the channels are. The gateway tells of itself, too.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// What it needs.
pub struct Opening {
    pub act: ActId,
    pub not_after: Moment,
    pub state_dir: PathBuf,
    pub switches: Switching,
    pub ward: Rc<Ward>,
    pub gate: Rc<Gate>,
    pub heard: mpsc::Sender<Heard>,
}

/// Opens it, and tells.
pub async fn run(opening: Opening) {
    let opened = open(&opening).await;
    if let Err(why) = &opened {
        tracing::error!("the channels of the gateway that ran already could not be switched on: {why}");
    }
    let act = opening.act;
    let told = if opened.is_ok() { Gateway::Opened { act } } else { Gateway::NotOpened { act } };
    let _ = opening.heard.send(Heard::Evidence(Evidence::Gateway(told))).await;
}

async fn open(opening: &Opening) -> Result<(), String> {
    let life = opening.ward.life().ok_or("nothing runs")?;
    takes_changes(opening).await?;
    let opened = async { tokio::try_join!(switch_on(opening), at_work(opening, &life)) };
    match timeout(AT_WORK, opened).await {
        Ok(done) => done.map(drop),
        Err(_) => Err(format!("no channel is at work after {} s", AT_WORK.as_secs())),
    }
}

async fn takes_changes(opening: &Opening) -> Result<(), String> {
    let free = async {
        loop {
            let state_dir = opening.state_dir.clone();
            let held = tokio::task::spawn_blocking(move || under_way::reload(&state_dir)).await;
            if held.ok().flatten() != Some(true) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    timeout(OLD_RELOAD, free).await.map_err(|_| {
        "an earlier process was killed while it took up a change of its config, and OpenClaw takes up no other one for \
         five minutes"
            .to_owned()
    })
}

async fn switch_on(opening: &Opening) -> Result<(), String> {
    if let Some(plan) = opening.switches.plan_on(opening.not_after).await? {
        let patch = AskGateway::PatchConfig(plan.patch().to_string());
        let asked = timeout(BY_ITSELF, opening.ward.ask(patch)).await;
        if !matches!(asked, Ok(Ok(()))) {
            tracing::info!(?asked, "the gateway did not switch its channels on by itself");
        }
    }
    opening.switches.on(opening.not_after).await
}

async fn at_work(opening: &Opening, life: &Incarnation) -> Result<(), String> {
    let mut word = opening.gate.word();
    loop {
        let said = word.borrow_and_update().clone().filter(|word| word.life == *life);
        if let Some(Word { at_work, held_back, .. }) = said {
            if at_work {
                return Ok(());
            }
            start(opening, held_back).await;
        }
        opening.ward.wants_word();
        let _ = timeout(ASK_EVERY, word.changed()).await;
    }
}

/// Each answer is followed by another word of the gateway's, which says whether they are at work.
async fn start(opening: &Opening, held_back: Vec<AccountName>) {
    for AccountName { channel, account } in held_back {
        if clock::now().mono >= opening.not_after {
            return;
        }
        tracing::info!(channel, account, "OpenClaw's crash-loop breaker keeps a channel from starting; it is started");
        let asked = timeout(STARTING, opening.ward.ask(AskGateway::StartChannel { channel, account })).await;
        if !matches!(asked, Ok(Ok(()))) {
            tracing::info!(?asked, "it was not started");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]
    use super::super::super::news::News;
    use super::super::switching::tests::{switched, switching};
    use super::*;
    use clawmend_core::observation::ChannelState;
    use std::path::Path;
    use tokio::task::LocalSet;

    /// A gateway, as far as an opening sees it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Kind {
        /// It does as it is asked.
        Willing,
        /// Its breaker has tripped: it takes the config up, and starts nothing but by request.
        Tripped,
        /// It answers nothing; its channels follow the file.
        Deaf,
    }

    fn life() -> Incarnation {
        Incarnation { pid: 7, start: 8, boot: "b".into() }
    }

    fn config(folder: &Path) -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(folder.join("openclaw.json")).unwrap()).unwrap()
    }

    fn is_on(folder: &Path) -> bool {
        config(folder)["channels"]["telegram"]["enabled"] == true
    }

    /// What it was asked, until it is asked no more.
    async fn gateway(kind: Kind, folder: PathBuf, gate: Rc<Gate>, mut inbox: mpsc::Receiver<News>) -> Vec<AskGateway> {
        let (mut asked, mut unanswered, mut running) = (Vec::new(), Vec::new(), false);
        while let Some(news) = inbox.recv().await {
            match news {
                News::Gateway(what, reply) => {
                    asked.push(what.clone());
                    match (kind, what) {
                        (Kind::Deaf, _) => {
                            unanswered.push(reply);
                            continue;
                        }
                        (_, AskGateway::PatchConfig(patch)) => {
                            let wanted = serde_json::json!({"channels": {"telegram": {"enabled": true}}});
                            assert_eq!(serde_json::from_str::<serde_json::Value>(&patch).unwrap(), wanted);
                            switched(&folder, true);
                            running |= kind == Kind::Willing;
                        }
                        (_, AskGateway::StartChannel { .. }) => running = true,
                        (_, AskGateway::ReloadSecrets | AskGateway::ReadConfig) => panic!("nobody asks for it"),
                    }
                    let _ = reply.send(Ok(()));
                }
                News::Channels(_) => {}
                other => panic!("{other:?}"),
            }
            let on = is_on(&folder);
            let running = running || (kind == Kind::Deaf && on);
            let suppressed = kind == Kind::Tripped && !running;
            gate.channels_say(Some(&life()), &[state(on, running, suppressed)]);
        }
        asked
    }

    fn state(wanted: bool, running: bool, suppressed: bool) -> ChannelState {
        ChannelState {
            channel: "telegram".into(),
            account: "default".into(),
            wanted,
            running,
            connected: None,
            suppressed,
            stopped_by_person: false,
            terminal: false,
            error: None,
        }
    }

    async fn opened(kind: Kind, not_after: Moment) -> (Gateway, Vec<AskGateway>, bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        LocalSet::new()
            .run_until(async {
                switched(&path, true);
                let switches = switching(&path);
                switches.off().await.unwrap();
                let (outcomes, _kept) = mpsc::channel(4);
                let (heard, mut hears) = mpsc::channel(4);
                let (news, inbox) = mpsc::channel(16);
                let (gate, ward) = (Gate::new(outcomes), Ward::new(Rc::default()));
                ward.is_new(&news);
                drop(news);
                ward.set_life(Some(life()));
                let served = tokio::task::spawn_local(gateway(kind, path.clone(), Rc::clone(&gate), inbox));
                let state_dir = path.clone();
                run(Opening { act: ActId(3), not_after, state_dir, switches, ward, gate, heard }).await;
                let Some(Heard::Evidence(Evidence::Gateway(told))) = hears.recv().await else { panic!("nothing told") };
                let asked = timeout(Duration::from_secs(30), served).await.unwrap().unwrap();
                (told, asked, is_on(&path))
            })
            .await
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_gateway_opens_its_channels_by_itself() {
        let (told, asked, on) = opened(Kind::Willing, Moment(u64::MAX)).await;
        assert_eq!((told, asked.len(), on), (Gateway::Opened { act: ActId(3) }, 1, true));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn one_whose_breaker_has_tripped_is_asked_to_start_each_channel() {
        let (told, asked, on) = opened(Kind::Tripped, Moment(u64::MAX)).await;
        let start = AskGateway::StartChannel { channel: "telegram".into(), account: "default".into() };
        assert_eq!((told, on), (Gateway::Opened { act: ActId(3) }, true));
        assert_eq!(asked[1..], [start]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn one_that_does_not_answer_is_opened_by_its_file() {
        let (told, asked, on) = opened(Kind::Deaf, Moment(u64::MAX)).await;
        assert_eq!((told, asked.len(), on), (Gateway::Opened { act: ActId(3) }, 1, true));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nothing_is_asked_and_nothing_switched_on_too_late() {
        let (told, asked, on) = opened(Kind::Willing, Moment(0)).await;
        assert_eq!((told, asked.len(), on), (Gateway::NotOpened { act: ActId(3) }, 0, false));
    }
}
