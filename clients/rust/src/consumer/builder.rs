//! A consumer's options, and building one.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use weir_protocol::limits::RECORDS_PER_BATCH_MAX;
use weir_protocol::native::{
    Amount, CREDIT_UNBOUNDED, HelloReply, SubscribeFrom, TopicDescription,
};

use super::inbox::Inbox;
use super::intake::{CreditLimits, End, Intake};
use super::keeper::Keeper;
use super::{Consumer, Lost, OnGap};
use crate::client::Client;
use crate::errors::RequestError;
use crate::group::GroupConsumerBuilder;

/// The bytes of batches that may be on their way or wait for the application, of all partitions.
pub const WINDOW_BYTES_DEFAULT: u64 = 16 << 20;

/// The same in records: without a limit of its own.
pub const WINDOW_MESSAGES_DEFAULT: u64 = CREDIT_UNBOUNDED;

/// How long there may be no broker before a consumer says so and ends.
pub const UNAVAILABLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// Where a consumer begins to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Start {
    /// At the first record that is kept.
    Earliest,
    /// At the tail: only what is stored from now on.
    #[default]
    Latest,
    /// At this offset of each partition; see [`ConsumerBuilder::from_offset`] for one partition.
    Offset(u64),
    /// At the first record stamped at or after these milliseconds since 1970.
    TimeMs(i64),
}

/// Settings of a consumer; the defaults suit most.
#[must_use = "a builder does nothing until it builds"]
pub struct ConsumerBuilder {
    client: Client,
    topic: String,
    start: Start,
    offsets: BTreeMap<u32, u64>,
    partitions: Option<Vec<u32>>,
    ends_at_tail: bool,
    window: Amount,
    unavailable_timeout: Duration,
    on_gap: OnGap,
}

impl ConsumerBuilder {
    pub(crate) fn new(client: Client, topic: String) -> Self {
        Self {
            client,
            topic,
            start: Start::default(),
            offsets: BTreeMap::new(),
            partitions: None,
            ends_at_tail: false,
            window: Amount { messages: WINDOW_MESSAGES_DEFAULT, bytes: WINDOW_BYTES_DEFAULT },
            unavailable_timeout: UNAVAILABLE_TIMEOUT_DEFAULT,
            on_gap: OnGap::Fail,
        }
    }

    /// Reads as a member of this group: the broker shares the partitions out among its members and
    /// keeps its offsets. Of what was said before, only [`from`](Self::from) holds; say it again
    /// on the builder that this yields.
    pub fn group(self, group: impl Into<String>) -> GroupConsumerBuilder {
        GroupConsumerBuilder::new(self.client, self.topic, group.into(), self.start)
    }

    /// Where to begin. Default: [`Start::Latest`].
    pub fn from(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Where to begin in one partition, whatever [`from`](Self::from) says: one behind the offset
    /// of the last record that was worked off.
    pub fn from_offset(mut self, partition: u32, offset: u64) -> Self {
        self.offsets.insert(partition, offset);
        self
    }

    /// Which partitions to read. Default: all that the topic has now.
    pub fn partitions(mut self, partitions: impl IntoIterator<Item = u32>) -> Self {
        self.partitions = Some(partitions.into_iter().collect());
        self
    }

    /// Ends when everything was read that was there when the consumer was built. Default: goes on
    /// for ever.
    pub fn until_tail(mut self) -> Self {
        self.ends_at_tail = true;
        self
    }

    /// The bytes of batches that may be on their way or wait for the application, shared out
    /// evenly among the partitions. A larger batch still comes, alone. Memory is at most this and
    /// one batch, or one batch for each partition if the shares are smaller than batches.
    /// Default: [`WINDOW_BYTES_DEFAULT`].
    pub fn window_bytes(mut self, bytes: u64) -> Self {
        self.window.bytes = bytes.clamp(1, CREDIT_UNBOUNDED);
        self
    }

    /// The same in records. Default: [`WINDOW_MESSAGES_DEFAULT`], no limit.
    pub fn window_messages(mut self, messages: u64) -> Self {
        self.window.messages = messages.clamp(1, CREDIT_UNBOUNDED);
        self
    }

    /// How long there may be no broker before the consumer says so and ends; meanwhile it tries to
    /// connect again. Default: [`UNAVAILABLE_TIMEOUT_DEFAULT`].
    pub fn unavailable_timeout(mut self, timeout: Duration) -> Self {
        self.unavailable_timeout = timeout;
        self
    }

    /// Tells `told` of offsets that a crash of the broker took, and goes on behind them. Without
    /// it they come as [`ConsumeError::Gap`](crate::ConsumeError::Gap) in their place among the
    /// records, so that they cannot be missed.
    pub fn on_gap(mut self, told: impl Fn(&Lost) + Send + Sync + 'static) -> Self {
        self.on_gap = OnGap::Tell(Box::new(told));
        self
    }

    /// Looks the topic up and subscribes.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC`, `OFFSET_OUT_OF_RANGE`: nothing is there to read, or not there;
    /// see [`RequestError`] for the others.
    pub async fn build(self) -> Result<Consumer, RequestError> {
        let topic = self.client.describe_topic(&self.topic).await?;
        self.build_of(&topic).await
    }

    /// The same of a topic that was looked up.
    pub(crate) async fn build_of(self, topic: &TopicDescription) -> Result<Consumer, RequestError> {
        let partitions = self.choose(topic)?;
        let limits = self.credit_limits(partitions.len(), &self.client.server());
        let end = if self.ends_at_tail { End::AtTailUnseen } else { End::Never };
        let intakes = partitions
            .into_iter()
            .map(|number| Intake::new((topic.name.clone(), number), self.at(number), end, limits));
        let inbox = Inbox::new(topic.name.clone(), intakes);
        let link = self.client.link().clone();
        let keeper = Keeper::new(inbox.clone(), link, topic.id, self.unavailable_timeout);
        let connection = keeper.subscribe().await?;
        let keeper = tokio::spawn(keeper.run(connection)).abort_handle();
        Ok(Consumer::new(inbox, keeper, self.on_gap))
    }

    fn choose(&self, topic: &TopicDescription) -> Result<Vec<u32>, RequestError> {
        let there = u32::try_from(topic.partitions.len()).expect("they are counted in a u32");
        let mut chosen = self.partitions.clone().unwrap_or_else(|| (0..there).collect());
        chosen.sort_unstable();
        chosen.dedup();
        let named = chosen.iter().chain(self.offsets.keys());
        if let Some(partition) = named.copied().find(|partition| there <= *partition) {
            let (topic, partitions) = (topic.name.clone(), there);
            return Err(RequestError::UnknownPartition { topic, partition, partitions });
        }
        let (partitions, partitions_max) =
            (chosen.len(), self.client.server().limits.subscriptions_max as usize);
        if partitions_max < partitions {
            return Err(RequestError::TooManyPartitions { partitions, partitions_max });
        }
        Ok(chosen)
    }

    fn at(&self, partition: u32) -> SubscribeFrom {
        match (self.offsets.get(&partition), self.start) {
            (Some(offset), _) => SubscribeFrom::Offset(*offset),
            (None, Start::Earliest) => SubscribeFrom::Earliest,
            (None, Start::Latest) => SubscribeFrom::Latest,
            (None, Start::Offset(offset)) => SubscribeFrom::Offset(offset),
            (None, Start::TimeMs(ms)) => SubscribeFrom::Time(ms),
        }
    }

    fn credit_limits(&self, partitions: usize, hello: &HelloReply) -> CreditLimits {
        let share = |window: u64| match window {
            CREDIT_UNBOUNDED => CREDIT_UNBOUNDED,
            window => (window / partitions.max(1) as u64).max(1),
        };
        CreditLimits {
            window: Amount {
                messages: share(self.window.messages),
                bytes: share(self.window.bytes),
            },
            largest: Amount {
                messages: u64::from(RECORDS_PER_BATCH_MAX),
                bytes: u64::from(hello.limits.batch_bytes_max),
            },
        }
    }
}

impl fmt::Debug for ConsumerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerBuilder")
            .field("topic", &self.topic)
            .field("start", &self.start)
            .field("offsets", &self.offsets)
            .field("partitions", &self.partitions)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
