//! Why a group's coordinator did not do what it was asked. Each is another decision for who asked.

use std::time::Duration;

use super::member::MemberId;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GroupError {
    #[error("the group has no such member: it left or was silent too long; join again")]
    UnknownMember,
    #[error("the group is in generation {now}: join again to be in it")]
    IllegalGeneration { now: u32 },
    #[error("the partition is not this member's in generation {now}: it was handed on")]
    NotOwned { now: u32 },
    #[error("the group is sharing its partitions out anew: join again")]
    RebalanceInProgress,
    #[error("the group's members speak another protocol: use theirs, or another group")]
    InconsistentProtocol,
    #[error("another member has taken this one's place: it is over")]
    Fenced,
    #[error("join again with the id {0}")]
    MemberIdRequired(MemberId),
    #[error("the group has members: stop them first")]
    NotEmpty,
    #[error("there is no such group: nobody joined it and nothing was committed for it")]
    UnknownGroup,
    #[error("the group has {max} members and takes no more")]
    Full { max: u32 },
    #[error("{what} has {bytes} bytes; it takes 1 to {bytes_max}")]
    Length { what: &'static str, bytes: usize, bytes_max: usize },
    #[error("a member says {what} {count} times; it takes {max} at most")]
    Count { what: &'static str, count: usize, max: usize },
    #[error("a session of {asked:?} is not offered: choose {min:?} to {max:?}")]
    SessionTimeout { asked: Duration, min: Duration, max: Duration },
    #[error("the words beside the offset have {bytes} bytes; they may have {bytes_max}")]
    OffsetMetadata { bytes: usize, bytes_max: usize },
    #[error("the topic was deleted")]
    TopicGone,
    #[error("the broker has as many groups as it takes: delete some, or raise groups.shard_max")]
    TooManyGroups,
    #[error("the journal is full until its next checkpoint: nothing was stored, send again later")]
    JournalFull,
    #[error("writes are stopped since the disk failed: see to it, then restart the broker")]
    WritesStopped,
    #[error("the write or its sync failed: it may be stored or not")]
    OutcomeUnknown,
    #[error("the broker is shutting down")]
    ShuttingDown,
}
