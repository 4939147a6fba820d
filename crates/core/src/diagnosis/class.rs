//! The closed lists of a diagnosis: kinds of failure, cause codes, hang classes.
//!
//! Codes are stable: they stand in case files, in JSON and in records.

use serde::{Deserialize, Serialize};

/// The kind of a failure: which part of the system it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Starts, stops and restarts.
    Lifecycle,
    /// systemd, launchd, Task Scheduler.
    ServiceManager,
    /// The config file.
    Config,
    /// The installed package and its updater.
    Update,
    /// Ports and locks.
    PortLock,
    /// Sessions of agents.
    Session,
    /// The process ended by itself or by a signal.
    Crash,
    /// Memory.
    Memory,
    /// Descriptors and disk.
    FdDisk,
    /// A watchdog harms what it watches.
    WatchdogSelf,
    /// Child processes.
    ChildLeak,
    /// Plugins.
    Plugin,
    /// The schema of stored data.
    Schema,
    /// Network and power of the host.
    HostNetwork,
    /// The event loop.
    EventLoop,
    /// The WebSocket interface.
    WsRpc,
    /// The databases.
    Sqlite,
    /// Secrets that the config refers to.
    Secrets,
    /// Outgoing messages.
    Delivery,
    /// Planned jobs.
    Cron,
    /// Any channel.
    ChannelGeneric,
    /// Telegram.
    ChannelTelegram,
    /// WhatsApp.
    ChannelWhatsapp,
    /// Discord.
    ChannelDiscord,
    /// Slack.
    ChannelSlack,
    /// Feishu, Lark, DingTalk.
    ChannelFeishu,
    /// Logins at model providers.
    AuthProvider,
    /// Clients of the gateway that are not let in.
    PairingAuth,
    /// Model providers that answer slowly, badly or not at all.
    ModelProvider,
}

/// Why, as a stable code. The first part is shared with [`super::Cause`]; the rest only a diagnosis can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseCode {
    /// As [`super::Cause::Crashed`].
    Crashed,
    /// As [`super::Cause::Exited`].
    Exited,
    /// As [`super::Cause::RefusedToStart`].
    RefusedToStart,
    /// As [`super::Cause::NotListening`].
    NotListening,
    /// As [`super::Cause::Frozen`].
    Frozen,
    /// As [`super::Cause::Spinning`].
    Spinning,
    /// As [`super::Cause::Stuck`].
    Stuck,
    /// As [`super::Cause::BootStuck`].
    BootStuck,
    /// As [`super::Cause::DrainStuck`].
    DrainStuck,
    /// As [`super::Cause::PortStolen`].
    PortStolen,
    /// As [`super::Cause::ChannelsSuppressed`].
    ChannelsSuppressed,
    /// As [`super::Cause::ChannelDeaf`].
    ChannelDeaf,
    /// As [`super::Cause::ConfigInvalid`].
    ConfigInvalid,
    /// As [`super::Cause::NotReady`].
    NotReady,
    /// The disk is full.
    DiskFull,
    /// Memory runs out, or was used up.
    MemoryExhausted,
    /// File descriptors run out.
    DescriptorsExhausted,
    /// Processes run out, or children pile up.
    ChildrenLeaked,
    /// What a dead process left behind is in the way.
    StaleResidue,
    /// Two gateways or starters fight for one home.
    Duplicate,
    /// All connections of a pool are taken.
    PoolExhausted,
    /// Another service does not answer in time.
    DependencySlow,
    /// The host gives the gateway too little time.
    HostStarved,
    /// The model provider cannot be reached.
    ProviderUnreachable,
    /// The model provider answers too slowly.
    ProviderSlow,
    /// The model provider's quota or credit is used up.
    ProviderQuota,
    /// A provider or service refuses the credentials.
    CredentialsRejected,
    /// Secrets could not be resolved.
    SecretsUnavailable,
    /// A session does not go on.
    SessionStuck,
    /// A session's lock is held.
    SessionLocked,
    /// A database is damaged.
    DatabaseDamaged,
    /// A database is locked by another process.
    DatabaseLocked,
    /// Stored data was written by a newer version.
    SchemaNewer,
    /// The installed package is incomplete or was replaced.
    PackageBroken,
    /// An update did not succeed.
    UpdateFailed,
    /// A plugin keeps the gateway from working.
    PluginBroken,
    /// The config was changed by a program.
    ConfigRewritten,
    /// The service manager does not have, or does not start, the service.
    ServiceMissing,
    /// The service manager refuses, or cannot be reached.
    ServiceRefused,
    /// The host's network is gone.
    NetworkDown,
    /// Outgoing messages pile up.
    DeliveryStalled,
    /// Planned jobs do not run.
    CronStalled,
    /// A client is not let in; the gateway itself is well.
    ClientRejected,
    /// A probe or tool disturbs the gateway.
    ProbeHarmful,
    /// The evidence does not say more.
    Unknown,
}

/// The eight kinds of a hang, told apart by evidence in [`super::hang`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HangClass {
    /// The event loop does not turn.
    EventLoopBlocked,
    /// Memory leaks.
    MemoryLeak,
    /// Descriptors leak.
    DescriptorLeak,
    /// A lock, pid file or port of a dead process is in the way.
    StaleResidue,
    /// Several instances fight.
    SeveralInstances,
    /// Every connection of a pool is taken.
    PoolExhausted,
    /// Another service does not answer in time.
    DependencySlow,
    /// The host starves the gateway.
    HostStarved,
}

impl HangClass {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::EventLoopBlocked,
        Self::MemoryLeak,
        Self::DescriptorLeak,
        Self::StaleResidue,
        Self::SeveralInstances,
        Self::PoolExhausted,
        Self::DependencySlow,
        Self::HostStarved,
    ];
}
