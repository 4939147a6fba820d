//! A planned switch: the gateway finishes the work that it has, and takes no more.
//!
//! While it works it goes on polling: a turn's answer is sent as always, and nobody waits longer than needed. Then its
//! channels are switched off, and what slipped in meanwhile is waited for, too. A gateway that is slow goes on polling with
//! its channels off in its file, and what it takes then would be answered by nobody for long: it must say that none is at
//! work.
//!
//! Invariants: it is said to be quiet only with the channels off, read back, by the gateway's own word as well, and after
//! that nothing under way, no change of its config either: one that is killed while it takes one up leaves the next one
//! deaf to changes for five minutes
//! ([`under_way::reload`]). What is under way and cannot be told uses up the time that there is. Whoever waits for an end
//! does not wait for this. Start at [`run`].

use super::super::news::AskGateway;
use super::gate::Gate;
use super::heard::{Heard, Ward};
use super::switching::Switching;
use crate::host::clock;
use crate::openclaw::under_way;
use clawmend_core::failover::lease::Evidence;
use clawmend_core::time::Moment;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Of the time that there is, this much is left for closing and what slipped in, in milliseconds.
const CLOSING_MS: u64 = 6_000;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Between two questions how the channels are. The gateway tells of itself, too.
const ASK_EVERY: Duration = Duration::from_millis(300);
/// So long the gateway may take to switch its channels off by itself: it took 0.3 to 0.8 s. It answers when it has.
const BY_ITSELF: Duration = Duration::from_millis(2_500);

/// What it needs.
pub struct Quieting {
    pub until: Moment,
    pub state_dir: PathBuf,
    pub switches: Switching,
    pub ward: Rc<Ward>,
    pub gate: Rc<Gate>,
    pub heard: mpsc::Sender<Heard>,
}

/// Waits for it, and tells.
pub async fn run(quieting: Quieting) {
    quiet_before(&quieting, Moment(quieting.until.0.saturating_sub(CLOSING_MS))).await;
    match close(&quieting).await {
        Ok(Closed::ByItself) => {}
        Ok(Closed::InItsFile) => silent(&quieting).await,
        Err(why) => {
            tracing::warn!("the channels could not be switched off before a planned switch: {why}");
            return;
        }
    }
    if quiet_before(&quieting, quieting.until).await {
        let _ = quieting.heard.send(Heard::Evidence(Evidence::Quiesced)).await;
    }
}

/// Whether nothing was under way before this moment.
async fn quiet_before(quieting: &Quieting, end: Moment) -> bool {
    while clock::now().mono < end {
        let state_dir = quieting.state_dir.clone();
        let quiet = move || under_way::messages(&state_dir) == Some(0) && under_way::reload(&state_dir) != Some(true);
        if tokio::task::spawn_blocking(quiet).await.unwrap_or_default() {
            return true;
        }
        tokio::time::sleep(LOOK).await;
    }
    false
}

/// How its channels were switched off.
enum Closed {
    /// It has taken that up.
    ByItself,
    /// It has not yet, as far as is known.
    InItsFile,
}

/// By the gateway itself, which is quicker, else in its file.
async fn close(quieting: &Quieting) -> Result<Closed, String> {
    let mut closed = Closed::InItsFile;
    if let Some(plan) = quieting.switches.plan_off().await? {
        let patch = AskGateway::PatchConfig(plan.patch().to_string());
        let asked = tokio::time::timeout(BY_ITSELF, quieting.ward.ask(patch)).await;
        if matches!(asked, Ok(Ok(()))) {
            closed = Closed::ByItself;
        } else {
            tracing::info!(?asked, "the gateway did not switch its channels off by itself");
        }
    }
    quieting.switches.off().await?;
    Ok(closed)
}

/// Waits until it says that no channel is at work, as long as there is time.
async fn silent(quieting: &Quieting) {
    let mut word = quieting.gate.word();
    while clock::now().mono < quieting.until {
        // It tells of changes only, and may have said so while it was asked to.
        let said = word.borrow_and_update().clone();
        if said.is_some_and(|said| Some(&said.life) == quieting.ward.life().as_ref() && !said.at_work) {
            return;
        }
        quieting.ward.wants_word();
        let _ = tokio::time::timeout(ASK_EVERY, word.changed()).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]
    use super::super::super::news::News;
    use super::super::switching::tests::{switched, switching};
    use super::*;
    use clawmend_core::gateway::Incarnation;
    use clawmend_core::observation::ChannelState;
    use std::path::Path;
    use tokio::task::LocalSet;

    fn life() -> Incarnation {
        Incarnation { pid: 7, start: 8, boot: "b".into() }
    }

    fn channel(running: bool) -> ChannelState {
        ChannelState {
            channel: "telegram".into(),
            account: "default".into(),
            wanted: true,
            running,
            connected: None,
            suppressed: false,
            stopped_by_person: false,
            terminal: false,
            error: None,
        }
    }

    fn database(folder: &Path) -> rusqlite::Connection {
        std::fs::create_dir(folder.join("state")).unwrap();
        let database = rusqlite::Connection::open(folder.join("state/openclaw.sqlite")).unwrap();
        database.execute_batch("CREATE TABLE channel_ingress_events (event_id TEXT, status TEXT)").unwrap();
        database
    }

    /// What happened, in order. `slow`: it takes the change up after it was asked how its channels are a few times, and a
    /// message meanwhile.
    /// `told_before`: that its channels are off is said before anybody waits for it, and never again.
    async fn quieted(slow: bool, told_before: bool) -> Vec<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        switched(&path, true);
        let database = database(&path);
        let (outcomes, _kept) = mpsc::channel(4);
        let (heard, mut hears) = mpsc::channel(4);
        let (news, mut inbox) = mpsc::channel(16);
        LocalSet::new()
            .run_until(async {
                let (gate, ward) = (Gate::new(outcomes), Ward::new(Rc::default()));
                ward.is_new(&news);
                drop(news);
                ward.set_life(Some(life()));
                gate.channels_say(Some(&life()), &[channel(!told_before)]);
                let until = clock::now().mono.plus(60_000);
                let quieting =
                    Quieting { until, state_dir: path.clone(), switches: switching(&path), ward, gate: Rc::clone(&gate), heard };
                let quieting = tokio::task::spawn_local(run(quieting));
                let (mut happened, mut asked) = (Vec::new(), 0);
                loop {
                    tokio::select! {
                        biased;
                        Some(said) = hears.recv() => {
                            assert!(matches!(said, Heard::Evidence(Evidence::Quiesced)), "{said:?}");
                            happened.push("quiet");
                            break;
                        }
                        Some(news) = inbox.recv() => match news {
                            News::Gateway(AskGateway::PatchConfig(_), reply) if slow => {
                                let _ = reply.send(Err("busy".to_owned()));
                            }
                            News::Gateway(AskGateway::PatchConfig(_), reply) => {
                                switched(&path, false);
                                let _ = reply.send(Ok(()));
                            }
                            News::Channels(_) => {
                                asked += 1;
                                match asked {
                                    2 => {
                                        database.execute("INSERT INTO channel_ingress_events VALUES ('1', 'pending')", []).unwrap();
                                        happened.push("takes a message");
                                    }
                                    3 => {
                                        happened.push("silent");
                                        gate.channels_say(Some(&life()), &[channel(false)]);
                                        continue;
                                    }
                                    _ => {}
                                }
                                gate.channels_say(Some(&life()), &[channel(true)]);
                            }
                            other => panic!("{other:?}"),
                        },
                        () = tokio::time::sleep(Duration::from_millis(400)), if happened.last() == Some(&"silent") => {
                            happened.push("answers it");
                            database.execute("UPDATE channel_ingress_events SET status = 'completed'", []).unwrap();
                        }
                    }
                }
                quieting.await.unwrap();
                happened
            })
            .await
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_a_slow_gateway_takes_while_its_channels_go_off_is_answered_before_it_ends() {
        assert_eq!(quieted(true, false).await, ["takes a message", "silent", "answers it", "quiet"]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn one_that_switches_them_off_by_itself_or_has_said_so_already_is_not_asked_again() {
        assert_eq!(quieted(false, false).await, ["quiet"]);
        assert_eq!(quieted(true, true).await, ["quiet"]);
    }
}
