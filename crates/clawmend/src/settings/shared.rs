//! `[shared]`: this host is one of a group whose channels run on whichever node holds a lease.
//!
//! Invariant: what is parsed here is whole: every node is in the list, the figures have passed
//! [`Figures::check`], exactly one lease store is named, and nothing that goes to it can be read on the way.

mod store;
mod url;

pub use store::{EtcdSettings, KubernetesSettings, Login, StoreSettings};
pub use url::{BadStoreUrl, StoreUrl};

use super::gateway::gateway_id;
use super::mark::mark;
use clawmend_core::failover::lease::{Figures, Node, NodeId, PausePolicy};
use clawmend_core::gateway::GatewayId;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::path::PathBuf;

/// Most nodes of a group.
const NODES_MAX: usize = 16;
/// Longest name of a node or a group: a label of the domain name system (RFC 1123), which Kubernetes asks for.
const NAME_MAX: usize = 63;
/// Most arguments of the hook, its program included, and the longest of them in bytes.
const HOOK_ARGUMENTS_MAX: usize = 32;
const HOOK_ARGUMENT_BYTES_MAX: usize = 1024;

/// How patient a group is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseTiming {
    /// A lease of 15 s, for nodes in different places: [`Figures::steady`].
    #[default]
    Steady,
    /// A lease of 5 s, for a good network with the store beside it: [`Figures::fast`].
    Fast,
}

/// The program that turns another machine off, and proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceHook {
    /// Absolute.
    pub program: PathBuf,
    /// Its arguments, which the name of the machine follows.
    pub arguments: Vec<String>,
    /// An answer later than this proves nothing, in milliseconds.
    pub timeout_ms: u64,
}

/// `[shared]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Said")]
pub struct SharedSettings {
    /// Which gateway of this host, where there are several.
    pub gateway: Option<GatewayId>,
    /// The name of the group: what the lease is called in the store.
    pub group: String,
    /// The names of all nodes, the same on each of them, in the order in which they take over. The number of a node is
    /// its place here, from 1 on.
    pub nodes: Vec<String>,
    /// This node.
    pub node: NodeId,
    /// What is done about machines that may be paused.
    pub paused: PausePolicy,
    /// With [`PausePolicy::ExternalFence`].
    pub fence: Option<FenceHook>,
    /// The kernel shuts the gateway off unless the guard renews it: for a guard and a keeper that are both frozen.
    pub egress_fence: bool,
    /// Its gateway runs while this node does not own, with its channels off.
    pub warm: bool,
    /// [`Figures::check`] has passed them.
    pub figures: Figures,
    /// Where the lease is kept.
    pub store: StoreSettings,
}

impl SharedSettings {
    /// The same as that of a guard that began with these settings, as this version reads them.
    #[must_use]
    pub fn mark(&self) -> String {
        mark(self)
    }

    /// For the machine that decides.
    #[must_use]
    pub fn node(&self) -> Node {
        Node {
            id: self.node,
            rank: u32::from(self.node.0.saturating_sub(1)),
            pause: self.paused,
            figures: self.figures,
            warm: self.warm,
        }
    }

    /// The record that this node counts on: where its terms mean something.
    #[must_use]
    pub fn lease(&self) -> String {
        let store = match &self.store {
            StoreSettings::Etcd(_) => "etcd".to_owned(),
            StoreSettings::Kubernetes(settings) => {
                format!("kubernetes:{}", settings.namespace.as_deref().unwrap_or_default())
            }
        };
        format!("{store}:{}", self.group)
    }

    /// A node's name; `None`: not in the list of this node.
    #[must_use]
    pub fn name_of(&self, node: NodeId) -> Option<&str> {
        self.nodes.get(usize::from(node.0).checked_sub(1)?).map(String::as_str)
    }
}

/// The section as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default, deserialize_with = "checked_id")]
    gateway: Option<GatewayId>,
    group: String,
    nodes: Vec<String>,
    node: String,
    #[serde(default)]
    paused: PausePolicy,
    #[serde(default)]
    fence_command: Option<Vec<String>>,
    #[serde(default)]
    fence_timeout_ms: Option<u64>,
    #[serde(default)]
    egress_fence: bool,
    #[serde(default)]
    warm: bool,
    #[serde(default)]
    timing: LeaseTiming,
    #[serde(default)]
    lease_ms: Option<u64>,
    #[serde(default)]
    etcd: Option<EtcdSettings>,
    #[serde(default)]
    kubernetes: Option<KubernetesSettings>,
}

impl TryFrom<Said> for SharedSettings {
    type Error = String;

    fn try_from(said: Said) -> Result<Self, String> {
        name("group", &said.group)?;
        let node = place(&said.nodes, &said.node)?;
        let store = match (said.etcd, said.kubernetes) {
            (Some(etcd), None) => StoreSettings::Etcd(etcd),
            (None, Some(kubernetes)) => StoreSettings::Kubernetes(kubernetes),
            (Some(_), Some(_)) => {
                return Err("[shared.etcd] and [shared.kubernetes] are both there, expected one".into());
            }
            (None, None) => return Err("the lease needs a store, expected [shared.etcd] or [shared.kubernetes]".into()),
        };
        Ok(Self {
            gateway: said.gateway,
            group: said.group,
            node,
            nodes: said.nodes,
            fence: hook(said.paused, said.fence_command, said.fence_timeout_ms)?,
            paused: said.paused,
            egress_fence: said.egress_fence,
            warm: said.warm,
            figures: figures(said.timing, said.lease_ms)?,
            store,
        })
    }
}

/// This node's place in a list without doubles.
fn place(nodes: &[String], node: &str) -> Result<NodeId, String> {
    if !(2..=NODES_MAX).contains(&nodes.len()) {
        return Err(format!("nodes has {} names, expected 2 to {NODES_MAX}", nodes.len()));
    }
    for (at, other) in nodes.iter().enumerate() {
        name("nodes", other)?;
        if nodes[..at].contains(other) {
            return Err(format!("nodes has `{other}` twice, expected different names"));
        }
    }
    let at = nodes.iter().position(|other| other == node);
    let at = at.ok_or_else(|| format!("node is `{node}`, expected one of nodes: {}", nodes.join(", ")))?;
    u16::try_from(at + 1).map(NodeId).map_err(|_| "too many nodes".to_owned())
}

fn name(setting: &str, text: &str) -> Result<(), String> {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
    let bytes = text.as_bytes();
    if bytes.len() <= NAME_MAX && bytes.iter().copied().all(fine) && edge(bytes.first()) && edge(bytes.last()) {
        Ok(())
    } else {
        Err(format!("{setting}: expected 1 to {NAME_MAX} small letters, digits and -, no - at either end"))
    }
}

fn figures(timing: LeaseTiming, lease_ms: Option<u64>) -> Result<Figures, String> {
    let mut figures = match timing {
        LeaseTiming::Steady => Figures::steady(),
        LeaseTiming::Fast => Figures::fast(),
    };
    if let Some(ttl_ms) = lease_ms {
        if !(3_000..=300_000).contains(&ttl_ms) || ttl_ms % 1_000 != 0 {
            return Err(format!("lease_ms is {ttl_ms}, expected whole seconds from 3000 to 300000"));
        }
        figures.ttl_ms = ttl_ms;
    }
    figures.check().map_err(|unsound| format!("lease_ms does not fit this timing: {unsound}"))?;
    Ok(figures)
}

fn hook(
    paused: PausePolicy,
    command: Option<Vec<String>>,
    timeout_ms: Option<u64>,
) -> Result<Option<FenceHook>, String> {
    let fences = paused == PausePolicy::ExternalFence;
    let Some(command) = command else {
        return if fences {
            Err("paused = \"external_fence\" needs fence_command, which turns the other machine off".into())
        } else if timeout_ms.is_some() {
            Err("fence_timeout_ms is set and fence_command is not".into())
        } else {
            Ok(None)
        };
    };
    if !fences {
        return Err("fence_command is set, expected paused = \"external_fence\" beside it".into());
    }
    let timeout_ms = timeout_ms.unwrap_or(30_000);
    if !(1_000..=600_000).contains(&timeout_ms) {
        return Err(format!("fence_timeout_ms is {timeout_ms}, expected 1000 to 600000"));
    }
    let sane = |text: &String| text.len() <= HOOK_ARGUMENT_BYTES_MAX && !text.contains('\0');
    if command.len() > HOOK_ARGUMENTS_MAX || !command.iter().all(sane) {
        return Err(format!(
            "fence_command is too long, expected at most {HOOK_ARGUMENTS_MAX} parts of {HOOK_ARGUMENT_BYTES_MAX} bytes"
        ));
    }
    let mut command = command.into_iter();
    let program = command.next().map(PathBuf::from).filter(|program| program.is_absolute());
    let program = program.ok_or("fence_command: expected a list that begins with the absolute path of a program")?;
    Ok(Some(FenceHook { program, arguments: command.collect(), timeout_ms }))
}

fn checked_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<GatewayId>, D::Error> {
    gateway_id(&String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests;
