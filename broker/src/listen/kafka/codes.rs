//! Which of Kafka's error numbers each code of the broker is told as.
//!
//! A client decides by the number: what its library takes for passing is sent again by itself,
//! everything else goes to the application. So a code that says *later* becomes a number that
//! clients retry, and one that says *never* one that they do not; a test holds to it.

use weir_protocol::code::Code;
use weir_protocol::kafka::ErrorCode;

/// What a refusal with `code` is told as.
pub(super) const fn error_code(code: Code) -> ErrorCode {
    match code {
        Code::UnknownTopic | Code::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
        Code::TopicExists => ErrorCode::TopicAlreadyExists,
        Code::InvalidName => ErrorCode::InvalidTopicException,
        Code::InvalidSetting | Code::DurabilityNotOffered => ErrorCode::InvalidConfig,
        Code::TooManyTopics => ErrorCode::PolicyViolation,
        Code::TooManyPartitions => ErrorCode::InvalidPartitions,

        Code::BatchTooLarge => ErrorCode::MessageTooLarge,
        Code::CorruptBatch => ErrorCode::CorruptMessage,
        Code::InvalidBatch => ErrorCode::InvalidRecord,
        Code::AckNotOffered => ErrorCode::InvalidRequiredAcks,
        Code::OutOfOrderSequence => ErrorCode::OutOfOrderSequenceNumber,
        Code::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        // Java's client gives up at it; librdkafka repeats it to the end of its time, and says it.
        Code::TransactionsNotOffered => ErrorCode::UnsupportedVersion,
        // It may be stored or not, which is what a timeout says.
        Code::OutcomeUnknown => ErrorCode::RequestTimedOut,

        Code::OffsetOutOfRange => ErrorCode::OffsetOutOfRange,

        // Of the numbers that are retried, the one that names the disk; until a producer's own
        // `delivery.timeout.ms` is over it waits for room, as it does for a slow broker.
        Code::DiskFull | Code::WritesStopped | Code::Quarantined => ErrorCode::KafkaStorageError,
        // Nothing was stored in the time there was.
        Code::JournalFull | Code::Overloaded | Code::RequestTimedOut => ErrorCode::RequestTimedOut,
        // What Kafka says while it shuts down: find out who leads, then send again.
        Code::ShuttingDown => ErrorCode::NotLeaderOrFollower,

        Code::Unauthorized | Code::Forbidden => ErrorCode::TopicAuthorizationFailed,

        Code::UnknownMember => ErrorCode::UnknownMemberId,
        Code::IllegalGeneration => ErrorCode::IllegalGeneration,
        Code::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        Code::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
        Code::FencedInstance => ErrorCode::FencedInstanceId,
        Code::MemberIdRequired => ErrorCode::MemberIdRequired,
        Code::GroupNotEmpty => ErrorCode::NonEmptyGroup,
        Code::UnknownGroup => ErrorCode::GroupIdNotFound,
        Code::GroupFull => ErrorCode::GroupMaxSizeReached,
        Code::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
        Code::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
        Code::TooManyGroups => ErrorCode::PolicyViolation,
        Code::InvalidMember => ErrorCode::InvalidRequest,

        // Nothing that a Kafka client can ask for is refused with these.
        Code::UnsupportedVersion
        | Code::MalformedFrame
        | Code::FrameTooLarge
        | Code::HelloRequired
        | Code::UnknownRequest
        | Code::TooManyInFlight
        | Code::MalformedRequest
        | Code::RequestTooLarge
        | Code::CreditExceeded
        | Code::CreditOverflow
        | Code::UnknownSubscription
        | Code::SubscriptionInUse
        | Code::TooManySubscriptions
        | Code::InvalidBookmark
        | Code::UnknownMembership
        | Code::MembershipInUse
        | Code::UnknownQueue
        | Code::QueueExists
        | Code::TooManyQueues
        | Code::InvalidLease
        | Code::InvalidDelay
        | Code::Internal => ErrorCode::UnknownServerError,
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::code::Retry;

    use super::*;

    #[test]
    fn what_may_succeed_later_is_told_as_what_clients_send_again() {
        for &code in Code::ALL {
            let told = error_code(code);
            let is_of_no_kafka_client = told == ErrorCode::UnknownServerError;
            // Kafka's clients ask again about a topic that is unknown: it may be made meanwhile.
            let is_unknown = told == ErrorCode::UnknownTopicOrPartition;
            let is_damaged = code == Code::Quarantined;
            if !(is_of_no_kafka_client || is_unknown || is_damaged) {
                assert_eq!(told.is_retriable(), code.retry() != Retry::Never, "{code} is {told}");
            }
        }
    }
}
