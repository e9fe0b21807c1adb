//! All groups of a shard: which there are, and when something is due in one.
//!
//! ```text
//!   Call ─► Coordinator ─► Step { entries, answers } ─► the shard proposes the entries
//!              ▲                                          │ committed, applied to the Table
//!              └── deadline ─► expire                      └─► the answers are told
//! ```
//!
//! It proposes nothing and knows no journal: what is to be kept goes out as entries, and comes
//! back in the [`Table`] that it is shown. It never asks the time.
//!
//! Invariants: a group has members of one face. Nobody is told of a generation that a restart
//! could forget. A group stands in `timers` at its deadline or before, once. A group in memory has
//! members, entries under way, or a row in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use weir_protocol::id::TopicId;
use weir_protocol::name::GroupName;

use super::entries::Entry;
use super::offsets::Table;
use super::policy::Policy;
use super::refusal::GroupError;
use super::request::{Answer, Call, Committer, Listed, NativeWish, Request, Wish};
use super::roster::{Around, Group};
use crate::clock::Moment;
use crate::metrics;

/// The groups.
#[derive(Debug)]
pub(crate) struct Coordinator {
    policy: Policy,
    groups: BTreeMap<GroupName, Group>,
    timers: BTreeSet<(Instant, GroupName)>,
    sweep: Sweep,
    metrics: metrics::Groups,
}

/// When offsets were last looked through for what may be forgotten.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    last: Moment,
    /// What the wall clock leapt ahead, all together: nothing is forgotten for that.
    leapt_ms: i64,
}

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Step {
    /// What is to be kept; answers are told behind the last.
    pub(crate) entries: Vec<Entry>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) if_no_room: IfNoRoom,
    pub(crate) tell: Tell,
}

/// What a step is where the journal has no room for its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfNoRoom {
    /// Refused: nothing of it has happened.
    Refuse,
    /// Put off: it has happened, and those who are told of it wait.
    Wait,
}

/// Behind what the answers of a step without entries are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    AtOnce,
    /// Behind the group's entries under way: what they say is part of the answer.
    BehindEntries,
}

const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The wall clock is taken for set forward where it gains so much on the other between sweeps.
const LEAP_MS: i64 = 3_600_000;

impl Step {
    pub(super) fn answer(answer: Answer) -> Self {
        Self { answers: vec![answer], ..Self::silent(()) }
    }

    /// Entries that are proposed for `answers`, and refused where there is no room.
    pub(super) fn proposes(entries: Vec<Entry>, answers: Vec<Answer>) -> Self {
        Self { entries, answers, ..Self::silent(()) }
    }

    /// All is said and done.
    fn silent<T>(_said: T) -> Self {
        let (entries, answers) = (Vec::new(), Vec::new());
        Self { entries, answers, if_no_room: IfNoRoom::Refuse, tell: Tell::AtOnce }
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.answers.is_empty()
    }
}

impl Coordinator {
    pub(crate) fn new(policy: Policy, at: Moment, metrics: metrics::Groups) -> Self {
        let sweep = Sweep { last: at, leapt_ms: 0 };
        Self { policy, groups: BTreeMap::new(), timers: BTreeSet::new(), sweep, metrics }
    }

    /// Does what is asked.
    pub(crate) fn take(&mut self, call: Call, table: &Table, at: Moment, steps: &mut Vec<Step>) {
        match call {
            Call::Of(request) => steps.push(self.ask(request, table, at)),
            Call::List(reply) => drop(reply.send(self.list(table))),
            Call::TopicHas(topic, partitions) => {
                self.topic_has(topic, partitions, table, at, steps);
            }
        }
        steps.retain(|step| !step.is_empty());
    }

    /// When something is due, if anything is.
    pub(crate) fn deadline(&self, table: &Table) -> Option<Instant> {
        let sweep = (table.len() != 0).then(|| self.sweep.last.now + SWEEP_EVERY);
        [self.timers.first().map(|(at, _)| *at), sweep].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn expire(&mut self, table: &Table, at: Moment, steps: &mut Vec<Step>) {
        while self.timers.first().is_some_and(|(due, _)| *due <= at.now) {
            let Some((_, name)) = self.timers.pop_first() else { break };
            let Some(group) = self.groups.get_mut(&name) else { continue };
            group.timer = None;
            let around = Around { policy: &self.policy, table, at };
            steps.push(group.expire(around));
            self.settle(&name, table);
        }
        if self.sweep.last.now + SWEEP_EVERY <= at.now {
            self.sweep(table, at, steps);
        }
        steps.retain(|step| !step.is_empty());
    }

    /// A topic has more partitions now, or none: it is gone.
    pub(crate) fn topic_has(
        &mut self,
        topic: TopicId,
        partitions: u32,
        table: &Table,
        at: Moment,
        steps: &mut Vec<Step>,
    ) {
        let names: Vec<_> = self.groups.keys().cloned().collect();
        for name in names {
            let Some(group) = self.groups.get_mut(&name) else { continue };
            let around = Around { policy: &self.policy, table, at };
            steps.push(group.topic_has(topic, partitions, around));
            self.settle(&name, table);
        }
        steps.retain(|step| !step.is_empty());
    }

    /// An entry that a step had was applied to the table.
    pub(crate) fn applied(&mut self, entry: &Entry, table: &Table) {
        let name = match entry {
            Entry::Offsets { group, .. }
            | Entry::Known { group, .. }
            | Entry::Forgotten { group, .. }
            | Entry::Gone { group } => group,
        };
        if let Some(group) = self.groups.get_mut(name) {
            group.unapplied = group.unapplied.saturating_sub(1);
            self.settle(name, table);
        }
    }

    /// Refuses all who wait for a rebalance.
    pub(crate) fn refuse_waiting(&mut self, error: &GroupError, steps: &mut Vec<Step>) {
        for group in self.groups.values_mut() {
            steps.extend(group.refuse_waiting(error).map(Step::answer));
        }
    }

    fn ask(&mut self, request: Request, table: &Table, at: Moment) -> Step {
        let Request { group: name, wish } = request;
        let row = table.row(&name);
        if row.is_none() && !self.groups.contains_key(&name) && wish.makes_a_group() {
            let known = self.groups.len().max(table.len());
            if self.policy.groups_max <= known {
                return wish.refuse(GroupError::TooManyGroups);
            }
        }
        let group = self.groups.entry(name.clone());
        let group = group.or_insert_with(|| Group::new(name.clone(), row));
        let around = Around { policy: &self.policy, table, at };
        let is_heartbeat = matches!(&wish, Wish::Heartbeat(..));
        let step = group.take(wish, around);
        // A heartbeat puts deadlines off: that is seen when the old one is due.
        if !is_heartbeat || group.timer.is_none() {
            self.settle(&name, table);
        }
        step
    }

    /// Sets a group's timer, or forgets what is not worth keeping.
    fn settle(&mut self, name: &GroupName, table: &Table) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.count(&self.metrics);
        let due = group.next_deadline();
        if due != group.timer {
            if let Some(timer) = std::mem::replace(&mut group.timer, due) {
                self.timers.remove(&(timer, name.clone()));
            }
            self.timers.extend(due.map(|due| (due, name.clone())));
        }
        if group.is_idle() && table.row(name).is_none() {
            if let Some(timer) = group.timer {
                self.timers.remove(&(timer, name.clone()));
            }
            self.groups.remove(name);
        }
    }

    fn list(&self, table: &Table) -> Vec<Listed> {
        let known = self.groups.values().map(Group::listed);
        let rest = table.groups.iter().filter(|(name, _)| !self.groups.contains_key(*name));
        let rest = rest.map(|(name, row)| Group::new(name.clone(), Some(row)).listed());
        known.chain(rest).collect()
    }

    /// Forgets offsets of groups that have had no members for long, those of topics that no member
    /// reads, and groups without any.
    fn sweep(&mut self, table: &Table, at: Moment, steps: &mut Vec<Step>) {
        let passed = at.now.saturating_duration_since(self.sweep.last.now).as_millis();
        let passed_ms = i64::try_from(passed).unwrap_or(i64::MAX);
        let leap_ms = at.wall_ms.saturating_sub(self.sweep.last.wall_ms).saturating_sub(passed_ms);
        if LEAP_MS < leap_ms {
            self.sweep.leapt_ms = self.sweep.leapt_ms.saturating_add(leap_ms);
        }
        self.sweep.last = at;
        let now_ms = at.wall_ms.saturating_sub(self.sweep.leapt_ms);
        let retention_ms = i64::try_from(self.policy.offsets_retention.as_millis());
        let retention_ms = retention_ms.unwrap_or(i64::MAX);
        for (name, row) in &table.groups {
            let group = self.groups.get_mut(name);
            let expired = row.expired(now_ms, retention_ms);
            let lives = group.as_ref().filter(|group| !group.is_idle());
            let entries = if let Some(group) = lives {
                Entry::forget(name, &group.unread(row, now_ms, retention_ms))
            } else if row.empty_since_ms.is_none() {
                // Its members went with an earlier run.
                vec![Entry::Known {
                    group: name.clone(),
                    generation: row.generation,
                    protocol_type: row.protocol_type.clone(),
                    empty_since_ms: Some(at.wall_ms),
                }]
            } else if expired.len() == row.offsets.len() {
                vec![Entry::Gone { group: name.clone() }]
            } else {
                Entry::forget(name, &expired)
            };
            if let Some(group) = group {
                group.unapplied += u32::try_from(entries.len()).expect("offsets are limited");
            }
            steps.push(Step::proposes(entries, Vec::new()));
        }
    }
}

impl Wish {
    /// Whether there is a group behind it that may not have been there before.
    fn makes_a_group(&self) -> bool {
        match self {
            Self::Join(..) | Self::JoinNative(..) | Self::Commit(Committer::Nobody, ..) => true,
            Self::Sync(..)
            | Self::Heartbeat(..)
            | Self::Leave(..)
            | Self::Native(..)
            | Self::Commit(..)
            | Self::Fetch(..)
            | Self::Describe(_)
            | Self::Delete(_)
            | Self::DeleteOffsets(..) => false,
        }
    }

    /// The step that refuses it.
    pub(crate) fn refuse(self, error: GroupError) -> Step {
        let answer = match self {
            Self::Join(_, reply) => Answer::Joined(reply, Err(error)),
            Self::Sync(_, reply) => Answer::Synced(reply, Err(error)),
            Self::JoinNative(_, _, reply) => Answer::NativeJoined(reply, Err(error)),
            Self::Leave(_, reply) | Self::Commit(_, _, reply) | Self::DeleteOffsets(_, reply) => {
                Answer::Each(reply, Err(error))
            }
            Self::Heartbeat(_, reply)
            | Self::Delete(reply)
            | Self::Native(_, _, NativeWish::Release(_, reply) | NativeWish::Leave(reply)) => {
                Answer::Done(reply, Err(error))
            }
            Self::Fetch(_, reply) => return Step::silent(reply.send(Err(error))),
            Self::Describe(reply) => return Step::silent(reply.send(Err(error))),
            Self::Native(_, _, NativeWish::Heartbeat(reply)) => {
                return Step::silent(reply.send(Err(error)));
            }
            Self::Native(_, _, NativeWish::Disconnected) => return Step::silent(()),
        };
        Step::answer(answer)
    }
}
