//! Being in a group whose partitions the server shares out.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_protocol::id::TopicId;
use weir_protocol::name::{GroupName, TopicName};

use super::group::{client, instance, known};
use super::offsets::OffsetToCommit;
use super::{Begin, Refusal, Session, Strategy};
use crate::auth::Action;
use crate::core::group::{
    Committer, GroupError, Mail, Mailbox, MemberId, NativeJoin, NativeJoined, NativeWish,
    REBALANCE_TIMEOUT_MAX, Reply, TOPICS_PER_MEMBER_MAX, Wish, check_count,
};

/// A member that joins.
#[derive(Clone, Debug)]
pub(crate) struct JoinNative {
    pub(crate) group: String,
    /// Empty on its first try; its id when it comes back.
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    /// What it wants to read.
    pub(crate) topics: Vec<TopicName>,
    /// How partitions are shared out; what the group's first member says holds for all.
    pub(crate) strategy: Strategy,
    /// How long it may be silent.
    pub(crate) session_timeout: Duration,
    /// How long it may take to let go of partitions.
    pub(crate) rebalance_timeout: Duration,
}

/// A member of a group, for as long as this is held: then it has a moment to come back.
#[derive(Debug)]
pub(crate) struct Membership {
    session: Session,
    group: GroupName,
    member: MemberId,
    mailbox: Mailbox,
}

/// Something that a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupEvent {
    /// These are the member's from now on; each with where its group has committed, if it has.
    Assigned { epoch: u32, partitions: Vec<(TopicId, u32, Option<Begin>)> },
    /// The member is to let these go, and to [`release`](Membership::release) them.
    Revoked { epoch: u32, partitions: Vec<(TopicId, u32)> },
    /// It is a member no more.
    Ended(Refusal),
}

impl Session {
    /// Joins a group, and says in which epoch. What the member is told is signalled as
    /// `Ready(token)`.
    pub(crate) async fn join_native(
        &self,
        join: JoinNative,
        token: u64,
    ) -> Result<(Membership, u32), Refusal> {
        let group = self.group(Action::JoinGroup, &join.group)?;
        check_count("its topics", join.topics.len(), TOPICS_PER_MEMBER_MAX)?;
        self.check_session(join.session_timeout)?;
        let mut topics = BTreeMap::new();
        for name in &join.topics {
            let topic = self.topic_named(name)?;
            self.allow(Action::Consume, &topic)?;
            let partitions = u32::try_from(topic.partitions.len());
            topics.insert(topic.id, partitions.expect("partitions are limited"));
        }
        let mailbox = Mailbox::new(self.signals.clone(), token);
        let join = NativeJoin {
            member: match join.member.as_str() {
                "" => None,
                id => Some(known(id)?),
            },
            fresh: self.door.groups.fresh_member(&join.client_id),
            instance: instance(join.instance.as_deref())?,
            client: client(&join.client_id, &join.client_host),
            topics,
            strategy: join.strategy,
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout.min(REBALANCE_TIMEOUT_MAX),
        };
        let (groups, to) = (&self.door.groups, mailbox.clone());
        let wish = |reply| Wish::JoinNative(Box::new(join), to, reply);
        let NativeJoined { member, epoch } = groups.ask(group.clone(), wish).await?;
        Ok((Membership { session: self.clone(), group, member, mailbox }, epoch))
    }
}

impl Membership {
    /// What the group calls the member: it comes back with it.
    pub(crate) fn member(&self) -> &str {
        self.member.as_str()
    }

    /// What it was told and has not taken.
    pub(crate) fn take(&self) -> Option<GroupEvent> {
        Some(match self.mailbox.take()? {
            Mail::Assigned { epoch, partitions } => {
                let assigned = |((topic, partition), begin)| (topic, partition, begin);
                let partitions = partitions.into_iter().map(assigned).collect();
                GroupEvent::Assigned { epoch, partitions }
            }
            Mail::Revoked { epoch, partitions } => GroupEvent::Revoked { epoch, partitions },
            Mail::Ended(error) => GroupEvent::Ended(error.into()),
        })
    }

    /// A sign of life; the group's epoch.
    pub(crate) async fn heartbeat(&self) -> Result<u32, Refusal> {
        Ok(self.ask(NativeWish::Heartbeat).await?)
    }

    /// The member has let go of what was revoked with this epoch: nothing of it is under way, and
    /// what was worked off is committed.
    pub(crate) async fn release(&self, epoch: u32) -> Result<(), Refusal> {
        Ok(self.ask(|reply| NativeWish::Release(epoch, reply)).await?)
    }

    /// Leaves; what the member had is others' at once.
    pub(crate) async fn leave(&self) -> Result<(), Refusal> {
        Ok(self.ask(NativeWish::Leave).await?)
    }

    /// Commits offsets of partitions that are the member's, in the last epoch it has heard of; on
    /// return those taken survive a power cut. What became of each.
    pub(crate) async fn commit(
        &self,
        epoch: u32,
        offsets: Vec<OffsetToCommit>,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        let (member, mailbox) = (self.member.clone(), self.mailbox.clone());
        let by = Committer::Native { member, mailbox, epoch };
        self.session.commit(self.group.as_str(), by, offsets).await
    }

    async fn ask<T>(&self, wish: impl FnOnce(Reply<T>) -> NativeWish) -> Result<T, GroupError> {
        let (member, mailbox) = (self.member.clone(), self.mailbox.clone());
        let wish = |reply| Wish::Native(member, mailbox, wish(reply));
        self.session.door.groups.ask(self.group.clone(), wish).await
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let (member, mailbox) = (self.member.clone(), self.mailbox.clone());
        let wish = Wish::Native(member, mailbox, NativeWish::Disconnected);
        self.session.door.groups.tell(self.group.clone(), wish);
    }
}
