//! A node, a store, a gateway that starts and ends at once, and a deadman. Other nodes act on the record directly.

use clawmend_core::failover::lease::{
    Answer, Directive, Evidence, Fenced, Figures, Gateway, Holder, Memory, Node, NodeId, Order, PausePolicy, Record,
    Request, RequestId, Telling, Term, Why,
};
use clawmend_core::gateway::Incarnation;
use clawmend_core::time::Moment;
use std::collections::VecDeque;

pub const ME: NodeId = NodeId(1);
pub const OTHER: NodeId = NodeId(2);
pub const FIGURES: Figures = Figures::steady();

/// What happened, with the millisecond.
pub type Log = Vec<(u64, Directive)>;

pub struct Scene {
    pub node: Node,
    pub holder: Holder,
    pub ms: u64,
    pub record: Record,
    pub expires: u64,
    /// The store's answers are lost.
    pub offline: bool,
    /// The store lets itself be read, and takes no change.
    pub takes_nothing: bool,
    pub hook_works: bool,
    pub can_arm: bool,
    pub can_start: bool,
    pub unkillable: bool,
    pub answers_instead: Option<Answer>,
    /// The channels of a mute gateway can be switched on.
    pub can_open: bool,
    /// What was ordered to be opened is not answered.
    pub opens_silently: bool,
    pub life: Option<Incarnation>,
    /// Its channels are on.
    pub speaks: bool,
    pub fenced: Option<Fenced>,
    pub log: Log,
    pub disk: Memory,
    pids: u32,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(PausePolicy::ResidualWindow, 0)
    }

    fn new_with(pause: PausePolicy, rank: u32) -> Self {
        let node = Node { id: ME, rank, pause, figures: FIGURES, warm: false };
        Self {
            node,
            holder: Holder::new(node, Memory::default()),
            ms: 1_000_000,
            record: Record::default(),
            expires: 0,
            offline: true,
            takes_nothing: false,
            hook_works: true,
            can_arm: true,
            can_start: true,
            unkillable: false,
            answers_instead: None,
            can_open: true,
            opens_silently: false,
            life: None,
            speaks: false,
            fenced: None,
            log: Vec::new(),
            disk: Memory::default(),
            pids: 0,
        }
    }

    /// A node whose first look at the store is not answered: others can act before it.
    pub fn with(pause: PausePolicy, rank: u32) -> Self {
        let mut scene = Self::new_with(pause, rank);
        scene.begin_guard();
        scene.offline = false;
        scene.log.clear();
        scene
    }

    /// A new guard with what is on the disk.
    pub fn begin_guard(&mut self) {
        self.holder = Holder::new(self.node, self.disk.clone());
        self.see(Evidence::Gateway(Gateway::Found { life: self.life.clone(), fenced: self.fenced }));
    }

    /// A node that owns.
    pub fn owning() -> Self {
        Self::owning_with(FIGURES)
    }

    /// The same with other figures.
    pub fn owning_with(figures: Figures) -> Self {
        let mut scene = Self::new_with(PausePolicy::ResidualWindow, 0);
        scene.node.figures = figures;
        scene.begin_guard();
        scene.offline = false;
        scene.run(5_000);
        assert!(scene.life.is_some(), "{:#?}", scene.log);
        scene.log.clear();
        scene
    }

    /// A node whose gateway waits mute while another one owns.
    pub fn warm() -> Self {
        let mut scene = Self::new_with(PausePolicy::ResidualWindow, 0);
        scene.node.warm = true;
        scene.begin_guard();
        scene.offline = false;
        scene.other(OTHER, &Request::Acquire);
        scene.run(FIGURES.retry_ms + 1_000);
        scene.is_mute();
        assert!(scene.holder.is_warm(), "{:#?}", scene.log);
        scene.log.clear();
        scene
    }

    /// It was looked at.
    pub fn is_mute(&mut self) {
        let life = self.life.clone().unwrap();
        self.see(Evidence::Gateway(Gateway::Mute { life }));
    }

    pub fn now(&self) -> Moment {
        Moment(self.ms)
    }

    /// The store counts the lease as held.
    pub fn alive(&self) -> bool {
        self.ms < self.expires
    }

    /// Another node asks the store.
    pub fn other(&mut self, node: NodeId, request: &Request) -> Answer {
        let alive = self.alive();
        let answer = self.record.apply(node, request, alive);
        if matches!(answer, Answer::Acquired { .. } | Answer::Renewed { .. }) {
            self.expires = self.ms + self.node.figures.ttl_ms;
        }
        answer
    }

    pub fn see(&mut self, evidence: Evidence) {
        let mut facts = VecDeque::from([evidence]);
        while let Some(fact) = facts.pop_front() {
            let mut out = Vec::new();
            self.holder.observe(self.now(), &fact, &mut out);
            for directive in out {
                facts.extend(self.carry_out(directive));
            }
        }
    }

    fn carry_out(&mut self, directive: Directive) -> Option<Evidence> {
        self.log.push((self.ms, directive.clone()));
        match directive {
            Directive::Ask { request, what } => self.ask(request, &what),
            Directive::Start { act, .. } if !self.can_start => Some(Evidence::Gateway(Gateway::NotStarted { act })),
            Directive::Start { act, not_after, .. } => {
                assert!(self.now() < not_after && self.life.is_none());
                self.pids += 1;
                let life = Incarnation { pid: self.pids, start: self.ms, boot: "a".to_owned() };
                (self.life, self.speaks) = (Some(life.clone()), true);
                Some(Evidence::Gateway(Gateway::Started { act, life }))
            }
            Directive::StartMute { act, .. } if !self.can_start => Some(Evidence::Gateway(Gateway::NotStarted { act })),
            Directive::StartMute { act, not_after } => {
                assert!(self.now() < not_after && self.life.is_none());
                self.pids += 1;
                let life = Incarnation { pid: self.pids, start: self.ms, boot: "a".to_owned() };
                (self.life, self.speaks) = (Some(life.clone()), false);
                Some(Evidence::Gateway(Gateway::Started { act, life }))
            }
            Directive::Open { .. } if self.opens_silently => None,
            Directive::Open { act, .. } if !self.can_open => Some(Evidence::Gateway(Gateway::NotOpened { act })),
            Directive::Open { act, term, not_after } => {
                assert!(self.now() < not_after && self.life.is_some());
                assert!(self.fenced.is_some_and(|fenced| fenced.term == term), "no deadman is armed");
                self.speaks = true;
                Some(Evidence::Gateway(Gateway::Opened { act }))
            }
            Directive::End { .. } if self.unkillable => None,
            Directive::End { act, .. } => {
                self.life = None;
                Some(Evidence::Gateway(Gateway::Ended { after: act }))
            }
            Directive::Disable => Some(Evidence::Disabled { worked: true }),
            Directive::Arm { .. } if !self.can_arm => Some(Evidence::NotArmed),
            Directive::Arm { term, until } => {
                self.fenced = Some(Fenced { term, until });
                Some(Evidence::Armed(Fenced { term, until }))
            }
            Directive::TurnOff { node, term } => Some(Evidence::TurnedOff { node, term, worked: self.hook_works }),
            Directive::Persist => {
                self.disk = self.holder.memory().clone();
                None
            }
            Directive::Quiesce { .. } | Directive::Tell(_) => None,
        }
    }

    fn ask(&mut self, request: RequestId, what: &Request) -> Option<Evidence> {
        if self.offline {
            return None;
        }
        if self.takes_nothing && *what != Request::Look {
            return Some(Evidence::Answered { request, sent: self.now(), answer: Answer::Unknown });
        }
        let answer = self.answers_instead.clone().unwrap_or_else(|| self.other(ME, what));
        Some(Evidence::Answered { request, sent: self.now(), answer })
    }

    /// Lets time pass, polled as it asks for.
    pub fn run(&mut self, ms: u64) {
        let end = self.ms + ms;
        loop {
            let next = self.holder.next_wake(self.now()).0;
            assert!(next > self.ms, "a wake-up in the past");
            if next > end {
                self.ms = end;
                return;
            }
            self.ms = next;
            self.poll();
        }
    }

    pub fn poll(&mut self) {
        let mut out = Vec::new();
        self.holder.poll(self.now(), &mut out);
        for directive in out {
            if let Some(fact) = self.carry_out(directive) {
                self.see(fact);
            }
        }
    }

    /// Time passes without the guard.
    pub fn sleep(&mut self, ms: u64) {
        self.ms += ms;
    }

    pub fn say(&mut self, order: Order) {
        self.see(Evidence::Person(order));
    }

    pub fn told(&self) -> Vec<Telling> {
        let told = |(_, directive): &(u64, Directive)| match directive {
            Directive::Tell(telling) => Some(telling.clone()),
            _ => None,
        };
        self.log.iter().filter_map(told).collect()
    }

    /// When it first did this, in milliseconds.
    pub fn when(&self, wanted: impl Fn(&Directive) -> bool) -> Option<u64> {
        self.log.iter().find(|(_, directive)| wanted(directive)).map(|(ms, _)| *ms)
    }

    pub fn ended(&self) -> Option<(u64, Why)> {
        self.log.iter().find_map(|(ms, directive)| match directive {
            Directive::End { why, .. } => Some((*ms, *why)),
            _ => None,
        })
    }

    /// How often the store was asked.
    pub fn asked(&self) -> usize {
        self.log.iter().filter(|(_, directive)| matches!(directive, Directive::Ask { .. })).count()
    }

    pub fn started(&self) -> Option<u64> {
        self.when(|directive| matches!(directive, Directive::Start { .. }))
    }

    /// In which order it did what matters.
    pub fn steps(&self) -> Vec<&'static str> {
        let step = |(_, directive): &(u64, Directive)| match directive {
            Directive::Start { .. } => Some("start"),
            Directive::StartMute { .. } => Some("start mute"),
            Directive::Open { .. } => Some("open"),
            Directive::End { .. } => Some("end"),
            Directive::Quiesce { .. } => Some("quiesce"),
            Directive::Disable => Some("disable"),
            Directive::Ask { what: Request::Acquire, .. } => Some("acquire"),
            Directive::Ask { what: Request::Release { .. }, .. } => Some("release"),
            Directive::TurnOff { .. } => Some("turn off"),
            _ => None,
        };
        self.log.iter().filter_map(step).collect()
    }

    pub fn term(&self) -> Option<Term> {
        self.holder.lease().map(|lease| lease.term)
    }
}
