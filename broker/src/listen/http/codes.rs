//! Which HTTP status each code of the protocol is answered with.
//!
//! The status is for proxies and libraries that know nothing else; a client decides by `code` and
//! `retry` in the body. A code that is about native frames only can still not be forgotten here:
//! the match has no rest.

use axum::http::StatusCode;
use weir_protocol::code::Code;

/// The status of a refusal with `code`.
pub(super) const fn status(code: Code) -> StatusCode {
    match code {
        Code::UnsupportedVersion
        | Code::MalformedFrame
        | Code::HelloRequired
        | Code::MalformedRequest
        | Code::InvalidName
        | Code::InvalidSetting
        | Code::DurabilityNotOffered
        | Code::TooManyPartitions
        | Code::CorruptBatch
        | Code::InvalidBatch
        | Code::AckNotOffered
        | Code::TransactionsNotOffered
        | Code::CreditOverflow
        | Code::UnknownSubscription
        | Code::UnknownMembership
        | Code::MemberIdRequired
        | Code::InvalidMember
        | Code::InvalidSessionTimeout
        | Code::OffsetMetadataTooLarge
        | Code::InvalidBookmark
        | Code::InvalidLease
        | Code::InvalidDelay => StatusCode::BAD_REQUEST,

        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,

        Code::UnknownRequest
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownGroup
        | Code::UnknownQueue => StatusCode::NOT_FOUND,

        Code::RequestTimedOut => StatusCode::REQUEST_TIMEOUT,

        Code::TopicExists
        | Code::TooManyTopics
        | Code::SubscriptionInUse
        | Code::MembershipInUse
        | Code::UnknownMember
        | Code::IllegalGeneration
        | Code::RebalanceInProgress
        | Code::InconsistentGroupProtocol
        | Code::FencedInstance
        | Code::GroupNotEmpty
        | Code::GroupFull
        | Code::TooManyGroups
        | Code::QueueExists
        | Code::TooManyQueues
        | Code::OutOfOrderSequence
        | Code::ProducerFenced => StatusCode::CONFLICT,

        Code::FrameTooLarge | Code::RequestTooLarge | Code::BatchTooLarge => {
            StatusCode::PAYLOAD_TOO_LARGE
        }

        Code::OffsetOutOfRange => StatusCode::RANGE_NOT_SATISFIABLE,

        Code::TooManyInFlight | Code::CreditExceeded | Code::TooManySubscriptions => {
            StatusCode::TOO_MANY_REQUESTS
        }

        // Not 503: who repeats a request on 503 by itself would store the records twice.
        Code::OutcomeUnknown | Code::Quarantined | Code::Internal => {
            StatusCode::INTERNAL_SERVER_ERROR
        }

        Code::JournalFull | Code::Overloaded | Code::WritesStopped | Code::ShuttingDown => {
            StatusCode::SERVICE_UNAVAILABLE
        }

        Code::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::code::Retry;

    use super::*;

    #[test]
    fn every_code_is_an_error_and_what_passes_by_itself_is_not_the_clients() {
        for &code in Code::ALL {
            let status = status(code);
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
            if status == StatusCode::SERVICE_UNAVAILABLE {
                assert_eq!(code.retry(), Retry::Later, "{code}");
            }
        }
    }
}
