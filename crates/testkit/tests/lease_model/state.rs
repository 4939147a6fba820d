//! The group between two steps.

use super::group::{FIGURES, Group, Step};
use clawmend_core::failover::lease::{
    ActId, Answer, Directive, Evidence, Fenced, Gateway, Holder, Memory, Node as Place, NodeId, Record, Request,
    RequestId, Term,
};
use clawmend_core::gateway::Incarnation;
use clawmend_core::time::Moment;

/// On its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    Ask {
        request: RequestId,
        sent: Moment,
        what: Request,
    },
    Back {
        request: RequestId,
        sent: Moment,
        answer: Answer,
    },
    /// The hook turns a machine off.
    TurnOff {
        node: usize,
        term: Term,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    node: usize,
    guard: u8,
    age: u8,
    /// It may come at any later time.
    copy: bool,
    what: What,
}

impl Message {
    pub fn is_overdue(&self) -> bool {
        !self.copy && self.age >= 1
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub holder: Option<Holder>,
    pub life: Option<u32>,
    pub frozen: bool,
    pub paused: bool,
    disk: Memory,
    fence: Option<Fenced>,
    /// It is dead in so many steps, after this act.
    dying: Option<(u8, ActId)>,
    acted: ActId,
    inbox: Vec<Evidence>,
    guards: u8,
    stood_still: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub time: u64,
    pub nodes: Vec<Node>,
    pub messages: Vec<Message>,
    pub faults: u8,
    pub pauses: u8,
    pub lost_owner: bool,
    record: Record,
    expires: u64,
    lives: u32,
}

impl State {
    pub fn first(group: &Group) -> Self {
        let node = Node {
            holder: None,
            life: None,
            frozen: false,
            paused: false,
            disk: Memory::default(),
            fence: None,
            dying: None,
            acted: ActId(0),
            inbox: Vec::new(),
            guards: 0,
            stood_still: 0,
        };
        let mut state = Self {
            time: 0,
            nodes: vec![node; group.nodes],
            messages: Vec::new(),
            faults: group.faults,
            pauses: group.pauses,
            lost_owner: false,
            record: Record::default(),
            expires: 0,
            lives: 0,
        };
        for index in 0..group.nodes {
            state.begin_guard(group, index);
        }
        state
    }

    /// The first node's clock is slow by the whole bound.
    fn clock(&self, index: usize) -> Moment {
        let lived = self.time - self.nodes[index].stood_still;
        Moment(if index == 0 { lived * 3 / 4 } else { lived })
    }

    pub fn take(&mut self, group: &Group, step: Step) {
        match step {
            Step::Time => self.pass_time(group),
            Step::Deliver(index) => {
                let message = self.messages.remove(index);
                self.deliver(message);
            }
            Step::Lose(index) => {
                self.faults -= 1;
                self.messages.remove(index);
            }
            Step::Copy(index) => {
                self.faults -= 1;
                let copy = Message { copy: true, ..self.messages[index].clone() };
                self.messages.push(copy);
            }
            Step::Freeze(index) => {
                self.faults -= 1;
                self.nodes[index].frozen = true;
            }
            Step::Thaw(index) => {
                self.nodes[index].frozen = false;
                for evidence in std::mem::take(&mut self.nodes[index].inbox) {
                    self.tell(index, evidence);
                }
                self.poll(index);
            }
            Step::KillGuard(index) => {
                self.faults -= 1;
                self.end_guard(index);
            }
            Step::GuardBegins(index) => self.begin_guard(group, index),
            Step::Crash { node, disk_lost } => {
                self.faults -= 1;
                self.crash(node, disk_lost);
            }
            Step::Pause(index) => {
                self.pauses -= 1;
                self.nodes[index].paused = true;
                self.lost_owner = true;
            }
            Step::GoOn(index) => self.nodes[index].paused = false,
        }
    }

    /// Messages have no order among themselves.
    pub fn forget_order(&mut self) {
        self.messages.sort_by_key(|message| {
            let (kind, name) = match &message.what {
                What::Ask { request, .. } => (0, request.0),
                What::Back { request, .. } => (1, request.0),
                What::TurnOff { node, term } => (2, term.0 * 8 + *node as u64),
            };
            (message.node, message.guard, kind, name, message.copy, message.age)
        });
    }

    fn end_guard(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        (node.holder, node.frozen) = (None, false);
        node.inbox.clear();
        node.guards += 1;
        // Answers to it reach nobody; what it asked may still reach the store.
        self.messages.retain(|message| message.node != index || matches!(message.what, What::Ask { .. }));
    }

    fn crash(&mut self, index: usize, disk_lost: bool) {
        self.end_guard(index);
        let node = &mut self.nodes[index];
        self.lost_owner |= node.life.is_some();
        (node.life, node.fence, node.dying, node.paused) = (None, None, None, false);
        if disk_lost {
            node.disk = Memory::default();
        }
    }

    fn begin_guard(&mut self, group: &Group, index: usize) {
        let node = &mut self.nodes[index];
        let rank = u32::try_from(index).unwrap();
        let place = Place {
            id: NodeId(u16::try_from(index).unwrap()),
            rank,
            pause: group.pause,
            figures: FIGURES,
            warm: false,
        };
        node.holder = Some(Holder::new(place, node.disk.clone()));
        node.acted = ActId(0);
        let (life, fenced) = (node.life.map(incarnation), node.fence);
        self.tell(index, Evidence::Gateway(Gateway::Found { life, fenced }));
    }

    /// What is due ends first: that is the latest that the contracts allow.
    fn pass_time(&mut self, group: &Group) {
        self.time += 1;
        for message in &mut self.messages {
            message.age = message.age.saturating_add(1).min(1);
        }
        for index in 0..self.nodes.len() {
            if self.nodes[index].paused {
                self.nodes[index].stood_still += 1;
            } else {
                self.end_what_dies(index);
            }
        }
        for index in 0..self.nodes.len() {
            if !self.nodes[index].paused {
                self.deadman(group, index);
                self.poll(index);
            }
        }
    }

    fn end_what_dies(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        match node.dying.take() {
            Some((0 | 1, after)) => {
                node.life = None;
                self.tell(index, Evidence::Gateway(Gateway::Ended { after }));
            }
            Some((left, after)) => node.dying = Some((left - 1, after)),
            None => {}
        }
    }

    fn deadman(&mut self, group: &Group, index: usize) {
        let now = self.clock(index);
        let node = &mut self.nodes[index];
        let due = node.fence.is_some_and(|fence| now >= fence.until);
        if group.deadman && due && node.life.is_some() && node.dying.is_none() {
            node.dying = Some((1, node.acted));
        }
    }

    fn poll(&mut self, index: usize) {
        let now = self.clock(index);
        let node = &mut self.nodes[index];
        if node.frozen || node.paused {
            return;
        }
        let mut out = Vec::new();
        if let Some(holder) = &mut node.holder {
            holder.poll(now, &mut out);
        }
        self.carry_out(index, out);
    }

    fn tell(&mut self, index: usize, evidence: Evidence) {
        let now = self.clock(index);
        let node = &mut self.nodes[index];
        let Some(holder) = &mut node.holder else { return };
        if node.frozen || node.paused {
            return node.inbox.push(evidence);
        }
        let mut out = Vec::new();
        holder.observe(now, &evidence, &mut out);
        self.carry_out(index, out);
    }

    fn carry_out(&mut self, index: usize, directives: Vec<Directive>) {
        let now = self.clock(index);
        for directive in directives {
            match directive {
                Directive::Ask { request, what } => self.send(index, What::Ask { request, sent: now, what }),
                Directive::Start { act, not_after, .. } => self.start(index, act, now < not_after),
                Directive::End { act, .. } => self.end(index, act),
                Directive::Disable => self.tell(index, Evidence::Disabled { worked: true }),
                Directive::Arm { term, until } => {
                    self.nodes[index].fence = Some(Fenced { term, until });
                    self.tell(index, Evidence::Armed(Fenced { term, until }));
                }
                Directive::TurnOff { node, term } => {
                    self.send(index, What::TurnOff { node: usize::from(node.0), term });
                }
                Directive::Persist => {
                    let node = &mut self.nodes[index];
                    node.disk = node.holder.as_ref().map(|holder| holder.memory().clone()).unwrap_or_default();
                }
                // No node of the model is warm.
                Directive::StartMute { .. } | Directive::Open { .. } => {}
                Directive::Quiesce { .. } | Directive::Tell(_) => {}
            }
        }
    }

    fn send(&mut self, index: usize, what: What) {
        let guard = self.nodes[index].guards;
        self.messages.push(Message { node: index, guard, age: 0, copy: false, what });
    }

    fn start(&mut self, index: usize, act: ActId, in_time: bool) {
        self.nodes[index].acted = act;
        if !in_time {
            return self.tell(index, Evidence::Gateway(Gateway::NotStarted { act }));
        }
        self.lives += 1;
        self.nodes[index].life = Some(self.lives);
        let life = incarnation(self.lives);
        self.tell(index, Evidence::Gateway(Gateway::Started { act, life }));
    }

    fn end(&mut self, index: usize, act: ActId) {
        let node = &mut self.nodes[index];
        node.acted = act;
        match &mut node.dying {
            Some((_, after)) => *after = act,
            None if node.life.is_some() => node.dying = Some((1, act)),
            None => self.tell(index, Evidence::Gateway(Gateway::Ended { after: act })),
        }
    }

    fn deliver(&mut self, message: Message) {
        let Message { node, guard, what, .. } = message;
        match what {
            What::Ask { request, sent, what } => {
                let alive = self.time < self.expires;
                let answer = self.record.apply(NodeId(u16::try_from(node).unwrap()), &what, alive);
                if matches!(answer, Answer::Acquired { .. } | Answer::Renewed { .. }) {
                    self.expires = self.time + FIGURES.ttl_ms;
                }
                if self.nodes[node].guards == guard {
                    self.send(node, What::Back { request, sent, answer });
                }
            }
            What::Back { request, sent, answer } => self.tell(node, Evidence::Answered { request, sent, answer }),
            What::TurnOff { node: target, term } => {
                self.crash(target, false);
                let id = NodeId(u16::try_from(target).unwrap());
                self.tell(node, Evidence::TurnedOff { node: id, term, worked: true });
            }
        }
    }
}

fn incarnation(number: u32) -> Incarnation {
    Incarnation { pid: number, start: 0, boot: String::new() }
}
