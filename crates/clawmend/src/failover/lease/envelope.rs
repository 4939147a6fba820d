//! The record as it lies in a store: with who wrote it, so that two nodes with different lists find out.

use super::Trouble;
use clawmend_core::failover::lease::{NodeId, Record, Term};
use serde::{Deserialize, Serialize};

/// Longest text that is taken for a record, in bytes. 16 nodes need a few hundred.
pub const RECORD_MAX: usize = 16 * 1024;
/// Of the text.
const SCHEMA: u32 = 1;

/// This node among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// All nodes; the first has number 1.
    pub nodes: Vec<String>,
    /// This node.
    pub me: NodeId,
}

impl Group {
    /// A node's name, if it is in our list.
    pub fn name_of(&self, node: NodeId) -> Option<&str> {
        self.nodes.get(usize::from(node.0).checked_sub(1)?).map(String::as_str)
    }

    fn my_name(&self) -> &str {
        self.name_of(self.me).unwrap_or_default()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Written {
    schema: u32,
    record: Record,
    by: By,
}

#[derive(Debug, Serialize, Deserialize)]
struct By {
    node: NodeId,
    name: String,
}

/// As text, written by this node.
///
/// # Errors
/// Never with a record of ours.
pub fn seal(group: &Group, record: &Record) -> Result<String, Trouble> {
    let by = By { node: group.me, name: group.my_name().to_owned() };
    serde_json::to_string(&Written { schema: SCHEMA, record: record.clone(), by })
        .map_err(|_| Trouble::Foreign { what: "it cannot be written" })
}

/// From text.
///
/// # Errors
/// It is none of ours, or written by a node with another list.
pub fn open(group: &Group, text: &[u8]) -> Result<Record, Trouble> {
    if text.len() > RECORD_MAX {
        return Err(Trouble::Foreign { what: "it is far too long" });
    }
    let written: Written = serde_json::from_slice(text).map_err(|_| Trouble::Foreign { what: "it cannot be read" })?;
    if written.schema != SCHEMA {
        return Err(Trouble::Foreign { what: "another version of this program wrote it" });
    }
    let By { node, name } = written.by;
    let ours = group.name_of(node).unwrap_or_default();
    if ours != name {
        let theirs = crate::openclaw::redact::redact(&name, 63);
        return Err(Trouble::ListsDiffer { number: node.0, theirs, ours: ours.to_owned() });
    }
    let view = written.record.view(true);
    // A term is given once; after the last possible one none is left.
    if view.term == Term(u64::MAX) {
        return Err(Trouble::Foreign { what: "its term cannot be" });
    }
    let known = |node: &NodeId| group.name_of(*node).is_some();
    if let Some(node) = view.holder.iter().chain(&view.reserved).chain(&view.suspects).find(|node| !known(node)) {
        return Err(Trouble::NotInList { number: node.0, ours: group.nodes.len() });
    }
    Ok(written.record)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clawmend_core::failover::lease::Request;

    fn group(nodes: &[&str], me: u16) -> Group {
        Group { name: "home".into(), nodes: nodes.iter().map(|node| (*node).to_owned()).collect(), me: NodeId(me) }
    }

    #[test]
    fn what_one_node_writes_another_reads() {
        let mut record = Record::default();
        record.apply(NodeId(2), &Request::Acquire, false);
        let text = seal(&group(&["attic", "cellar"], 2), &record).unwrap();
        assert_eq!(open(&group(&["attic", "cellar"], 1), text.as_bytes()), Ok(record));
        insta::assert_snapshot!(text, @r#"{"schema":1,"record":{"term":1,"owner":2,"suspects":[],"reserved":null},"by":{"node":2,"name":"cellar"}}"#);
    }

    #[test]
    fn a_record_of_somebody_else_is_not_used() {
        let here = group(&["attic", "cellar"], 1);
        let record = r#"{"term":1,"owner":2,"suspects":[],"reserved":null}"#;
        let by = r#"{"node":2,"name":"cellar"}"#;
        let text =
            |record: &str, by: &str, schema: u32| format!(r#"{{"schema":{schema},"record":{record},"by":{by}}}"#);
        assert!(open(&here, text(record, by, 1).as_bytes()).is_ok());
        let told = [
            String::new(),
            "[]".into(),
            "x".repeat(RECORD_MAX + 1),
            text(record, by, 2),
            text(record, r#"{"node":2,"name":"roof"}"#, 1),
            text(record, r#"{"node":9,"name":"cellar"}"#, 1),
            text(r#"{"term":18446744073709551615,"owner":2,"suspects":[],"reserved":null}"#, by, 1),
            text(r#"{"term":1,"owner":3,"suspects":[],"reserved":null}"#, by, 1),
            text(r#"{"term":1,"owner":2,"suspects":[7],"reserved":null}"#, by, 1),
            text(r#"{"term":-1,"owner":2,"suspects":[],"reserved":null}"#, by, 1),
            "[".repeat(9_000),
        ]
        .map(|text| open(&here, text.as_bytes()).unwrap_err().to_string());
        insta::assert_snapshot!(told.join("\n"));
    }
}
