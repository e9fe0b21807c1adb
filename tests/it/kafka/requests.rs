//! One request of each API, filled in so that every array of it has an element.
//!
//! Nothing that they ask for waits, and what they would make or change is only looked at
//! (`validate_only`): they may be sent in any number, and with any number in the place of another.

use bytes::Bytes;
use weir_protocol::kafka::api::{
    alter_configs, api_versions, create_partitions, create_topics, delete_groups, delete_records,
    delete_topics, describe_cluster, describe_configs, describe_groups, describe_log_dirs,
    describe_topic_partitions, find_coordinator, heartbeat, incremental_alter_configs,
    init_producer_id, join_group, leave_group, list_groups, list_offsets, metadata, offset_commit,
    offset_delete, offset_fetch, offset_for_leader_epoch, resource, sync_group,
};
use weir_protocol::kafka::{Api, Request, Uuid};
use weir_tests::kafka::{fetch_request, produce_request};
use weir_tests::wire::batch;

/// The topic that they are about.
pub(crate) const TOPIC: &str = "flights";

/// A topic, and a group, that are not there.
const NOBODY: &str = "nobody";

/// The request of an API; `topic` is the id of [`TOPIC`].
pub(crate) fn request(api: Api, topic: Uuid) -> Request {
    match api {
        Api::Produce => {
            let mut request = produce_request(TOPIC, -1, batch(&[b"a"]));
            request.topic_data[0].topic_id = topic;
            request.into()
        }
        Api::Fetch => {
            let mut request = fetch_request(TOPIC, 0);
            request.topics[0].topic_id = topic;
            request.into()
        }
        Api::ListOffsets => list_offsets().into(),
        Api::Metadata => {
            let named = metadata::RequestTopic { name: Some(TOPIC.into()), ..Default::default() };
            metadata::Request { topics: Some(vec![named]), ..Default::default() }.into()
        }
        Api::ApiVersions => api_versions::Request {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
            ..Default::default()
        }
        .into(),
        Api::InitProducerId => init_producer_id::Request::default().into(),
        Api::OffsetForLeaderEpoch => offset_for_leader_epoch().into(),
        Api::FindCoordinator
        | Api::JoinGroup
        | Api::Heartbeat
        | Api::LeaveGroup
        | Api::SyncGroup
        | Api::DescribeGroups
        | Api::ListGroups
        | Api::DeleteGroups => of_a_group(api),
        Api::OffsetCommit => offset_commit(topic).into(),
        Api::OffsetFetch => offset_fetch(topic).into(),
        Api::OffsetDelete => offset_delete().into(),
        Api::CreateTopics
        | Api::DeleteTopics
        | Api::DeleteRecords
        | Api::CreatePartitions
        | Api::DescribeTopicPartitions
        | Api::DescribeLogDirs
        | Api::DescribeCluster => of_an_operator(api),
        Api::DescribeConfigs | Api::AlterConfigs | Api::IncrementalAlterConfigs => of_configs(api),
    }
}

fn list_offsets() -> list_offsets::Request {
    let partition =
        list_offsets::RequestPartition { timestamp: list_offsets::LATEST, ..Default::default() };
    let partitions = vec![partition];
    let topic = list_offsets::RequestTopic { name: TOPIC.into(), partitions, ..Default::default() };
    list_offsets::Request { topics: vec![topic], ..Default::default() }
}

fn offset_for_leader_epoch() -> offset_for_leader_epoch::Request {
    let topic = offset_for_leader_epoch::RequestTopic {
        topic: TOPIC.into(),
        partitions: vec![Default::default()],
        ..Default::default()
    };
    offset_for_leader_epoch::Request { topics: vec![topic], ..Default::default() }
}

fn of_a_group(api: Api) -> Request {
    let (group_id, member_id) = (NOBODY.into(), NOBODY.into());
    match api {
        Api::FindCoordinator => find_coordinator::Request {
            key: NOBODY.into(),
            coordinator_keys: vec![NOBODY.into()],
            ..Default::default()
        }
        .into(),
        Api::JoinGroup => {
            let protocol = join_group::Protocol {
                name: "range".into(),
                metadata: Bytes::from_static(b"said"),
                ..Default::default()
            };
            let (protocol_type, protocols) = ("consumer".into(), vec![protocol]);
            let session_timeout_ms = 10_000;
            // A member of a group that is not there: refused, and keeps nobody waiting.
            join_group::Request {
                group_id,
                session_timeout_ms,
                member_id,
                protocol_type,
                protocols,
                ..Default::default()
            }
            .into()
        }
        Api::Heartbeat => heartbeat::Request { group_id, member_id, ..Default::default() }.into(),
        Api::LeaveGroup => {
            let member = leave_group::RequestMember {
                member_id: NOBODY.into(),
                reason: Some("none".into()),
                ..Default::default()
            };
            let members = vec![member];
            leave_group::Request { group_id, member_id, members, ..Default::default() }.into()
        }
        Api::SyncGroup => {
            let assignment = sync_group::Assignment {
                member_id: NOBODY.into(),
                assignment: Bytes::from_static(b"all"),
                ..Default::default()
            };
            let assignments = vec![assignment];
            sync_group::Request { group_id, member_id, assignments, ..Default::default() }.into()
        }
        Api::DescribeGroups => {
            describe_groups::Request { groups: vec![group_id], ..Default::default() }.into()
        }
        Api::ListGroups => list_groups::Request {
            states_filter: vec!["Stable".into()],
            types_filter: vec!["classic".into()],
            ..Default::default()
        }
        .into(),
        Api::DeleteGroups => {
            delete_groups::Request { groups_names: vec![group_id], ..Default::default() }.into()
        }
        other => unreachable!("{other} is about no group"),
    }
}

fn offset_commit(topic_id: Uuid) -> offset_commit::Request {
    let partition = offset_commit::RequestPartition {
        committed_offset: 1,
        committed_metadata: Some("why".into()),
        ..Default::default()
    };
    let topic = offset_commit::RequestTopic {
        name: TOPIC.into(),
        topic_id,
        partitions: vec![partition],
        ..Default::default()
    };
    offset_commit::Request { group_id: "readers".into(), topics: vec![topic], ..Default::default() }
}

fn offset_fetch(topic_id: Uuid) -> offset_fetch::Request {
    let topic = offset_fetch::RequestTopic {
        name: TOPIC.into(),
        partition_indexes: vec![0],
        ..Default::default()
    };
    let group_topic = offset_fetch::RequestGroupTopic {
        name: TOPIC.into(),
        topic_id,
        partition_indexes: vec![0],
        ..Default::default()
    };
    let group = offset_fetch::RequestGroup {
        group_id: "readers".into(),
        topics: Some(vec![group_topic]),
        ..Default::default()
    };
    offset_fetch::Request {
        group_id: "readers".into(),
        topics: Some(vec![topic]),
        groups: vec![group],
        ..Default::default()
    }
}

fn offset_delete() -> offset_delete::Request {
    let topic = offset_delete::RequestTopic {
        name: NOBODY.into(),
        partitions: vec![Default::default()],
        ..Default::default()
    };
    offset_delete::Request { group_id: NOBODY.into(), topics: vec![topic], ..Default::default() }
}

fn of_an_operator(api: Api) -> Request {
    match api {
        Api::CreateTopics => create_topics().into(),
        Api::DeleteTopics => {
            let named = delete_topics::Topic { name: Some(NOBODY.into()), ..Default::default() };
            let (topics, topic_names) = (vec![named], vec![NOBODY.into()]);
            delete_topics::Request { topics, topic_names, ..Default::default() }.into()
        }
        Api::DeleteRecords => {
            let topic = delete_records::RequestTopic {
                name: NOBODY.into(),
                partitions: vec![Default::default()],
                ..Default::default()
            };
            delete_records::Request { topics: vec![topic], ..Default::default() }.into()
        }
        Api::CreatePartitions => {
            let assignments = Some(vec![create_partitions::Assignment {
                broker_ids: vec![1],
                ..Default::default()
            }]);
            let name = TOPIC.into();
            let topic =
                create_partitions::Topic { name, count: 2, assignments, ..Default::default() };
            let topics = vec![topic];
            create_partitions::Request { topics, validate_only: true, ..Default::default() }.into()
        }
        Api::DescribeTopicPartitions => {
            let topic = describe_topic_partitions::RequestTopic {
                name: TOPIC.into(),
                ..Default::default()
            };
            let topics = vec![topic];
            describe_topic_partitions::Request { topics, ..Default::default() }.into()
        }
        Api::DescribeLogDirs => {
            let topic = describe_log_dirs::RequestTopic {
                topic: TOPIC.into(),
                partitions: vec![0],
                ..Default::default()
            };
            describe_log_dirs::Request { topics: Some(vec![topic]), ..Default::default() }.into()
        }
        Api::DescribeCluster => describe_cluster::Request::default().into(),
        other => unreachable!("{other} is no operator's"),
    }
}

fn create_topics() -> create_topics::Request {
    let assignment = create_topics::Assignment { broker_ids: vec![1], ..Default::default() };
    let config = create_topics::NewConfig {
        name: "retention.ms".into(),
        value: Some("60000".into()),
        ..Default::default()
    };
    let topic = create_topics::NewTopic {
        name: NOBODY.into(),
        num_partitions: 1,
        replication_factor: 1,
        assignments: vec![assignment],
        configs: vec![config],
        ..Default::default()
    };
    create_topics::Request { topics: vec![topic], validate_only: true, ..Default::default() }
}

fn of_configs(api: Api) -> Request {
    let (resource_type, resource_name) = (resource::TOPIC, TOPIC.into());
    let (name, value) = ("retention.ms".into(), Some("60000".into()));
    match api {
        Api::DescribeConfigs => {
            let configuration_keys = Some(vec![name]);
            let resource = describe_configs::Resource {
                resource_type,
                resource_name,
                configuration_keys,
                ..Default::default()
            };
            describe_configs::Request { resources: vec![resource], ..Default::default() }.into()
        }
        Api::AlterConfigs => {
            let configs = vec![alter_configs::Config { name, value, ..Default::default() }];
            let resource = alter_configs::Resource {
                resource_type,
                resource_name,
                configs,
                ..Default::default()
            };
            let resources = vec![resource];
            alter_configs::Request { resources, validate_only: true, ..Default::default() }.into()
        }
        Api::IncrementalAlterConfigs => {
            let config = incremental_alter_configs::Config { name, value, ..Default::default() };
            let resource = incremental_alter_configs::Resource {
                resource_type,
                resource_name,
                configs: vec![config],
                ..Default::default()
            };
            let resources = vec![resource];
            incremental_alter_configs::Request {
                resources,
                validate_only: true,
                ..Default::default()
            }
            .into()
        }
        other => unreachable!("{other} is about no settings"),
    }
}
