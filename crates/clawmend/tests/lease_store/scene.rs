//! Nodes of one group, each with a store of its own, and the model beside them.

use clawmend::failover::lease::{LeaseStore, Told, Trouble};
use clawmend::settings::{SharedSettings, parse};
use clawmend_core::failover::lease::{Answer, NodeId, Record, Request, Term};
use clawmend_testkit::lab::{EtcdOptions, RealEtcd, get, skipped};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

pub const NAMES: [&str; 3] = ["attic", "cellar", "cloud"];
/// Generous: the machine may be busy.
pub const PATIENT_MS: u64 = 30_000;
/// No lease runs out while a test lasts.
pub const LONG_MS: u64 = 600_000;

/// etcd of its own, or a word why there is none.
pub fn etcd(name: &str) -> Option<RealEtcd> {
    etcd_with(name, EtcdOptions::default())
}

/// The same as set.
pub fn etcd_with(name: &str, options: EtcdOptions) -> Option<RealEtcd> {
    match RealEtcd::start(options).unwrap() {
        Ok(etcd) => Some(etcd),
        Err(reason) => {
            skipped(name, &reason);
            None
        }
    }
}

/// The settings of node `number`, with the text of the store's section.
pub fn settings(number: usize, store: &str) -> SharedSettings {
    let nodes = NAMES.map(|name| format!("\"{name}\"")).join(", ");
    let text = format!(
        "[shared]\ngroup = \"home\"\nnodes = [{nodes}]\nnode = \"{}\"\ntiming = \"fast\"\n{store}\n",
        NAMES[number - 1]
    );
    parse(Path::new("clawmend.toml"), &text).unwrap().shared.unwrap()
}

/// `[shared.etcd]` with these endpoints and more lines.
pub fn section(endpoints: &[String], more: &str) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|url| format!("\"{url}\"")).collect();
    format!("[shared.etcd]\nendpoints = [{}]\n{more}\n", endpoints.join(", "))
}

/// One node with a lease of `ttl_ms` and `answer_ms` of patience.
pub fn node(number: usize, store: &str, ttl_ms: u64, answer_ms: u64) -> LeaseStore {
    let mut settings = settings(number, store);
    (settings.figures.ttl_ms, settings.figures.answer_ms) = (ttl_ms, answer_ms);
    LeaseStore::open(&settings).unwrap()
}

/// All three.
pub fn group(store: &str, ttl_ms: u64) -> [LeaseStore; 3] {
    [1, 2, 3].map(|number| node(number, store, ttl_ms, PATIENT_MS))
}

/// The answer of a store that has no trouble.
pub async fn sure(store: &LeaseStore, request: &Request) -> Answer {
    let told = store.ask(request).await;
    assert_eq!(told.trouble, None, "{request:?}");
    told.answer
}

/// Why there is no answer.
pub async fn trouble(store: &LeaseStore, request: &Request) -> Trouble {
    let Told { answer, trouble } = store.ask(request).await;
    assert_eq!(answer, Answer::Unknown, "{request:?} {trouble:?}");
    trouble.unwrap()
}

pub async fn acquire(store: &LeaseStore) -> Term {
    let told = store.ask(&Request::Acquire).await;
    let Answer::Acquired { term, .. } = told.answer else { panic!("{told:?}") };
    term
}

pub async fn holder(store: &LeaseStore) -> Option<NodeId> {
    let told = store.ask(&Request::Look).await;
    let Answer::Seen(view) = told.answer else { panic!("{told:?}") };
    view.holder
}

pub fn renew(term: Term) -> Request {
    Request::Renew { term, off: BTreeSet::new() }
}

pub const fn release(term: Term) -> Request {
    Request::Release { term, to: None }
}

/// Until somebody watches; then what is done is heard of.
pub async fn is_watched(etcd: &RealEtcd) {
    let begin = Instant::now();
    loop {
        // A busy machine may answer the next time.
        let figures = get(etcd.port, "/metrics").map(|reply| reply.body).unwrap_or_default();
        let watchers = figures.lines().find_map(|line| line.strip_prefix("etcd_debugging_mvcc_watcher_total "));
        if watchers == Some("1") {
            return;
        }
        assert!(begin.elapsed() < Duration::from_millis(PATIENT_MS), "nobody watches: {watchers:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Numbers from a seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// Any request, sensible or not.
    fn request(&mut self, term: Term) -> Request {
        let near = Term((term.0 + 1).saturating_sub(self.below(10).saturating_sub(7)));
        let some = |dice: &mut Self| u16::try_from(dice.below(3)).unwrap() + 1;
        match self.below(8) {
            0 | 1 => Request::Look,
            2..=4 => Request::Acquire,
            5 => renew(if self.below(4) == 0 { near } else { term }),
            6 => Request::Renew { term, off: BTreeSet::from([NodeId(some(self))]) },
            _ => Request::Release { term, to: (self.below(2) == 0).then(|| NodeId(some(self))) },
        }
    }
}

/// Random requests of three nodes get the answers of the model. `expire` ends the life of a lease as the store would.
pub async fn same_as_the_model(stores: &[LeaseStore; 3], mut model: Record, steps: u64, expire: Option<&dyn Fn()>) {
    let seed = std::env::var("CLAWMEND_LAB_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let mut dice = Dice(seed);
    let mut alive = false;
    let mut granted = 0;
    for step in 0..steps {
        if let Some(expire) = expire.filter(|_| dice.below(8) == 0) {
            expire();
            alive = false;
        }
        // Half of all requests are the holder's, or nobody would ever renew.
        let holder = model.view(alive).holder.filter(|_| dice.below(2) == 0);
        let number = holder.map_or_else(|| usize::try_from(dice.below(3)).unwrap(), |id| usize::from(id.0) - 1);
        let request = dice.request(model.view(alive).term);
        let id = NodeId(u16::try_from(number).unwrap() + 1);
        let expected = model.apply(id, &request, alive);
        match &expected {
            Answer::Acquired { .. } | Answer::Renewed { .. } => (alive, granted) = (true, granted + 1),
            Answer::Released { .. } => alive = false,
            Answer::Seen(_) | Answer::Refused(_) | Answer::Unknown => {}
        }
        let told = stores[number].ask(&request).await;
        let expected = Told { answer: expected, trouble: None };
        assert_eq!(told, expected, "step {step}, {request:?} of {id:?}; CLAWMEND_LAB_SEED={seed}");
    }
    assert!(granted > steps / 20, "these dice tried next to nothing: CLAWMEND_LAB_SEED={seed}");
}

/// Rounds in which all nodes want it at once: one gets it, and the others are told who.
pub async fn one_of_all_wins(stores: &[LeaseStore; 3], rounds: u64) {
    let mut last = Term(0);
    for round in 0..rounds {
        let [a, b, c] = stores;
        let all = [Request::Acquire, Request::Acquire, Request::Acquire];
        let (a, b, c) = tokio::join!(a.ask(&all[0]), b.ask(&all[1]), c.ask(&all[2]));
        let told = [a, b, c];
        let won: Vec<usize> = (0..3).filter(|at| matches!(told[*at].answer, Answer::Acquired { .. })).collect();
        let [winner] = won.as_slice() else { panic!("round {round}: {told:?}") };
        let id = NodeId(u16::try_from(*winner).unwrap() + 1);
        for (at, told) in told.iter().enumerate().filter(|(at, _)| at != winner) {
            let Answer::Refused(view) = &told.answer else { panic!("round {round}, {at}: {told:?}") };
            assert_eq!(view.holder, Some(id), "round {round}");
        }
        let Answer::Acquired { term, .. } = told[*winner].answer else { unreachable!() };
        assert!(term > last, "a term was given twice");
        last = term;
        assert_eq!(sure(&stores[*winner], &release(term)).await, Answer::Released { term });
    }
}
