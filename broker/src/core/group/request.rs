//! What a shard is asked about its groups, and how it answers.

use tokio::sync::oneshot;
use weir_protocol::id::TopicId;
use weir_protocol::name::GroupName;

use super::classic::{Claim, Join, Joined, Leave, State, Synced};
use super::mailbox::{Mail, Mailbox};
use super::member::{ClientName, InstanceId, MemberId};
use super::native::{NativeJoin, Place};
use super::offsets::Committed;
use super::refusal::GroupError;
use crate::core::partition::Handle;
use crate::core::wake::WakeList;

/// Requests about groups that wait for one shard; beyond, members wait to send theirs.
pub(crate) const REQUESTS_MAX: usize = 4096;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, GroupError>>;

/// What became of each of several.
pub(crate) type Each = Vec<Result<(), GroupError>>;

/// A request about a group.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) group: GroupName,
    pub(crate) wish: Wish,
}

/// What is asked of a group.
#[derive(Debug)]
pub(crate) enum Wish {
    Join(Box<Join>, Reply<Joined>),
    Sync(Claim, Reply<Synced>),
    Heartbeat(Heartbeat, Reply<()>),
    Leave(Vec<Leave>, Reply<Each>),
    JoinNative(Box<NativeJoin>, Mailbox, Reply<NativeJoined>),
    /// What a member says that the server assigns.
    Native(MemberId, Mailbox, NativeWish),
    Commit(Committer, Vec<NewOffset>, Reply<Each>),
    /// The offsets of these partitions, or all there are.
    Fetch(Option<Vec<Place>>, Reply<Vec<(Place, Committed)>>),
    Describe(Reply<DescribedGroup>),
    Delete(Reply<()>),
    DeleteOffsets(Vec<Place>, Reply<Each>),
}

/// What a member says that the server assigns.
#[derive(Debug)]
pub(crate) enum NativeWish {
    Heartbeat(Reply<u32>),
    /// It has let go of what was revoked with this epoch.
    Release(u32, Reply<()>),
    Leave(Reply<()>),
    /// Its connection ended.
    Disconnected,
}

/// What is asked of all groups of a shard.
#[derive(Debug)]
pub(crate) enum Call {
    Of(Request),
    List(oneshot::Sender<Vec<Listed>>),
    /// A topic has this many partitions now.
    TopicHas(TopicId, u32),
}

/// A member's sign of life.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) member: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) generation: u32,
}

/// Who commits.
#[derive(Clone, Debug)]
pub(crate) enum Committer {
    /// Nobody of the group: it has no members, or it is being told where to go on.
    Nobody,
    Classic(Heartbeat),
    Native {
        member: MemberId,
        mailbox: Mailbox,
        epoch: u32,
    },
}

/// An offset to be committed.
#[derive(Clone, Debug)]
pub(crate) struct NewOffset {
    pub(crate) place: Place,
    /// Says whether the topic is still there.
    pub(crate) partition: Handle,
    /// `None`: what was committed of the place is forgotten.
    pub(crate) committed: Option<Committed>,
}

/// A member is in a group that the server assigns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NativeJoined {
    pub(crate) member: MemberId,
    pub(crate) epoch: u32,
}

/// Who shares the partitions out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// The group has no members.
    Nobody,
    /// The members do.
    Classic,
    /// The server does.
    Native,
}

/// A group in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) group: GroupName,
    pub(crate) face: Face,
    pub(crate) state: State,
    pub(crate) protocol_type: String,
    pub(crate) members: usize,
}

/// A group as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DescribedGroup {
    pub(crate) listed: Listed,
    pub(crate) generation: u32,
    /// What its members speak; of a group that the server assigns, its strategy.
    pub(crate) protocol: String,
    pub(crate) members: Vec<DescribedMember>,
    pub(crate) offsets: Vec<(Place, Committed)>,
}

/// A member as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DescribedMember {
    pub(crate) member: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client: ClientName,
    pub(crate) share: Share,
}

/// What a member has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// As it and its leader said it.
    Said {
        metadata: bytes::Bytes,
        assignment: bytes::Bytes,
    },
    Partitions(Vec<Place>),
}

/// An answer on its way: told at once, or when what it speaks of is committed.
#[derive(Debug)]
pub(crate) enum Answer {
    Joined(Reply<Joined>, Result<Joined, GroupError>),
    Synced(Reply<Synced>, Result<Synced, GroupError>),
    NativeJoined(Reply<NativeJoined>, Result<NativeJoined, GroupError>),
    Each(Reply<Each>, Result<Each, GroupError>),
    Done(Reply<()>, Result<(), GroupError>),
    Mail(Mailbox, Mail),
}

impl Answer {
    pub(crate) fn tell(self, wakes: &mut WakeList) {
        // Who does not wait any more does not miss it.
        match self {
            Self::Joined(reply, said) => drop(reply.send(said)),
            Self::Synced(reply, said) => drop(reply.send(said)),
            Self::NativeJoined(reply, said) => drop(reply.send(said)),
            Self::Each(reply, said) => drop(reply.send(said)),
            Self::Done(reply, said) => drop(reply.send(said)),
            Self::Mail(mailbox, mail) => mailbox.put(mail, wakes),
        }
    }

    /// What it speaks of will not be committed.
    pub(crate) fn refuse(self, error: GroupError, wakes: &mut WakeList) {
        match self {
            Self::Joined(reply, _) => drop(reply.send(Err(error))),
            Self::Synced(reply, _) => drop(reply.send(Err(error))),
            Self::NativeJoined(reply, _) => drop(reply.send(Err(error))),
            Self::Each(reply, _) => drop(reply.send(Err(error))),
            Self::Done(reply, _) => drop(reply.send(Err(error))),
            Self::Mail(mailbox, _) => mailbox.put(Mail::Ended(error), wakes),
        }
    }
}
