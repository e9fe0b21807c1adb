//! Reading a topic as a member of a group: the broker shares the partitions out among its members,
//! and remembers where the group has read to.
//!
//! ```text
//!   Membership (task: join, heartbeats) ─► Mailbox ─► GroupConsumer ─► records
//!                                                        │  ▲
//!        commits, releases ◄─────────────────────────────┘  └── Consumer of what is the member's
//! ```
//!
//! Everything but the signs of life happens while the application asks for the next record, so
//! nothing is committed behind its back and no lock is held.
//!
//! Invariant: what is committed by itself was given to the application, which has asked for more
//! since. A partition is let go only when the application holds no record of it.

mod builder;
mod membership;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::pending;
use std::sync::Arc;

use tokio::task::AbortHandle;
use tokio::time::Instant;
use weir_protocol::code::{Code, Retry};
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    Assigned, CommitBy, CommitOffsets, NewOffset, OFFSET_NONE, ReleasePartitions, Request,
    Response, Revoked, TopicDescription,
};

use crate::client::Client;
use crate::connection::{Asked, MemberEvent};
use crate::consumer::{Consumer, Place, Record, RecordBatch, Start};
use crate::errors::{ConsumeError, Error, RequestError};
use membership::Membership;

pub use builder::{
    COMMIT_INTERVAL_DEFAULT, Commit, GroupConsumerBuilder, REBALANCE_TIMEOUT_DEFAULT,
    SESSION_TIMEOUT_DEFAULT,
};

/// What a member is told of its partitions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rebalance {
    /// These are the member's from now on.
    Assigned(Vec<u32>),
    /// These go to others; what was worked off is committed before they do.
    Revoked(Vec<u32>),
    /// The membership ended: these may be others' already, and nothing more can be committed.
    Lost(Vec<u32>),
}

/// Who is told of partitions that come and go.
type OnRebalance = Box<dyn Fn(&Rebalance) + Send + Sync>;

/// Reads a topic as a member of a group.
///
/// Delivery is *at least once*: a record counts as worked off when the next one is asked for, and
/// what is worked off is committed on an interval, before a partition is handed on, and by
/// [`close`](Self::close). A member that crashes gives its last records to another again.
pub struct GroupConsumer {
    client: Client,
    topic: TopicDescription,
    membership: Arc<Membership>,
    keeper: AbortHandle,
    start: Start,
    commit: Commit,
    window_bytes: u64,
    on_rebalance: Option<OnRebalance>,
    /// The last epoch that was heard of.
    epoch: u32,
    owned: BTreeMap<u32, Progress>,
    paused: BTreeSet<u32>,
    /// What is being read; built anew when partitions come or go.
    reading: Option<Consumer>,
    /// Of the record the application has: its partition, and the offset behind it.
    in_hand: Option<(u32, u64)>,
    /// The event that is being acted upon.
    event: Option<MemberEvent>,
    committed_at: Instant,
    ended: bool,
}

/// How far the member is in a partition.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// What is read next; `None` where the group has committed nothing and nothing was read.
    next: Option<u64>,
    /// Up to where everything is worked off.
    done: Option<u64>,
    committed: Option<u64>,
}

impl GroupConsumer {
    /// The next record; the one before counts as worked off from here on. `None` behind an error
    /// that was the last. Can be dropped and called again without losing a record.
    ///
    /// # Errors
    /// Behind [`ConsumeError::Gap`] and [`ConsumeError::Unreadable`], and where a commit was
    /// refused for now, it goes on; any other is the last.
    pub async fn next(&mut self) -> Option<Result<Record, Error>> {
        let next = self.read(Consumer::next).await?;
        Some(next.inspect(|record| self.in_hand = Some((record.partition, record.offset + 1))))
    }

    /// The next batch; the one before counts as worked off from here on. Otherwise as
    /// [`next`](Self::next), and as [`Consumer::next_batch`].
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn next_batch(&mut self) -> Option<Result<RecordBatch, Error>> {
        let next = self.read(Consumer::next_batch).await?;
        Some(next.inspect(|batch| {
            self.in_hand = Some((batch.partition(), batch.offsets().end));
        }))
    }

    /// Whether everything was read of all that is the member's, as far as the broker has told;
    /// false while it has nothing.
    pub fn is_caught_up(&self) -> bool {
        let places = self.places();
        !places.is_empty() && places.len() == self.owned.len() && self.lag() == 0
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
    pub fn seek(&mut self, partition: u32, offset: u64) {
        self.worked_off();
        self.keep_places();
        if let Some(progress) = self.owned.get_mut(&partition) {
            (progress.next, progress.done) = (Some(offset), Some(offset));
        }
    }

    /// Reads nothing of these partitions until they are resumed; they stay the member's.
    pub fn pause(&mut self, partitions: impl IntoIterator<Item = u32>) {
        self.keep_places();
        self.paused.extend(partitions);
    }

    /// Reads of these partitions again.
    pub fn resume(&mut self, partitions: impl IntoIterator<Item = u32>) {
        self.keep_places();
        for partition in partitions {
            self.paused.remove(&partition);
        }
    }

    /// What the broker calls the member, as [`describe_group`](Client::describe_group) lists it;
    /// `None` while it is on its way back into the group.
    pub fn member(&self) -> Option<String> {
        self.membership.place().map(|place| place.member)
    }

    /// The partitions that are the member's now.
    pub fn assigned(&self) -> Vec<u32> {
        self.owned.keys().copied().collect()
    }

    /// How many offsets are left to read, of all partitions that are read now, as far as the
    /// broker has told.
    pub fn lag(&self) -> u64 {
        self.reading.as_ref().map_or(0, Consumer::lag)
    }

    /// Where the member is in each partition that it reads now.
    pub fn places(&self) -> Vec<Place> {
        self.reading.as_ref().map(Consumer::places).unwrap_or_default()
    }

    pub fn topic(&self) -> &TopicName {
        &self.topic.name
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
        take: impl AsyncFnMut(&mut Consumer) -> Option<Result<T, ConsumeError>>,
    ) -> Option<Result<T, Error>> {
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
        mut take: impl AsyncFnMut(&mut Consumer) -> Option<Result<T, ConsumeError>>,
    ) -> Result<T, Error> {
        loop {
            self.obey().await?;
            if let Commit::Interval(interval) = self.commit
                && interval <= self.committed_at.elapsed()
            {
                self.commit_done().await?;
            }
            if self.reading.is_none() {
                self.reading = self.begin().await?;
            }
            let next = async {
                match &mut self.reading {
                    Some(reading) => take(reading).await,
                    None => pending().await,
                }
            };
            let wake_at = match self.commit {
                Commit::Interval(interval) if self.owned.values().any(Progress::is_due) => {
                    Some(self.committed_at + interval)
                }
                _ => None,
            };
            tokio::select! {
                biased;
                () = self.membership.mailbox.arrived() => {}
                () = until(wake_at) => {}
                next = next => match next {
                    Some(next) => return Ok(next?),
                    None => self.keep_places(),
                },
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
        self.keep_places();
        self.epoch = self.epoch.max(epoch);
        let mut fresh = Vec::new();
        for place in partitions.iter().filter(|place| place.topic == self.topic.id) {
            let committed = (place.offset != OFFSET_NONE).then_some(place.offset);
            // One that it has already is told of again when the connection was lost.
            self.owned.entry(place.partition).or_insert_with(|| {
                fresh.push(place.partition);
                Progress { next: committed, done: None, committed }
            });
        }
        self.tell(&Rebalance::Assigned(fresh));
    }

    async fn let_go(&mut self, revoked: &Revoked) -> Result<(), Error> {
        let Revoked { epoch, partitions, .. } = revoked;
        self.keep_places();
        self.epoch = self.epoch.max(*epoch);
        let gone: Vec<u32> = partitions
            .iter()
            .filter(|(topic, partition)| {
                *topic == self.topic.id && self.owned.contains_key(partition)
            })
            .map(|(_, partition)| *partition)
            .collect();
        if let Commit::Interval(_) = self.commit {
            self.commit_done().await?;
        }
        self.tell(&Rebalance::Revoked(gone.clone()));
        for partition in gone {
            self.owned.remove(&partition);
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
        self.reading = None;
        self.in_hand = None;
        let lost: Vec<u32> = std::mem::take(&mut self.owned).into_keys().collect();
        self.tell(&Rebalance::Lost(lost));
    }

    fn tell(&self, rebalance: &Rebalance) {
        let (Rebalance::Assigned(of) | Rebalance::Revoked(of) | Rebalance::Lost(of)) = rebalance;
        if let Some(told) = &self.on_rebalance
            && !of.is_empty()
        {
            told(rebalance);
        }
    }

    /// The record in hand is worked off.
    fn worked_off(&mut self) {
        if let Some((partition, next)) = self.in_hand.take()
            && let Some(progress) = self.owned.get_mut(&partition)
        {
            progress.done = Some(next);
            progress.next = Some(next);
        }
    }

    /// Stops reading, to begin again where each partition is.
    fn keep_places(&mut self) {
        let Some(reading) = self.reading.take() else { return };
        for place in reading.places() {
            if let Some(progress) = self.owned.get_mut(&place.partition) {
                progress.next = Some(place.cursor);
            }
        }
    }

    /// Reads what is the member's; `None` where that is nothing.
    async fn begin(&self) -> Result<Option<Consumer>, RequestError> {
        let read = self.owned.iter().filter(|(partition, _)| !self.paused.contains(partition));
        let read: Vec<_> = read.collect();
        if read.is_empty() {
            return Ok(None);
        }
        let partitions = read.iter().map(|(partition, _)| **partition);
        let mut consumer = self.client.consumer(self.topic.name.as_str()).from(self.start);
        consumer = consumer.partitions(partitions).window_bytes(self.window_bytes);
        for (partition, progress) in read {
            if let Some(next) = progress.next {
                consumer = consumer.from_offset(*partition, next);
            }
        }
        Ok(Some(consumer.build().await?))
    }

    async fn commit_done(&mut self) -> Result<(), RequestError> {
        self.committed_at = Instant::now();
        let due = self.owned.iter().filter(|(_, progress)| progress.is_due());
        let offsets: Vec<NewOffset> = due
            .filter_map(|(partition, progress)| {
                Some(NewOffset {
                    topic: self.topic.id,
                    partition: *partition,
                    offset: progress.done?,
                    leader_epoch: -1,
                    metadata: String::new(),
                })
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
            if let (0, Some(progress)) = (code, self.owned.get_mut(&offset.partition)) {
                progress.committed = Some(offset.offset);
            }
        }
        Ok(())
    }
}

impl Progress {
    /// Whether there is something to commit.
    fn is_due(&self) -> bool {
        self.done.is_some() && self.done != self.committed
    }
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
            .field("topic", self.topic())
            .field("assigned", &self.assigned())
            .finish_non_exhaustive()
    }
}
