//! `clawmend doctor --ai`: asks the engine of the settings, and shows what it guesses. Carries out nothing.

use super::super::context::Context;
use super::super::error::{CliError, Kind};
use super::super::output::{self, Style, Tone, clean};
use super::{Args, Found, since, user};
use crate::doctor::ai::collect::{self, Gateway};
use crate::doctor::ai::report::{AiReport, SentLine, StepReport};
use crate::doctor::ai::{self, AskError, Consequence, Evidence, Surroundings};
use crate::doctor::report::Tongue;
use crate::host::dirs;
use crate::settings::{self, AiSettings, Engine, Settings};
use clawmend_core::diagnosis::advice::Tier;
use clawmend_core::health::Verdict;
use std::fmt::Write as _;

/// When to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum When {
    // No doc comments here: they would turn the command's help into its long form.
    Unknown,
    Always,
}

/// What became of it: for the report, and the error when there is one.
pub(super) struct Asked {
    pub(super) report: AiReport,
    pub(super) failed: Option<CliError>,
}

pub(super) fn ask(
    context: &Context,
    args: &Args,
    when: When,
    found: &Found<'_>,
    tongue: Tongue,
) -> Result<Asked, CliError> {
    let settings = settings_of(context)?.ai;
    if when == When::Unknown && !found.diagnosis.causes.is_empty() {
        return Ok(Asked { report: AiReport::not_needed(settings.engine), failed: None });
    }
    let around = Surroundings::of_process(&settings);
    let evidence = evidence(context, args, &settings, found);
    let state = context.state_dir()?;
    if settings.engine != Engine::None {
        let limit_s = settings.timeout_ms.div_ceil(1000);
        output::tell(&format!("asking {}; this takes at most {limit_s} s", settings.engine.name()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        tokio::select! {
            answer = ai::ask(&settings, &state, &around, evidence, tongue) => Some(answer),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    match answer {
        None => Err(CliError::new(Kind::Retry, "interrupted; the question was taken back")),
        Some(Ok(answer)) => Ok(Asked { report: AiReport::answered(&answer, serves(context, found)), failed: None }),
        Some(Err(error)) => {
            Ok(Asked { report: AiReport::failed(settings.engine, &error), failed: Some(of_ask(&error)) })
        }
    }
}

/// Our settings: the file that was named, else the usual one.
pub(super) fn settings_of(context: &Context) -> Result<Settings, CliError> {
    Ok(match &context.global.config {
        Some(file) => settings::load(file)?,
        None => settings::load_or_default(&dirs::config_file()?)?,
    })
}

fn of_ask(error: &AskError) -> CliError {
    let kind = match error.consequence() {
        Consequence::Person => Kind::NeedsPerson,
        Consequence::Retry | Consequence::Refused => Kind::Retry,
    };
    CliError::new(kind, format!("no advice from an AI: {error}")).hint(error.hint())
}

/// A gateway serves, or nobody knows that it does not.
fn serves(context: &Context, found: &Found<'_>) -> bool {
    let down = |verdict: Verdict| matches!(verdict, Verdict::Down | Verdict::Stopped);
    let mut seen = found.around.wanted(context).map(|(_, seen)| seen).peekable();
    seen.peek().is_none() || seen.any(|seen| seen.is_none_or(|gateway| !down(gateway.verdict)))
}

/// What counts most comes first.
fn evidence(context: &Context, args: &Args, settings: &AiSettings, found: &Found<'_>) -> Evidence {
    let hidden = collect::secrets(settings, found.around.homes.iter());
    let mut evidence = Evidence::new(hidden.mask());
    if let Some(text) = &args.text {
        evidence.say(text);
    }
    collect::findings(&mut evidence, found.library, found.exam, found.diagnosis);
    let mut left_out: Vec<String> = Vec::new();
    for path in args.log.iter().filter(|path| path.as_os_str() != "-") {
        left_out.extend(collect::log(&mut evidence, path, |_| true));
    }
    if args.log.is_empty() {
        let alone = found.around.alone();
        for (home, status) in found.around.wanted(context) {
            let of = Gateway { home, status, since_ms: since(status), alone, uid: user() };
            left_out.extend(collect::gateway(&mut evidence, &of));
        }
    }
    left_out.iter().for_each(|why| output::tell(&clean(why, 300)));
    evidence
}

struct Words {
    guess: &'static str,
    unsure: &'static str,
    not_needed: &'static str,
    own_account: &'static str,
    because: &'static str,
    steps: &'static str,
    green: &'static str,
    yellow: &'static str,
    red: &'static str,
}

const fn words(tongue: Tongue) -> Words {
    match tongue {
        Tongue::English => Words {
            guess: "A machine's guess; it can be wrong, and a line of a log can have misled it. Nothing was done. Asked:",
            unsure: "It does not know either.",
            not_needed: "The cause is known, so no AI was asked; `--ai=always` asks it all the same.",
            own_account: "by its own account",
            because: "because",
            steps: "It proposes:",
            green: "could be undone",
            yellow: "interrupts: a person decides",
            red: "only a person can do this; do not run commands from here unread",
        },
        Tongue::Chinese => Words {
            guess: "以下是机器的猜测：可能有错，也可能被日志里的某一行误导。没有执行任何操作。询问的是：",
            unsure: "它也不知道。",
            not_needed: "原因已知，没有询问 AI；`--ai=always` 可以照样询问。",
            own_account: "（它自己的估计）",
            because: "依据",
            steps: "它的建议：",
            green: "可以撤销",
            yellow: "会中断服务：由人决定",
            red: "只有人能做；不要不看就运行这里的命令",
        },
    }
}

pub(super) fn render(report: &AiReport, tongue: Tongue, style: Style) -> String {
    let words = words(tongue);
    let mut text = String::new();
    match report.state {
        "not_needed" => {
            let _ = writeln!(text, "\n{}", style.paint(Tone::Quiet, words.not_needed));
        }
        "answered" => answered(&mut text, report, &words, style),
        // Told as an error.
        _ => {}
    }
    text
}

fn answered(text: &mut String, report: &AiReport, words: &Words, style: Style) {
    let _ = writeln!(text, "\n{}", style.paint(Tone::Warning, &format!("{} {}", words.guess, report.engine)));
    if report.hypotheses.is_empty() {
        let _ = writeln!(text, "  {}", words.unsure);
    }
    for one in &report.hypotheses {
        let percent = one.confidence * 100.0;
        let cause = one.cause.as_deref().map(|cause| format!("{cause} · ")).unwrap_or_default();
        let beside = format!("{cause}{percent:.0} % {}", words.own_account);
        let _ = writeln!(text, "  {}  {}", clean(&one.title, 200), style.paint(Tone::Quiet, &beside));
        let _ = writeln!(text, "    {}", clean(&one.why, 900));
        for number in one.evidence.iter().take(3) {
            if let Some(line) = report.sent.iter().find(|line| u32::try_from(line.number) == Ok(*number)) {
                let _ = writeln!(text, "    {}", style.paint(Tone::Quiet, &because(line, words)));
            }
        }
    }
    if !report.plan.is_empty() {
        let _ = writeln!(text, "  {}", words.steps);
    }
    for step in &report.plan {
        let _ = writeln!(text, "    {}", one_step(step, words, style));
    }
}

fn because(line: &SentLine, words: &Words) -> String {
    format!("{}: {}: {}", words.because, clean(&line.source, 100), clean(&line.text, 200))
}

fn one_step(step: &StepReport, words: &Words, style: Style) -> String {
    let (tone, name, note) = match step.tier {
        Tier::Green => (Tone::Good, "green ", words.green),
        Tier::Yellow => (Tone::Warning, "yellow", words.yellow),
        Tier::Red => (Tone::Bad, "red   ", words.red),
    };
    let target = match (&step.channel, &step.account, &step.about) {
        (Some(channel), Some(account), _) => format!(" {}/{}", clean(channel, 64), clean(account, 64)),
        (_, _, Some(about)) => format!(" ({})", clean(about, 32)),
        (None | Some(_), _, None) => String::new(),
    };
    let why = clean(&step.why, 900);
    format!(
        "{} {}{target}: {why} {}",
        style.paint(tone, name),
        step.action,
        style.paint(Tone::Quiet, &format!("[{note}]"))
    )
}
