//! Where a node's alerts go: a webhook on its own host.

use anyhow::{Result, ensure};
use clawmend_testkit::alerts::{StandIn, webhook};
use clawmend_testkit::lab::{Guard, Network};
use serde_json::Value;

/// On the loopback of each node.
const PORT: u16 = 8_083;

/// Takes the letters of one host to people.
pub struct Letters(StandIn);

impl Letters {
    /// From now on, for a guard whose program runs on that host already.
    pub fn of(guard: &Guard, network: &Network, host: u8) -> Result<Self> {
        let people = webhook::on(network.listen_within(host, PORT)?)?;
        let (name, value) = webhook::HEADER;
        let lines = [
            &format!("url = \"http://127.0.0.1:{PORT}/people\""),
            &format!("secret = \"{}\"", webhook::SECRET),
            &format!("headers = {{ {name} = \"{value}\" }}"),
        ];
        let set = guard.typed(&["notify", "set", "webhook", "--name", "people"], &lines.map(String::as_str))?;
        ensure!(set.0 == 0, "{set:?}");
        Ok(Self(people))
    }

    /// Those that arrived, in order, whose subject has this in it.
    pub fn about(&self, subject: &str) -> Vec<Value> {
        let bodies = self.0.accepted().into_iter().map(|mut one| one["body"]["data"].take());
        bodies.filter(|body| body["subject"].as_str().is_some_and(|about| about.contains(subject))).collect()
    }
}

/// It is the letter of this step.
pub fn is_step(letter: &Value, step: &str) -> bool {
    letter["key"].as_str().is_some_and(|key| key.contains(&format!("/{step}")))
}
