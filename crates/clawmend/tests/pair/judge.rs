//! Who was there for people when, and what became of what they wrote, by the record of both bots' services.

use super::hub::write;
use super::scene::record::{Answered, Turn, answers, turns};
use super::{BOUND, PRIMARY, Pair, STANDBY, name};
use anyhow::{Context, Result, ensure};
use clawmend_testkit::lab::{Deed, MockTelegram, until, until_some};
use std::time::{Duration, Instant};

/// A bot that neither asks nor is seen for so long was away. A gateway asks again within half a second.
const AWAY: Duration = Duration::from_secs(4);

/// What became of the messages to each of the two bots.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    pub primary: Answered,
    pub standby: Answered,
}

impl Verdict {
    /// Each message was answered once.
    pub fn each_once(&self) -> Result<()> {
        for answered in [self.primary, self.standby] {
            ensure!(answered.more == 0 && answered.never == 0, "{self:?}");
        }
        Ok(())
    }
}

impl Pair {
    pub const fn bot(&self, host: u8) -> &MockTelegram {
        if host == PRIMARY { &self.primary_bot } else { &self.standby_bot }
    }

    /// A person writes to a host's bot. Gives the mark by which the answer is known.
    pub fn ask(&self, host: u8) -> String {
        let mut asked = self.asked.borrow_mut();
        let mark = format!("MARK-{}", asked.len() + 1);
        self.bot(host).say(&format!("please repeat {mark}"));
        asked.push((host, mark.clone()));
        mark
    }

    /// The answers to a message so far.
    pub fn answers(&self, mark: &str) -> Vec<Deed> {
        let to = self.asked.borrow().iter().find(|(_, one)| one == mark).map_or(PRIMARY, |(host, _)| *host);
        answers(&self.bot(to).deeds(), mark)
    }

    /// Waits for the first answer to one of these messages, and gives it.
    pub fn first_answer(&self, marks: &[&String]) -> Result<Deed> {
        let first = || marks.iter().flat_map(|mark| self.answers(mark)).min_by_key(|deed| deed.at);
        let found = until_some(&format!("an answer to one of {marks:?}"), BOUND, || Ok(first()));
        Ok(found.with_context(|| self.told())?.0)
    }

    fn told(&self) -> String {
        let tails = [&self.primary, &self.standby].map(|guard| guard.output_tail()).join("\n");
        format!("{:?}\n{:?}\n{tails}", self.model.asked_last(), self.report())
    }

    /// Waits for the answer to a message.
    pub fn answer(&self, mark: &String) -> Result<Deed> {
        self.first_answer(&[mark])
    }

    /// A message to this host's bot is answered.
    pub fn answers_as(&self, host: u8) -> Result<Deed> {
        let mark = self.ask(host);
        self.answer(&mark)
    }

    /// A person writes to both bots: the first of them to answer, and how long after `since` that was.
    pub fn reachable_since(&self, since: Instant) -> Result<(u8, Duration)> {
        let marks = [PRIMARY, STANDBY].map(|host| self.ask(host));
        let deed = self.first_answer(&[&marks[0], &marks[1]])?;
        let of_primary = self.answers(&marks[0]).contains(&deed);
        Ok((if of_primary { PRIMARY } else { STANDBY }, deed.at.duration_since(since)))
    }

    /// When a host's bot asked or was seen.
    pub fn turns(&self, host: u8) -> Vec<Turn> {
        let bot = self.bot(host);
        turns(&bot.polls(), &bot.deeds(), AWAY, |_| Some(host))
    }

    /// Each bot was asked for and seen from its own host alone.
    fn never_crossed(&self) -> Result<()> {
        for host in [PRIMARY, STANDBY] {
            let own = std::net::IpAddr::from(self.network.address(host));
            let bot = self.bot(host);
            let poll = bot.polls().into_iter().find(|poll| poll.from != own);
            ensure!(poll.is_none(), "somebody else asked as the {}'s bot: {poll:?}", name(host));
            let deed = bot.deeds().into_iter().find(|deed| deed.from != own);
            ensure!(deed.is_none(), "somebody else was the {}'s bot: {deed:?}", name(host));
        }
        Ok(())
    }

    /// The primary answers before anything happens; what its assistant remembers is in the repository.
    pub fn begun(&self) -> Result<()> {
        self.armed()?;
        self.answers_as(PRIMARY)?;
        write(&self.primary, "BEFORE.md", "from before")?;
        self.is_kept(&[("BEFORE.md", "from before")])
    }

    /// Waits until each of these files is on a branch of the repository.
    pub fn is_kept(&self, files: &[(&str, &str)]) -> Result<()> {
        let mut kept = Vec::new();
        for (file, text) in files {
            let there = || Ok(Some(self.hub.branches_with(file, text)?).filter(|branches| !branches.is_empty()));
            let found = until_some(&format!("{file} in the repository"), BOUND, there);
            let branches = found.with_context(|| format!("{:?}\n{}", self.report(), self.primary.output_tail()))?.0;
            kept.push(format!("{file} on {}", branches.join(" and ")));
        }
        eprintln!("measured: kept: {}", kept.join(", "));
        Ok(())
    }

    /// The standby has stepped back, nobody is its bot any more, and so many takeovers and ends of them were told, each
    /// once.
    pub fn is_over(&self, takeovers: usize) -> Result<()> {
        self.role_is("watching")?;
        self.stays_off("the standby's bot to stay silent", Duration::from_secs(5))?;
        until("the end to be told", BOUND, || self.letters_of("stepped-back") >= takeovers)?;
        let told = [self.letters_of("took-over"), self.letters_of("stepped-back")];
        ensure!(told == [takeovers; 2], "told {told:?} times: {:?}", self.letters());
        Ok(())
    }

    /// How often each message to a host's bot was answered so far.
    pub fn answered(&self, host: u8) -> Answered {
        let asked = self.asked.borrow();
        let to = asked.iter().filter(|(to, _)| *to == host);
        Answered::count(to.map(|(_, mark)| self.answers(mark).len()))
    }

    /// Prints who was there when, and what became of the messages; and judges that no bot had two hosts.
    pub fn verdict(&self, what: &str) -> Result<Verdict> {
        let since = |at: Instant| at.saturating_duration_since(self.begun).as_secs_f64();
        let shown = |host: u8| {
            let turn = |turn: &Turn| format!("{:.1}-{:.1}", since(turn.from), since(turn.to));
            let turns = self.turns(host).iter().map(turn).collect::<Vec<_>>().join(", ");
            format!("{}'s bot {turns} s; messages {}", name(host), self.answered(host))
        };
        eprintln!("measured: {what}: by the record {} | {}", shown(PRIMARY), shown(STANDBY));
        for (host, mark) in self.asked.borrow().iter() {
            let answers = self.answers(mark);
            let seen: Vec<_> = answers.iter().map(|deed| (since(deed.at), deed.text.as_str())).collect();
            if seen.len() != 1 {
                eprintln!("{mark} to the {}'s bot: {seen:?}", name(*host));
            }
        }
        self.never_crossed()?;
        Ok(Verdict { primary: self.answered(PRIMARY), standby: self.answered(STANDBY) })
    }
}
