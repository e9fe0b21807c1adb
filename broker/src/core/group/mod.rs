//! Consumer groups: who is in one, who reads which partitions, and where each has read to.
//!
//! One coordinator, two faces. A *classic* group's members share the partitions out among
//! themselves, as Kafka's clients do; a *native* group's partitions are shared out here. Offsets
//! are the same for both, so a group may change its face while nobody is in it.
//!
//! ```text
//!   handle::Groups ── Call ──► the group's shard: Coordinator ─► roster ─► classic | native
//!        ▲                          │ Step                                  (state machines)
//!        └── answers, mail ◄────────┴── entries, once they are committed
//! ```
//!
//! It knows no wire, no user and no journal. The state machines know no clock and no channel.

mod classic;
mod commit;
mod coordinator;
mod entries;
mod handle;
mod mailbox;
mod member;
mod native;
mod offsets;
mod policy;
mod refusal;
mod request;
mod roster;

#[cfg(test)]
mod tests;

pub(crate) use classic::{Claim, Join, JoinedMember, Leave, State, Synced};
pub(crate) use coordinator::{Coordinator, IfNoRoom, Step, Tell};
pub(crate) use entries::Entry;
pub(crate) use handle::Groups;
pub(crate) use mailbox::{Begin, Mail, Mailbox};
pub(crate) use member::{ClientName, InstanceId, MemberId};
pub(crate) use native::{NativeJoin, Place, Strategy};
pub(crate) use offsets::{Committed, Table};
pub(crate) use policy::{
    ASSIGNMENTS_BYTES_MAX, MEMBER_METADATA_BYTES_MAX, PROTOCOL_NAME_BYTES_MAX, PROTOCOLS_MAX,
    Policy, REBALANCE_TIMEOUT_MAX, TOPICS_PER_MEMBER_MAX, check_bytes, check_count,
};
pub(crate) use refusal::GroupError;
pub(crate) use request::{
    Answer, Call, Committer, DescribedGroup, DescribedMember, Face, Heartbeat, Listed,
    NativeJoined, NativeWish, NewOffset, REQUESTS_MAX, Reply, Share, Wish,
};
