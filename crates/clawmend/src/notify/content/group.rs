//! A word on a shared group: what happened, what it means, and what a person can do.
//!
//! Invariant: a letter names the machines that it is about, and says on which one a command is to be typed. It has the
//! values of the template `pair`.

use super::Writer;
use super::context::{lasted, value};
use super::words;
use crate::settings::Language;
use clawmend_core::alert::notice::Notice;
use clawmend_core::failover::lease::word::Word;
use clawmend_core::failover::lease::{Telling, Why};
use clawmend_core::gateway::GatewayId;
use minijinja::{Value, context};

/// For the template `pair`.
pub(super) fn values(writer: &Writer, notice: &Notice, gateway: &GatewayId, word: &Word) -> Value {
    let said = Said { language: writer.language, host: &writer.host, word };
    let (title, what, advice) = (said.title(), said.what(), said.advice());
    let facts: Vec<Value> = said.facts();
    context! {
        icon => words::icon(notice.level),
        level => words::level(writer.language, notice.level),
        host => writer.host.clone(),
        gateway => gateway.0.clone(),
        kind => kind(&word.telling),
        title => title,
        what => what,
        since => writer.local(notice.at),
        lasted => lasted(writer.language, 0),
        time => writer.local(notice.at),
        facts => facts,
        advice => vec![advice],
        commands => commands(word),
        version => crate::version::VERSION,
    }
}

/// Stable names for a person's own template.
const fn kind(telling: &Telling) -> &'static str {
    match telling {
        Telling::Owns { .. } => "group_owns",
        Telling::GaveUp(_) => "group_gave_up",
        Telling::StillRunning => "group_still_running",
        Telling::TurningOff { .. } => "group_turning_off",
        Telling::NotTurnedOff { .. } => "group_not_turned_off",
        Telling::NeedsPerson { .. } => "group_needs_person",
        Telling::Residual { .. } => "group_residual",
        Telling::HeldElsewhere { .. } => "group_held_elsewhere",
        Telling::NoDeadman => "group_no_deadman",
        Telling::StoreConfused { .. } => "group_store_confused",
        Telling::StoreLost { .. } => "group_store_lost",
        Telling::StoreBack { .. } => "group_store_back",
        Telling::NotDisabled => "group_not_disabled",
        Telling::SwitchedOn => "group_switched_on",
    }
}

/// To be typed on this node, the most useful first.
fn commands(word: &Word) -> Vec<String> {
    let first = match &word.telling {
        Telling::NeedsPerson { .. } | Telling::NotTurnedOff { .. } => {
            let off: String = word.machines.iter().map(|name| format!(" --off {name}")).collect();
            Some(format!("clawmend standby promote{off}"))
        }
        Telling::GaveUp(Why::SplitBrain) => Some("clawmend standby release".to_owned()),
        Telling::GaveUp(_) | Telling::NoDeadman | Telling::NotDisabled => Some("clawmend doctor".to_owned()),
        Telling::StoreLost { .. } => Some("clawmend standby check".to_owned()),
        Telling::Owns { .. }
        | Telling::StillRunning
        | Telling::TurningOff { .. }
        | Telling::Residual { .. }
        | Telling::HeldElsewhere { .. }
        | Telling::SwitchedOn
        | Telling::StoreConfused { .. }
        | Telling::StoreBack { .. } => None,
    };
    first.into_iter().chain(["clawmend standby status".to_owned()]).collect()
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
            Telling::Owns { .. } => (format!("{host} owns the channels now"), format!("渠道现在由 {host} 使用")),
            Telling::GaveUp(_) => (format!("{host} gave the channels up"), format!("{host} 已放弃渠道")),
            Telling::NeedsPerson { .. } | Telling::NotTurnedOff { .. } => (
                format!("nobody owns the channels, and {host} may not take over"),
                format!("现在没有机器使用渠道，{host} 不得接管"),
            ),
            Telling::Residual { .. } => (
                format!("{host} goes on; there may be two owners for a moment"),
                format!("{host} 继续工作；短时间内可能有两个使用者"),
            ),
            Telling::StillRunning => {
                (format!("the gateway on {host} cannot be ended"), format!("{host} 上的网关无法结束"))
            }
            Telling::SwitchedOn => (
                format!("a channel was switched on on {host}, which does not own it"),
                format!("{host} 不使用渠道，却有渠道被打开"),
            ),
            Telling::StoreLost { owned: true } => (
                format!("{host} has lost the lease store; perhaps nobody answers now"),
                format!("{host} 连不上租约存储；现在可能无人应答"),
            ),
            Telling::StoreLost { owned: false } => (
                format!("{host} cannot take over: it cannot use the lease store"),
                format!("{host} 无法接管：它用不了租约存储"),
            ),
            Telling::StoreBack { .. } => {
                (format!("{host} reaches the lease store again"), format!("{host} 又能连上租约存储"))
            }
            Telling::TurningOff { .. }
            | Telling::HeldElsewhere { .. }
            | Telling::NoDeadman
            | Telling::StoreConfused { .. }
            | Telling::NotDisabled => {
                (format!("{host} cannot take part in its group"), format!("{host} 无法参与共享组"))
            }
        };
        self.pick(&en, &zh).to_owned()
    }

    fn what(&self) -> String {
        let (en, zh) = match &self.word.telling {
            Telling::Owns { term } => (
                format!("Its gateway runs under term {} of the lease; no other node uses them.", term.0),
                format!("它的网关持有租约（任期 {}）运行；其他节点都不使用这些渠道。", term.0),
            ),
            Telling::GaveUp(why) => (
                format!("{}. Its channels are off. Another node takes over, if there is one.", upper(because_en(*why))),
                format!("{}。它的渠道已关闭。若有其他节点，将由其接管。", because_zh(*why)),
            ),
            Telling::NeedsPerson { .. } => (
                "A machine that held the channels never gave them back. It may be lost, or only paused, and would go on where it was. Nobody answers now."
                    .to_owned(),
                "曾持有渠道的机器没有归还。它可能已丢失，也可能只是被暂停，恢复后会继续使用渠道。现在无人应答。".to_owned(),
            ),
            Telling::NotTurnedOff { .. } => (
                "The hook could not prove that this machine is off. It is tried again. Nobody answers now.".to_owned(),
                "钩子程序未能证明这台机器已关机。会继续重试。现在无人应答。".to_owned(),
            ),
            Telling::Residual { .. } => (
                "A machine that held the channels may only be paused. As your settings say, this node does not wait. If that machine wakes, messages may be answered twice for a moment."
                    .to_owned(),
                "曾持有渠道的机器可能只是被暂停。按您的设置，这个节点不再等待。若那台机器恢复，短时间内消息可能被回复两次。".to_owned(),
            ),
            Telling::StillRunning => (
                "It was sent SIGKILL and still runs, as a process does that waits for a broken disk. While it runs, the lease is kept as long as it can be; then there may be two owners."
                    .to_owned(),
                "已发送 SIGKILL，但它仍在运行，例如在等待故障磁盘。只要它在运行，就尽量保住租约；之后可能出现两个使用者。".to_owned(),
            ),
            Telling::NoDeadman => (
                "Its keeper cannot be told to end the gateway at the end of the lease, so nothing is started here.".to_owned(),
                "无法让 keeper 在租约到期时结束网关，因此这里不启动任何东西。".to_owned(),
            ),
            Telling::StoreConfused { said, known } => (
                format!(
                    "The lease store answers with term {}, although {} is known. It may have been put back to an older state, and is not believed.",
                    said.0, known.0
                ),
                format!("租约存储返回任期 {}，但已知任期为 {}。它可能被恢复到旧状态，因此不予采信。", said.0, known.0),
            ),
            Telling::StoreLost { owned: true } => (
                "It has given this node no answer that counts for a minute. Without it no node may use the channels, so this one has ended its gateway. Unless another node still reaches it, nobody answers people. When it is back, a node takes over, or asks you first where a machine may only be paused."
                    .to_owned(),
                "租约存储已有一分钟没有给这个节点有效的应答。没有它，任何节点都不得使用渠道，因此这个节点已结束其网关。除非另一个节点仍能连上它，否则现在无人应答。它恢复后，会有一个节点接管；若某台机器可能只是被暂停，会先询问您。"
                    .to_owned(),
            ),
            Telling::StoreLost { owned: false } => (
                "It has given this node no answer that counts for five minutes. Another node may own the channels and go on; if that one fails, this one does not take over."
                    .to_owned(),
                "租约存储已有五分钟没有给这个节点有效的应答。另一个节点可能仍在使用渠道；若它出故障，这个节点不会接管。".to_owned(),
            ),
            Telling::StoreBack { .. } => {
                ("It answers this node again.".to_owned(), "它又应答这个节点了。".to_owned())
            }
            Telling::NotDisabled => (
                "The channels could not be switched off in its config. Its guard still starts nothing without the lease.".to_owned(),
                "无法在它的配置里关闭渠道。没有租约，守护程序仍然不会启动任何东西。".to_owned(),
            ),
            Telling::SwitchedOn => (
                "Its gateway waits with its channels off while another node owns them. Somebody switched one on in its config, so it was ended, and is started again with its channels off. What was switched on is on when this node owns."
                    .to_owned(),
                "它的网关在渠道关闭的状态下等待，由其他节点使用渠道。有人在它的配置里打开了渠道，因此网关已被结束，并会以关闭渠道的方式重新启动。被打开的渠道，在本节点使用时是开的。".to_owned(),
            ),
            Telling::TurningOff { .. } => {
                ("Another machine is being turned off from outside.".to_owned(), "正在从外部关闭另一台机器。".to_owned())
            }
            Telling::HeldElsewhere { .. } => ("Another node owns the channels.".to_owned(), "渠道由另一个节点使用。".to_owned()),
        };
        self.pick(&en, &zh).to_owned()
    }

    fn facts(&self) -> Vec<Value> {
        if self.word.machines.is_empty() {
            return Vec::new();
        }
        let label = self.pick("Which machine", "哪台机器").to_owned();
        vec![context! { label => label, value => value(&self.word.machines.join(", ")) }]
    }

    fn advice(&self) -> String {
        self.pick(
            match &self.word.telling {
                Telling::NeedsPerson { .. } | Telling::NotTurnedOff { .. } => {
                    "See with your own eyes that this machine is off, or its gateway has ended and does not come back. Then, here:"
                }
                Telling::GaveUp(Why::SplitBrain) => {
                    "Find who else uses the same bot, and end that. Until you say so, this node does not take over:"
                }
                Telling::StillRunning => "Restart this machine, or pull its cable.",
                Telling::StoreConfused { .. } => {
                    "If the store was put back on purpose: stop all gateways, then remove `shared.json` from the state folder of each guard."
                }
                Telling::StoreLost { .. } => {
                    "Mend the store, or this node's way to it. Do not switch the channels on by hand: when the store is back, there would be two owners. What is wrong, by this node:"
                }
                Telling::Owns { .. }
                | Telling::GaveUp(_)
                | Telling::TurningOff { .. }
                | Telling::Residual { .. }
                | Telling::HeldElsewhere { .. }
                | Telling::NoDeadman
                | Telling::StoreBack { .. }
                | Telling::NotDisabled
                | Telling::SwitchedOn => "How it is, on this node:",
            },
            match &self.word.telling {
                Telling::NeedsPerson { .. } | Telling::NotTurnedOff { .. } => {
                    "请亲自确认那台机器已关机，或其网关已结束且不会再启动。然后在这里："
                }
                Telling::GaveUp(Why::SplitBrain) => "请找出还有谁在使用同一个机器人并停止它。在您发话之前，这个节点不会接管：",
                Telling::StillRunning => "请重启这台机器，或拔掉它的网线。",
                Telling::StoreConfused { .. } => {
                    "若存储是有意恢复的：请停止所有网关，再删除每个守护程序状态目录里的 `shared.json`。"
                }
                Telling::StoreLost { .. } => {
                    "请修复租约存储，或这个节点到它的网络。请勿手动打开渠道：存储恢复后会出现两个使用者。从这个节点看出了什么问题："
                }
                Telling::Owns { .. }
                | Telling::GaveUp(_)
                | Telling::TurningOff { .. }
                | Telling::Residual { .. }
                | Telling::HeldElsewhere { .. }
                | Telling::NoDeadman
                | Telling::StoreBack { .. }
                | Telling::NotDisabled
                | Telling::SwitchedOn => "在这个节点上查看状态：",
            },
        )
        .to_owned()
    }
}

/// As the beginning of a sentence.
fn upper(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

const fn because_en(why: Why) -> &'static str {
    match why {
        Why::RanOut => "its lease could not be renewed in time",
        Why::Taken => "the lease store says that the lease is not its own",
        Why::Woke => "the machine or its guard was asleep",
        Why::Unproven => "its guard is new, and it was not proven that the gateway ran under a lease",
        Why::NotOurs => "a gateway ran that its guard had not started",
        Why::SplitBrain => "somebody else uses the same channel",
        Why::Person => "a person wants it",
        Why::CannotStart => "the gateway does not start there",
        Why::NotCleared => "another machine may only be paused",
        Why::Unfenced => "the egress fence around its gateway failed",
        Why::SwitchedOn => "a channel of its gateway was switched on that was to be off",
        Why::CannotOpen => "the channels of its gateway could not be switched on",
        Why::NoDeadman => {
            "what ends its gateway without the guard could not be set anew; look whether its runtime folder is full or gone"
        }
        Why::GuardEnds => "its guard ended, and no gateway ran there",
    }
}

const fn because_zh(why: Why) -> &'static str {
    match why {
        Why::RanOut => "租约未能及时续期",
        Why::Taken => "租约存储说租约不属于它",
        Why::Woke => "机器或守护程序曾休眠",
        Why::Unproven => "守护程序是新的，无法证明网关持有租约",
        Why::NotOurs => "有一个不是守护程序启动的网关",
        Why::SplitBrain => "有别人在使用同一个渠道",
        Why::Person => "应人工要求",
        Why::CannotStart => "网关在那里无法启动",
        Why::NotCleared => "另一台机器可能只是被暂停",
        Why::Unfenced => "其网关的出口封锁失效",
        Why::SwitchedOn => "其网关本应关闭的渠道被打开",
        Why::CannotOpen => "其网关的渠道无法打开",
        Why::NoDeadman => "脱离守护程序结束网关的机制无法重新设定；请检查其运行时目录是否已满或不存在",
        Why::GuardEnds => "其守护程序已结束，且没有网关在运行",
    }
}
