//! Members of one group: they join, commit, let go of what goes to others, leave or are lost, and
//! commit now and then what is theirs no longer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::timeout;
use weir_protocol::code::Code;
use weir_protocol::native::{
    Assigned, Assignment, CommitBy, CommitOffsets, JoinGroup, JoinedGroup, NewOffset, OFFSET_NONE,
    ReleasePartitions, Request, Response, Revoked,
};

use crate::book::{Book, Way};
use crate::checker::{Broken, Place};
use crate::dice::Dice;
use crate::line::{Line, Lost};
use crate::trace::note;

const GROUP: &str = "crew";

/// The membership's number on each connection.
const MEMBERSHIP: u32 = 1;

const SESSION_TIMEOUT_MS: u32 = 6_000;
const REBALANCE_TIMEOUT_MS: u32 = 5_000;

/// How long what the broker has sent may take, in simulated time.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// Topics of a member.
const TOPICS_MAX: usize = 3;

/// A member's connection.
struct Member<'a> {
    book: &'a Book,
    line: Line,
    epoch: u32,
    /// What it has, and since which epoch.
    owned: BTreeMap<Place, u32>,
    /// What it had, and let go.
    gone: BTreeSet<Place>,
    ended: bool,
}

/// Is a member, now and then, until it should go.
pub(crate) async fn belong(book: Book, way: Way, mut dice: Dice) {
    // What the group calls it: on the next connection it comes back under that.
    let mut name = String::new();
    while !way.is_over() {
        let Some(pipe) = way.connect(&mut dice) else { return };
        match Line::greet(pipe).await {
            Ok(line) => {
                let (owned, gone) = (BTreeMap::new(), BTreeSet::new());
                let book = &book;
                let mut member = Member { book, line, epoch: 0, owned, gone, ended: false };
                if let Err(lost) = member.run(&way, &mut dice, &mut name).await {
                    book.lost("a member", &lost);
                }
            }
            Err(lost) => book.lost("a member", &lost),
        }
        way.pause(&mut dice, 100).await;
    }
}

impl Member<'_> {
    async fn run(&mut self, way: &Way, dice: &mut Dice, name: &mut String) -> Result<(), Lost> {
        if !self.join(dice, name).await? {
            return Ok(());
        }
        for _ in 0..dice.below(60) {
            if way.is_over() || self.ended {
                break;
            }
            match dice.below(100) {
                0..35 => self.hear_a_while(dice).await?,
                35..75 => self.commit(dice).await?,
                75..90 => self.commit_what_is_gone(dice).await?,
                90..95 => self.beat().await?,
                _ => way.pause(dice, 300).await,
            }
        }
        if self.ended {
            name.clear();
        } else if dice.percent(50) {
            name.clear();
            let leave = Request::LeaveGroup { membership: MEMBERSHIP };
            let left = self.line.ask(&leave).await?;
            note!(self.book.trace, "a member leaves: {:?}", left.map_err(|error| error.code));
        }
        Ok(())
    }

    async fn join(&mut self, dice: &mut Dice, name: &mut String) -> Result<bool, Lost> {
        let mut topics = self.book.known();
        topics.truncate(TOPICS_MAX);
        if topics.is_empty() {
            return Ok(false);
        }
        let assignment = *dice.pick(&[Assignment::Sticky, Assignment::Range]);
        let join = JoinGroup {
            membership: MEMBERSHIP,
            group: GROUP.to_owned(),
            member: name.clone(),
            instance: String::new(),
            assignment,
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            topics: topics.into_iter().map(|topic| topic.name).collect(),
        };
        match self.line.ask(&Request::JoinGroup(join)).await? {
            Ok(Response::JoinedGroup(JoinedGroup { member, epoch })) => {
                note!(self.book.trace, "a member joins as {member:?} in epoch {epoch}");
                *name = member;
                self.epoch = epoch;
                let joined = self.book.open().crew.joined(epoch);
                self.book.judge(joined);
                Ok(true)
            }
            Ok(other) => Err(Lost::Nonsense(format!("a join is answered by {other:?}"))),
            Err(error) => {
                note!(self.book.trace, "a member does not join: {}", error.code);
                if error.code == Code::UnknownMember {
                    name.clear();
                }
                Ok(false)
            }
        }
    }

    async fn hear_a_while(&mut self, dice: &mut Dice) -> Result<(), Lost> {
        let a_while = Duration::from_millis(1 + dice.below(100));
        match timeout(a_while, self.line.next_some_time()).await {
            Ok(frame) => self.hear(frame?.response).await,
            Err(_) => Ok(()),
        }
    }

    async fn hear(&mut self, event: Response) -> Result<(), Lost> {
        match event {
            Response::Assigned(assigned) => self.take_over(&assigned),
            Response::Revoked(revoked) => self.let_go(&revoked).await?,
            Response::MembershipEnded(ended) => {
                note!(self.book.trace, "a membership ends: {}", ended.error.code);
                self.ended = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn take_over(&mut self, Assigned { epoch, partitions, .. }: &Assigned) {
        note!(self.book.trace, "a member has, in epoch {epoch}: {partitions:?}");
        self.epoch = self.epoch.max(*epoch);
        for assigned in partitions {
            let place = (assigned.topic, assigned.partition);
            let offset = (assigned.offset != OFFSET_NONE).then_some(assigned.offset);
            let begins = self.book.open().crew.begins(place, *epoch, offset);
            self.book.judge(begins);
            self.owned.insert(place, *epoch);
            self.gone.remove(&place);
        }
    }

    async fn let_go(&mut self, revoked: &Revoked) -> Result<(), Lost> {
        let Revoked { epoch, partitions, .. } = revoked;
        note!(self.book.trace, "a member lets go, in epoch {epoch}: {partitions:?}");
        let release = ReleasePartitions { membership: MEMBERSHIP, epoch: *epoch };
        let released = self.line.ask(&Request::ReleasePartitions(release)).await?;
        self.epoch = self.epoch.max(*epoch);
        for place in partitions {
            self.owned.remove(place);
            if released.is_ok() {
                self.gone.insert(*place);
            }
        }
        Ok(())
    }

    async fn commit(&mut self, dice: &mut Dice) -> Result<(), Lost> {
        let owned: Vec<_> = self.owned.iter().map(|(place, since)| (*place, *since)).collect();
        if owned.is_empty() {
            return self.hear_a_while(dice).await;
        }
        let (place, since) = *dice.pick(&owned);
        let offset = self.book.open().crew.tries(place);
        if let Some(0) = self.committed(place, offset).await? {
            let confirmed = self.book.open().crew.confirmed(place, since, offset);
            self.book.judge(confirmed);
        }
        Ok(())
    }

    /// Commits as one does that has not heard of anything.
    async fn commit_what_is_gone(&mut self, dice: &mut Dice) -> Result<(), Lost> {
        let gone: Vec<_> = self.gone.iter().copied().collect();
        if gone.is_empty() {
            return self.hear_a_while(dice).await;
        }
        let place = *dice.pick(&gone);
        let offset = self.book.open().crew.tries(place);
        match self.committed(place, offset).await? {
            Some(0) if !self.is_given_back(place).await? => {
                let what = format!("{place:?}: a commit of {offset} by who let it go is taken");
                self.book.judge(Err(Broken::Other { what }));
            }
            Some(0) => note!(self.book.trace, "it had it again, and had not heard of it"),
            _ => self.book.open().crew.refused(),
        }
        Ok(())
    }

    /// Whether the group gave it a partition that it had let go: the word of that may be under way.
    async fn is_given_back(&mut self, place: Place) -> Result<bool, Lost> {
        while self.gone.contains(&place) {
            match timeout(UNDER_WAY, self.line.next_some_time()).await {
                Ok(frame) => self.hear(frame?.response).await?,
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// What became of a commit: 0 where it counts, `None` where all of it was refused.
    async fn committed(&mut self, place: Place, offset: u64) -> Result<Option<u16>, Lost> {
        let (topic, partition) = place;
        let by = CommitBy::Membership { membership: MEMBERSHIP, epoch: self.epoch };
        let (leader_epoch, metadata) = (-1, String::new());
        let offsets = vec![NewOffset { topic, partition, offset, leader_epoch, metadata }];
        let commit = Request::CommitOffsets(CommitOffsets { by, offsets });
        match self.line.ask(&commit).await? {
            Ok(Response::Committed(each)) => {
                note!(self.book.trace, "a commit of {offset} to {place:?}: {each:?}");
                Ok(each.first().copied())
            }
            Ok(other) => Err(Lost::Nonsense(format!("a commit is answered by {other:?}"))),
            Err(error) => {
                note!(self.book.trace, "a commit of {offset} to {place:?}: {}", error.code);
                Ok(None)
            }
        }
    }

    async fn beat(&mut self) -> Result<(), Lost> {
        let beat = Request::GroupHeartbeat { membership: MEMBERSHIP };
        let heard = self.line.ask(&beat).await?;
        if let Ok(Response::GroupHeartbeat { epoch }) = &heard {
            self.book.open().crew.heard(*epoch);
        }
        note!(self.book.trace, "a heartbeat: {:?}", heard.map_err(|error| error.code));
        Ok(())
    }
}
