//! What things are called, in both languages.

use crate::settings::Language;
use clawmend_core::alert::Level;
use clawmend_core::diagnosis::{Cause, RefusalReason};
use clawmend_core::directive::{Action, ActionResult};
use clawmend_core::incident::Outcome;

/// How loud.
#[must_use]
pub const fn level(language: Language, level: Level) -> &'static str {
    match level {
        Level::Info => language.pick("info", "信息"),
        Level::Warning => language.pick("warning", "警告"),
        Level::Error => language.pick("error", "错误"),
        Level::Critical => language.pick("CRITICAL", "严重"),
    }
}

/// What it looks like.
#[must_use]
pub const fn icon(level: Level) -> &'static str {
    match level {
        Level::Info => "✅",
        Level::Warning => "⚠️",
        Level::Error => "🔧",
        Level::Critical => "🚨",
    }
}

/// What is wrong, as a headline. `code` is the stable code of a [`Cause`].
#[must_use]
pub fn cause(language: Language, cause: &Cause) -> &'static str {
    if let Cause::RefusedToStart { reason, .. } = cause {
        return refusal(language, *reason);
    }
    cause_of_code(language, cause.code())
}

const fn refusal(language: Language, reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::Config => language.pick("it refuses to start: its config", "拒绝启动：配置有问题"),
        RefusalReason::Disk => language.pick("it refuses to start: no room on its disk", "拒绝启动：磁盘没有空间"),
        RefusalReason::Duplicate => {
            language.pick("it refuses to start: another one runs", "拒绝启动：已有另一个实例在运行")
        }
        RefusalReason::Port => language.pick("it refuses to start: its port is taken", "拒绝启动：端口被占用"),
        RefusalReason::Runtime => {
            language.pick("it refuses to start: Node or OpenClaw itself", "拒绝启动：Node 或 OpenClaw 自身有问题")
        }
        RefusalReason::Unexplained => language.pick("it refuses to start", "拒绝启动"),
    }
}

/// The same by its stable code; a code that this program does not know is said to be unknown.
#[must_use]
pub fn cause_of_code(language: Language, code: &str) -> &'static str {
    let (en, zh) = match code {
        "crashed" => ("it crashed", "网关崩溃"),
        "exited" => ("it ended by itself", "网关自行退出"),
        "planned_restart" => ("it restarts as planned", "计划内重启"),
        "refused_to_start" => ("it refuses to start", "拒绝启动"),
        "not_listening" => ("it runs, but nobody can reach it", "进程在，但没有监听端口"),
        "frozen" => ("it was frozen", "进程被冻结"),
        "spinning" => ("it hangs in an endless loop", "事件循环卡死（死循环）"),
        "stuck" => ("it hangs", "进程卡住"),
        "cgroup_frozen" => ("its cgroup was frozen by somebody", "其 cgroup 被人冻结"),
        "traced" => ("a debugger holds it", "被调试器挂住"),
        "inspected" => ("an inspector is connected to it", "有调试客户端连接"),
        "boot_stuck" => ("its start hangs", "启动卡住"),
        "drain_stuck" => ("it does not end", "无法正常结束"),
        "port_stolen" => ("another program has its port", "端口被其他程序占用"),
        "channels_suppressed" => ("it runs without its channels", "网关在运行，但通道未启动"),
        "channel_deaf" => ("a channel hears nothing", "通道失聪"),
        "config_invalid" => ("its config on disk is broken", "磁盘上的配置已损坏"),
        "disk_nearly_full" => ("its disk is nearly full", "磁盘即将写满"),
        "slow_answers" => ("its answers take too long", "网关响应过慢"),
        "memory_high" => ("it takes too much memory", "内存占用过高"),
        "not_ready" => ("it is not ready", "网关未就绪"),
        "disk_full" => ("its disk is full", "磁盘已满"),
        "provider_failing" => ("the provider of its model fails", "模型服务故障"),
        "provider_slow" => ("its model answers too slowly", "模型响应过慢"),
        "provider_quota" => ("the quota of its model is used up", "模型配额已用完"),
        "credentials_rejected" => ("the provider of its model refuses the credentials", "模型服务拒绝凭据"),
        "stalled" => ("it did not answer for a while", "一段时间没有响应"),
        _ => ("it does not work, and nobody knows why", "故障，原因未知"),
    };
    language.pick(en, zh)
}

/// What was tried.
#[must_use]
pub fn action(language: Language, action: &Action) -> String {
    let (en, zh) = match action {
        Action::Spawn => ("start the gateway", "启动网关"),
        Action::Hasten => ("have the service manager start it now", "让服务管理器立即启动"),
        Action::StartUnit { .. } => ("start the service", "启动服务"),
        Action::RestartUnit => ("restart the service in order", "正常重启服务"),
        Action::StopUnit => ("stop the service", "停止服务"),
        Action::EnableUnit { on: true } => ("put the service back into the boot sequence", "恢复开机启动"),
        Action::EnableUnit { on: false } => ("take the service out of the boot sequence", "取消开机启动"),
        Action::Terminate { .. } => ("ask the process to end", "请求进程结束"),
        Action::Kill => ("end the process by force", "强制结束进程"),
        Action::Sweep => ("end what the dead process left behind", "清理残留进程"),
        Action::RestoreConfig { .. } => ("bring back the newest proven config", "恢复最近一次验证过的配置"),
        Action::FreeLogs => ("delete old logs from the full disk", "删除旧日志以腾出空间"),
        Action::ReloadSecrets => ("have the gateway read its secrets again", "让网关重新读取密钥"),
        Action::SetLockAside => ("move locks of dead processes aside", "移开已死进程的锁"),
        Action::StartChannel { channel, account } => {
            return format!("{} {channel}/{account}", language.pick("start channel", "启动通道"));
        }
    };
    language.pick(en, zh).to_owned()
}

/// How an attempt ended. The words of the system stay as they are.
#[must_use]
pub fn result(language: Language, result: Option<&ActionResult>, ineffective: bool) -> String {
    if ineffective {
        return language.pick("done, but it did not help", "已执行，但没有效果").to_owned();
    }
    let (words, reason) = match result {
        None => (language.pick("under way", "进行中"), ""),
        Some(ActionResult::Done) => (language.pick("done", "完成"), ""),
        Some(ActionResult::Moot { reason }) => (language.pick("not needed any more", "已无需执行"), reason.as_str()),
        Some(ActionResult::Retry { reason }) => (language.pick("failed, tried again", "失败，将重试"), reason.as_str()),
        Some(ActionResult::Unknown { reason }) => (language.pick("not known", "结果未知"), reason.as_str()),
        Some(ActionResult::NeedsPerson { reason }) => (language.pick("needs a person", "需要人工"), reason.as_str()),
    };
    if reason.is_empty() { words.to_owned() } else { format!("{words} ({reason})") }
}

/// How an incident ended.
#[must_use]
pub const fn outcome(language: Language, outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Recovered => language.pick("mended by the guard, and proven", "已由守护程序修复并验证"),
        Outcome::SelfRecovered => language.pick("came back by itself", "已自行恢复"),
        Outcome::HumanFixed => language.pick("mended by a person", "已由人工修复"),
        Outcome::Planned => language.pick("was planned", "计划内操作"),
        Outcome::Ineffective => language.pick("ended; our remedies did not help", "已结束；自动修复未起作用"),
        Outcome::WaitingForHuman => language.pick("waits for a person", "等待人工处理"),
        Outcome::Denied => language.pick("a person refused the remedy", "修复被人工拒绝"),
    }
}

/// What the guard does next.
#[must_use]
pub const fn next(language: Language, cause: Option<&Cause>) -> &'static str {
    match cause {
        Some(Cause::RefusedToStart { .. } | Cause::PortStolen { .. } | Cause::DiskFull | Cause::DiskNearlyFull) => {
            language.pick(
                "it looks every second, and goes on within two seconds once the cause is gone",
                "每秒检查一次，原因消除后两秒内继续",
            )
        }
        Some(Cause::ChannelDeaf { .. } | Cause::ChannelsSuppressed) => language.pick(
            "the channel is started again, ever more slowly, until it is accepted; the gateway is not restarted for it",
            "会以越来越长的间隔重新启动通道，直到成功；不会为此重启网关",
        ),
        Some(
            Cause::ProviderFailing { .. }
            | Cause::ProviderSlow { .. }
            | Cause::ProviderQuota { .. }
            | Cause::CredentialsRejected { .. },
        ) => language.pick(
            "it is not restarted for that: a restart would not help; the guard asks again from time to time",
            "不会为此重启（重启无济于事）；守护程序会定期再次检查",
        ),
        Some(Cause::SlowAnswers { .. } | Cause::MemoryHigh { .. }) => language.pick(
            "it is not restarted for that while it serves: when to restart it is yours to say",
            "网关仍在服务，不会为此自动重启；何时重启由您决定",
        ),
        Some(Cause::ConfigInvalid { .. }) => language.pick(
            "the running gateway goes on with the config that it has read; the next start would fail",
            "运行中的网关继续使用已读入的配置；下次启动将失败",
        ),
        Some(Cause::CgroupFrozen | Cause::Traced | Cause::Inspected) => {
            language.pick("the guard keeps its hands off until that is over", "在此结束之前守护程序不做任何操作")
        }
        _ => language.pick(
            "the guard goes on trying, ever more slowly, and never gives up",
            "守护程序会以越来越长的间隔继续尝试，不会放弃",
        ),
    }
}
