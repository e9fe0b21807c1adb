//! Why a session did not do what it was asked: one stable code, and a sentence for a person.

use std::time::Duration;

use weir_protocol::batch::{CheckError, HEADER_BYTES, HeaderError, MessageIdError, PushError};
use weir_protocol::code::Code;
use weir_protocol::name::GroupNameError;

use crate::auth::Denied;
use crate::core::catalog::actor::CatalogError;
use crate::core::catalog::queue_changes::QueueError;
use crate::core::catalog::settings::SettingError;
use crate::core::commit::trim::TrimError;
use crate::core::group::GroupError;
use crate::core::partition::message_id::IdsError;
use crate::core::queue::QueueError as BenchError;
use crate::core::read::{FeedError, FromError, ReadError};
use crate::core::wake::AppendError;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    /// What happened, to what, and what to do next.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn shutting_down() -> Self {
        Self::new(Code::ShuttingDown, "the broker is shutting down: connect again in a moment")
    }

    /// For what was not handed in yet when its time was over.
    pub(crate) fn overloaded() -> Self {
        let message = "the broker has as much under way as it takes: nothing of this was stored, \
                       send it again later";
        Self::new(Code::Overloaded, message)
    }

    /// For what was handed in and not answered in time.
    pub(super) fn unanswered(waited: Duration) -> Self {
        let message = format!(
            "it was not durable within {waited:?}: it may be stored or not, and sending it again \
             may store it twice"
        );
        Self::new(Code::OutcomeUnknown, message)
    }

    pub(super) fn unknown_topic(what: &dyn std::fmt::Display) -> Self {
        Self::new(
            Code::UnknownTopic,
            format!("there is no topic {what}: create it, or check its name"),
        )
    }

    /// For settings that say a queue's backoff in both ways.
    pub(crate) fn two_backoffs() -> Self {
        let message = "a backoff is either a list, backoff_ms, or backoff_min_ms, backoff_max_ms \
                       and backoff_jitter_percent: leave out one of them";
        Self::new(Code::InvalidSetting, message)
    }

    fn of_queue(error: &QueueError) -> Self {
        let code = match error {
            QueueError::Exists(_) => Code::QueueExists,
            QueueError::Unknown(_) => Code::UnknownQueue,
            QueueError::TooMany { .. } => Code::TooManyQueues,
            QueueError::Setting(_)
            | QueueError::OrderFixed
            | QueueError::Partitions { .. }
            | QueueError::DeadLetterCycle { .. }
            | QueueError::ParkedTaken { .. } => Code::InvalidSetting,
        };
        Self::new(code, error.to_string())
    }

    pub(super) fn unknown_queue(what: &dyn std::fmt::Display) -> Self {
        let message = format!("there is no queue {what}: create it, or check its name");
        Self::new(Code::UnknownQueue, message)
    }

    pub(super) fn unknown_partition(topic: &str, partition: u32, count: usize) -> Self {
        let message =
            format!("topic {topic} has no partition {partition}: it has {count}, numbered from 0");
        Self::new(Code::UnknownPartition, message)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::new(Code::Forbidden, denied.to_string())
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        let code = match error {
            AppendError::TopicGone => Code::UnknownTopic,
            AppendError::TooLarge => Code::BatchTooLarge,
            AppendError::DiskFull => Code::DiskFull,
            AppendError::Quarantined => Code::Quarantined,
            AppendError::JournalFull => Code::JournalFull,
            AppendError::Overloaded => Code::Overloaded,
            AppendError::OutOfOrder { .. } => Code::OutOfOrderSequence,
            AppendError::Fenced { .. } => Code::ProducerFenced,
            AppendError::OutcomeUnknown => Code::OutcomeUnknown,
            AppendError::WritesStopped => Code::WritesStopped,
            AppendError::ShuttingDown => Code::ShuttingDown,
        };
        Self::new(code, error.to_string())
    }
}

impl From<TrimError> for Refusal {
    fn from(error: TrimError) -> Self {
        let code = match error {
            TrimError::Beyond { .. } => Code::OffsetOutOfRange,
            TrimError::JournalFull => Code::JournalFull,
            TrimError::NotDone(error) => return error.into(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<GroupError> for Refusal {
    fn from(error: GroupError) -> Self {
        let code = match &error {
            GroupError::UnknownMember => Code::UnknownMember,
            GroupError::IllegalGeneration { .. } | GroupError::NotOwned { .. } => {
                Code::IllegalGeneration
            }
            GroupError::RebalanceInProgress => Code::RebalanceInProgress,
            GroupError::InconsistentProtocol => Code::InconsistentGroupProtocol,
            GroupError::Fenced => Code::FencedInstance,
            GroupError::MemberIdRequired(_) => Code::MemberIdRequired,
            GroupError::NotEmpty => Code::GroupNotEmpty,
            GroupError::UnknownGroup => Code::UnknownGroup,
            GroupError::Full { .. } => Code::GroupFull,
            GroupError::Length { .. } | GroupError::Count { .. } => Code::InvalidMember,
            GroupError::SessionTimeout { .. } => Code::InvalidSessionTimeout,
            GroupError::OffsetMetadata { .. } => Code::OffsetMetadataTooLarge,
            GroupError::TopicGone => Code::UnknownTopic,
            GroupError::TooManyGroups => Code::TooManyGroups,
            GroupError::JournalFull => Code::JournalFull,
            GroupError::WritesStopped => Code::WritesStopped,
            GroupError::OutcomeUnknown => Code::OutcomeUnknown,
            GroupError::ShuttingDown => Code::ShuttingDown,
        };
        Self::new(code, error.to_string())
    }
}

impl From<GroupNameError> for Refusal {
    fn from(error: GroupNameError) -> Self {
        Self::new(Code::InvalidName, error.to_string())
    }
}

impl From<CheckError> for Refusal {
    fn from(error: CheckError) -> Self {
        let code = match error {
            CheckError::TooLarge { .. } => Code::BatchTooLarge,
            // No batch is so large; where it says it is smaller than its header, it lies.
            CheckError::Header(HeaderError::Length { length })
                if i64::from(length) > HEADER_BYTES as i64 =>
            {
                Code::BatchTooLarge
            }
            CheckError::Crc { .. } => Code::CorruptBatch,
            _ => Code::InvalidBatch,
        };
        Self::new(code, error.to_string())
    }
}

impl From<IdsError> for Refusal {
    fn from(error: IdsError) -> Self {
        let code = match error {
            IdsError::TooMany { .. } => Code::BatchTooLarge,
            IdsError::Id { .. } | IdsError::Inflate(_) | IdsError::Record(_) | IdsError::Holes => {
                Code::InvalidBatch
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<MessageIdError> for Refusal {
    fn from(error: MessageIdError) -> Self {
        Self::new(Code::InvalidBatch, error.to_string())
    }
}

impl From<PushError> for Refusal {
    fn from(error: PushError) -> Self {
        Self::new(Code::BatchTooLarge, error.to_string())
    }
}

impl From<SettingError> for Refusal {
    fn from(error: SettingError) -> Self {
        Self::new(Code::InvalidSetting, error.to_string())
    }
}

impl From<BenchError> for Refusal {
    fn from(error: BenchError) -> Self {
        let code = match error {
            BenchError::Gone => Code::UnknownQueue,
            BenchError::Beyond { .. } => Code::OffsetOutOfRange,
            BenchError::JournalFull => Code::JournalFull,
            BenchError::WritesStopped => Code::WritesStopped,
            BenchError::OutcomeUnknown => Code::OutcomeUnknown,
            BenchError::ShuttingDown => Code::ShuttingDown,
        };
        Self::new(code, error.to_string())
    }
}

impl From<QueueError> for Refusal {
    fn from(error: QueueError) -> Self {
        Self::of_queue(&error)
    }
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Self {
        let code = match &error {
            CatalogError::Exists(_) => Code::TopicExists,
            CatalogError::Unknown(_) => Code::UnknownTopic,
            CatalogError::Setting(_) => Code::InvalidSetting,
            CatalogError::TooMany { what: "topics", .. } => Code::TooManyTopics,
            CatalogError::TooMany { .. } => Code::TooManyPartitions,
            CatalogError::Queue(error) => return Self::of_queue(error),
            CatalogError::Open(error) if error.is_full() => Code::DiskFull,
            CatalogError::Open(_) => Code::Internal,
            CatalogError::JournalFull => Code::JournalFull,
            CatalogError::WritesStopped => Code::WritesStopped,
            CatalogError::OutcomeUnknown => Code::OutcomeUnknown,
            CatalogError::ShuttingDown => Code::ShuttingDown,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        let code = match &error {
            ReadError::OutOfRange { .. } => Code::OffsetOutOfRange,
            ReadError::Quarantined { .. } | ReadError::Closed { .. } => Code::Quarantined,
            ReadError::Unflushed { .. } => Code::WritesStopped,
            ReadError::Disk(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl From<FromError> for Refusal {
    fn from(error: FromError) -> Self {
        match error {
            FromError::OutOfRange { .. } => Self::new(Code::OffsetOutOfRange, error.to_string()),
            FromError::ShuttingDown => Self::shutting_down(),
            FromError::Read(error) => error.into(),
        }
    }
}

impl From<FeedError> for Refusal {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::TopicGone => Self::new(Code::UnknownTopic, error.to_string()),
            FeedError::Read(error) => error.into(),
        }
    }
}
