//! Routes about consumer groups: which there are, and how far each is.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::shared::Shared;
use crate::session::{self, Face, GroupFacts, GroupListing, GroupState, MemberFacts};

/// A group in a listing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listing {
    name: String,
    /// Who shares its partitions out: `members`, as Kafka's clients do, `broker`, or `nobody`
    /// while it has no members.
    shared_out_by: &'static str,
    /// `empty`, `preparing`, `completing` or `stable`.
    state: &'static str,
    members: usize,
}

/// Groups in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Groups {
    groups: Vec<Listing>,
}

/// A group as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Group {
    #[serde(flatten)]
    listing: Listing,
    generation: u32,
    /// What its members agreed on, or how the broker shares out.
    protocol: String,
    member_list: Vec<Member>,
    /// Every partition that it has an offset of, or that the broker gave to a member.
    partitions: Vec<Partition>,
}

/// A member of a group.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Member {
    id: String,
    /// What its operator calls it.
    instance: Option<String>,
    client: String,
    host: String,
}

/// How far a group is in a partition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Partition {
    topic: String,
    partition: u32,
    /// What is read next; null where nothing was committed.
    offset: Option<u64>,
    /// The first offset that is not there yet.
    tail: u64,
    /// Offsets left to read; null where nothing was committed.
    lag: Option<u64>,
    /// Whose it is; null where that is nobody, or only the members know.
    member: Option<String>,
    /// When the offset was committed, in milliseconds since 1970.
    committed_ms: Option<i64>,
}

impl Listing {
    fn of(listing: GroupListing) -> Self {
        Self {
            name: listing.name,
            shared_out_by: match listing.face {
                Face::Nobody => "nobody",
                Face::Classic => "members",
                Face::Native => "broker",
            },
            state: match listing.state {
                GroupState::Empty => "empty",
                GroupState::Preparing => "preparing",
                GroupState::Completing => "completing",
                GroupState::Stable => "stable",
            },
            members: listing.members,
        }
    }
}

impl Group {
    fn of(facts: GroupFacts) -> Self {
        let member = |of: MemberFacts| Member {
            id: of.member,
            instance: of.instance,
            client: of.client_id,
            host: of.client_host,
        };
        let partition = |of: session::GroupPartition| Partition {
            lag: of.lag(),
            topic: of.topic.to_string(),
            partition: of.partition,
            offset: of.committed.as_ref().map(|committed| committed.offset.get()),
            tail: of.tail.get(),
            member: of.member,
            committed_ms: of.committed.map(|committed| committed.committed_ms),
        };
        Self {
            listing: Listing::of(facts.listing),
            generation: facts.generation,
            protocol: facts.protocol,
            member_list: facts.members.into_iter().map(member).collect(),
            partitions: facts.partitions.into_iter().map(partition).collect(),
        }
    }
}

/// Lists consumer groups: those with members, and those that have committed offsets.
#[utoipa::path(
    get,
    path = "/v1/groups",
    tag = "groups",
    responses((status = 200, body = Groups))
)]
pub(super) async fn list(State(shared): State<Shared>) -> Result<Json<Groups>, Problem> {
    let groups = shared.door.enter().list_groups().await?;
    Ok(Json(Groups { groups: groups.into_iter().map(Listing::of).collect() }))
}

/// What a group is, and how far it is in each partition.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}",
    tag = "groups",
    params(("group" = String, Path, description = "The group's name.")),
    responses(
        (status = 200, body = Group),
        (status = 404, description = "No such group.", body = Problem),
    )
)]
pub(super) async fn describe(
    State(shared): State<Shared>,
    Path(group): Path<String>,
) -> Result<Json<Group>, Problem> {
    Ok(Json(Group::of(shared.door.enter().describe_group(&group).await?)))
}
