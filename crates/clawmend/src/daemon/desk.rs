//! Questions and wishes that come over the control socket.
//!
//! Invariant: a request that changes anything is refused when it comes from the gateway's own process tree. A wish is
//! answered when it is obeyed, not when it was heard.

use super::approvals;
use super::body::Body;
use super::news::{AskGateway, News};
use super::shared::gate::Gate;
use super::ward::Ward;
use crate::api::request::{Answer, Question, Request};
use crate::api::server::{Call, Reply};
use crate::api::types::{
    CauseReport, DesiredState, GatewayStatus, IncarnationReport, LastRecovery, MemoryReport, PauseReport,
    ProposalReport, Time,
};
use crate::host::peer::Peer;
use crate::host::process;
use crate::probe::connect::Scheme;
use clawmend_core::approval::ProposalId;
use clawmend_core::directive::ActionResult;
use clawmend_core::gateway::{GatewayId, Incarnation};
use clawmend_core::guardian::Report;
use clawmend_core::health::Verdict;
use clawmend_core::health::reasons::Reason;
use clawmend_core::observation::Evidence;
use clawmend_core::time::{Now, Wall};
use clawmend_core::wish::{Desired, Wish};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;

/// Wishes of one gateway that wait at most.
const PENDING: usize = 32;

/// A wish that was heard and is not obeyed yet.
pub struct Pending {
    goal: Goal,
    reply: oneshot::Sender<Reply>,
}

enum Goal {
    /// No process, and none wanted.
    Stopped,
    /// A life other than this one answers.
    Restarted(Option<Incarnation>),
}

/// Handles one call.
pub fn answer(ward: &mut Ward, now: Now, call: Call) {
    let Call { question, peer, reply } = call;
    if question.request.changes_state()
        && let Some(why) = from_inside(ward, &peer)
    {
        let _ = reply.send(Answer::Refused { why }.into());
        return;
    }
    if let Request::Decide { proposal, approve, code, passphrase } = question.request {
        let asked = approvals::Asked { proposal: ProposalId(proposal), approve, code, passphrase, peer };
        return approvals::decide(ward, now, asked, reply);
    }
    match wish_of(&question, now) {
        Some(wish) => obey(ward, now, wish, reply),
        None => {
            let _ = reply.send(Answer::Failed { why: "this is not for a single gateway".to_owned() }.into());
        }
    }
}

thread_local! {
    /// The present life of each gateway of this guard: its loops share a thread.
    static LIVES: RefCell<BTreeMap<GatewayId, Incarnation>> = RefCell::default();
}

/// Notes the present life of a gateway, for all desks of this guard.
fn note_life(ward: &Ward) {
    let life = ward.senses.as_ref().map(super::senses::Senses::life);
    LIVES.with_borrow_mut(|lives| match life {
        Some(life) if lives.get(&ward.home.id) == Some(life) => {}
        Some(life) => drop(lives.insert(ward.home.id.clone(), life.clone())),
        None => drop(lives.remove(&ward.home.id)),
    });
}

/// A gateway's assistant has a shell under the same user: it may look, and change nothing, at no gateway of this guard.
fn from_inside(ward: &Ward, peer: &Peer) -> Option<String> {
    note_life(ward);
    inside_of_any(peer)
}

/// As far as the present lives are known.
pub fn inside_of_any(peer: &Peer) -> Option<String> {
    // A caller that cannot be seen (another pid namespace) cannot be told from a gateway's own.
    let inside = |life: &Incarnation| peer.pid.is_none_or(|pid| process::is_descendant(pid, life));
    let found = LIVES.with_borrow(|lives| lives.iter().find(|(_, life)| inside(life)).map(|(id, _)| id.0.clone()));
    found.map(|id| format!("this call comes from inside the gateway {id}; ask from a shell of your own"))
}

fn wish_of(question: &Question, now: Now) -> Option<Wish> {
    let wish = match &question.request {
        Request::Pause { for_ms, reason } => {
            let until = for_ms.map(|ms| Wall(now.wall.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))));
            Wish::Pause { until, reason: reason.clone() }
        }
        Request::Resume => Wish::Resume,
        Request::Stop => Wish::Stop,
        Request::EmergencyStop => Wish::EmergencyStop,
        Request::Start => Wish::Start,
        Request::Restart => Wish::Restart,
        Request::Status
        | Request::Check
        | Request::Incidents { .. }
        | Request::Incident { .. }
        | Request::Decide { .. }
        | Request::Standby { .. }
        | Request::Shared { .. }
        | Request::Logs { .. } => return None,
    };
    Some(wish)
}

/// A wish of a person, after it was proven that it is theirs.
pub fn obey(ward: &mut Ward, now: Now, wish: Wish, reply: oneshot::Sender<Reply>) {
    if wish == Wish::Start && is_lifted_only(ward) {
        ward.observe(now, &Evidence::Person(Wish::Start));
        // It stands by, as before; its group says when it starts. One that runs mute goes on.
        if ward.senses.is_none() && ward.child_known {
            ward.observe(now, &Evidence::Person(Wish::StandBy));
            if let Some(gate) = gate_of(ward) {
                gate.lift();
            }
        }
        let id = &ward.home.id.0;
        let message = format!("{id}: the pause or stop is over; it starts when this node owns the channels");
        let _ = reply.send(Answer::Done { message }.into());
        return;
    }
    let before = ward.guardian.report();
    let life = ward.senses.as_ref().map(|senses| senses.life().clone());
    if let Some(why) = without_lease(ward, &wish)
        .or_else(|| beyond_us(ward, &wish))
        .or_else(|| in_the_way(&wish, &before))
        .or_else(|| too_many(ward))
    {
        let _ = reply.send(Answer::Failed { why }.into());
        return;
    }
    ward.observe(now, &Evidence::Person(wish.clone()));
    let goal = match wish {
        Wish::Stop | Wish::StandBy | Wish::EmergencyStop => Some(Goal::Stopped),
        Wish::Restart => Some(Goal::Restarted(life)),
        Wish::Pause { .. } | Wish::Resume | Wish::Start => None,
    };
    match goal {
        Some(goal) => ward.pending.push(Pending { goal, reply }),
        None => {
            let message = done_message(ward, &wish);
            let _ = reply.send(Answer::Done { message }.into());
        }
    }
}

/// A pair's change of role. It lifts no wish of a person but the stop that standing by is.
pub fn take_role(ward: &mut Ward, now: Now, carry: bool, reply: oneshot::Sender<Reply>) {
    if carry && is_hindered(ward) {
        let why = "a person has paused or stopped this node's gateway; `clawmend status` says how".to_owned();
        let _ = reply.send(Answer::Failed { why }.into());
        return;
    }
    obey(ward, now, if carry { Wish::Start } else { Wish::StandBy }, reply);
}

/// A person has paused or stopped it, so it would not carry.
pub fn is_hindered(ward: &Ward) -> bool {
    let standing = &ward.guardian.memory().standing;
    if gate_of(ward).is_some() { standing.hinders_a_group() } else { standing.hinders() }
}

/// A pair asks something of the gateway itself. Of one that a person has paused or stopped nothing is asked, and nothing
/// for one who does not wait for it any more: it may be another gateway by now.
pub fn ask_gateway(ward: &Ward, what: AskGateway, mut reply: oneshot::Sender<Result<(), String>>) {
    if ward.guardian.memory().standing.hands_off() {
        let _ = reply.send(Err("a person has paused or stopped this node's gateway".to_owned()));
        return;
    }
    let rpc = ward.rpc.clone();
    tokio::task::spawn_local(async move {
        let asked = async {
            match what {
                AskGateway::PatchConfig(patch) => rpc.patch_config(&patch).await,
                AskGateway::ReadConfig => rpc.read_config().await,
                AskGateway::ReloadSecrets => rpc.reload_secrets().await,
                AskGateway::StartChannel { channel, account } => rpc.start_channel(&channel, &account).await,
            }
        };
        let result = tokio::select! {
            biased;
            () = reply.closed() => return,
            result = asked => result,
        };
        let _ = reply.send(match result {
            ActionResult::Done => Ok(()),
            ActionResult::Moot { reason }
            | ActionResult::Retry { reason }
            | ActionResult::NeedsPerson { reason }
            | ActionResult::Unknown { reason } => Err(reason),
        });
    });
}

/// Without the lease of its group nothing is started, whoever asks; but one that waits with its channels off.
fn without_lease(ward: &Ward, wish: &Wish) -> Option<String> {
    let gate = gate_of(ward)?;
    // That is said first, and can be mended.
    let flag_file = ward.guardian.memory().standing.flag_file;
    (!flag_file && matches!(wish, Wish::Start | Wish::Restart) && !gate.lets_start()).then(|| {
        "this node of the shared group does not own the channels; `clawmend standby status` shows who does".to_owned()
    })
}

/// A start would be refused for want of a lease, and ends a pause or a stop, which would keep this node from ever having
/// one.
fn is_lifted_only(ward: &Ward) -> bool {
    is_hindered(ward) && without_lease(ward, &Wish::Start).is_some()
}

/// Of a shared group.
fn gate_of(ward: &Ward) -> Option<&Gate> {
    ward.body.child()?.gate().map(AsRef::as_ref)
}

/// Its group starts it.
fn waits_for_a_lease(ward: &Ward) -> bool {
    gate_of(ward).is_some_and(|gate| !gate.owns())
}

/// What we have no right to do, or could only do through a manager that does not answer. A stop is kept all the same
/// while a manager hangs: it is carried out when the manager is back.
fn beyond_us(ward: &Ward, wish: &Wish) -> Option<String> {
    let acts = !matches!(wish, Wish::Pause { .. } | Wish::Resume);
    let Body::Service(unit) = &*ward.body else { return None };
    if acts && let Some(restriction) = unit.restriction() {
        return Some(format!(
            "the guard may only look here: {}; `clawmend status` says how to allow it",
            restriction.reason
        ));
    }
    let unseen = unseen(&ward.guardian.report());
    (unseen && matches!(wish, Wish::Start | Wish::Restart))
        .then(|| "the service manager does not answer; ask again when it does".to_owned())
}

/// Each that waits has somebody who waits for its answer.
fn too_many(ward: &Ward) -> Option<String> {
    (ward.pending.len() >= PENDING).then(|| "too many wait for an answer already; ask again later".to_owned())
}

fn unseen(report: &Report) -> bool {
    report.reasons.iter().any(|reason| *reason == Reason::ServiceUnseen.name())
}

/// A wish that cannot be obeyed says what stands in its way, and how to lift that.
fn in_the_way(wish: &Wish, report: &Report) -> Option<String> {
    let standing = &report.standing;
    let id = &report.id.0;
    match wish {
        Wish::Restart if standing.emergency => {
            Some(format!("an emergency stop is in force for {id}; `clawmend start` ends it"))
        }
        Wish::Restart if standing.flag_file => {
            Some(format!("a flag file pauses the guard of {id}; remove it, or restart the gateway by hand"))
        }
        Wish::Restart if standing.pause.is_some() => {
            Some(format!("the guard of {id} is paused; `clawmend resume` first, or restart the gateway by hand"))
        }
        Wish::Restart if standing.desired == Desired::Stopped || standing.ended_in_pause || report.unit_stopped => {
            Some(format!("{id} is stopped; `clawmend start` starts it"))
        }
        Wish::Start if standing.flag_file => {
            Some(format!("a flag file pauses the guard of {id}; remove it, then `clawmend start` again"))
        }
        Wish::Restart
        | Wish::Start
        | Wish::Pause { .. }
        | Wish::Resume
        | Wish::Stop
        | Wish::StandBy
        | Wish::EmergencyStop => None,
    }
}

fn done_message(ward: &Ward, wish: &Wish) -> String {
    let id = &ward.home.id.0;
    let standing = &ward.guardian.memory().standing;
    match wish {
        Wish::Pause { until: Some(_), .. } => format!("{id}: paused; the guard keeps its hands off until then"),
        Wish::Pause { until: None, .. } => {
            format!("{id}: paused; the guard keeps its hands off until `clawmend resume`")
        }
        Wish::Resume if standing.emergency => {
            format!("{id}: the emergency stop stays in force; `clawmend start` ends it")
        }
        Wish::Resume if standing.flag_file => format!("{id}: the flag file still pauses the guard; remove it"),
        Wish::Resume if standing.forbids_start() && !standing.ended_in_pause && waits_for_a_lease(ward) => {
            format!("{id}: guarded again; the gateway starts when this node owns the channels")
        }
        Wish::Resume if standing.forbids_start() => {
            format!("{id}: guarded again; the gateway stays stopped until `clawmend start`")
        }
        Wish::Resume => format!("{id}: guarded again"),
        Wish::Start => format!("{id}: the gateway is being started"),
        Wish::Stop | Wish::StandBy => stopped(ward),
        Wish::EmergencyStop => {
            format!("{id}: stopped, and the guard keeps its hands off, over reboots too, until `clawmend start`")
        }
        Wish::Restart => format!("{id}: restarted"),
    }
}

fn stopped(ward: &Ward) -> String {
    let id = &ward.home.id.0;
    if gate_of(ward).is_some() {
        return format!("{id}: stopped; this node stays out of its group until `clawmend start`");
    }
    format!("{id}: stopped; it stays stopped until `clawmend start`")
}

/// Answers those whose wish is obeyed by now.
pub fn settle(ward: &mut Ward) {
    note_life(ward);
    if ward.pending.is_empty() {
        return;
    }
    let alive = ward.senses.as_ref().map(|senses| senses.life().clone());
    let nothing_runs = alive.is_none() && ward.child_known;
    let verdict = ward.guardian.verdict();
    let id = ward.home.id.0.clone();
    let emergency = ward.guardian.memory().standing.emergency;
    let mut still = Vec::new();
    for pending in std::mem::take(&mut ward.pending) {
        let message = match &pending.goal {
            Goal::Stopped if nothing_runs && emergency => Some(format!(
                "{id}: stopped, and the guard keeps its hands off, over reboots too, until `clawmend start`"
            )),
            Goal::Stopped if nothing_runs => Some(stopped(ward)),
            Goal::Restarted(before)
                if alive.is_some() && alive != *before && matches!(verdict, Verdict::Healthy | Verdict::Degraded) =>
            {
                Some(format!("{id}: restarted and serving"))
            }
            Goal::Stopped | Goal::Restarted(_) => None,
        };
        match message {
            Some(message) => {
                let _ = pending.reply.send(Answer::Done { message }.into());
            }
            None if pending.reply.is_closed() => {}
            None => still.push(pending),
        }
    }
    ward.pending = still;
}

/// The present belief as scripts see it.
#[must_use]
pub fn status(ward: &Ward, now: Now) -> GatewayStatus {
    let report = ward.guardian.report();
    let target = ward.senses.as_ref().and_then(super::senses::Senses::target);
    let standing = &report.standing;
    let paused = standing.pause.is_some() || standing.flag_file;
    let restriction = match &*ward.body {
        Body::Service(unit) => unit.restriction(),
        Body::Child(_) | Body::Foreign => None,
    };
    GatewayStatus {
        id: report.id.clone(),
        state_dir: ward.home.state_dir.display().to_string(),
        verdict: report.verdict,
        cause: report.cause.as_ref().map(CauseReport::from),
        reasons: report.reasons.clone(),
        desired: if report.unit_stopped || standing.desired == Desired::Stopped || standing.ended_in_pause {
            DesiredState::Stopped
        } else if paused {
            DesiredState::Paused
        } else {
            DesiredState::Running
        },
        control: report.control,
        control_reason: restriction.as_ref().map(|restriction| restriction.reason.clone()),
        polkit_rule: restriction.and_then(|restriction| restriction.rule),
        incarnation: report
            .incarnation
            .as_ref()
            .map(|life| IncarnationReport::new(life, report.born.map(|born| now.wall_of(born)))),
        url: target.map(|target| match target.scheme {
            Scheme::Plain => format!("http://{}/", target.address),
            Scheme::Tls => format!("https://{}/", target.address),
        }),
        since: Some(Time(report.since.wall)),
        incident: report.incident,
        last_recovery: report.last_recovery.as_ref().map(|recovery| LastRecovery {
            incident: recovery.incident,
            cause: recovery.cause.as_ref().map(CauseReport::from),
            onset_at: Time(recovery.onset_at),
            onset_uncertainty_ms: recovery.onset_uncertainty_ms,
            detected_after_ms: recovery.detected_after_ms,
            start_issued_after_ms: recovery.start_issued_after_ms,
            serving_after_ms: recovery.serving_after_ms,
        }),
        form: Some(report.form),
        approvals: approvals(ward, now),
        emergency: standing.emergency,
        pause: pause_report(ward, &report),
        next: next_words(&report, waits_for_a_lease(ward)),
        memory: report.growth.map(MemoryReport::from),
        program: ward.program.as_ref().and_then(|program| program.report(now.mono)),
    }
}

fn approvals(ward: &Ward, now: Now) -> Vec<ProposalReport> {
    let open = ward.guardian.memory().proposals.iter().filter(|proposal| proposal.is_open(now.mono));
    open.map(|proposal| ProposalReport {
        id: proposal.id.0,
        action: proposal.action.name().to_owned(),
        reason: proposal.reason.clone(),
        pid: proposal.target.as_ref().map(|life| life.pid),
        until: Time(proposal.until_wall),
    })
    .collect()
}

fn pause_report(ward: &Ward, report: &Report) -> Option<PauseReport> {
    let flag_file = report.standing.flag_file.then(|| ward.around.flag_file().display().to_string());
    match &report.standing.pause {
        Some(pause) => Some(PauseReport {
            since: Some(Time(pause.since)),
            until: pause.until.map(Time),
            reason: pause.reason.clone(),
            flag_file,
        }),
        None => flag_file.map(|flag_file| PauseReport {
            since: None,
            until: None,
            reason: None,
            flag_file: Some(flag_file),
        }),
    }
}

fn next_words(report: &Report, waits_for_a_lease: bool) -> Option<String> {
    if unseen(report) {
        return Some(
            "looks at the gateway itself; the service manager does not answer, so nothing is done through it"
                .to_owned(),
        );
    }
    if report.asks > 0 {
        return Some("waits for your word: `clawmend approve` shows what for".to_owned());
    }
    if report.told.is_some() {
        return report.told.clone();
    }
    let text = match report.verdict {
        Verdict::Stopped if waits_for_a_lease && !report.standing.hinders_a_group() => {
            "waits until this node owns the channels (`clawmend standby status`)"
        }
        Verdict::Stopped => "nothing, until a person starts it (`clawmend start`)",
        Verdict::Paused => "nothing, until the pause is over (`clawmend resume`)",
        Verdict::Suspect => "looks closely; a stall is given time before anything is done",
        Verdict::Starting => "waits for the start as long as it progresses",
        Verdict::Draining => "waits for the orderly end",
        Verdict::Healthy | Verdict::Degraded | Verdict::Down | Verdict::Unknown => return None,
    };
    Some(text.to_owned())
}

/// Asks every ward for its status.
pub async fn ask_all(wards: &[(GatewayId, super::news::Sender)]) -> Vec<GatewayStatus> {
    let mut statuses = Vec::with_capacity(wards.len());
    for (_, ward) in wards {
        let (reply, answer) = oneshot::channel();
        if ward.send(News::Report(reply)).await.is_err() {
            continue;
        }
        if let Ok(Ok(status)) = tokio::time::timeout(Duration::from_secs(5), answer).await {
            statuses.push(status);
        }
    }
    statuses
}
