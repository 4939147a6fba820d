//! Two standbys behind one primary, each with a channel of its own: the second carries only where the first does not.

use super::DOCUMENT;
use clawmend_core::failover::senior::Waits;
use clawmend_core::failover::{Armed, Evidence, Memory, Order, Output, Reason, Role, Senior, Sight, Standby};
use clawmend_core::time::{Moment, Now, Wall};
use proptest::prelude::*;

/// How long a gateway takes to start, in seconds.
const BOOT_S: u64 = 20;

/// A standby, and when its change of role is done.
struct Node {
    standby: Standby,
    changing: Option<u64>,
    up: bool,
    serves: bool,
}

impl Node {
    fn new(seniors: usize) -> Self {
        let standby = Standby::new(DOCUMENT, Memory::default(), &mut Vec::new()).behind(seniors);
        Self { standby, changing: None, up: true, serves: true }
    }

    fn role(&self) -> Role {
        self.standby.memory().role
    }

    /// As the one after it sees it.
    fn seen(&self, sees_primary: bool) -> Senior {
        match self.role() {
            _ if !self.up => Senior::Silent,
            Role::Active => Senior::Carries { serves: self.serves },
            Role::Promoting => Senior::Carries { serves: false },
            Role::Watching | Role::Demoting if self.standby.memory().held => Senior::Unwilling,
            Role::Watching | Role::Demoting => Senior::Ready { sees_primary },
        }
    }
}

/// The primary, and both standbys.
struct Three {
    first: Node,
    second: Node,
    s: u64,
    /// As the first and the second see the primary.
    primary: [Sight; 2],
    changes: Vec<(u64, usize, Output)>,
}

impl Three {
    fn new() -> Self {
        let mut three =
            Self { first: Node::new(0), second: Node::new(1), s: 0, primary: [Sight::Serves; 2], changes: Vec::new() };
        for which in 0..2 {
            three.tell(which, &Evidence::Armed(Armed::Yes));
        }
        three
    }

    fn tell(&mut self, which: usize, evidence: &Evidence) {
        let now = Now { mono: Moment(self.s * 1_000), wall: Wall(1_700_000_000_000 + self.s as i64 * 1_000) };
        let node = if which == 0 { &mut self.first } else { &mut self.second };
        let mut out = Vec::new();
        node.standby.observe(now, evidence, &mut out);
        for output in out {
            if matches!(output, Output::Promote(_) | Output::Demote(_)) {
                node.changing = Some(self.s + BOOT_S);
                self.changes.push((self.s, which, output));
            }
        }
    }

    /// Lives so many seconds; the first looks a second before the second does.
    fn live(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.s += 1;
            for which in 0..2 {
                let node = if which == 0 { &mut self.first } else { &mut self.second };
                if node.changing.take_if(|at| *at <= self.s).is_some() {
                    self.tell(which, &Evidence::Done { worked: true });
                }
            }
            if self.s.is_multiple_of(10) && self.first.up {
                self.tell(0, &Evidence::Seniors(Vec::new()));
                self.tell(0, &Evidence::Look(self.primary[0]));
            }
            if self.s % 10 == 1 {
                let sees = matches!(self.primary[0], Sight::Serves | Sight::BeingRepaired);
                self.tell(1, &Evidence::Seniors(vec![self.first.seen(sees)]));
                self.tell(1, &Evidence::Look(self.primary[1]));
            }
        }
    }

    fn promotions(&self, which: usize) -> usize {
        let of = |(_, who, output): &&(u64, usize, Output)| *who == which && matches!(output, Output::Promote(_));
        self.changes.iter().filter(of).count()
    }
}

#[test]
fn the_first_carries_and_the_second_stays_where_it_is() {
    let mut three = Three::new();
    three.live(60);
    three.primary = [Sight::Silent; 2];
    three.live(3_600);
    assert_eq!(three.first.role(), Role::Active);
    assert_eq!(three.promotions(1), 0, "{:?}", three.changes);
    assert_eq!(three.second.standby.waits(), Some(Waits::Carries));
    three.primary = [Sight::Serves; 2];
    three.live(300);
    assert_eq!((three.first.role(), three.second.standby.waits()), (Role::Watching, None));
}

#[test]
fn when_the_first_is_lost_too_the_second_carries_and_gives_it_back() {
    let mut three = Three::new();
    three.live(60);
    three.first.up = false;
    three.live(60);
    three.primary = [Sight::Silent; 2];
    let lost = three.s;
    three.live(60);
    assert_eq!(three.second.role(), Role::Active, "{:?}", three.changes);
    let (at, ..) = three.changes[0];
    assert!(at - lost <= 31, "one that was known to be lost costs no time: {} s", at - lost);
    // The first comes back, and takes what is its own.
    three.first.up = true;
    three.live(300);
    assert_eq!((three.first.role(), three.second.role()), (Role::Active, Role::Watching), "{:?}", three.changes);
    let last = three.changes.last().map(|(.., output)| output.clone());
    assert!(matches!(last, Some(Output::Demote(Reason::SeniorWell { for_ms })) if for_ms >= 60_000), "{last:?}");
}

#[test]
fn a_first_one_that_is_lost_together_with_the_primary_costs_no_more_than_its_looks() {
    let mut three = Three::new();
    three.live(60);
    (three.first.up, three.primary) = (false, [Sight::Silent; 2]);
    let lost = three.s;
    three.live(120);
    assert_eq!(three.second.role(), Role::Active);
    assert!(three.changes[0].0 - lost <= 31, "{:?}", three.changes);
}

#[test]
fn a_first_one_that_sees_the_primary_or_is_held_or_does_not_serve() {
    let mut three = Three::new();
    three.live(60);
    // The way from the second to the primary is lost, and no other.
    three.primary = [Sight::Serves, Sight::Silent];
    three.live(600);
    assert!(three.changes.is_empty(), "{:?}", three.changes);
    assert_eq!(three.second.standby.waits(), Some(Waits::SeesPrimary));
    // The first is held as it is.
    three.tell(0, &Evidence::Person(Order::Hold));
    three.primary = [Sight::Silent; 2];
    three.live(60);
    assert_eq!((three.promotions(0), three.promotions(1)), (0, 1));

    let mut three = Three::new();
    three.live(60);
    (three.primary, three.first.serves) = ([Sight::Silent; 2], false);
    three.live(140);
    assert_eq!(three.promotions(1), 0, "its start, and a repair, have their time");
    three.live(60);
    assert_eq!(three.second.role(), Role::Active, "nobody answers but for this one");
}

/// The guard of the second dies while it takes over, and the first carries by the time of the next guard.
#[test]
fn a_takeover_that_was_left_half_done_is_not_gone_on_with_beside_one_that_comes_before() {
    for (serves, by) in [(true, Reason::Silent { misses: 3 }), (true, Reason::Person), (false, Reason::RepairTooLong)] {
        let memory = Memory { role: Role::Promoting, why: Some(by), ..Memory::default() };
        let mut three = Three::new();
        three.second.standby = Standby::new(DOCUMENT, memory, &mut Vec::new()).behind(1);
        for evidence in [
            Evidence::Armed(Armed::Yes),
            Evidence::Seniors(vec![Senior::Carries { serves }]),
            Evidence::Look(Sight::Silent),
        ] {
            three.tell(1, &evidence);
        }
        let goes_on = !serves || by == Reason::Person;
        let wanted =
            if goes_on { Output::Promote(Reason::Resumed) } else { Output::Demote(Reason::SeniorWell { for_ms: 0 }) };
        assert_eq!(three.changes, [(0, 1, wanted)], "{serves} {by:?}");
    }
}

proptest! {
    /// Whatever becomes of the primary and of the first one: a second that carries does so for a reason that it saw, and
    /// when all is well again, nobody but the primary carries.
    #[test]
    fn whatever_happens_all_is_well_in_the_end(script in prop::collection::vec((0_u8..6, 5_u64..200), 1..40)) {
        let mut three = Three::new();
        three.live(30);
        for (what, seconds) in script {
            match what {
                0 => three.primary = [Sight::Silent; 2],
                1 => three.primary = [Sight::Serves; 2],
                2 => three.primary = [Sight::Serves, Sight::Silent],
                3 => three.first.up = !three.first.up,
                4 => three.first.serves = !three.first.serves,
                _ => three.primary = [Sight::BeingRepaired; 2],
            }
            let before = three.promotions(1);
            let carried = three.first.up && three.first.role() == Role::Active && three.first.serves;
            let unchanged = seconds < 20 && what != 3 && what != 4;
            three.live(seconds);
            prop_assert!(!(carried && unchanged) || three.promotions(1) == before, "{:?}", three.changes);
        }
        (three.first.up, three.first.serves, three.primary) = (true, true, [Sight::Serves; 2]);
        three.live(2_400);
        prop_assert_eq!((three.first.role(), three.second.role()), (Role::Watching, Role::Watching));
    }
}
