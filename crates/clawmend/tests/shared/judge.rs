//! Who owned when, by the record of the bot's service: requests for updates and everything that people saw count.

use super::scene::record::{Answered, Turn, answers, turns};
use super::{ALPHA, BETA, BOUND, Group};
use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Deed, Poll, hold, until, until_some};
use std::net::IpAddr;
use std::time::{Duration, Instant};

impl Group {
    fn host_of(&self, from: IpAddr) -> Option<u8> {
        [ALPHA, BETA].into_iter().find(|host| IpAddr::from(self.network.address(*host)) == from)
    }

    fn own_polls(&self) -> Vec<Poll> {
        self.bot.polls().into_iter().filter(|poll| self.host_of(poll.from).is_some()).collect()
    }

    fn own_deeds(&self) -> Vec<Deed> {
        self.bot.deeds().into_iter().filter(|deed| self.host_of(deed.from).is_some()).collect()
    }

    /// At no instant two of the group asked for updates, nobody was seen while another one asked, and nobody's request
    /// was ended by another one's.
    pub fn never_two(&self) -> Result<()> {
        self.never_two_of_ours()?;
        match self.own_polls().iter().find(|poll| poll.conflict) {
            Some(poll) => anyhow::bail!("a conflict: {poll:?}"),
            None => Ok(()),
        }
    }

    /// The same where a stranger asks for updates as well.
    pub fn never_two_of_ours(&self) -> Result<()> {
        let polls = self.own_polls();
        ensure!(!polls.is_empty(), "nobody ever polled");
        for (at, one) in polls.iter().enumerate() {
            for other in polls.iter().skip(at + 1).filter(|other| other.from != one.from) {
                let apart = one.ended.is_some_and(|ended| ended <= other.began)
                    || other.ended.is_some_and(|ended| ended <= one.began);
                ensure!(apart, "two at once: {one:?} and {other:?}");
            }
        }
        for deed in self.own_deeds() {
            let during = |poll: &&Poll| {
                poll.from != deed.from && poll.began <= deed.at && poll.ended.is_none_or(|end| deed.at < end)
            };
            let other = polls.iter().find(during);
            ensure!(other.is_none(), "one was seen while another asked: {deed:?} during {other:?}");
        }
        Ok(())
    }

    /// The whole record as turns, in order.
    pub fn turns(&self) -> Vec<Turn> {
        turns(&self.bot.polls(), &self.bot.deeds(), Duration::MAX, |from| self.host_of(from))
    }

    /// Prints who owned when, and what became of the messages; and judges both.
    pub fn verdict(&self, what: &str) -> Result<Answered> {
        self.never_two().map(|()| self.print(what))
    }

    /// Prints them without a judgement.
    pub fn print(&self, what: &str) -> Answered {
        let first = self.turns().first().map(|turn| turn.from);
        let since = |at: Instant| first.map_or(0.0, |first| at.duration_since(first).as_secs_f64());
        let name = |host: u8| if host == ALPHA { "alpha" } else { "beta" };
        let turn = |turn: &Turn| format!("{} {:.1}-{:.1} s", name(turn.host), since(turn.from), since(turn.to));
        let turns = self.turns().iter().map(turn).collect::<Vec<_>>().join(", ");
        let answered = self.answered();
        eprintln!("measured: {what}: owners by the record: {turns}; messages {answered}");
        for mark in self.asked.borrow().iter() {
            let all = self.answers(mark);
            if all.len() > 1 {
                let said =
                    all.iter().map(|deed| format!("{:.1} s {:?}", since(deed.at), deed.text)).collect::<Vec<_>>();
                eprintln!("measured: {what}: {mark} was answered {} times: {}", all.len(), said.join("; "));
                eprintln!("the model was asked last: {:?}", self.model.asked_last());
            }
        }
        answered
    }

    /// A person writes to the bot. Gives the mark by which the answer is known.
    pub fn ask(&self) -> String {
        let mut asked = self.asked.borrow_mut();
        let mark = format!("MARK-{}", asked.len() + 1);
        self.bot.say(&format!("please repeat {mark}"));
        asked.push(mark.clone());
        mark
    }

    fn answers(&self, mark: &str) -> Vec<Deed> {
        answers(&self.own_deeds(), mark)
    }

    /// Waits for the answer to a message, and says who gave it.
    pub fn answer(&self, mark: &str) -> Result<u8> {
        let found = until_some(&format!("an answer to {mark}"), BOUND, || Ok(self.answers(mark).into_iter().next()));
        let told = || {
            format!("{:?}\n{:?}\n{}\n{}", self.model.asked_last(), self.own_deeds(), self.tail(ALPHA), self.tail(BETA))
        };
        let deed = found.with_context(told)?.0;
        self.host_of(deed.from).context("the answer of a stranger")
    }

    fn tail(&self, host: u8) -> String {
        self.guard(host).output_tail()
    }

    /// What became of all messages so far.
    pub fn answered(&self) -> Answered {
        Answered::count(self.asked.borrow().iter().map(|mark| self.answers(mark).len()))
    }

    /// Nobody of the group asks for updates or is seen for a while, once the service has seen the end of who did.
    pub fn nobody_acts(&self, what: &str, time: Duration) -> Result<()> {
        let tails = || format!("{:?}\n{}\n{}", self.turns(), self.tail(ALPHA), self.tail(BETA));
        let all_ended = || self.own_polls().iter().all(|poll| poll.ended.is_some());
        until("the last request to be over", BOUND, all_ended).with_context(tails)?;
        let acts = || self.own_polls().len() + self.own_deeds().len();
        let before = acts();
        hold(what, time, || Ok(acts() == before)).with_context(tails)
    }

    /// The first request for updates of anybody after `since`, and whose it is.
    pub fn next_owner(&self, since: Instant) -> Result<(u8, Poll)> {
        let first = || self.own_polls().into_iter().find(|poll| poll.began >= since);
        let found = until_some("somebody to own", BOUND, || Ok(first()));
        let poll = found.with_context(|| format!("{}\n{}", self.tail(ALPHA), self.tail(BETA)))?.0;
        Ok((self.host_of(poll.from).context("a stranger")?, poll))
    }
}
