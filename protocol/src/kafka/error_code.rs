//! Kafka's error numbers, with its names for them.
//!
//! A broker answers with one, [`ErrorCode::None`] where all went well, and its client either tries
//! the same again or gives up: [`ErrorCode::is_retriable`] says what Kafka's own client does. What
//! refusal becomes which number is decided by who answers.
//!
//! A number that is unknown here reads as [`ErrorCode::UnknownServerError`], as in Kafka's client.

use std::fmt;

use super::fault::Fault;
use super::reader::Reader;
use super::wire::{Form, Wire};
use super::writer::Writer;

/// One list makes the enum, its numbers, names and what its clients do.
macro_rules! error_codes {
    ($($code:ident = $number:literal, $name:ident, $retriable:ident;)+) => {
        /// Why a request, or a part of it, was refused.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            #[default]
            None = 0,
            $($code = $number,)+
        }

        impl ErrorCode {
            /// Every code, by number but for the first.
            pub const ALL: &'static [Self] = &[Self::None, $(Self::$code),+];

            /// Kafka's name of it.
            pub const fn name(self) -> &'static str {
                match self {
                    Self::None => "NONE",
                    $(Self::$code => stringify!($name),)+
                }
            }

            /// Whether Kafka's own client sends the same request again.
            pub const fn is_retriable(self) -> bool {
                match self {
                    Self::None => false,
                    $(Self::$code => error_codes!(@ $retriable),)+
                }
            }

            /// The code of this number.
            pub const fn from_number(number: i16) -> Self {
                match number {
                    0 => Self::None,
                    $($number => Self::$code,)+
                    _ => Self::UnknownServerError,
                }
            }
        }
    };
    (@ retriable) => { true };
    (@ not_retriable) => { false };
}

error_codes! {
    UnknownServerError = -1, UNKNOWN_SERVER_ERROR, not_retriable;
    OffsetOutOfRange = 1, OFFSET_OUT_OF_RANGE, not_retriable;
    CorruptMessage = 2, CORRUPT_MESSAGE, retriable;
    UnknownTopicOrPartition = 3, UNKNOWN_TOPIC_OR_PARTITION, retriable;
    InvalidFetchSize = 4, INVALID_FETCH_SIZE, not_retriable;
    LeaderNotAvailable = 5, LEADER_NOT_AVAILABLE, retriable;
    NotLeaderOrFollower = 6, NOT_LEADER_OR_FOLLOWER, retriable;
    RequestTimedOut = 7, REQUEST_TIMED_OUT, retriable;
    BrokerNotAvailable = 8, BROKER_NOT_AVAILABLE, not_retriable;
    ReplicaNotAvailable = 9, REPLICA_NOT_AVAILABLE, retriable;
    MessageTooLarge = 10, MESSAGE_TOO_LARGE, not_retriable;
    StaleControllerEpoch = 11, STALE_CONTROLLER_EPOCH, not_retriable;
    OffsetMetadataTooLarge = 12, OFFSET_METADATA_TOO_LARGE, not_retriable;
    NetworkException = 13, NETWORK_EXCEPTION, retriable;
    CoordinatorLoadInProgress = 14, COORDINATOR_LOAD_IN_PROGRESS, retriable;
    CoordinatorNotAvailable = 15, COORDINATOR_NOT_AVAILABLE, retriable;
    NotCoordinator = 16, NOT_COORDINATOR, retriable;
    InvalidTopicException = 17, INVALID_TOPIC_EXCEPTION, not_retriable;
    RecordListTooLarge = 18, RECORD_LIST_TOO_LARGE, not_retriable;
    NotEnoughReplicas = 19, NOT_ENOUGH_REPLICAS, retriable;
    NotEnoughReplicasAfterAppend = 20, NOT_ENOUGH_REPLICAS_AFTER_APPEND, retriable;
    InvalidRequiredAcks = 21, INVALID_REQUIRED_ACKS, not_retriable;
    IllegalGeneration = 22, ILLEGAL_GENERATION, not_retriable;
    InconsistentGroupProtocol = 23, INCONSISTENT_GROUP_PROTOCOL, not_retriable;
    InvalidGroupId = 24, INVALID_GROUP_ID, not_retriable;
    UnknownMemberId = 25, UNKNOWN_MEMBER_ID, not_retriable;
    InvalidSessionTimeout = 26, INVALID_SESSION_TIMEOUT, not_retriable;
    RebalanceInProgress = 27, REBALANCE_IN_PROGRESS, not_retriable;
    InvalidCommitOffsetSize = 28, INVALID_COMMIT_OFFSET_SIZE, not_retriable;
    TopicAuthorizationFailed = 29, TOPIC_AUTHORIZATION_FAILED, not_retriable;
    GroupAuthorizationFailed = 30, GROUP_AUTHORIZATION_FAILED, not_retriable;
    ClusterAuthorizationFailed = 31, CLUSTER_AUTHORIZATION_FAILED, not_retriable;
    InvalidTimestamp = 32, INVALID_TIMESTAMP, not_retriable;
    UnsupportedSaslMechanism = 33, UNSUPPORTED_SASL_MECHANISM, not_retriable;
    IllegalSaslState = 34, ILLEGAL_SASL_STATE, not_retriable;
    UnsupportedVersion = 35, UNSUPPORTED_VERSION, not_retriable;
    TopicAlreadyExists = 36, TOPIC_ALREADY_EXISTS, not_retriable;
    InvalidPartitions = 37, INVALID_PARTITIONS, not_retriable;
    InvalidReplicationFactor = 38, INVALID_REPLICATION_FACTOR, not_retriable;
    InvalidReplicaAssignment = 39, INVALID_REPLICA_ASSIGNMENT, not_retriable;
    InvalidConfig = 40, INVALID_CONFIG, not_retriable;
    NotController = 41, NOT_CONTROLLER, retriable;
    InvalidRequest = 42, INVALID_REQUEST, not_retriable;
    UnsupportedForMessageFormat = 43, UNSUPPORTED_FOR_MESSAGE_FORMAT, not_retriable;
    PolicyViolation = 44, POLICY_VIOLATION, not_retriable;
    OutOfOrderSequenceNumber = 45, OUT_OF_ORDER_SEQUENCE_NUMBER, not_retriable;
    DuplicateSequenceNumber = 46, DUPLICATE_SEQUENCE_NUMBER, not_retriable;
    InvalidProducerEpoch = 47, INVALID_PRODUCER_EPOCH, not_retriable;
    InvalidTxnState = 48, INVALID_TXN_STATE, not_retriable;
    InvalidProducerIdMapping = 49, INVALID_PRODUCER_ID_MAPPING, not_retriable;
    InvalidTransactionTimeout = 50, INVALID_TRANSACTION_TIMEOUT, not_retriable;
    ConcurrentTransactions = 51, CONCURRENT_TRANSACTIONS, retriable;
    TransactionCoordinatorFenced = 52, TRANSACTION_COORDINATOR_FENCED, not_retriable;
    TransactionalIdAuthorizationFailed = 53, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, not_retriable;
    SecurityDisabled = 54, SECURITY_DISABLED, not_retriable;
    OperationNotAttempted = 55, OPERATION_NOT_ATTEMPTED, not_retriable;
    KafkaStorageError = 56, KAFKA_STORAGE_ERROR, retriable;
    LogDirNotFound = 57, LOG_DIR_NOT_FOUND, not_retriable;
    SaslAuthenticationFailed = 58, SASL_AUTHENTICATION_FAILED, not_retriable;
    UnknownProducerId = 59, UNKNOWN_PRODUCER_ID, not_retriable;
    ReassignmentInProgress = 60, REASSIGNMENT_IN_PROGRESS, not_retriable;
    DelegationTokenAuthDisabled = 61, DELEGATION_TOKEN_AUTH_DISABLED, not_retriable;
    DelegationTokenNotFound = 62, DELEGATION_TOKEN_NOT_FOUND, not_retriable;
    DelegationTokenOwnerMismatch = 63, DELEGATION_TOKEN_OWNER_MISMATCH, not_retriable;
    DelegationTokenRequestNotAllowed = 64, DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, not_retriable;
    DelegationTokenAuthorizationFailed = 65, DELEGATION_TOKEN_AUTHORIZATION_FAILED, not_retriable;
    DelegationTokenExpired = 66, DELEGATION_TOKEN_EXPIRED, not_retriable;
    InvalidPrincipalType = 67, INVALID_PRINCIPAL_TYPE, not_retriable;
    NonEmptyGroup = 68, NON_EMPTY_GROUP, not_retriable;
    GroupIdNotFound = 69, GROUP_ID_NOT_FOUND, not_retriable;
    FetchSessionIdNotFound = 70, FETCH_SESSION_ID_NOT_FOUND, retriable;
    InvalidFetchSessionEpoch = 71, INVALID_FETCH_SESSION_EPOCH, retriable;
    ListenerNotFound = 72, LISTENER_NOT_FOUND, retriable;
    TopicDeletionDisabled = 73, TOPIC_DELETION_DISABLED, not_retriable;
    FencedLeaderEpoch = 74, FENCED_LEADER_EPOCH, retriable;
    UnknownLeaderEpoch = 75, UNKNOWN_LEADER_EPOCH, retriable;
    UnsupportedCompressionType = 76, UNSUPPORTED_COMPRESSION_TYPE, not_retriable;
    StaleBrokerEpoch = 77, STALE_BROKER_EPOCH, not_retriable;
    OffsetNotAvailable = 78, OFFSET_NOT_AVAILABLE, retriable;
    MemberIdRequired = 79, MEMBER_ID_REQUIRED, not_retriable;
    PreferredLeaderNotAvailable = 80, PREFERRED_LEADER_NOT_AVAILABLE, retriable;
    GroupMaxSizeReached = 81, GROUP_MAX_SIZE_REACHED, not_retriable;
    FencedInstanceId = 82, FENCED_INSTANCE_ID, not_retriable;
    EligibleLeadersNotAvailable = 83, ELIGIBLE_LEADERS_NOT_AVAILABLE, retriable;
    ElectionNotNeeded = 84, ELECTION_NOT_NEEDED, retriable;
    NoReassignmentInProgress = 85, NO_REASSIGNMENT_IN_PROGRESS, not_retriable;
    GroupSubscribedToTopic = 86, GROUP_SUBSCRIBED_TO_TOPIC, not_retriable;
    InvalidRecord = 87, INVALID_RECORD, not_retriable;
    UnstableOffsetCommit = 88, UNSTABLE_OFFSET_COMMIT, retriable;
    ThrottlingQuotaExceeded = 89, THROTTLING_QUOTA_EXCEEDED, retriable;
    ProducerFenced = 90, PRODUCER_FENCED, not_retriable;
    ResourceNotFound = 91, RESOURCE_NOT_FOUND, not_retriable;
    DuplicateResource = 92, DUPLICATE_RESOURCE, not_retriable;
    UnacceptableCredential = 93, UNACCEPTABLE_CREDENTIAL, not_retriable;
    InconsistentVoterSet = 94, INCONSISTENT_VOTER_SET, not_retriable;
    InvalidUpdateVersion = 95, INVALID_UPDATE_VERSION, not_retriable;
    FeatureUpdateFailed = 96, FEATURE_UPDATE_FAILED, not_retriable;
    PrincipalDeserializationFailure = 97, PRINCIPAL_DESERIALIZATION_FAILURE, not_retriable;
    SnapshotNotFound = 98, SNAPSHOT_NOT_FOUND, not_retriable;
    PositionOutOfRange = 99, POSITION_OUT_OF_RANGE, not_retriable;
    UnknownTopicId = 100, UNKNOWN_TOPIC_ID, retriable;
    DuplicateBrokerRegistration = 101, DUPLICATE_BROKER_REGISTRATION, not_retriable;
    BrokerIdNotRegistered = 102, BROKER_ID_NOT_REGISTERED, not_retriable;
    InconsistentTopicId = 103, INCONSISTENT_TOPIC_ID, retriable;
    InconsistentClusterId = 104, INCONSISTENT_CLUSTER_ID, not_retriable;
    TransactionalIdNotFound = 105, TRANSACTIONAL_ID_NOT_FOUND, not_retriable;
    FetchSessionTopicIdError = 106, FETCH_SESSION_TOPIC_ID_ERROR, retriable;
    IneligibleReplica = 107, INELIGIBLE_REPLICA, not_retriable;
    NewLeaderElected = 108, NEW_LEADER_ELECTED, not_retriable;
    OffsetMovedToTieredStorage = 109, OFFSET_MOVED_TO_TIERED_STORAGE, not_retriable;
    FencedMemberEpoch = 110, FENCED_MEMBER_EPOCH, not_retriable;
    UnreleasedInstanceId = 111, UNRELEASED_INSTANCE_ID, not_retriable;
    UnsupportedAssignor = 112, UNSUPPORTED_ASSIGNOR, not_retriable;
    StaleMemberEpoch = 113, STALE_MEMBER_EPOCH, not_retriable;
    MismatchedEndpointType = 114, MISMATCHED_ENDPOINT_TYPE, not_retriable;
    UnsupportedEndpointType = 115, UNSUPPORTED_ENDPOINT_TYPE, not_retriable;
    UnknownControllerId = 116, UNKNOWN_CONTROLLER_ID, not_retriable;
    UnknownSubscriptionId = 117, UNKNOWN_SUBSCRIPTION_ID, not_retriable;
    TelemetryTooLarge = 118, TELEMETRY_TOO_LARGE, not_retriable;
    InvalidRegistration = 119, INVALID_REGISTRATION, not_retriable;
    TransactionAbortable = 120, TRANSACTION_ABORTABLE, not_retriable;
    InvalidRecordState = 121, INVALID_RECORD_STATE, not_retriable;
    ShareSessionNotFound = 122, SHARE_SESSION_NOT_FOUND, retriable;
    InvalidShareSessionEpoch = 123, INVALID_SHARE_SESSION_EPOCH, retriable;
    FencedStateEpoch = 124, FENCED_STATE_EPOCH, not_retriable;
    InvalidVoterKey = 125, INVALID_VOTER_KEY, not_retriable;
    DuplicateVoter = 126, DUPLICATE_VOTER, not_retriable;
    VoterNotFound = 127, VOTER_NOT_FOUND, not_retriable;
    InvalidRegularExpression = 128, INVALID_REGULAR_EXPRESSION, not_retriable;
    RebootstrapRequired = 129, REBOOTSTRAP_REQUIRED, not_retriable;
    StreamsInvalidTopology = 130, STREAMS_INVALID_TOPOLOGY, not_retriable;
    StreamsInvalidTopologyEpoch = 131, STREAMS_INVALID_TOPOLOGY_EPOCH, not_retriable;
    StreamsTopologyFenced = 132, STREAMS_TOPOLOGY_FENCED, not_retriable;
    ShareSessionLimitReached = 133, SHARE_SESSION_LIMIT_REACHED, retriable;
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn number(self) -> i16 {
        self as i16
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Wire for ErrorCode {
    fn bytes_min(_: Form) -> usize {
        2
    }

    fn read(reader: &mut Reader, field: &'static str) -> Result<Self, Fault> {
        reader.i16(field).map(Self::from_number)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put_i16(self.number());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_code() {
        for (index, code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(ErrorCode::from_number(code.number()), *code);
            assert!(!ErrorCode::ALL[..index].iter().any(|other| other.name() == code.name()));
        }
        assert_eq!(ErrorCode::from_number(i16::MAX), ErrorCode::UnknownServerError);
    }

    #[test]
    fn codes_are_those_of_kafka() {
        let told = |number| {
            let code = ErrorCode::from_number(number);
            (code.name(), code.is_retriable())
        };
        assert_eq!(told(0), ("NONE", false));
        assert_eq!(told(-1), ("UNKNOWN_SERVER_ERROR", false));
        assert_eq!(told(3), ("UNKNOWN_TOPIC_OR_PARTITION", true));
        assert_eq!(told(27), ("REBALANCE_IN_PROGRESS", false));
        assert_eq!(told(45), ("OUT_OF_ORDER_SEQUENCE_NUMBER", false));
        assert_eq!(told(82), ("FENCED_INSTANCE_ID", false));
        assert_eq!(told(100), ("UNKNOWN_TOPIC_ID", true));
        assert_eq!(told(133), ("SHARE_SESSION_LIMIT_REACHED", true));
    }
}
