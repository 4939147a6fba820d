//! Real parts for tests: a real gateway, a real event-loop block, a real cgroup, a guard run as a program.
//!
//! Invariant: a lab ends only what it started, proven by pid and start time or by a nonce in the environment, and
//! leaves nothing behind. Start at [`lab()`], which says whether a lab can run here, then [`RealGateway`] (without a
//! guard) or [`Guard`] (the `clawmend` program over a real gateway).

mod ai_model;
mod broken_config;
mod cache;
mod cgroup;
mod etcd;
mod gateway;
mod guard;
mod guard_dirs;
mod guard_secrets;
mod guard_view;
mod home;
pub(crate) mod http;
mod inspector;
mod judge;
mod kube_api;
mod model;
mod net;
mod package_copy;
mod permit;
mod process;
mod secrets;
mod small_disk;
mod telegram;
mod tracer;
mod wait;

pub use ai_model::{AiModel, Asked, Says};
pub use broken_config::{BREAKINGS, Breaking, closed_with_restore, end_in_order, proven, rejected_is_kept};
pub use cache::{AI_ENGINES, AiEngine, Cache, NODE_PACKAGE, NODE_VERSION, OPENCLAW_VERSION, PLUGINS, default_root};
pub use cgroup::{CpuQuota, Freezer};
pub use etcd::{EtcdOptions, RealEtcd};
pub use gateway::RealGateway;
pub use guard::{Form, Guard, Manager, UNIT};
pub use guard_dirs::{Answer, GuardDirs};
pub use home::{Home, HomeOptions};
pub use http::{Reply, free_port, get, get_json, request};
pub use inspector::Inspector;
pub use kube_api::{KubeApi, KubeMode};
pub use model::{MockModel, Mode as ModelMode, marks};
pub use net::Network;
pub use package_copy::PackageCopy;
pub use permit::{Permit, Unavailable, lab, skipped, skipped_part};
pub(crate) use process::lives_with;
pub use process::{Life, NONCE_VARIABLE, RUN_VARIABLE, lives_with_nonce, new_nonce, sweep, sweep_run};
pub use secrets::{MODEL, TELEGRAM};
pub use small_disk::SmallDisk;
pub use telegram::{Deed, MockTelegram, Mode as TelegramMode, Poll};
pub use tracer::Tracer;
pub use wait::{hold, until, until_some};

/// A gateway's boot takes 7–12 s on a quiet machine and was seen to take 53 s on a loaded one (OpenClaw 2026.9.6).
pub const BOOT_BOUND: std::time::Duration = std::time::Duration::from_secs(180);

/// The end of an orderly stop without work in flight: 0.3–1.7 s when quiet.
pub const STOP_BOUND: std::time::Duration = std::time::Duration::from_secs(60);
