//! Groups as those see them who watch and tidy up: which there are, who is in them, their end.

use std::collections::BTreeMap;

use bytes::Bytes;
use weir_protocol::code::Code;
use weir_protocol::kafka::api::{delete_groups, describe_groups, list_groups};
use weir_protocol::kafka::consumer::{Assignment, PROTOCOL_TYPE, Subscription, TopicPartitions};
use weir_protocol::kafka::{ErrorCode, Text};
use weir_protocol::name::TopicName;

use super::connection::Connection;
use super::membership::group_error;
use crate::session::{GroupFacts, GroupListing, GroupState, MemberFacts, MemberShare, Refusal};

/// The type of groups that share out among themselves, and of those that weir shares out for: to
/// Kafka's tools there is no other.
const CLASSIC: &str = "classic";

/// As a group's state: there is none of this name.
const DEAD: &str = "Dead";

/// The version of DescribeGroups from which it is an error to ask about a group that nobody knows.
const UNKNOWN_FROM: i16 = 6;

impl Connection {
    pub(super) async fn describe_groups(
        &self,
        version: i16,
        request: describe_groups::Request,
    ) -> describe_groups::Response {
        let mut groups = Vec::with_capacity(request.groups.len());
        for group_id in request.groups {
            let described = match self.session.describe_group(group_id.as_str()).await {
                Ok(facts) => described(facts),
                Err(refusal) => unknown(version, refusal),
            };
            groups.push(describe_groups::Group { group_id, ..described });
        }
        describe_groups::Response { groups, ..Default::default() }
    }

    pub(super) async fn list_groups(&self, request: list_groups::Request) -> list_groups::Response {
        let listed = match self.session.list_groups().await {
            Ok(listed) => listed,
            Err(refusal) => {
                let error_code = group_error(&refusal);
                return list_groups::Response { error_code, ..Default::default() };
            }
        };
        let one_of = |wanted: &[Text], word: &str| {
            wanted.is_empty()
                || wanted.iter().any(|wanted| wanted.as_str().eq_ignore_ascii_case(word))
        };
        let groups = listed.into_iter().filter(|listed| {
            one_of(&request.states_filter, state(listed.state))
                && one_of(&request.types_filter, CLASSIC)
        });
        let groups = groups.map(|listed| list_groups::Group {
            group_state: state(listed.state).into(),
            group_type: CLASSIC.into(),
            protocol_type: protocol_type(&listed),
            group_id: listed.name.into(),
            ..Default::default()
        });
        list_groups::Response { groups: groups.collect(), ..Default::default() }
    }

    pub(super) async fn delete_groups(
        &self,
        request: delete_groups::Request,
    ) -> delete_groups::Response {
        let mut results = Vec::with_capacity(request.groups_names.len());
        for group_id in request.groups_names {
            let deleted = self.session.delete_group(group_id.as_str()).await;
            let error_code = deleted.err().map_or(ErrorCode::None, |refusal| group_error(&refusal));
            results.push(delete_groups::Deleted { group_id, error_code, ..Default::default() });
        }
        delete_groups::Response { results, ..Default::default() }
    }
}

fn described(facts: GroupFacts) -> describe_groups::Group {
    describe_groups::Group {
        group_state: state(facts.listing.state).into(),
        protocol_type: protocol_type(&facts.listing),
        protocol_data: facts.protocol.into(),
        members: facts.members.into_iter().map(member).collect(),
        ..Default::default()
    }
}

fn unknown(version: i16, refusal: Refusal) -> describe_groups::Group {
    let error_code = match refusal.code {
        Code::UnknownGroup if version < UNKNOWN_FROM => ErrorCode::None,
        _ => group_error(&refusal),
    };
    let error_message = Some(refusal.message.into());
    let group_state = DEAD.into();
    describe_groups::Group { error_code, error_message, group_state, ..Default::default() }
}

fn member(facts: MemberFacts) -> describe_groups::Member {
    let (member_metadata, member_assignment) = match facts.share {
        MemberShare::Said { metadata, assignment } => (metadata, assignment),
        MemberShare::Partitions(partitions) => as_consumers_say(&partitions),
    };
    describe_groups::Member {
        member_id: facts.member.into(),
        group_instance_id: facts.instance.map(Text::from),
        client_id: facts.client_id.into(),
        client_host: facts.client_host.into(),
        member_metadata,
        member_assignment,
        ..Default::default()
    }
}

/// What a member subscribed to and has, in the words of Kafka's consumers.
fn as_consumers_say(partitions: &[(TopicName, u32)]) -> (Bytes, Bytes) {
    let mut by_topic: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        by_topic.entry(topic).or_default().push(partition.cast_signed());
    }
    let topics = by_topic.keys().map(|topic| Text::from(topic.as_str())).collect();
    let assigned_partitions = by_topic.into_iter().map(|(topic, partitions)| TopicPartitions {
        topic: topic.as_str().into(),
        partitions,
        ..TopicPartitions::default()
    });
    let subscription = Subscription { topics, ..Subscription::default() };
    let assigned_partitions = assigned_partitions.collect();
    let assignment = Assignment { assigned_partitions, ..Assignment::default() };
    (subscription.to_bytes(0), assignment.to_bytes(0))
}

fn protocol_type(listing: &GroupListing) -> Text {
    match listing.protocol_type.as_str() {
        // One that the server shares out for, or that has committed offsets alone.
        "" => PROTOCOL_TYPE.into(),
        said => said.into(),
    }
}

/// A group's state as Kafka names it.
fn state(state: GroupState) -> &'static str {
    match state {
        GroupState::Empty => "Empty",
        GroupState::Preparing => "PreparingRebalance",
        GroupState::Completing => "CompletingRebalance",
        GroupState::Stable => "Stable",
    }
}
