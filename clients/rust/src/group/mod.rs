//! Reading topics as a member of a group: the broker shares their partitions out among its members,
//! and remembers where the group has read to.
//!
//! ```text
//!   Membership (task: join, heartbeats) ─► Mailbox ─► GroupConsumer ─► records
//!                                                        │  ▲
//!        commits, releases ◄─────────────────────────────┘  └── Holdings: a reader for each
//!                                                               partition that is the member's
//! ```
//!
//! Everything but the signs of life happens while the application asks for the next record, so
//! nothing is committed behind its back and no lock is held.
//!
//! Invariant: what is committed by itself was given to the application, which has asked for more
//! since. A partition is let go only when the application holds no record of it.

mod builder;
mod holdings;
mod membership;
mod records;

use std::collections::BTreeMap;
use std::fmt;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use weir_protocol::code::{Code, Retry};
use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    Assigned, CommitBy, CommitOffsets, NewOffset, OFFSET_NONE, ReleasePartitions, Request,
    Response, Revoked, TopicDescription,
};

use crate::client::Client;
use crate::connection::{Asked, MemberEvent};
use crate::consumer::{Consumer, ConsumerBuilder, Place, Record, RecordBatch, Start};
use crate::errors::{ConsumeError, Error, RequestError};
use holdings::{Holdings, Key, Taken};
use membership::Membership;

pub use builder::{
    COMMIT_INTERVAL_DEFAULT, Commit, GroupConsumerBuilder, REBALANCE_TIMEOUT_DEFAULT,
    SESSION_TIMEOUT_DEFAULT,
};
pub use holdings::TopicPartition;
pub use records::GroupRecords;

/// What a member is told of its partitions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rebalance {
    /// These are the member's from now on, besides what it had.
    Assigned(Vec<TopicPartition>),
    /// These go to others; what was worked off is committed before they do.
    Revoked(Vec<TopicPartition>),
    /// The membership ended: these may be others' already, and nothing more can be committed.
    Lost(Vec<TopicPartition>),
}

/// Who is told of partitions that come and go.
type OnRebalance = Box<dyn Fn(&Rebalance) + Send + Sync>;

/// Reads topics as a member of a group.
///
/// Delivery is *at least once*: a record counts as worked off when the next one is asked for, and
/// what is worked off is committed on an interval, before a partition is handed on, and by
/// [`close`](Self::close). A member that crashes gives its last records to another again.
pub struct GroupConsumer {
    client: Client,
    topics: BTreeMap<TopicId, TopicDescription>,
    membership: Arc<Membership>,
    keeper: AbortHandle,
    start: Start,
    commit: Commit,
    window_bytes: u64,
    on_rebalance: Option<OnRebalance>,
    /// The last epoch that was heard of.
    epoch: u32,
    owned: Holdings,
    /// Readers on their way into it, whoever waits for the next record or does not.
    beginning: JoinSet<Begun>,
    /// Of the record the application has: its partition, and the offset behind it.
    in_hand: Option<(Key, u64)>,
    /// The event that is being acted upon.
    event: Option<MemberEvent>,
    committed_at: Instant,
    ended: bool,
}

/// What came of beginning to read a partition.
struct Begun {
    key: Key,
    number: u64,
    reader: Result<Consumer, RequestError>,
}

impl GroupConsumer {
    /// The next record; the one before counts as worked off from here on. `None` behind an error
    /// that was the last. Can be dropped and called again without losing a record.
    ///
    /// # Errors
    /// Behind [`ConsumeError::Gap`] and [`ConsumeError::Unreadable`], and where a commit was
    /// refused for now, it goes on; any other is the last.
    pub async fn next(&mut self) -> Option<Result<Record, Error>> {
        let next = self.read(Consumer::poll_next_record).await?;
        Some(next.map(|(key, record)| {
            self.in_hand = Some((key, record.offset + 1));
            record
        }))
    }

    /// The next batch; the one before counts as worked off from here on. Otherwise as
    /// [`next`](Self::next), and as [`Consumer::next_batch`].
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn next_batch(&mut self) -> Option<Result<RecordBatch, Error>> {
        let next = self.read(Consumer::poll_next_batch).await?;
        Some(next.map(|(key, batch)| {
            self.in_hand = Some((key, batch.offsets().end));
            batch
        }))
    }

    /// The records as a [`Stream`](futures_core::Stream), each as [`next`](Self::next) gives it. It
    /// can be dropped at any time without losing a record; the consumer goes on behind it.
    pub fn stream(&mut self) -> GroupRecords<'_> {
        GroupRecords::of(self)
    }

    /// Whether everything was read of all that is the member's, as far as the broker has told;
    /// false while it has nothing.
    pub fn is_caught_up(&self) -> bool {
        let read = self.owned.places().count();
        read != 0 && read == self.owned.len() && self.lag() == 0
    }

    /// Commits what is worked off, the record in hand included. On return it is durable.
    ///
    /// # Errors
    /// Nothing, or not all of it, may be committed; see [`RequestError`].
    pub async fn commit(&mut self) -> Result<(), RequestError> {
        self.worked_off();
        self.commit_done().await
    }

    /// Goes on at another offset of a partition that is the member's; elsewhere it does nothing.
    /// The offset is committed with the next commit. One beyond the tail is refused as
    /// `OFFSET_OUT_OF_RANGE` when the next record is asked for, and ends the consumer.
    pub fn seek(&mut self, of: &TopicPartition, offset: u64) {
        self.worked_off();
        if let Some(key) = self.key(of) {
            self.owned.seek(key, offset);
        }
    }

    /// Reads nothing of these partitions until they are resumed; they stay the member's.
    pub fn pause<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        for key in partitions.into_iter().filter_map(|of| self.key(of)).collect::<Vec<_>>() {
            self.owned.pause(key);
        }
    }

    /// Reads of these partitions again.
    pub fn resume<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        for key in partitions.into_iter().filter_map(|of| self.key(of)).collect::<Vec<_>>() {
            self.owned.resume(key);
        }
    }

    /// What the broker calls the member, as [`describe_group`](Client::describe_group) lists it;
    /// `None` while it is on its way back into the group.
    pub fn member(&self) -> Option<String> {
        self.membership.place().map(|place| place.member)
    }

    /// The partitions that are the member's now.
    pub fn assigned(&self) -> Vec<TopicPartition> {
        self.named(self.owned.keys())
    }

    /// How many offsets are left to read, of all partitions that are read now, as far as the
    /// broker has told.
    pub fn lag(&self) -> u64 {
        self.owned.places().map(|(_, place)| place.lag()).sum()
    }

    /// Where the member is in each partition that it reads now.
    pub fn places(&self) -> Vec<(TopicPartition, Place)> {
        let named = |(key, place)| Some((self.named([key].into_iter()).pop()?, place));
        self.owned.places().filter_map(named).collect()
    }

    /// The topics that it reads.
    pub fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.values().map(|topic| &topic.name)
    }

    /// Commits what is worked off, the record in hand included, and leaves the group: its
    /// partitions are others' at once. Dropping the consumer leaves too, and commits nothing.
    ///
    /// # Errors
    /// Nothing, or not all of it, may be committed.
    pub async fn close(mut self) -> Result<(), RequestError> {
        let committed = match self.commit {
            Commit::Interval(_) => self.commit().await,
            Commit::Manual => Ok(()),
        };
        self.keeper.abort();
        self.membership.leave_and_wait().await;
        committed
    }

    /// What comes next, as `take` takes it.
    async fn read<T>(
        &mut self,
        take: impl Fn(&mut Consumer, &mut Context<'_>) -> Poll<Taken<T>>,
    ) -> Option<Result<(Key, T), Error>> {
        self.worked_off();
        if self.ended {
            return None;
        }
        let read = self.try_read(take).await;
        if let Err(error) = &read {
            self.ended |= !goes_on(error);
        }
        Some(read)
    }

    async fn try_read<T>(
        &mut self,
        take: impl Fn(&mut Consumer, &mut Context<'_>) -> Poll<Taken<T>>,
    ) -> Result<(Key, T), Error> {
        loop {
            self.obey().await?;
            if let Commit::Interval(interval) = self.commit
                && interval <= self.committed_at.elapsed()
            {
                self.commit_done().await?;
            }
            self.begin();
            let wake_at = match self.commit {
                Commit::Interval(interval) if !self.owned.due().is_empty() => {
                    Some(self.committed_at + interval)
                }
                _ => None,
            };
            let owned = &mut self.owned;
            tokio::select! {
                biased;
                () = self.membership.mailbox.arrived() => {}
                () = until(wake_at) => {}
                // One that panicked did so in its own task.
                Some(Ok(begun)) = self.beginning.join_next() => {
                    let Begun { key, number, reader } = begun;
                    let (reader, failed) = match reader {
                        Ok(reader) => (Some(reader), Ok(())),
                        Err(error) => (None, Err(error)),
                    };
                    self.owned.begun(key, number, reader);
                    failed?;
                }
                (key, next) = poll_fn(|context| owned.poll(context, &take)) => {
                    // A reader that has ended is begun anew.
                    if let Some(next) = next {
                        return Ok((key, next?));
                    }
                }
            }
        }
    }

    /// Does what the member was told.
    async fn obey(&mut self) -> Result<(), Error> {
        loop {
            if self.event.is_none() {
                self.event = self.membership.mailbox.take();
            }
            match self.event.clone() {
                None => return Ok(()),
                Some(MemberEvent::Assigned(assigned)) => self.take_over(assigned),
                Some(MemberEvent::Revoked(revoked)) => self.let_go(&revoked).await?,
                Some(MemberEvent::Ended(refusal)) => {
                    self.lose();
                    if refusal.code == Code::FencedInstance {
                        return Err(RequestError::Refused(refusal).into());
                    }
                }
                Some(MemberEvent::Over(error)) => {
                    self.lose();
                    self.event = None;
                    self.ended = true;
                    return Err(error.into());
                }
            }
            self.event = None;
        }
    }

    fn take_over(&mut self, Assigned { epoch, partitions, .. }: Assigned) {
        self.epoch = self.epoch.max(epoch);
        let mut fresh = Vec::new();
        for place in partitions.iter().filter(|place| self.topics.contains_key(&place.topic)) {
            let committed = (place.offset != OFFSET_NONE).then_some(place.offset);
            let key = (place.topic, place.partition);
            // One that it has already is told of again when the connection was lost.
            if self.owned.add(key, committed) {
                fresh.push(key);
            }
        }
        self.tell(Rebalance::Assigned, fresh);
    }

    async fn let_go(&mut self, revoked: &Revoked) -> Result<(), Error> {
        let Revoked { epoch, partitions, .. } = revoked;
        self.epoch = self.epoch.max(*epoch);
        let gone = partitions.iter().filter(|key| self.owned.contains(**key));
        let gone: Vec<Key> = gone.copied().collect();
        if let Commit::Interval(_) = self.commit {
            self.commit_done().await?;
        }
        self.tell(Rebalance::Revoked, gone.clone());
        for key in gone {
            self.owned.remove(key);
        }
        if let Some(place) = self.membership.place() {
            let (membership, epoch) = (place.number, *epoch);
            let release = Request::ReleasePartitions(ReleasePartitions { membership, epoch });
            // Where that is lost with its connection, the broker asks again on the next.
            let _ = place.connection.ask(&release).await.answer().await;
        }
        Ok(())
    }

    fn lose(&mut self) {
        self.in_hand = None;
        let lost = self.owned.take_all();
        self.tell(Rebalance::Lost, lost);
    }

    fn tell(&self, rebalance: impl Fn(Vec<TopicPartition>) -> Rebalance, of: Vec<Key>) {
        if let Some(told) = &self.on_rebalance
            && !of.is_empty()
        {
            told(&rebalance(self.named(of.into_iter())));
        }
    }

    fn named(&self, keys: impl Iterator<Item = Key>) -> Vec<TopicPartition> {
        let named = |(topic, partition): Key| {
            let topic = self.topics.get(&topic)?;
            Some(TopicPartition::new(topic.name.clone(), partition))
        };
        keys.filter_map(named).collect()
    }

    fn key(&self, of: &TopicPartition) -> Option<Key> {
        let topic = self.topics.values().find(|topic| topic.name == of.topic)?;
        Some((topic.id, of.partition))
    }

    /// The record in hand is worked off.
    fn worked_off(&mut self) {
        if let Some((key, next)) = self.in_hand.take() {
            self.owned.worked_off(key, next);
        }
    }

    /// Begins to read what is the member's and is not read.
    fn begin(&mut self) {
        let unread = self.owned.begin();
        if unread.is_empty() {
            return;
        }
        let share = (self.window_bytes / self.owned.len().max(1) as u64).max(1);
        self.owned.share_window(share);
        for (key, number, next) in unread {
            let (client, start) = (self.client.clone(), self.start);
            let topic = self.topics.get(&key.0).cloned();
            let topic = topic.expect("what is not of its topics is never its own");
            self.beginning.spawn(async move {
                let reader = begun(&client, topic, key.1, next.map_or(start, Start::Offset), share);
                Begun { key, number, reader: reader.await }
            });
        }
    }

    async fn commit_done(&mut self) -> Result<(), RequestError> {
        self.committed_at = Instant::now();
        let offsets: Vec<NewOffset> = self
            .owned
            .due()
            .into_iter()
            .map(|((topic, partition), offset)| NewOffset {
                topic,
                partition,
                offset,
                leader_epoch: -1,
                metadata: String::new(),
            })
            .collect();
        let Some(place) = self.membership.place().filter(|_| !offsets.is_empty()) else {
            return Ok(());
        };
        let (membership, epoch) = (place.number, self.epoch);
        let by = CommitBy::Membership { membership, epoch };
        let request = Request::CommitOffsets(CommitOffsets { by, offsets: offsets.clone() });
        let each = match place.connection.ask(&request).await.answer().await {
            Ok(Response::Committed(each)) => each,
            Ok(other) => {
                return Err(Asked::unexpected(request.kind(), &other));
            }
            // The membership is looked after by its task; what is not committed stays due.
            Err(RequestError::Disconnected { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        for (offset, code) in offsets.into_iter().zip(each) {
            // One that is another's by now is told of by an event.
            if code == 0 {
                self.owned.committed((offset.topic, offset.partition), offset.offset);
            }
        }
        Ok(())
    }
}

/// A reader of one partition; its topic is looked up anew where it has grown since.
async fn begun(
    client: &Client,
    mut topic: TopicDescription,
    partition: u32,
    from: Start,
    window_bytes: u64,
) -> Result<Consumer, RequestError> {
    if topic.partitions.len() <= partition as usize {
        let grown = client.describe_topic(topic.name.as_str()).await?;
        // Another topic of its name is not what the group reads.
        if grown.id == topic.id {
            topic = grown;
        }
    }
    let reader = ConsumerBuilder::new(client.clone(), topic.name.to_string()).from(from);
    reader.partitions([partition]).window_bytes(window_bytes).build_of(&topic).await
}

/// Whether a consumer that gave this error goes on.
fn goes_on(error: &Error) -> bool {
    match error {
        Error::Consume(ConsumeError::Gap { .. } | ConsumeError::Unreadable { .. }) => true,
        error => error.retry() != Retry::Never,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => pending().await,
    }
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        self.keeper.abort();
        self.membership.leave();
    }
}

impl fmt::Debug for GroupConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupConsumer")
            .field("topics", &self.topics().collect::<Vec<_>>())
            .field("assigned", &self.assigned())
            .finish_non_exhaustive()
    }
}
