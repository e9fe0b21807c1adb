//! Administration: make, show, change and delete topics; find offsets by place or time; delete
//! records.
//!
//! Nothing here is retried, because only the caller knows whether doing it twice does harm: a
//! create whose answer was lost is refused with `TOPIC_EXISTS` the second time.

use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    AlterTopic, CreateTopic, DeleteBefore, DeleteRecords, FoundOffset, ListOffsets, ListTopics,
    OffsetAt, Request, Response, Settings, TopicDescription,
};

use crate::client::Client;
use crate::connection::Asked;
use crate::errors::RequestError;

/// Topics asked for at once.
const PAGE_TOPICS: u32 = 1_000;

impl Client {
    /// Makes a topic. What `settings` leave out is the broker's choice: `Settings::default()`
    /// leaves out everything, which makes a topic whose acks mean synced to disk.
    ///
    /// # Errors
    /// `TOPIC_EXISTS`, `INVALID_SETTING`, `DURABILITY_NOT_OFFERED`, `TOO_MANY_TOPICS` and
    /// `TOO_MANY_PARTITIONS` say that nothing was made; see [`RequestError`] for the others.
    pub async fn create_topic(
        &self,
        name: &str,
        partitions: u32,
        settings: Settings,
    ) -> Result<TopicDescription, RequestError> {
        let name = TopicName::parse(name)?;
        self.topic(&Request::CreateTopic(CreateTopic { name, partitions, settings })).await
    }

    /// Every topic, by name.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn topics(&self) -> Result<Vec<TopicDescription>, RequestError> {
        let mut topics = Vec::<TopicDescription>::new();
        loop {
            let after = topics.last().map(|topic| topic.name.clone());
            let request = Request::ListTopics(ListTopics { after, limit: PAGE_TOPICS });
            let page = match self.request(&request).await? {
                Response::Topics(page) => page,
                other => return Err(Asked::unexpected(request.kind(), &other)),
            };
            if let (Some(last), Some(first)) = (topics.last(), page.topics.first())
                && first.name <= last.name
            {
                let what = format!("a page that begins with {} behind {}", first.name, last.name);
                return Err(RequestError::Answer { request: request.kind(), what });
            }
            let more = page.more && !page.topics.is_empty();
            topics.extend(page.topics);
            if !more {
                return Ok(topics);
            }
        }
    }

    /// A topic as it is now: id, settings, and the start and tail of each partition.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC`: there is none of this name; see [`RequestError`] for the others.
    pub async fn describe_topic(&self, name: &str) -> Result<TopicDescription, RequestError> {
        let name = TopicName::parse(name)?;
        self.topic(&Request::DescribeTopic { name }).await
    }

    /// Adds partitions to a topic or changes settings; what is not named stays as it is. Partitions
    /// are never taken away, and a key's partition changes with their number.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC`, `INVALID_SETTING` and `TOO_MANY_PARTITIONS` say that nothing was changed;
    /// see [`RequestError`] for the others.
    pub async fn alter_topic(
        &self,
        name: &str,
        partitions: Option<u32>,
        settings: Settings,
    ) -> Result<TopicDescription, RequestError> {
        let name = TopicName::parse(name)?;
        self.topic(&Request::AlterTopic(AlterTopic { name, partitions, settings })).await
    }

    /// Deletes a topic and all its records.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC`: there is none of this name; see [`RequestError`] for the others.
    pub async fn delete_topic(&self, name: &str) -> Result<(), RequestError> {
        let request = Request::DeleteTopic { name: TopicName::parse(name)? };
        match self.request(&request).await? {
            Response::Deleted => Ok(()),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }

    /// Where a place in a partition is: its first offset, its tail, or the first record at or
    /// after a time.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC` and `UNKNOWN_PARTITION`; see [`RequestError`] for the others.
    pub async fn list_offsets(
        &self,
        topic: TopicId,
        partition: u32,
        at: OffsetAt,
    ) -> Result<FoundOffset, RequestError> {
        let request = Request::ListOffsets(ListOffsets { topic, partition, at });
        match self.request(&request).await? {
            Response::Offset(found) => Ok(found),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }

    /// Deletes the oldest records of a partition, and returns the first offset that is left. On
    /// return they are served to nobody, and no crash of the broker brings them back. Doing it
    /// twice does no harm: an offset at or below the start deletes nothing.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC`, `UNKNOWN_PARTITION`, and `OFFSET_OUT_OF_RANGE` for an offset above the
    /// tail; see [`RequestError`] for the others.
    pub async fn delete_records(
        &self,
        topic: TopicId,
        partition: u32,
        before: DeleteBefore,
    ) -> Result<u64, RequestError> {
        let request = Request::DeleteRecords(DeleteRecords { topic, partition, before });
        match self.request(&request).await? {
            Response::RecordsDeleted { start } => Ok(start),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }

    async fn topic(&self, request: &Request) -> Result<TopicDescription, RequestError> {
        match self.request(request).await? {
            Response::Topic(topic) => Ok(topic),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }
}
