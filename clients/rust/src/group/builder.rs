//! A group consumer's options, and building one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use weir_protocol::native::{Assignment, JoinGroup};

use super::holdings::Holdings;
use super::membership::{Keeper, Membership};
use super::{GroupConsumer, OnRebalance, Rebalance};
use crate::client::Client;
use crate::consumer::{Start, UNAVAILABLE_TIMEOUT_DEFAULT, WINDOW_BYTES_DEFAULT};
use crate::errors::RequestError;

/// How long a member may be silent before its partitions go to others.
pub const SESSION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// How long a member may take to let go of a partition: the longest that an application may take
/// for one record.
pub const REBALANCE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(300);

/// How often what is worked off is committed.
pub const COMMIT_INTERVAL_DEFAULT: Duration = Duration::from_secs(5);

/// When offsets are committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Commit {
    /// On this interval, before a partition is handed on, and when the consumer is closed: all that
    /// the application had and has asked for more since.
    Interval(Duration),
    /// By [`GroupConsumer::commit`] alone.
    Manual,
}

/// Settings of a group consumer; the defaults suit most.
#[must_use = "a builder does nothing until it builds"]
pub struct GroupConsumerBuilder {
    client: Client,
    topics: Vec<String>,
    group: String,
    start: Start,
    commit: Commit,
    instance: String,
    assignment: Assignment,
    session_timeout: Duration,
    rebalance_timeout: Duration,
    unavailable_timeout: Duration,
    window_bytes: u64,
    on_rebalance: Option<OnRebalance>,
}

impl GroupConsumerBuilder {
    pub(crate) fn new(client: Client, topic: String, group: String, start: Start) -> Self {
        Self {
            client,
            topics: vec![topic],
            group,
            start,
            commit: Commit::Interval(COMMIT_INTERVAL_DEFAULT),
            instance: String::new(),
            assignment: Assignment::default(),
            session_timeout: SESSION_TIMEOUT_DEFAULT,
            rebalance_timeout: REBALANCE_TIMEOUT_DEFAULT,
            unavailable_timeout: UNAVAILABLE_TIMEOUT_DEFAULT,
            window_bytes: WINDOW_BYTES_DEFAULT,
            on_rebalance: None,
        }
    }

    /// Reads this topic as well. The members of a group need not all read the same: a topic's
    /// partitions are shared out among those that read it.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topics.push(topic.into());
        self
    }

    /// Where to begin in a partition of which the group has committed nothing. Default:
    /// [`Start::Latest`].
    pub fn from(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// When offsets are committed. Default: every [`COMMIT_INTERVAL_DEFAULT`].
    pub fn commit(mut self, commit: Commit) -> Self {
        self.commit = commit;
        self
    }

    /// What the operator calls this member: another process that joins under the same name goes on
    /// with its partitions at once, and this one is over.
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = instance.into();
        self
    }

    /// How partitions are shared out; what the group's first member says holds for all. Default:
    /// [`Assignment::Sticky`].
    pub fn assignment(mut self, assignment: Assignment) -> Self {
        self.assignment = assignment;
        self
    }

    /// How long the member may be silent before its partitions go to others. Default:
    /// [`SESSION_TIMEOUT_DEFAULT`]; the broker has limits of its own.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// How long the application may hold on to one record while its partition is to go to another
    /// member. Default: [`REBALANCE_TIMEOUT_DEFAULT`].
    pub fn rebalance_timeout(mut self, timeout: Duration) -> Self {
        self.rebalance_timeout = timeout;
        self
    }

    /// As for [`ConsumerBuilder`](crate::ConsumerBuilder::unavailable_timeout).
    pub fn unavailable_timeout(mut self, timeout: Duration) -> Self {
        self.unavailable_timeout = timeout;
        self
    }

    /// As for [`ConsumerBuilder`](crate::ConsumerBuilder::window_bytes), shared out evenly among
    /// the partitions that are the member's.
    pub fn window_bytes(mut self, bytes: u64) -> Self {
        self.window_bytes = bytes;
        self
    }

    /// Tells `told` of partitions that come and go, while the next record is asked for.
    pub fn on_rebalance(mut self, told: impl Fn(&Rebalance) + Send + Sync + 'static) -> Self {
        self.on_rebalance = Some(Box::new(told));
        self
    }

    /// Joins the group.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC`, `INCONSISTENT_GROUP_PROTOCOL` (its members share out among themselves, as
    /// Kafka's clients do), `GROUP_FULL`, `INVALID_SESSION_TIMEOUT`; see [`RequestError`] for the
    /// others.
    pub async fn build(self) -> Result<GroupConsumer, RequestError> {
        let mut topics = BTreeMap::new();
        for name in &self.topics {
            let topic = self.client.describe_topic(name).await?;
            topics.insert(topic.id, topic);
        }
        let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let join = JoinGroup {
            membership: 0,
            group: self.group,
            member: String::new(),
            instance: self.instance,
            assignment: self.assignment,
            session_timeout_ms: ms(self.session_timeout),
            rebalance_timeout_ms: ms(self.rebalance_timeout),
            topics: topics.values().map(|topic| topic.name.clone()).collect(),
        };
        let membership = Arc::new(Membership::new());
        let mut keeper = Keeper {
            membership: Arc::clone(&membership),
            link: Arc::clone(self.client.link()),
            join,
            unavailable_timeout: self.unavailable_timeout,
        };
        keeper.join().await?;
        let keeper = tokio::spawn(keeper.run()).abort_handle();
        Ok(GroupConsumer {
            client: self.client,
            topics,
            membership,
            keeper,
            start: self.start,
            commit: self.commit,
            window_bytes: self.window_bytes,
            on_rebalance: self.on_rebalance,
            epoch: 0,
            owned: Holdings::default(),
            beginning: JoinSet::new(),
            in_hand: None,
            event: None,
            committed_at: Instant::now(),
            ended: false,
        })
    }
}

impl fmt::Debug for GroupConsumerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupConsumerBuilder")
            .field("topics", &self.topics)
            .field("group", &self.group)
            .field("start", &self.start)
            .field("commit", &self.commit)
            .finish_non_exhaustive()
    }
}
