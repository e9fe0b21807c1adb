//! Why a request was refused: one stable number and name for each reason, on every face.
//!
//! The native protocol sends the number, HTTP and the command line print the name, and all of them
//! tell what to do next by [`Retry`]. This file knows no wire layout and no HTTP status; each face
//! maps the codes itself, by an exhaustive match.
//!
//! Invariant: a number, once released, keeps its meaning and is never given to another code. The
//! hundreds group them: frames, topics, produce, consume, the broker's state, identity, groups,
//! queues.
//! The table of `docs/protocol.md` lists each code; a test compares it with this one.

use std::fmt;

/// What the sender of a refused request does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Retry {
    /// The same request may succeed at once: nothing was done, and nothing has to change first.
    Yes = 1,
    /// The same request may succeed after a pause, which grows with each attempt.
    Later = 2,
    /// The same request will be refused again; the request or the broker must change first.
    Never = 3,
}

impl Retry {
    pub const ALL: [Self; 3] = [Self::Yes, Self::Later, Self::Never];

    /// The number that stands for it on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The choice that `number` stands for.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|retry| retry.number() == number)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Later => "later",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One list makes the enum, its numbers, names and retries, so that none of them can lack a code.
macro_rules! codes {
    ($($(#[$doc:meta])+ $code:ident = $number:literal, $name:literal, $retry:ident;)+) => {
        /// Why a request was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Code {
            $($(#[$doc])+ $code = $number,)+
        }

        impl Code {
            /// Every code, by number.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The name that people and HTTP see.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)+
                }
            }

            /// What to do with a request refused for this reason.
            pub const fn retry(self) -> Retry {
                match self {
                    $(Self::$code => Retry::$retry,)+
                }
            }

            /// The code that `number` stands for, if this version knows it.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$code),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// Client and broker have no version of the protocol in common. Update the older one.
    UnsupportedVersion = 1, "UNSUPPORTED_VERSION", Never;
    /// The bytes of a frame are not what its kind asks for. The connection closes.
    MalformedFrame = 2, "MALFORMED_FRAME", Never;
    /// A frame announced more bytes than the receiver takes. The connection closes.
    FrameTooLarge = 3, "FRAME_TOO_LARGE", Never;
    /// Another request came before `Hello`. The connection closes.
    HelloRequired = 4, "HELLO_REQUIRED", Never;
    /// The kind of the request is unknown to this version.
    UnknownRequest = 5, "UNKNOWN_REQUEST", Never;
    /// The connection has as many unanswered requests as it may. Read answers first.
    TooManyInFlight = 6, "TOO_MANY_IN_FLIGHT", Later;
    /// What came over HTTP is not what its route takes: a body, a parameter, a header.
    MalformedRequest = 7, "MALFORMED_REQUEST", Never;
    /// A body came over HTTP that is larger than the broker takes.
    RequestTooLarge = 8, "REQUEST_TOO_LARGE", Never;
    /// A request did not come whole in the time it has. Nothing was done.
    RequestTimedOut = 9, "REQUEST_TIMED_OUT", Later;

    /// No topic has this name or id.
    UnknownTopic = 100, "UNKNOWN_TOPIC", Never;
    /// The topic has no partition of this number.
    UnknownPartition = 101, "UNKNOWN_PARTITION", Never;
    /// A topic has this name already.
    TopicExists = 102, "TOPIC_EXISTS", Never;
    /// The name breaks the rule for names.
    InvalidName = 103, "INVALID_NAME", Never;
    /// A setting is unknown, given twice, out of its range, or fixed at creation.
    InvalidSetting = 104, "INVALID_SETTING", Never;
    /// The broker does not offer this durability.
    DurabilityNotOffered = 105, "DURABILITY_NOT_OFFERED", Never;
    /// The broker has as many topics as it may.
    TooManyTopics = 106, "TOO_MANY_TOPICS", Never;
    /// The topic, or the broker, would have more partitions than it may.
    TooManyPartitions = 107, "TOO_MANY_PARTITIONS", Never;

    /// The batch is larger than the topic, the broker or the reader's frames allow.
    BatchTooLarge = 200, "BATCH_TOO_LARGE", Never;
    /// The batch's checksum does not hold: it was damaged on the way.
    CorruptBatch = 201, "CORRUPT_BATCH", Yes;
    /// The batch is whole but says what no producer may: a wrong count, magic or attribute.
    InvalidBatch = 202, "INVALID_BATCH", Never;
    /// The topic's durability cannot give this ack.
    AckNotOffered = 203, "ACK_NOT_OFFERED", Never;
    /// More was sent than the receiver granted.
    CreditExceeded = 204, "CREDIT_EXCEEDED", Later;
    /// A sync failed: the records may be stored or not. Sending again may store them twice.
    OutcomeUnknown = 205, "OUTCOME_UNKNOWN", Later;
    /// A batch of the producer's that comes before this one was not stored. Nothing of it was.
    OutOfOrderSequence = 206, "OUT_OF_ORDER_SEQUENCE", Never;
    /// A newer epoch of the producer reigns: another one goes on in its place.
    ProducerFenced = 207, "PRODUCER_FENCED", Never;
    /// Transactions are not offered.
    TransactionsNotOffered = 208, "TRANSACTIONS_NOT_OFFERED", Never;

    /// The offset is below the partition's start or above its tail.
    OffsetOutOfRange = 300, "OFFSET_OUT_OF_RANGE", Never;
    /// A `Flow` says it saw more than was sent, or grants beyond the largest number.
    CreditOverflow = 301, "CREDIT_OVERFLOW", Never;
    /// The connection has no subscription of this number.
    UnknownSubscription = 302, "UNKNOWN_SUBSCRIPTION", Never;
    /// The connection has a subscription of this number already.
    SubscriptionInUse = 303, "SUBSCRIPTION_IN_USE", Never;
    /// The connection has as many subscriptions as it may.
    TooManySubscriptions = 304, "TOO_MANY_SUBSCRIPTIONS", Never;
    /// Stored bytes are damaged; these offsets are not served, all others are.
    Quarantined = 305, "QUARANTINED", Never;
    /// The bookmark is damaged, of another topic, or of a broker that knows more than this one.
    InvalidBookmark = 306, "INVALID_BOOKMARK", Never;

    /// The disk has no room; reads, acks and deletes go on.
    DiskFull = 400, "DISK_FULL", Later;
    /// The journal had no room for as long as `limits.room_wait_ms_max`. Nothing was stored.
    JournalFull = 401, "JOURNAL_FULL", Later;
    /// The broker holds as many bytes in flight as it may.
    Overloaded = 402, "OVERLOADED", Later;
    /// A sync failed earlier; the broker takes no writes until it is restarted.
    WritesStopped = 403, "WRITES_STOPPED", Later;
    /// The broker is stopping; connect again.
    ShuttingDown = 404, "SHUTTING_DOWN", Later;
    /// The broker broke a rule of its own. Its log says which.
    Internal = 405, "INTERNAL", Later;

    /// Who asks is not known.
    Unauthorized = 500, "UNAUTHORIZED", Never;
    /// Who asks is known and may not do this.
    Forbidden = 501, "FORBIDDEN", Never;

    /// The group has no such member: it left, or was silent for longer than its session. Join anew.
    UnknownMember = 600, "UNKNOWN_MEMBER", Never;
    /// The member speaks of a generation that is over, or of a partition that is not its own.
    IllegalGeneration = 601, "ILLEGAL_GENERATION", Never;
    /// The group's members are about to get new partitions; join again.
    RebalanceInProgress = 602, "REBALANCE_IN_PROGRESS", Never;
    /// The group's members speak another protocol, or none that this one knows.
    InconsistentGroupProtocol = 603, "INCONSISTENT_GROUP_PROTOCOL", Never;
    /// Another member has taken this one's instance id, or its connection.
    FencedInstance = 604, "FENCED_INSTANCE", Never;
    /// A member joins with the id that comes with this refusal.
    MemberIdRequired = 605, "MEMBER_ID_REQUIRED", Never;
    /// The group has members; what was asked for is done to empty groups only.
    GroupNotEmpty = 606, "GROUP_NOT_EMPTY", Never;
    /// There is no such group: nobody joined it, and no offset was committed for it.
    UnknownGroup = 607, "UNKNOWN_GROUP", Never;
    /// The group has as many members as it may.
    GroupFull = 608, "GROUP_FULL", Never;
    /// The words beside a committed offset are longer than they may be.
    OffsetMetadataTooLarge = 609, "OFFSET_METADATA_TOO_LARGE", Never;
    /// The session timeout is outside what the broker allows.
    InvalidSessionTimeout = 610, "INVALID_SESSION_TIMEOUT", Never;
    /// The broker has as many groups as it may.
    TooManyGroups = 611, "TOO_MANY_GROUPS", Never;
    /// A member says more of itself than it may, or something that no member may say.
    InvalidMember = 612, "INVALID_MEMBER", Never;
    /// The connection has no membership of this number.
    UnknownMembership = 613, "UNKNOWN_MEMBERSHIP", Never;
    /// The connection has a membership of this number already, or as many as it may.
    MembershipInUse = 614, "MEMBERSHIP_IN_USE", Never;

    /// No queue has this name or id.
    UnknownQueue = 700, "UNKNOWN_QUEUE", Never;
    /// A queue has this name already.
    QueueExists = 701, "QUEUE_EXISTS", Never;
    /// The broker has as many queues as it may.
    TooManyQueues = 702, "TOO_MANY_QUEUES", Never;
    /// A lease is asked for that no queue gives: too short or too long.
    InvalidLease = 703, "INVALID_LEASE", Never;
    /// A record is asked back at a time that is over or too far away.
    InvalidDelay = 704, "INVALID_DELAY", Never;
}

impl Code {
    /// The number that stands for it on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_its_number() {
        for &code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(code));
        }
        assert_eq!(Code::from_number(0), None);
        assert_eq!(Code::from_number(u16::MAX), None);
    }

    #[test]
    fn codes_are_listed_by_number_and_named_after_themselves() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.number()));
        for code in Code::ALL {
            let name: String = code.name().split('_').map(capitalized).collect();
            assert_eq!(name, format!("{code:?}"));
        }
    }

    #[test]
    fn every_retry_reads_back_from_its_number() {
        for retry in Retry::ALL {
            assert_eq!(Retry::from_number(retry.number()), Some(retry));
        }
        assert_eq!(Retry::from_number(0), None);
    }

    fn capitalized(word: &str) -> String {
        let (first, rest) = word.split_at(1);
        first.to_owned() + &rest.to_lowercase()
    }
}
