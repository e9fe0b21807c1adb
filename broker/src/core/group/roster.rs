//! One group: its members, of one face or the other, and who waits for what.
//!
//! The state machines say what is to be told to tickets and members; here these become answers.
//! What those who were told could learn of is kept first: a change of the generation, or of
//! whether there are members, goes out as an entry beside the answers.

use std::collections::BTreeMap;
use std::time::Instant;

use weir_protocol::name::GroupName;

use super::classic::{Classic, Ticket, Told};
use super::coordinator::{IfNoRoom, Step, Tell};
use super::entries::Entry;
use super::mailbox::{Begin, Mail, Mailbox};
use super::member::MemberId;
use super::native::{Event, Native, NativeJoin, Place, ToMember};
use super::offsets::{Row, Table};
use super::policy::Policy;
use super::refusal::GroupError;
use super::request::{Answer, Face, NativeJoined, NativeWish, Reply, Wish};
use crate::clock::Moment;
use crate::metrics;

/// What every group is asked with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub(super) policy: &'a Policy,
    pub(super) table: &'a Table,
    pub(super) at: Moment,
}

/// The group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: GroupName,
    pub(super) members: Members,
    waiting: BTreeMap<Ticket, Waiting>,
    tickets: u64,
    /// Where each member of a native group is told.
    mail: BTreeMap<MemberId, Mailbox>,
    /// What the last entry said of the group: its generation, and whether it has members.
    kept: (u32, bool),
    /// Entries that were proposed and are not applied.
    pub(super) unapplied: u32,
    /// What the metrics were told of it.
    counted: metrics::Group,
    /// When it stands in the timers.
    pub(super) timer: Option<Instant>,
}

/// The members of a group.
#[derive(Debug)]
pub(super) enum Members {
    Classic(Classic),
    Native(Native),
}

#[derive(Debug)]
enum Waiting {
    Joined(Reply<super::classic::Joined>),
    Synced(Reply<super::classic::Synced>),
}

/// What the members of a native group speak, for who lists groups: as Kafka's consumers.
const NATIVE_PROTOCOL_TYPE: &str = "consumer";

impl Group {
    /// A group that is asked for the first time in this run.
    pub(super) fn new(name: GroupName, row: Option<&Row>) -> Self {
        let generation = row.map_or(0, |row| row.generation);
        let spoken = row.map(|row| row.protocol_type.clone()).filter(|spoken| !spoken.is_empty());
        Self {
            name,
            members: Members::Classic(Classic::new(generation, spoken)),
            waiting: BTreeMap::new(),
            tickets: 0,
            mail: BTreeMap::new(),
            kept: (generation, false),
            unapplied: 0,
            counted: metrics::Group { members: 0, generation },
            timer: None,
        }
    }

    pub(super) fn face(&self) -> Face {
        match &self.members {
            _ if !self.has_members() => Face::Nobody,
            Members::Classic(_) => Face::Classic,
            Members::Native(_) => Face::Native,
        }
    }

    /// Whether it has members, or somebody about to be one.
    pub(super) fn has_members(&self) -> bool {
        match &self.members {
            Members::Classic(classic) => classic.has_members(),
            Members::Native(native) => native.has_members(),
        }
    }

    /// Tells the metrics what changed.
    pub(super) fn count(&mut self, metrics: &metrics::Groups) {
        let members = match &self.members {
            Members::Classic(classic) => classic.member_count(),
            Members::Native(native) => native.member_count(),
        };
        let now = metrics::Group { members, generation: self.generation() };
        metrics.changed(std::mem::replace(&mut self.counted, now), now);
    }

    /// Whether nothing of it is worth keeping that the table does not have.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_members() && self.unapplied == 0
    }

    pub(super) fn generation(&self) -> u32 {
        match &self.members {
            Members::Classic(classic) => classic.generation(),
            Members::Native(native) => native.epoch(),
        }
    }

    /// The last generation that no restart forgets: what is told to who does not wait.
    pub(super) fn kept_generation(&self, table: &Table) -> u32 {
        table.row(&self.name).map_or(0, |row| row.generation)
    }

    pub(super) fn protocol_type(&self) -> &str {
        match &self.members {
            Members::Classic(classic) => classic.protocol_type().unwrap_or_default(),
            Members::Native(_) => NATIVE_PROTOCOL_TYPE,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match &self.members {
            Members::Classic(classic) => classic.next_deadline(),
            Members::Native(native) => native.next_deadline(),
        }
    }

    /// Does what is due.
    pub(super) fn expire(&mut self, around: Around<'_>) -> Step {
        let (mut told, mut events) = (Vec::new(), Vec::new());
        match &mut self.members {
            Members::Classic(classic) => classic.expire(around.policy, around.at.now, &mut told),
            Members::Native(native) => native.expire(around.at.now, &mut events),
        }
        self.step(Vec::new(), told, events, around)
    }

    /// A topic has more partitions now, or is gone.
    pub(super) fn topic_has(
        &mut self,
        topic: weir_protocol::id::TopicId,
        partitions: u32,
        around: Around<'_>,
    ) -> Step {
        let mut events = Vec::new();
        if let Members::Native(native) = &mut self.members {
            native.topic_has(topic, partitions, around.at.now, &mut events);
        }
        self.step(Vec::new(), Vec::new(), events, around)
    }

    /// Does what it is asked.
    pub(super) fn take(&mut self, wish: Wish, around: Around<'_>) -> Step {
        let (now, mut told) = (around.at.now, Vec::new());
        let mut answers = Vec::new();
        match wish {
            Wish::Join(join, reply) => {
                let ticket = self.wait(Waiting::Joined(reply));
                match self.classic() {
                    Some(classic) => classic.join(*join, ticket, around.policy, now, &mut told),
                    None => {
                        let error = GroupError::InconsistentProtocol;
                        told.push(Told::Joined(ticket, Err(error)));
                    }
                }
            }
            Wish::Sync(claim, reply) => {
                let ticket = self.wait(Waiting::Synced(reply));
                match &mut self.members {
                    Members::Classic(classic) => classic.sync(claim, ticket, now, &mut told),
                    Members::Native(_) => {
                        told.push(Told::Synced(ticket, Err(GroupError::UnknownMember)));
                    }
                }
            }
            Wish::Heartbeat(beat, reply) => {
                let seen = match &mut self.members {
                    Members::Classic(classic) => {
                        let instance = beat.instance.as_ref();
                        classic.heartbeat(&beat.member, instance, beat.generation, now)
                    }
                    Members::Native(_) => Err(GroupError::UnknownMember),
                };
                answers.push(Answer::Done(reply, seen));
            }
            Wish::Leave(leaving, reply) => {
                let left = match &mut self.members {
                    Members::Classic(classic) => {
                        classic.leave(&leaving, around.policy, now, &mut told)
                    }
                    Members::Native(_) => vec![Err(GroupError::UnknownMember); leaving.len()],
                };
                answers.push(Answer::Each(reply, Ok(left)));
            }
            Wish::JoinNative(join, mailbox, reply) => {
                return self.join_native(*join, mailbox, reply, around);
            }
            Wish::Native(member, mailbox, wish) => {
                return self.native_wish(&member, &mailbox, wish, around);
            }
            Wish::Commit(committer, offsets, reply) => {
                return self.commit(&committer, offsets, reply, around);
            }
            Wish::Fetch(places, reply) => {
                let _ = reply.send(Ok(self.fetch(places, around.table)));
            }
            Wish::Describe(reply) => drop(reply.send(self.describe(around.table))),
            Wish::Delete(reply) => return self.delete(reply, around.table),
            Wish::DeleteOffsets(places, reply) => {
                return self.delete_offsets(&places, reply, around.table);
            }
        }
        self.step(answers, told, Vec::new(), around)
    }

    /// The members as classic ones, if they are or nobody is there.
    fn classic(&mut self) -> Option<&mut Classic> {
        if !self.has_members()
            && let Members::Native(native) = &self.members
        {
            self.members = Members::Classic(Classic::new(native.epoch(), None));
        }
        match &mut self.members {
            Members::Classic(classic) => Some(classic),
            Members::Native(_) => None,
        }
    }

    fn native(&mut self) -> Option<&mut Native> {
        if !self.has_members()
            && let Members::Classic(classic) = &self.members
        {
            self.members = Members::Native(Native::new(classic.generation()));
        }
        match &mut self.members {
            Members::Native(native) => Some(native),
            Members::Classic(_) => None,
        }
    }

    fn join_native(
        &mut self,
        join: NativeJoin,
        mailbox: Mailbox,
        reply: Reply<NativeJoined>,
        around: Around<'_>,
    ) -> Step {
        let mut events = Vec::new();
        let joined = match self.native() {
            Some(native) => native.join(join, around.policy, around.at.now, &mut events),
            None => Err(GroupError::InconsistentProtocol),
        };
        if let Ok(member) = &joined {
            self.mail.insert(member.clone(), mailbox);
        }
        let epoch = self.generation();
        let joined = joined.map(|member| NativeJoined { member, epoch });
        self.step(vec![Answer::NativeJoined(reply, joined)], Vec::new(), events, around)
    }

    /// Does what a member asks, unless another connection speaks for it by now.
    fn native_wish(
        &mut self,
        member: &MemberId,
        mailbox: &Mailbox,
        wish: NativeWish,
        around: Around<'_>,
    ) -> Step {
        let (now, mut events, mut answers) = (around.at.now, Vec::new(), Vec::new());
        let spoken_for = self.check_mailbox(member, mailbox);
        let native = match (&mut self.members, spoken_for) {
            (Members::Native(native), Ok(())) => Ok(native),
            (Members::Native(_), Err(error)) => Err(error),
            (Members::Classic(_), _) => Err(GroupError::UnknownMember),
        };
        match wish {
            NativeWish::Heartbeat(reply) => {
                let seen = native.and_then(|native| native.heartbeat(member, now));
                let _ = reply.send(seen.map(|()| self.kept_generation(around.table)));
            }
            NativeWish::Release(epoch, reply) => {
                let done =
                    native.and_then(|native| native.release(member, epoch, now, &mut events));
                answers.push(Answer::Done(reply, done));
            }
            NativeWish::Leave(reply) => {
                let done = native.and_then(|native| native.leave(member, now, &mut events));
                answers.push(Answer::Done(reply, done));
            }
            NativeWish::Disconnected => {
                if let Ok(native) = native {
                    native.disconnected(member, around.policy.reconnect_grace, now);
                }
            }
        }
        self.step(answers, Vec::new(), events, around)
    }

    /// That a member is spoken for by who has this mailbox.
    pub(super) fn check_mailbox(
        &self,
        member: &MemberId,
        mailbox: &Mailbox,
    ) -> Result<(), GroupError> {
        match self.mail.get(member) {
            None => Err(GroupError::UnknownMember),
            Some(current) if current.is(mailbox) => Ok(()),
            Some(_) => Err(GroupError::Fenced),
        }
    }

    /// Refuses all who wait for a rebalance.
    pub(super) fn refuse_waiting(&mut self, error: &GroupError) -> impl Iterator<Item = Answer> {
        std::mem::take(&mut self.waiting).into_values().map(|waiting| match waiting {
            Waiting::Joined(reply) => Answer::Joined(reply, Err(error.clone())),
            Waiting::Synced(reply) => Answer::Synced(reply, Err(error.clone())),
        })
    }

    fn wait(&mut self, waiting: Waiting) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.insert(ticket, waiting);
        ticket
    }

    /// What came of it: the answers, and what is to be kept before they are told.
    fn step(
        &mut self,
        mut answers: Vec<Answer>,
        told: Vec<Told>,
        events: Vec<ToMember>,
        around: Around<'_>,
    ) -> Step {
        answers.extend(told.into_iter().filter_map(|told| self.answer(told)));
        answers.extend(events.into_iter().filter_map(|event| self.mail(event, around.table)));
        let mut entries = Vec::new();
        let now = (self.generation(), self.has_members());
        if std::mem::replace(&mut self.kept, now) != now {
            self.unapplied += 1;
            entries.push(Entry::Known {
                group: self.name.clone(),
                generation: now.0,
                protocol_type: self.protocol_type().to_owned(),
                empty_since_ms: (!now.1).then_some(around.at.wall_ms),
            });
        }
        let tell = match self.unapplied {
            0 => Tell::AtOnce,
            _ => Tell::BehindEntries,
        };
        Step { entries, answers, if_no_room: IfNoRoom::Wait, tell }
    }

    fn answer(&mut self, told: Told) -> Option<Answer> {
        let (ticket, answer) = match told {
            Told::Joined(ticket, said) => match self.waiting.remove(&ticket) {
                Some(Waiting::Joined(reply)) => (ticket, Some(Answer::Joined(reply, said))),
                _ => (ticket, None),
            },
            Told::Synced(ticket, said) => match self.waiting.remove(&ticket) {
                Some(Waiting::Synced(reply)) => (ticket, Some(Answer::Synced(reply, said))),
                _ => (ticket, None),
            },
        };
        debug_assert!(answer.is_some(), "{ticket:?} is told once");
        answer
    }

    fn mail(&mut self, (member, event): ToMember, table: &Table) -> Option<Answer> {
        let mail = match event {
            Event::Assigned { epoch, partitions } => {
                let row = table.row(&self.name);
                let begin = |place: Place| {
                    let committed = row.and_then(|row| row.committed(&place))?;
                    let (offset, leader_epoch) = (committed.offset, committed.leader_epoch);
                    Some(Begin { offset, leader_epoch })
                };
                let partitions = partitions.into_iter().map(|place| (place, begin(place)));
                Mail::Assigned { epoch, partitions: partitions.collect() }
            }
            Event::Revoked { epoch, partitions } => Mail::Revoked { epoch, partitions },
            Event::Ended(error) => {
                let mailbox = self.mail.remove(&member)?;
                return Some(Answer::Mail(mailbox, Mail::Ended(error)));
            }
        };
        Some(Answer::Mail(self.mail.get(&member)?.clone(), mail))
    }
}
