//! `clawmend standby check`: whether the pair is ready, line by line.
//!
//! Here a pair; [`group`] is a node of a shared group, [`host`] whatever this host is. Invariant: it only looks; the one
//! thing that it sends is the question that a standby's guard sends anyway.

mod accounts;
mod boot;
mod group;
mod host;
mod own;
mod page;
mod pause;
mod people;
mod program;
mod room;
mod seniors;
mod space;
mod store;
mod this_guard;

use super::super::config::{home, settings};
use super::super::context::{BEGIN_NODE, Context};
use super::super::error::{CliError, Kind};
use super::super::output::{self, Style};
use super::{Pair, stores};
use crate::api::types::{GatewayStatus, PauseReport, SCHEMA, StandbyReport, StatusReport};
use crate::daemon::own_uid;
use crate::failover::key::PairKey;
use crate::failover::look::{IS_A_STANDBY, reaches, references};
use crate::failover::owned::owned;
use crate::failover::peer::client::{NoAnswer, ask};
use crate::failover::peer::wire::{Question, Told};
use crate::host::clock;
use crate::openclaw::config::read_tree;
use crate::openclaw::discovery::Home;
use crate::openclaw::environ::Environ;
use crate::openclaw::touched::version;
use crate::openclaw::unasked::{Unasked, unasked};
use crate::settings::Settings;
use clawmend_core::failover::Role;
use clawmend_core::failover::ownership::Owned;
use clawmend_core::gateway::{Control, Form};
use clawmend_core::health::Verdict;
use page::{ending, rows};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);
/// How a guard takes its settings up.
const AGAIN: &str = "start it again (`systemctl --user restart clawmend`, or Ctrl-C and its command once more)";
/// Clocks that differ by more make times in records hard to compare.
const CLOCKS_APART_MS: i64 = 2_000;
/// More than this and something is wrong with one of them.
const CLOCKS_WRONG_MS: i64 = 60_000;
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    Good,
    Warning,
    Bad,
    /// It cannot be seen from here.
    Unknown,
}

#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) check: &'static str,
    pub(super) level: Level,
    pub(super) text: String,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    ready: bool,
    checks: &'a [Line],
    host: &'a [Line],
}

/// What is ready, or not.
#[derive(Clone, Copy, Debug)]
enum Whole {
    Pair,
    Node,
}

pub(super) fn check(context: &Context) -> Result<ExitCode, CliError> {
    let settings = settings(context)?;
    if let Some(shared) = &settings.shared {
        return group::check(context, &settings, shared);
    }
    let pair = Pair::of(context)?;
    let mut lines = Vec::new();
    let status = context.guard_status();
    let guard = status.as_ref().map(|status| status.standby.as_deref());
    lines.push(this_guard::line(guard, &pair.standby, clock::now().wall));
    let home_here = home(context, pair.standby.gateway.as_ref()).ok();
    lines.extend(space::lines(&context.state_dir()?, home_here.as_ref()));
    match PairKey::load(&pair.key) {
        Ok(key) if pair.is_standby() => {
            let mine = own_version(context, &pair, status.as_ref());
            let question = question(guard.flatten());
            ask_primary(context, &pair, (&key, &question), mine.as_deref(), &mut lines)?;
            ask_seniors(context, &pair, (&key, &question), &mut lines)?;
        }
        Ok(key) => {
            lines.push(this_guard::address(guard, &pair.standby));
            lines.push(own::of_a_primary(&own(context, &pair, &key)));
        }
        Err(error) => lines.push(Line { check: "key", level: Level::Bad, text: error.to_string() }),
    }
    stores::check(context, &pair, home_here.as_ref(), &mut lines)?;
    if pair.is_standby() {
        lines.extend(status.as_ref().and_then(|status| gateway(context, &pair, status)).into_iter().flatten());
        lines.extend(own_doings(context, &pair));
        lines.extend(at_boot(context, &pair, &settings));
        lines.extend(guard.flatten().and_then(warm));
    }
    lines.extend(people::look(context));
    finish(context, Whole::Pair, &lines, pair.standby.listen)
}

fn finish(context: &Context, whole: Whole, lines: &[Line], listen: Option<SocketAddr>) -> Result<ExitCode, CliError> {
    let ready = lines.iter().all(|line| line.level != Level::Bad);
    let host = host::look(listen);
    if context.global.json {
        output::print_json(&Report { schema: SCHEMA, ready, checks: lines, host: &host })?;
    } else {
        let style = Style::of_stdout();
        let what = match whole {
            Whole::Pair => render(lines, ready, style),
            Whole::Node => rows(lines, style) + &ending("This node", ready),
        };
        output::print(&format!("{what}\nHow this host is guarded against others:\n{}", rows(&host, style)))?;
    }
    Ok(ExitCode::from(if ready { 0 } else { Kind::NeedsPerson.exit_code() }))
}

fn ask_primary(
    context: &Context,
    pair: &Pair,
    (key, question): (&PairKey, &Question),
    mine: Option<&str>,
    lines: &mut Vec<Line>,
) -> Result<(), CliError> {
    let Some(peer) = pair.standby.peer else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = clock::now();
    let told = runtime.block_on(ask(peer, key, question, LIMIT));
    let back = clock::now();
    let references = references(pair.standby.reference);
    let reached = runtime.block_on(async {
        for one in &references {
            if reaches(*one, LIMIT).await {
                return Some(*one);
            }
        }
        None
    });
    lines.push(match (reached, references.is_empty()) {
        (Some(one), _) if pair.standby.reference.is_none() && references.iter().all(is_near) => {
            Line { check: "reference", level: Level::Warning, text: near(one) }
        }
        (Some(one), _) => {
            Line { check: "reference", level: Level::Good, text: format!("{one} answers, so this node can doubt itself") }
        }
        (None, true) => Line {
            check: "reference",
            level: Level::Warning,
            text: "this node cannot tell its own network's loss from the primary's: set `reference` to something beyond both"
                .to_owned(),
        },
        (None, false) => Line {
            check: "reference",
            level: Level::Bad,
            text: unreached(&references),
        },
    });
    match told {
        Ok(told) if told.standby.is_some() => {
            lines.push(Line { check: "primary", level: Level::Bad, text: IS_A_STANDBY.to_owned() });
        }
        Ok(told) => {
            let text = format!("the guard at {peer} answers; its gateway is {}", told.verdict.name());
            let level = if matches!(told.verdict, Verdict::Healthy) { Level::Good } else { Level::Warning };
            lines.push(Line { check: "primary", level, text });
            compared(context, pair, key, &told, mine, lines);
            let half = i64::try_from(back.mono.since(sent.mono) / 2).unwrap_or(0);
            clocks(told.wall.0 - (sent.wall.0 + half), lines);
        }
        Err(why) => lines.push(Line { check: "primary", level: Level::Bad, text: unanswered(peer, &why) }),
    }
    Ok(())
}

/// A name server in a private network may be this place's own router, which answers also while the way out is lost.
fn is_near(reference: &SocketAddr) -> bool {
    match reference.ip() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn near(reference: SocketAddr) -> String {
    format!(
        "{reference} answers, and may be this network's own router, which does so also while the way out is lost: set \
         `reference` to something beyond both, such as \"1.1.1.1:53\""
    )
}

fn unreached(references: &[SocketAddr]) -> String {
    let all: Vec<String> = references.iter().map(ToString::to_string).collect();
    format!("{} cannot be reached, so this node would blame itself: set `reference` to what answers", all.join(", "))
}

fn unanswered(peer: SocketAddr, why: &NoAnswer) -> String {
    match why {
        NoAnswer::Silent(why) => format!(
            "no guard answers at {peer}: {why}; look whether that host is up, whether its guard runs, and whether its firewall \
             lets this node in"
        ),
        NoAnswer::Unclear(why) => why.clone(),
    }
}

/// As the guard here asks: the primary takes it for a word of that.
fn question(guard: Option<&StandbyReport>) -> Question {
    Question {
        version: crate::version::VERSION.to_owned(),
        role: guard.and_then(|report| report.role).unwrap_or_default(),
        held: guard.is_some_and(|report| report.held),
        wall: clock::now().wall,
    }
}

fn ask_seniors(
    context: &Context,
    pair: &Pair,
    (key, question): (&PairKey, &Question),
    lines: &mut Vec<Line>,
) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mine = own(context, pair, key);
    for one in &pair.standby.after {
        let told = runtime.block_on(ask(*one, key, question, LIMIT));
        lines.push(seniors::line(*one, &told, &mine));
    }
    lines.extend(pair.standby.listen.map(seniors::listens));
    Ok(())
}

fn compared(context: &Context, pair: &Pair, key: &PairKey, told: &Told, mine: Option<&str>, lines: &mut Vec<Line>) {
    lines.push(own::compared(&own(context, pair, key), &told.accounts));
    if told.version != crate::version::VERSION {
        let text = format!("Clawmend is {} there and {} here", told.version, crate::version::VERSION);
        lines.push(Line { check: "versions", level: Level::Warning, text });
    }
    lines.push(program::versions(told.openclaw.as_deref(), mine));
}

/// By the package that the guard would start, else by who wrote the config last.
fn own_version(context: &Context, pair: &Pair, status: Option<&StatusReport>) -> Option<String> {
    let home = home(context, pair.standby.gateway.as_ref()).ok()?;
    let by_guard = guarded(status, &home).and_then(|gateway| gateway.program.as_ref()?.openclaw.clone());
    by_guard.or_else(|| version(&home))
}

/// What the guard here says of this gateway.
fn guarded<'a>(status: Option<&'a StatusReport>, home: &Home) -> Option<&'a GatewayStatus> {
    status?.gateways.iter().find(|gateway| gateway.id == home.id)
}

/// Why the guard here could not start the gateway in a takeover.
pub(in crate::cli) fn hindrance(context: &Context) -> Result<Option<String>, CliError> {
    let pair = Pair::of(context)?;
    let lines = context.guard_status().and_then(|status| gateway(context, &pair, &status));
    Ok(lines.into_iter().flatten().find(|line| line.level == Level::Bad).map(|line| line.text))
}

/// Whether the guard here could start the gateway.
fn gateway(context: &Context, pair: &Pair, status: &StatusReport) -> Option<Vec<Line>> {
    let home = home(context, pair.standby.gateway.as_ref()).ok()?;
    let found = guarded(Some(status), &home)?;
    let startable = hindered(found.emergency, found.pause.as_ref())
        .unwrap_or_else(|| startable(found.control, found.form, found.control_reason.as_deref()));
    Some([Some(startable), found.program.as_ref().and_then(program::line)].into_iter().flatten().collect())
}

/// What a person has said stands in the way of a takeover.
fn hindered(emergency: bool, pause: Option<&PauseReport>) -> Option<Line> {
    let how = match (emergency, pause) {
        (true, _) => {
            "has stopped the gateway here for an emergency, so a takeover could not start it: `clawmend start` ends that"
        }
        (false, Some(PauseReport { flag_file: Some(_), .. })) => {
            "has paused the guard here by a flag file, so a takeover could not start the gateway: remove it"
        }
        (false, Some(_)) => {
            "has paused the guard here, so a takeover could not start the gateway: `clawmend resume` ends that"
        }
        (false, None) => return None,
    };
    Some(Line { check: "gateway", level: Level::Bad, text: format!("a person {how}") })
}

fn startable(control: Control, form: Option<Form>, why: Option<&str>) -> Line {
    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
    let (level, text) = match (control, form) {
        (Control::Full | Control::Observe, Some(Form::Foreign)) | (Control::Observe, None) => {
            let text = format!(
                "the guard here only looks at the gateway{why}, so a takeover could not start it: end both, then \
                 `clawmend run -- openclaw gateway run`"
            );
            (Level::Bad, text)
        }
        (Control::Full, _) => (Level::Good, "the guard here can start the gateway".to_owned()),
        (Control::Observe, Some(Form::Child | Form::Systemd | Form::Launchd | Form::ScheduledTask)) => {
            let text = format!(
                "the guard here may only look at the gateway{why}, so a takeover could not start it; `clawmend status` says \
                 what would let it"
            );
            (Level::Bad, text)
        }
    };
    Line { check: "gateway", level, text }
}

/// What this node's gateway would do by itself.
fn own_doings(context: &Context, pair: &Pair) -> Option<Line> {
    let home = home(context, pair.standby.gateway.as_ref()).ok()?;
    unasked_here(&home).map(timed)
}

fn unasked_here(home: &Home) -> Option<Unasked> {
    let environ = Environ::of(home, own_uid());
    let env = |name: &str| environ.get(name);
    // That it cannot be read is said of the channels.
    let config = read_tree(home, &env).ok()?;
    Some(unasked(&config, &env))
}

/// Whether this node's gateway would come up by itself.
fn at_boot(context: &Context, pair: &Pair, settings: &Settings) -> Option<Line> {
    let home = home(context, pair.standby.gateway.as_ref()).ok()?;
    let unit = settings.gateways.iter().find(|entry| entry.id == home.id).and_then(|entry| entry.unit.as_deref());
    let part = if pair.standby.warm { boot::Part::Warm } else { boot::Part::Cold };
    Some(boot::look(&home, unit, part))
}

fn timed(found: Unasked) -> Line {
    let (level, text) = match found {
        Unasked { cron: false, .. } => (Level::Good, "no timed work and no heartbeats here"),
        Unasked { heartbeats: true, .. } => (
            Level::Warning,
            "timed work and heartbeats are on in this host's OpenClaw config, and heartbeats message you unasked; a standby \
             runs neither: set cron.enabled to false",
        ),
        Unasked { heartbeats: false, .. } => (
            Level::Warning,
            "timed work is on in this host's OpenClaw config; a standby runs none: set cron.enabled to false",
        ),
    };
    Line { check: "timed work", level, text: text.to_owned() }
}

/// Where it is set.
fn warm(report: &StandbyReport) -> Option<Line> {
    let stands_by = report.role == Some(Role::Watching);
    let (level, text) = match (report.warm?, &report.not_warm_because) {
        (true, None) => (Level::Good, "the gateway runs, with its channels off".to_owned()),
        (_, Some(why)) if stands_by => (Level::Warning, format!("the gateway is not warm as it should be: {why}")),
        (false, None) if stands_by => (Level::Warning, "the gateway is not warm yet".to_owned()),
        (true | false, _) => return None,
    };
    Some(Line { check: "warm", level, text })
}

fn clocks(apart_ms: i64, lines: &mut Vec<Line>) {
    let apart = apart_ms.saturating_abs();
    let (level, text) = if apart > CLOCKS_WRONG_MS {
        (Level::Bad, format!("the clocks are {} s apart: one of them is wrong, set it by the network", apart / 1_000))
    } else if apart > CLOCKS_APART_MS {
        (Level::Warning, format!("the clocks are {} s apart", apart / 1_000))
    } else {
        (Level::Good, format!("the clocks are {apart} ms apart"))
    };
    lines.push(Line { check: "clock", level, text });
}

fn own(context: &Context, pair: &Pair, key: &PairKey) -> Owned {
    match home(context, pair.standby.gateway.as_ref()) {
        Ok(home) => match context.state_dir() {
            Ok(state) => owned(&home, own_uid(), key, &state),
            Err(error) => Owned::Unknown { why: error.message },
        },
        Err(error) => Owned::Unknown { why: error.message },
    }
}

pub(super) fn render(lines: &[Line], ready: bool, style: Style) -> String {
    rows(lines, style) + &ending("The pair", ready)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn clocks_are_judged_by_how_far_they_are_apart() {
        let mut lines = Vec::new();
        for apart in [0, -1_500, 2_500, -61_000, i64::MIN] {
            clocks(apart, &mut lines);
        }
        let levels: Vec<Level> = lines.iter().map(|line| line.level).collect();
        assert_eq!(levels, [Level::Good, Level::Good, Level::Warning, Level::Bad, Level::Bad]);
        lines.extend(this_guard::tests::every_line());
        lines.extend(own::tests::every_line());
        lines.extend(space::tests::every_line());
        lines.extend(people::tests::every_line());
        lines.push(Line { check: "reference", level: Level::Bad, text: unreached(&["10.0.0.2:53".parse().unwrap()]) });
        lines.push(Line { check: "reference", level: Level::Warning, text: near("192.168.1.1:53".parse().unwrap()) });
        let silent = NoAnswer::Silent("nothing came within 5000 ms".into());
        lines.push(Line {
            check: "primary",
            level: Level::Bad,
            text: unanswered("10.0.0.1:18790".parse().unwrap(), &silent),
        });
        for (cron, heartbeats) in [(false, false), (true, false), (true, true)] {
            lines.push(timed(Unasked { cron, heartbeats }));
        }
        lines.push(startable(Control::Full, Some(Form::Systemd), None));
        lines.push(startable(Control::Observe, Some(Form::Foreign), None));
        lines.push(startable(Control::Observe, Some(Form::Systemd), Some("no polkit rule lets claw manage it")));
        let pause = |flag_file: Option<&str>| PauseReport {
            since: None,
            until: None,
            reason: None,
            flag_file: flag_file.map(str::to_owned),
        };
        assert_eq!(hindered(false, None).map(|line| line.text), None);
        let said = [(true, None), (false, Some(pause(None))), (false, Some(pause(Some("/tmp/x"))))];
        lines.extend(said.iter().filter_map(|(emergency, pause)| hindered(*emergency, pause.as_ref())));
        lines.extend(program::tests::every_line());
        lines.extend(seniors::tests::every_line());
        insta::assert_snapshot!(render(&lines, false, Style::PLAIN));
    }

    #[test]
    fn a_router_of_this_place_is_told_from_what_is_beyond() {
        let near = |text: &str| is_near(&text.parse().unwrap());
        assert!(["192.168.1.1:53", "10.0.0.1:53", "[fd00::1]:53", "[fe80::1]:53"].into_iter().all(near));
        assert!(!["1.1.1.1:53", "100.100.100.100:53", "[2606:4700::1111]:53"].into_iter().any(near));
    }

    #[test]
    fn every_line_on_a_node_of_a_group() {
        let parts = [
            group::tests::every_line(),
            store::tests::every_line(),
            room::tests::every_line(),
            accounts::tests::every_line(),
            pause::tests::every_line(),
        ];
        insta::assert_snapshot!(parts.map(|lines| rows(&lines, Style::PLAIN)).join("--\n"));
    }

    #[test]
    fn every_line_on_a_host() {
        let parts = [boot::tests::every_line(), host::tests::every_line()];
        insta::assert_snapshot!(parts.map(|lines| rows(&lines, Style::PLAIN)).join("--\n"));
    }
}
