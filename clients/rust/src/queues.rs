//! Queues, for those who make them and look at them.
//!
//! Nothing here is retried, as for topics: a create whose answer was lost is refused with
//! `QUEUE_EXISTS` the second time.

use bytes::Bytes;
use weir_protocol::name::{QueueName, TopicName};
use weir_protocol::native::{
    AlterQueue, CreateQueue, ListQueues, QueueDescription, QueueSettings, QueueState, Redrive,
    Redriven, Request, Response, SeekQueue, SeekTo,
};

use crate::client::Client;
use crate::connection::Asked;
use crate::errors::RequestError;

/// Queues asked for at once.
const PAGE_QUEUES: u32 = 1_000;

/// Where a new queue finds its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSource {
    /// The topic, made where it is not there; `None` is the one of the queue's own name.
    pub topic: Option<String>,
    /// Of that topic, which must have as many where it is there; `None`: as it comes.
    pub partitions: Option<u32>,
}

/// Which dead letters go back; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// So many at the most, up to 10,000; `None`: 1,000.
    pub max: Option<u32>,
    /// Those of this key alone.
    pub key: Option<Bytes>,
    /// Those with these words in the reason; empty: whatever it is.
    pub reason: String,
    /// Those that came to the dead letter at this time or later, in milliseconds since 1970.
    pub since_ms: Option<i64>,
}

impl Client {
    /// Makes a queue that reads `source`, which `QueueSource::default()` makes a topic of the
    /// queue's name. What `settings` leave out is the broker's choice.
    ///
    /// # Errors
    /// `QUEUE_EXISTS`, `INVALID_SETTING` and `TOO_MANY_QUEUES` say that no queue was made; see
    /// [`RequestError`] for the others.
    pub async fn create_queue(
        &self,
        name: &str,
        source: QueueSource,
        settings: QueueSettings,
    ) -> Result<QueueDescription, RequestError> {
        let name = QueueName::parse(name)?;
        let topic = source.topic.as_deref().map(TopicName::parse).transpose()?;
        let partitions = source.partitions;
        self.ask_of_queue(&Request::CreateQueue(CreateQueue { name, topic, partitions, settings }))
            .await
    }

    /// Every queue, by name.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn queues(&self) -> Result<Vec<QueueDescription>, RequestError> {
        let mut queues = Vec::<QueueDescription>::new();
        loop {
            let after = queues.last().map(|queue| queue.name.clone());
            let request = Request::ListQueues(ListQueues { after, limit: PAGE_QUEUES });
            let page = match self.request(&request).await? {
                Response::Queues(page) => page,
                other => return Err(Asked::unexpected(request.kind(), &other)),
            };
            if let (Some(last), Some(first)) = (queues.last(), page.queues.first())
                && first.name <= last.name
            {
                let what = format!("a page that begins with {} behind {}", first.name, last.name);
                return Err(RequestError::Answer { request: request.kind(), what });
            }
            let more = page.more && !page.queues.is_empty();
            queues.extend(page.queues);
            if !more {
                return Ok(queues);
            }
        }
    }

    /// A queue as it was made and set.
    ///
    /// # Errors
    /// `UNKNOWN_QUEUE`: there is none of this name; see [`RequestError`] for the others.
    pub async fn describe_queue(&self, name: &str) -> Result<QueueDescription, RequestError> {
        let name = QueueName::parse(name)?;
        self.ask_of_queue(&Request::DescribeQueue { name }).await
    }

    /// Changes settings of a queue; what is not named stays as it is.
    ///
    /// # Errors
    /// `UNKNOWN_QUEUE` and `INVALID_SETTING` say that nothing was changed; see [`RequestError`]
    /// for the others.
    pub async fn alter_queue(
        &self,
        name: &str,
        settings: QueueSettings,
    ) -> Result<QueueDescription, RequestError> {
        let name = QueueName::parse(name)?;
        self.ask_of_queue(&Request::AlterQueue(AlterQueue { name, settings })).await
    }

    /// Deletes a queue: how far it was is forgotten, its topic and the records in it stay.
    ///
    /// # Errors
    /// `UNKNOWN_QUEUE`: there is none of this name; see [`RequestError`] for the others.
    pub async fn delete_queue(&self, name: &str) -> Result<(), RequestError> {
        let request = Request::DeleteQueue { name: QueueName::parse(name)? };
        match self.request(&request).await? {
            Response::QueueDeleted => Ok(()),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }

    /// How a queue stands, and why nothing is delivered where nothing is.
    ///
    /// # Errors
    /// `UNKNOWN_QUEUE`; see [`RequestError`] for the others.
    pub async fn queue_state(&self, name: &str) -> Result<QueueState, RequestError> {
        let request = Request::WhyQueue { name: QueueName::parse(name)? };
        match self.request(&request).await? {
            Response::QueueState(state) => Ok(state),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }

    /// Has a queue go on from a place, in one partition or in all: what is below is resolved,
    /// nothing from there on is. What is leased stays leased. An offset is one partition's.
    ///
    /// # Errors
    /// `UNKNOWN_QUEUE`, `UNKNOWN_PARTITION`, `OFFSET_OUT_OF_RANGE`; see [`RequestError`] for the
    /// others.
    pub async fn seek_queue(
        &self,
        name: &str,
        partition: Option<u32>,
        to: SeekTo,
    ) -> Result<(), RequestError> {
        let queue = QueueName::parse(name)?;
        let request = Request::SeekQueue(SeekQueue { queue, partition, to });
        match self.request(&request).await? {
            Response::QueueSought => Ok(()),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }

    /// Resolves all that there is in a queue; its topic keeps the records.
    ///
    /// # Errors
    /// `UNKNOWN_QUEUE`; see [`RequestError`] for the others.
    pub async fn purge_queue(&self, name: &str) -> Result<(), RequestError> {
        let request = Request::PurgeQueue { name: QueueName::parse(name)? };
        match self.request(&request).await? {
            Response::QueuePurged => Ok(()),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }

    /// Moves dead letters of a queue back into its topic, for that queue alone, each once. Other
    /// requests of this client wait until it is done: for many letters use a client of their own.
    ///
    /// # Errors
    /// `UNKNOWN_QUEUE`: there is none, or nothing died in it yet; `OVERLOADED`: not now, or not all
    /// of it; see [`RequestError`] for the others.
    pub async fn redrive(&self, name: &str, letters: Letters) -> Result<Redriven, RequestError> {
        let queue = QueueName::parse(name)?;
        let Letters { max, key, reason, since_ms } = letters;
        let request = Request::Redrive(Redrive { queue, max, key, reason, since_ms });
        match self.request(&request).await? {
            Response::Redriven(redriven) => Ok(redriven),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }

    async fn ask_of_queue(&self, request: &Request) -> Result<QueueDescription, RequestError> {
        match self.request(request).await? {
            Response::Queue(queue) => Ok(queue),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }
}
