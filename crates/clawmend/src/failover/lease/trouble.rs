//! What can be wrong with a lease store, by what follows from it.

use std::path::PathBuf;
use std::time::Duration;

/// Why an answer is `Unknown`. None of it ends a gateway by itself: the lease that is held runs on until its deadline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It is asked again.
    #[error("{place} cannot be reached: {why}")]
    Unreachable {
        /// Host and port.
        place: String,
        /// Why.
        why: String,
    },
    /// It is asked again.
    #[error("the lease store did not answer within {} ms", after.as_millis())]
    Late {
        /// The bound.
        after: Duration,
    },
    /// It is asked again.
    #[error("{place} is asked too often, or overloaded")]
    Busy {
        /// Host and port.
        place: String,
    },
    /// Others wrote in between, each time.
    #[error("others wrote the lease {tries} times in between; it is asked for again")]
    Contended {
        /// How often it was tried.
        tries: u32,
    },
    /// Our own lease was over before it could be used.
    #[error("a lease of etcd was over before it could be used; it is asked for again")]
    Expired,
    /// A person must act.
    #[error("{place} refuses our credential ({status}): {said}; check user, password or token, and what they may do")]
    Denied {
        /// Host and port.
        place: String,
        /// HTTP status.
        status: u16,
        /// What it says.
        said: String,
    },
    /// A person must act.
    #[error(
        "{place} is full and takes no writes, so nobody can own: forget old revisions (`etcdctl compact --physical`), give their \
         room back (`etcdctl defrag --cluster`), then `etcdctl alarm disarm`"
    )]
    Full {
        /// Host and port.
        place: String,
    },
    /// Another status than expected.
    #[error("{place} answered {status}: {said}")]
    Status {
        /// Host and port.
        place: String,
        /// HTTP status.
        status: u16,
        /// What it says.
        said: String,
    },
    /// It is asked again later; until then it is looked at.
    #[error("{place} tells nothing unasked: {said}")]
    Unheard {
        /// Host and port.
        place: String,
        /// What it says.
        said: String,
    },
    /// Not what such a store says.
    #[error("{place} says what no lease store says: {what}; check the address")]
    Garbled {
        /// Host and port.
        place: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Somebody else has written there.
    #[error("the record of the lease is none of ours: {what}; look at it, and give this group a name of its own")]
    Foreign {
        /// What is wrong.
        what: &'static str,
    },
    /// Two nodes with different lists.
    #[error(
        "the lists of nodes differ: the one that wrote last has `{theirs}` as number {number}, here it is `{ours}`; make `nodes` \
         the same everywhere, and restart the guards"
    )]
    ListsDiffer {
        /// The number.
        number: u16,
        /// The other's name for it.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// Ours is shorter than that of whoever wrote last.
    #[error(
        "the record of the lease has node number {number}, and `nodes` has {ours} here: put the name back at its place, also of a \
         machine that is gone for good, and restart the guard"
    )]
    NotInList {
        /// The number.
        number: u16,
        /// How many there are here.
        ours: usize,
    },
    /// Two leases would be given out.
    #[error(
        "{place} belongs to another etcd cluster than before; make all endpoints those of one cluster, and restart the guard"
    )]
    OtherCluster {
        /// Host and port.
        place: String,
    },
    /// A person must act.
    #[error("the credential for the lease store cannot be read: {why}")]
    Credential {
        /// Which, and why.
        why: String,
    },
    /// Somebody may have deleted it while a node held it.
    #[error("there is no Lease yet; it is made when nobody has made one for as long as a lease lives")]
    Missing,
}

/// Why no store can be opened. A person must act.
#[derive(Debug, thiserror::Error)]
pub enum CannotOpen {
    /// A file that the settings name.
    #[error("{}, which {setting} names, cannot be read: {source}", path.display())]
    File {
        /// The setting.
        setting: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not what the setting asks for.
    #[error("{} holds no certificate, expected an authority's in PEM form", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// Nothing can be verified.
    #[error("no certificate authority is known on this host; name the store's own with ca_file")]
    NoRoots,
    /// A pod without a namespace.
    #[error("this does not run in a pod of Kubernetes: set server, namespace, token_file and ca_file")]
    NotInCluster,
    /// The TLS library.
    #[error("no TLS client can be made: {0}")]
    Tls(String),
}
