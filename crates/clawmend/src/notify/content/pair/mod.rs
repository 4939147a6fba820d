//! A word on a pair: what happened, what it means, and what a person can do.
//!
//! Invariant: a letter says what may be lost, and on which machine a command is to be typed.

mod steps;

use super::Writer;
use super::context::{lasted, value};
use super::words;
use crate::settings::Language;
use clawmend_core::alert::notice::Notice;
use clawmend_core::failover::{Obstacle, Reason, Role, Telling, Word};
use clawmend_core::gateway::GatewayId;
use minijinja::{Value, context};
use steps::Steps;

/// For the template `pair`.
pub(super) fn values(writer: &Writer, notice: &Notice, gateway: &GatewayId, word: &Word) -> Value {
    let said = Said { language: writer.language, host: &writer.host, word };
    let facts: Vec<Value> = said
        .facts()
        .into_iter()
        .map(|(label, text)| context! { label => label.to_owned(), value => value(&text) })
        .collect();
    let advice: Vec<String> = said.advice().into_iter().map(str::to_owned).collect();
    let (title, what) = (said.title(), said.what());
    context! {
        icon => words::icon(notice.level),
        level => words::level(writer.language, notice.level),
        host => writer.host.clone(),
        gateway => gateway.0.clone(),
        kind => kind(&word.telling),
        title => title,
        what => what,
        since => writer.local(word.since),
        lasted => lasted(writer.language, notice.at.0.saturating_sub(word.since.0)),
        time => writer.local(notice.at),
        facts => facts,
        advice => advice,
        commands => commands(&word.telling),
        version => crate::version::VERSION,
    }
}

/// Stable names for a person's own template.
const fn kind(telling: &Telling) -> &'static str {
    match telling {
        Telling::NotPromoted { .. } => "not_promoted",
        Telling::TookOver { .. } => "took_over",
        Telling::SteppedBack { .. } => "stepped_back",
        Telling::Returned => "returned",
        Telling::Unsteady { .. } => "unsteady",
        Telling::NotApart { .. } => "not_apart",
        Telling::Failed { .. } => "failed",
        Telling::NobodyAnswers { .. } => "nobody_answers",
        Telling::AnswersAgain { .. } => "answers_again",
        Telling::StandbyLost => "standby_lost",
        Telling::StandbyBack => "standby_back",
    }
}

/// To be typed on the standby, the most useful first.
fn commands(telling: &Telling) -> Vec<&'static str> {
    let first: &[&str] = match telling {
        Telling::NotPromoted { obstacle: Obstacle::Held } => &["clawmend standby promote", "clawmend standby release"],
        Telling::NotPromoted { obstacle: Obstacle::NotApart { .. } } => &["clawmend standby check"],
        Telling::NotApart { .. } => &["clawmend standby check", "clawmend standby demote"],
        Telling::Unsteady { .. } => &["clawmend standby demote"],
        Telling::Failed { .. } | Telling::NobodyAnswers { .. } => &["clawmend doctor"],
        Telling::StandbyLost | Telling::StandbyBack => &["clawmend standby check"],
        Telling::TookOver { held: true, .. } => &["clawmend standby release"],
        Telling::TookOver { .. } | Telling::SteppedBack { .. } | Telling::Returned | Telling::AnswersAgain { .. } => {
            &[]
        }
    };
    first.iter().copied().chain(["clawmend standby status"]).collect()
}

struct Said<'a> {
    language: Language,
    host: &'a str,
    word: &'a Word,
}

impl Said<'_> {
    const fn pick<'t>(&self, en: &'t str, zh: &'t str) -> &'t str {
        self.language.pick(en, zh)
    }

    fn title(&self) -> String {
        let host = self.host;
        let (en, zh) = match &self.word.telling {
            Telling::TookOver { reason: Reason::Drill, .. } => {
                (format!("drill: {host} has taken over"), format!("演练：备机 {host} 已接管"))
            }
            Telling::TookOver { .. } => (format!("{host} has taken over"), format!("备机 {host} 已接管")),
            Telling::SteppedBack { .. } => (format!("{host} has stepped back"), format!("备机 {host} 已退回待命")),
            Telling::Returned => (
                format!("the primary is well again; {host} did not take over"),
                format!("主机已恢复；备机 {host} 未曾接管"),
            ),
            Telling::NotPromoted { .. } => (
                format!("the primary is lost, and {host} does not take over"),
                format!("主机失联，备机 {host} 没有接管"),
            ),
            Telling::Unsteady { .. } => (
                format!("the primary comes and goes; {host} carries on"),
                format!("主机时好时坏，备机 {host} 继续工作"),
            ),
            Telling::NotApart { .. } => (
                format!("a channel may be on {host} and on the primary"),
                format!("备机 {host} 与主机可能共用同一通道"),
            ),
            Telling::Failed { role, .. } => match role {
                Role::Watching | Role::Promoting => {
                    (format!("{host} could not take over"), format!("备机 {host} 接管失败"))
                }
                Role::Active | Role::Demoting => {
                    (format!("{host} could not step back"), format!("备机 {host} 退回失败"))
                }
            },
            Telling::NobodyAnswers { .. } => (
                format!("nobody answers you now: the primary is lost, and the gateway on {host} is down"),
                format!("现在无人应答：主机失联，备机 {host} 的网关也不工作"),
            ),
            Telling::AnswersAgain { .. } => {
                (format!("you are answered again ({host})"), format!("已恢复应答（备机 {host}）"))
            }
            Telling::StandbyLost => (format!("{host} has lost its standby"), format!("主机 {host} 与备机失去联系")),
            Telling::StandbyBack => (format!("{host} has its standby again"), format!("主机 {host} 的备机已恢复联系")),
        };
        self.pick(&en, &zh).to_owned()
    }

    fn what(&self) -> String {
        let (en, zh) = match &self.word.telling {
            Telling::TookOver { reason: Reason::Drill, .. } => (
                "A drill: the gateway runs on this standby, too, for about a minute, and the primary goes on.".to_owned(),
                "演练：网关现在也运行在这台备机上，约一分钟，主机照常工作。".to_owned(),
            ),
            Telling::TookOver { reason, .. } => (
                format!("{} The gateway runs on this standby now.", because_en(*reason)),
                format!("{}网关现在运行在这台备机上。", because_zh(*reason)),
            ),
            Telling::SteppedBack { reason } => (
                format!("{} The channels on this standby are off again.", because_en(*reason)),
                format!("{}这台备机上的渠道已关闭。", because_zh(*reason)),
            ),
            Telling::Returned => ("It serves again without a break.".to_owned(), "主机已持续正常。".to_owned()),
            Telling::NotPromoted { obstacle: Obstacle::Held } => (
                "A person holds this standby as it is, so nobody answers now.".to_owned(),
                "有人让这台备机保持现状，因此现在无人应答。".to_owned(),
            ),
            Telling::NotPromoted { obstacle: Obstacle::NotApart { .. } } => (
                "It is not known that the two share no channel account, and an account must never have two owners. Nobody answers now."
                    .to_owned(),
                "无法确认两台机器没有共用通道账号，而同一账号绝不能有两个使用者。现在无人应答。".to_owned(),
            ),
            Telling::Unsteady { needs_ms, takeovers } => (
                format!(
                    "After {takeovers} takeovers of late the primary must be well for {} s without a break before this standby steps back.",
                    needs_ms / 1_000
                ),
                format!("近期已接管 {takeovers} 次；主机须连续正常 {} 秒，备机才会退回。", needs_ms / 1_000),
            ),
            Telling::NotApart { .. } => (
                "This standby carries, and the two are not known to be apart any more: messages may be answered twice or be lost."
                    .to_owned(),
                "这台备机正在工作，而两台机器的通道账号已无法确认互不相同：消息可能被回复两次或丢失。".to_owned(),
            ),
            Telling::Failed { role, lost, again, asked } => {
                let (en, zh) = failed(*role, *lost, *asked);
                let (then_en, then_zh) =
                    if *again { ("It is tried again.", "会继续重试。") } else { ("It is not tried again.", "不会重试。") };
                (format!("{en} {then_en}"), format!("{zh}{then_zh}"))
            }
            Telling::NobodyAnswers { .. } => (
                "This standby carries, and its own gateway has not served for longer than a repair may take. The guard here goes on \
                 trying."
                    .to_owned(),
                "这台备机已接管，但它自己的网关停止服务的时间已超过正常修复所需。这里的守护程序会继续尝试。".to_owned(),
            ),
            Telling::AnswersAgain { .. } => (
                "The gateway on this standby serves again, or the primary is back.".to_owned(),
                "这台备机上的网关已恢复服务，或主机已恢复。".to_owned(),
            ),
            Telling::StandbyLost => (
                "The standby has not asked for 5 minutes: its host, its guard or the network between the two is down. This host goes \
                 on, and if it is lost, too, nobody takes over."
                    .to_owned(),
                "备机已有 5 分钟没有询问：它的机器、守护程序或两机之间的网络出了故障。本机继续工作；但若本机也出故障，将无人接管。"
                    .to_owned(),
            ),
            Telling::StandbyBack => (
                "It has asked without a break for a minute.".to_owned(),
                "备机已连续一分钟正常询问。".to_owned(),
            ),
        };
        self.pick(&en, &zh).to_owned()
    }

    fn facts(&self) -> Vec<(&str, String)> {
        let (mut facts, steps) = (Vec::new(), self.steps());
        if let Telling::NotPromoted { obstacle: Obstacle::NotApart { why } } | Telling::NotApart { why } =
            &self.word.telling
        {
            facts.push((self.pick("Why", "原因"), why.clone()));
        }
        facts.extend(steps.all());
        if matches!(self.word.telling, Telling::TookOver { .. }) && steps.find("workspace").is_none() {
            let none =
                self.pick("not brought over: [standby.workspace] is not set", "未带过来：没有设置 [standby.workspace]");
            facts.push((self.pick("Its files", "助手文件"), none.to_owned()));
        }
        facts
    }

    fn steps(&self) -> Steps<'_> {
        Steps { language: self.language, telling: &self.word.telling, steps: &self.word.steps }
    }

    fn advice(&self) -> Vec<&str> {
        match &self.word.telling {
            Telling::TookOver { reason, held } => self.after_a_takeover(*reason, *held),
            Telling::SteppedBack { .. } => self.after_a_step_back(),
            Telling::Returned => vec![self.pick(
                "Mend what kept it from taking over, before the next time.",
                "请在下次故障之前解决阻止接管的原因。",
            )],
            Telling::NotPromoted { obstacle: Obstacle::Held } => {
                vec![self.pick("On the standby, let it take over now, or decide by itself again:", "在备机上让它现在接管，或恢复自动判断：")]
            }
            Telling::NotPromoted { obstacle: Obstacle::NotApart { .. } } => vec![self.pick(
                "Switch the account off in one of the two configs, or make it readable; then it takes over by itself. What is wrong, on the standby:",
                "请在其中一台的配置里关闭该账号，或使其可以读取，之后会自动接管。在备机上查看问题：",
            )],
            Telling::NotApart { .. } => vec![self.pick(
                "Switch the account off in one of the two configs, or have this standby step back:",
                "请在其中一台的配置里关闭该账号，或让这台备机退回：",
            )],
            Telling::Unsteady { .. } => vec![self.pick(
                "Look why the primary comes and goes. If you are sure that it is well, have the standby step back:",
                "请检查主机为何时好时坏。若确定已正常，可让备机退回：",
            )],
            Telling::Failed { .. } => {
                vec![self.pick("Look why, on the standby:", "在备机上查看原因：")]
            }
            Telling::NobodyAnswers { .. } => vec![
                self.pick("Bring the primary back, if that is the quicker way.", "如果更快，请先恢复主机。"),
                self.pick("Or look why the gateway does not serve, on the standby:", "或在备机上查看网关不工作的原因："),
            ],
            Telling::AnswersAgain { .. } => vec![self.pick(
                "Messages from before may be lost: write again what was not answered. How it is, on the standby:",
                "之前的消息可能丢失：没有得到回复的请重新发送。在备机上查看状态：",
            )],
            Telling::StandbyLost => vec![
                self.pick(
                    "Both hosts lost at once can tell you nothing: the heartbeat in notify.toml is for that.",
                    "如果两台机器同时故障，谁也无法通知你：请为此在 notify.toml 中设置 heartbeat。",
                ),
                self.pick("See that the standby is on, and that its guard runs. On the standby:", "请确认备机已开机且守护程序在运行。在备机上："),
            ],
            Telling::StandbyBack => {
                vec![self.pick("Whether it is ready to take over, on the standby:", "在备机上查看是否可以接管：")]
            }
        }
    }

    fn after_a_step_back(&self) -> Vec<&str> {
        let mut advice = vec![self.pick("Write to it on the primary's channel again.", "请改回主机的通道与它对话。")];
        if self.steps().failed("workspace") {
            advice.push(self.pick(
                "What it wrote here meanwhile is still on the standby's disk only: it is given to a branch of its own once that works, \
                 and until then nothing new is fetched.",
                "期间在备机上写下的内容还只在备机的磁盘上：能够推送后会放到单独的分支，在那之前备机不会取回新内容。",
            ));
        } else if self.steps().find("workspace").is_some() {
            advice.push(self.pick(
                "What it wrote here meanwhile is on a branch of its own, if it wrote anything: merge that on the primary.",
                "期间在备机上写下的内容（如有）在单独的分支里，请在主机上合并。",
            ));
        }
        advice
    }

    fn after_a_takeover(&self, reason: Reason, held: bool) -> Vec<&str> {
        let mut advice = if reason == Reason::Drill {
            vec![self.pick(
                "Write to it on the standby's own channel, to see that it answers.",
                "请通过备机自己的通道与它对话，看它是否回复。",
            )]
        } else {
            vec![
                self.pick(
                    "Write to it on the standby's own channel; the primary's is silent while that is lost.",
                    "请通过备机自己的通道与它对话；主机失联期间，主机的通道没有回应。",
                ),
                self.pick(
                    "Messages that the primary had taken and not answered may be lost; conversations from before are not here.",
                    "主机已收到但尚未回复的消息可能丢失；之前的对话不在备机上。",
                ),
            ]
        };
        if self.steps().failed("channel") {
            advice.push(self.pick(
                "The gateway serves, but its channel was not seen to connect: write to it, and look whether it answers.",
                "网关已运行，但没有看到通道连上：请发一条消息，看它是否回复。",
            ));
        }
        if self.steps().failed("workspace") {
            advice.push(self.pick(
                "Its files are those that were here before, and may be old.",
                "助手文件是备机上原有的，可能较旧。",
            ));
        }
        if self.steps().failed("secrets") {
            advice.push(self.pick(
                "Its secrets are those that were here before, or none: what needs them may fail.",
                "密钥是备机上原有的，或者没有：需要密钥的功能可能失败。",
            ));
        }
        advice.push(if held {
            self.pick(
                "It stays so until somebody says otherwise. To let it step back once the primary is well, on the standby:",
                "备机会一直保持这样，直到有人另行指示。若要在主机正常后让它退回，请在备机上：",
            )
        } else {
            self.pick(
                "When the primary has been well for a while, this standby steps back by itself. How it is, on the standby:",
                "主机持续正常一段时间后，备机会自动退回。在备机上查看状态：",
            )
        });
        advice
    }
}

/// What it means for people.
const fn failed(role: Role, lost: bool, asked: bool) -> (&'static str, &'static str) {
    match (role, lost, asked) {
        (Role::Watching | Role::Promoting, true, _) => (
            "The primary is lost, and the gateway could not be started here, so nobody answers you now.",
            "主机失联，而这里的网关未能启动，因此现在无人应答。",
        ),
        (Role::Watching | Role::Promoting, false, true) => (
            "What you asked for failed: the gateway could not be started here. The primary is not concerned; but if it were lost \
             now, nobody would take over.",
            "您要求的操作失败了：这里的网关未能启动。主机不受影响；但若主机此时出故障，将无人接管。",
        ),
        (Role::Watching | Role::Promoting, false, false) => (
            "The gateway could not be started here. The primary is back by now; but if it were lost again, nobody would take over.",
            "这里的网关未能启动。主机现已恢复；但若主机再次出故障，将无人接管。",
        ),
        (Role::Active | Role::Demoting, ..) => (
            "Both gateways run, each with its own channels, so nothing is answered twice.",
            "两个网关都在运行，但各用各的通道，不会重复回复。",
        ),
    }
}

fn because_en(reason: Reason) -> String {
    match reason {
        Reason::Silent { misses } => format!("The primary did not answer {misses} times in a row."),
        Reason::Stopped => "A person has stopped the primary's gateway; its guard says so.".to_owned(),
        Reason::RepairTooLong => "The primary's guard could not repair its gateway in time.".to_owned(),
        Reason::PrimaryWell { for_ms } => format!("The primary has been well for {} s.", for_ms / 1_000),
        Reason::SeniorWell { for_ms } => {
            format!("A standby that comes before this one has carried on for {} s.", for_ms / 1_000)
        }
        Reason::Person => "A person asked for it.".to_owned(),
        Reason::Drill => "A person tries whether it works.".to_owned(),
        Reason::Resumed => "An earlier guard had begun it.".to_owned(),
    }
}

fn because_zh(reason: Reason) -> String {
    match reason {
        Reason::Silent { misses } => format!("主机连续 {misses} 次没有应答。"),
        Reason::Stopped => "主机的网关被人停止了（主机的守护程序如此报告）。".to_owned(),
        Reason::RepairTooLong => "主机的守护程序未能及时修复网关。".to_owned(),
        Reason::PrimaryWell { for_ms } => format!("主机已连续正常 {} 秒。", for_ms / 1_000),
        Reason::SeniorWell { for_ms } => format!("排在前面的备机已连续工作 {} 秒。", for_ms / 1_000),
        Reason::Person => "应人工要求。".to_owned(),
        Reason::Drill => "有人在演练。".to_owned(),
        Reason::Resumed => "由上一个守护进程开始。".to_owned(),
    }
}
