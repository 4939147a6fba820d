//! `clawmend drill failover`: a takeover and a step back on the real pair, with their times.
//!
//! Invariants: it is the takeover itself, by a person's word, and not a play: the same steps, the same proof by the
//! channel. The primary goes on all the while; each node has channels of its own. The guard steps back by itself, also
//! where this command is ended in the middle: it only watches, and judges. A takeover that left one of its steps undone
//! has not worked. Start at [`failover`].

use super::super::config::settings;
use super::super::consent;
use super::super::context::{Context, no_guard_of_node, unexpected};
use super::super::duration::human;
use super::super::error::{CliError, Kind};
use super::super::output::{self, clean};
use super::super::standby::{began_before, hindrance};
use crate::api::types::{ChangeReport, SCHEMA, StandbyReport, Time};
use crate::api::{Answer, Request};
use crate::failover::words;
use crate::host::clock;
use crate::host::files::{Durability, private_dir, write_atomic};
use clawmend_core::failover::{Order, Role, Sight, Step};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A start was seen to take 240 s in the field; what is brought before it and the channel's proof come on top.
const TAKEOVER: Duration = Duration::from_secs(720);
/// An orderly end may take 330 s, and the primary may have to be well for up to half an hour after several takeovers.
const STEP_BACK: Duration = Duration::from_secs(45 * 60);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between two words to whoever waits.
const WORD_EVERY: Duration = Duration::from_secs(60);
/// In our own state folder.
const FOLDER: &str = "drills";
/// Reports that are kept.
const REPORTS: usize = 24;

const NO_GUARD: &str = "no guard answers here: start it again, and it goes on";
/// A guard that followed in the middle has ended it, for the primary serves.
const BROKEN_OFF: &str = "the guard here was started again in the middle, and has stepped back: try it once more";

/// What a person says yes to.
const WHAT: &str =
    "this standby takes over for real, on its own channel, and steps back; the primary goes on meanwhile";

/// What became of it.
#[derive(Debug, Serialize)]
struct Drill {
    schema: u32,
    /// It took over, could be reached, and stepped back.
    worked: bool,
    at: Time,
    /// From the order until the channel said that it is connected, in milliseconds.
    reachable_after_ms: Option<u64>,
    /// From the end of the takeover until it stood by again, in milliseconds.
    back_after_ms: Option<u64>,
    takeover: Option<ChangeReport>,
    step_back: Option<ChangeReport>,
    /// What is wrong, for people.
    problem: Option<String>,
}

pub(super) fn failover(context: &Context, yes: bool) -> Result<ExitCode, CliError> {
    context.refuse_from_inside()?;
    may_be_tried(context)?;
    consent::ask(WHAT, WHAT, yes)?;
    // The question may have stood for long.
    may_be_tried(context)?;
    let drill = carry_out(context)?;
    // What was seen is shown also where it cannot be kept.
    let kept = context.state_dir().and_then(|state| keep(&state, &drill));
    if context.global.json {
        output::print_json(&drill)?;
    } else {
        output::print(&page(&drill, kept.as_deref().ok()))?;
    }
    kept?;
    Ok(ExitCode::from(if drill.worked { 0 } else { Kind::NeedsPerson.exit_code() }))
}

fn look(context: &Context) -> Result<StandbyReport, CliError> {
    let status = context.guard_status().ok_or_else(no_guard_of_node)?;
    if let Some(report) = status.standby {
        return Ok(*report);
    }
    let settings = settings(context)?;
    if settings.standby.is_some() {
        return Err(began_before("one of a pair"));
    }
    if settings.shared.is_some() {
        return Err(CliError::new(Kind::Usage, "this host is a node of a shared group, and a drill is for a pair")
            .hint("hand the channels over and back, to try the same: `clawmend standby handover --to NODE`"));
    }
    Err(CliError::new(Kind::NotFound, "this host is not one of a pair")
        .hint("`clawmend help standby` tells how it becomes one"))
}

fn may_be_tried(context: &Context) -> Result<(), CliError> {
    ready(&look(context)?)?;
    match hindrance(context)? {
        None => Ok(()),
        Some(why) => Err(CliError::new(Kind::NeedsPerson, why)),
    }
}

/// Whether a takeover may be tried now, by what the guard says of the pair.
fn ready(report: &StandbyReport) -> Result<(), CliError> {
    let no = |why: String, hint: &str| Err(CliError::new(Kind::NeedsPerson, why).hint(hint));
    match (report.role, report.armed) {
        (None, _) => {
            Err(CliError::new(Kind::Usage, "this host is the primary").hint("say this on the standby: it takes over"))
        }
        (Some(Role::Promoting | Role::Active | Role::Demoting), _) => {
            no("this node is not standing by".to_owned(), "`clawmend standby status` shows what it does")
        }
        (Some(Role::Watching), _) if report.held => {
            no("a person holds this node as it is".to_owned(), "`clawmend standby release` ends that")
        }
        (Some(Role::Watching), Some(true)) if report.sees != Some(Sight::Serves) => {
            let seen = report.sight.as_deref().unwrap_or("it was not looked at yet");
            no(
                format!("the primary is not seen to serve: {}", clean(seen, 300)),
                "a drill is for a quiet hour: `clawmend standby check` says more",
            )
        }
        (Some(Role::Watching), Some(true)) => Ok(()),
        (Some(Role::Watching), Some(false) | None) => {
            let why = report.not_armed_because.as_deref().unwrap_or("the primary was not heard yet");
            no(format!("it would not take over: {}", clean(why, 400)), "`clawmend standby check` shows what is missing")
        }
    }
}

fn carry_out(context: &Context) -> Result<Drill, CliError> {
    let at = clock::now();
    let mut drill = Drill {
        schema: SCHEMA,
        worked: false,
        at: Time(at.wall),
        reachable_after_ms: None,
        back_after_ms: None,
        takeover: None,
        step_back: None,
        problem: None,
    };
    order(context)?;
    output::tell("taking over; it steps back by itself, also if this command is ended now");
    match reached(context, drill.at, Role::Active, TAKEOVER) {
        Ok(change) => {
            drill.reachable_after_ms = reachable(&change).then(|| clock::now().mono.since(at.mono));
            drill.problem = undone(&change);
            drill.takeover = Some(change);
        }
        Err(why) => {
            drill.problem = Some(why);
            return Ok(drill);
        }
    }
    let carries = clock::now();
    output::tell(
        "it carries: write to it on its own channel; it steps back when the primary has been well for a while",
    );
    match reached(context, Time(carries.wall), Role::Watching, STEP_BACK) {
        Ok(change) => {
            drill.back_after_ms = Some(clock::now().mono.since(carries.mono));
            drill.problem = drill.problem.take().or_else(|| undone(&change));
            drill.step_back = Some(change);
        }
        // What went wrong first is the cause.
        Err(why) => drill.problem = drill.problem.take().or(Some(why)),
    }
    drill.worked = drill.problem.is_none();
    Ok(drill)
}

fn order(context: &Context) -> Result<(), CliError> {
    let asked = context.ask(Request::Standby { order: Order::Drill });
    match asked {
        Ok(None) => Err(no_guard_of_node()),
        Ok(Some(Answer::Done { .. })) => Ok(()),
        // A no is an error already.
        Ok(Some(_)) => Err(unexpected()),
        Err(error) if error.message.contains("unknown variant") => {
            Err(CliError::new(Kind::NeedsPerson, "the guard here is of an older version, which knows no drill")
                .hint("start it again: `systemctl --user restart clawmend`, or Ctrl-C and its command once more"))
        }
        Err(error) => Err(error),
    }
}

/// Waits for the change to this role.
fn reached(context: &Context, since: Time, role: Role, limit: Duration) -> Result<ChangeReport, String> {
    let until = Instant::now() + limit;
    let mut word_at = Instant::now() + WORD_EVERY;
    let what = if role == Role::Active { "taken over" } else { "stepped back" };
    let mut answers = true;
    while Instant::now() < until {
        // A guard that is being replaced answers again soon.
        let report = look(context).ok();
        answers = report.is_some();
        if Instant::now() >= word_at {
            word_at = Instant::now() + WORD_EVERY;
            output::tell(&report.as_ref().map_or_else(|| NO_GUARD.to_owned(), so_far));
        }
        if let Some(came) = report.and_then(|report| came(report.last_change?, since, role)) {
            return came;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let hint = if answers { "`clawmend standby status` shows why" } else { NO_GUARD };
    Err(format!("it has not {what} within {}; {hint}", human(millis(limit))))
}

/// What the last change says of the one to this role that began after this; nothing where that is not over.
fn came(change: ChangeReport, since: Time, role: Role) -> Option<Result<ChangeReport, String>> {
    match change {
        change if change.at.0 < since.0 => None,
        change if change.to != role => (role == Role::Active).then(|| Err(BROKEN_OFF.to_owned())),
        change if change.worked => Some(Ok(change)),
        change => Some(Err(failed(&change))),
    }
}

/// For whoever waits.
fn so_far(report: &StandbyReport) -> String {
    let role = report.role.map_or("not known", words::role);
    let waits = report.waits.as_ref().map_or_else(String::new, |waits| format!("; {}", clean(waits, 200)));
    format!("this node is {role}{waits}")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn failed(change: &ChangeReport) -> String {
    let steps = change.steps.iter().filter(|step| !step.worked);
    let steps: Vec<String> = steps.map(|step| format!("{}: {}", step.step, step.detail)).collect();
    format!("the change of role failed; {}", steps.join("; "))
}

/// What a takeover or a step back that worked has left undone, which would be missing after a loss.
fn undone(change: &ChangeReport) -> Option<String> {
    // What was done again counts as it went last.
    let last = |name: &str| change.steps.iter().rfind(|step| step.step == name);
    let undone = |step: &&Step| !step.worked && last(&step.step).is_some_and(|last| std::ptr::eq(last, *step));
    let steps: Vec<String> =
        change.steps.iter().filter(undone).map(|step| format!("{}: {}", step.step, step.detail)).collect();
    let what = match change.to {
        Role::Active | Role::Promoting => "it took over, but not everything was done",
        Role::Watching | Role::Demoting => "not everything was done on the way back",
    };
    (!steps.is_empty()).then(|| format!("{what}; {}", steps.join("; ")))
}

/// Each channel that it has was seen to be connected.
fn reachable(change: &ChangeReport) -> bool {
    change.steps.iter().any(|step| step.step == "channel" && step.worked)
}

fn keep(state: &Path, drill: &Drill) -> Result<PathBuf, CliError> {
    let folder = state.join(FOLDER);
    private_dir(&folder).map_err(|error| CliError::new(Kind::NeedsPerson, error.to_string()))?;
    let stamp = drill.at.timestamp().strftime("%Y%m%dT%H%M%SZ");
    let path = folder.join(format!("failover-{stamp}.json"));
    let text = serde_json::to_vec_pretty(drill).map_err(std::io::Error::other)?;
    write_atomic(&path, &text, Durability::Durable)?;
    let entries = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path());
    let mut old: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    // Their names are their times.
    old.sort_unstable();
    for path in old.iter().rev().skip(REPORTS) {
        drop(std::fs::remove_file(path));
    }
    Ok(path)
}

fn page(drill: &Drill, kept: Option<&Path>) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<14}{value}");
    };
    row("drill", if drill.worked { "the standby took over, could be reached, and stepped back" } else { "it failed" });
    if let Some(problem) = &drill.problem {
        row("problem", &clean(problem, 400));
    }
    if let Some(ms) = drill.reachable_after_ms {
        row("reachable", &format!("{} after the order", human(ms)));
    }
    for step in drill.takeover.iter().flat_map(|change| &change.steps) {
        row("", &line(step));
    }
    if let Some(ms) = drill.back_after_ms {
        row("back", &format!("{} after that", human(ms)));
    }
    for step in drill.step_back.iter().flat_map(|change| &change.steps) {
        row("", &line(step));
    }
    if let Some(kept) = kept {
        row("report", &kept.display().to_string());
    }
    row("not tried", "that the loss of the primary is noticed: pull its cable to try that, too");
    text
}

fn line(step: &Step) -> String {
    let failed = if step.worked { "" } else { "NOT done: " };
    format!("{}: {failed}{} ({})", clean(&step.step, 40), clean(&step.detail, 200), human(step.took_ms))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clawmend_core::failover::Reason;
    use clawmend_core::time::Wall;

    fn standby(role: Option<Role>) -> StandbyReport {
        StandbyReport {
            side: "standby".into(),
            role,
            held: false,
            peer: None,
            seen_at: None,
            sight: Some("its guard says: healthy".into()),
            sees: Some(Sight::Serves),
            why: None,
            wanted: None,
            silent_since: None,
            asked_by: Vec::new(),
            after: Vec::new(),
            waits: None,
            armed: Some(true),
            not_armed_because: None,
            armed_by: None,
            last_change: None,
            proven: None,
            warm: None,
            not_warm_because: None,
            workspace: None,
            problem: None,
            settings_mark: None,
        }
    }

    fn change(to: Role, step: &str, worked: bool) -> ChangeReport {
        let steps = vec![
            Step { step: "gateway".into(), worked: true, took_ms: 15_900, detail: "healthy".into() },
            Step { step: step.into(), worked, took_ms: 300, detail: "telegram account `default`".into() },
        ];
        ChangeReport { to, reason: Reason::Drill, at: Time(Wall(7)), took_ms: 16_200, worked: true, steps }
    }

    fn drill() -> Drill {
        Drill {
            schema: SCHEMA,
            worked: true,
            at: Time(Wall(1_790_000_000_000)),
            reachable_after_ms: Some(16_700),
            back_after_ms: Some(61_000),
            takeover: Some(change(Role::Active, "channel", true)),
            step_back: None,
            problem: None,
        }
    }

    #[test]
    fn it_is_tried_only_where_a_takeover_would_be_right() {
        assert!(ready(&standby(Some(Role::Watching))).is_ok());
        let refused = [
            standby(None),
            standby(Some(Role::Active)),
            StandbyReport { held: true, ..standby(Some(Role::Watching)) },
            StandbyReport {
                armed: Some(false),
                not_armed_because: Some("both nodes own telegram".into()),
                ..standby(Some(Role::Watching))
            },
            StandbyReport { armed: None, ..standby(Some(Role::Watching)) },
            StandbyReport {
                sees: Some(Sight::BeingRepaired),
                sight: Some("its guard says: down".into()),
                ..standby(Some(Role::Watching))
            },
            StandbyReport { sees: None, sight: None, ..standby(Some(Role::Watching)) },
        ];
        let said: Vec<String> = refused.iter().map(|report| ready(report).unwrap_err().message).collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn a_channel_that_says_nothing_is_no_proof() {
        assert!(reachable(&change(Role::Active, "channel", true)));
        assert!(!reachable(&change(Role::Active, "channel", false)));
        assert!(!reachable(&change(Role::Active, "workspace", true)));
    }

    #[test]
    fn what_was_left_undone_is_a_problem_and_what_was_done_again_is_none() {
        let mut took_over = change(Role::Active, "channel", true);
        assert_eq!(undone(&took_over), None);
        let step =
            |step: &str, worked, detail: &str| Step { step: step.into(), worked, took_ms: 8, detail: detail.into() };
        took_over.steps.insert(0, step("gateway", false, "it was not taken up"));
        assert_eq!(undone(&took_over), None, "the gateway came at the second try");
        took_over.steps.insert(0, step("workspace", false, "the remote refuses this node"));
        let said = undone(&took_over).unwrap();
        assert_eq!(said, "it took over, but not everything was done; workspace: the remote refuses this node");
    }

    #[test]
    fn only_what_began_after_the_order_counts() {
        let (before, after) = (Time(Wall(8)), Time(Wall(7)));
        let took_over = || change(Role::Active, "channel", true);
        assert!(came(took_over(), before, Role::Active).is_none());
        assert!(came(took_over(), after, Role::Active).unwrap().is_ok());
        assert!(came(took_over(), after, Role::Watching).is_none(), "it still carries");
        let failed = ChangeReport { worked: false, ..change(Role::Active, "channel", false) };
        assert!(came(failed, after, Role::Active).unwrap().unwrap_err().contains("channel"));
        let stepped_back = change(Role::Watching, "gateway", true);
        assert_eq!(came(stepped_back, after, Role::Active).unwrap().unwrap_err(), BROKEN_OFF);
    }

    #[test]
    fn the_page() {
        let failed = Drill {
            worked: false,
            reachable_after_ms: None,
            back_after_ms: None,
            takeover: None,
            problem: Some(super::failed(&change(Role::Active, "channel", false))),
            ..drill()
        };
        let kept = Path::new("/home/ana/.local/state/clawmend/drills/failover-20260921T141320Z.json");
        let pages = [page(&drill(), Some(kept)), page(&failed, Some(kept)), page(&failed, None)];
        insta::assert_snapshot!(pages.join("--\n"));
        let waits = Some("it steps back when the primary has been well for 60 s".to_owned());
        assert_eq!(
            so_far(&StandbyReport { waits, ..standby(Some(Role::Active)) }),
            "this node is carrying on; it steps back when the primary has been well for 60 s"
        );
    }

    #[test]
    fn reports_are_private_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..30 {
            let at = Time(Wall(1_790_000_000_000 + number * 1_000));
            keep(folder.path(), &Drill { at, ..drill() }).unwrap();
        }
        let mut names: Vec<String> = std::fs::read_dir(folder.path().join(FOLDER))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), REPORTS);
        assert_eq!(names.last().unwrap(), "failover-20260921T141349Z.json", "the newest stay");
    }
}
