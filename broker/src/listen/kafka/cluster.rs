//! The cluster, which is this broker: who coordinates, who there is, what lies on its disk.

use std::collections::BTreeMap;

use weir_protocol::kafka::api::find_coordinator::{self, Coordinator, GROUP, TRANSACTION};
use weir_protocol::kafka::api::{describe_cluster, describe_log_dirs};
use weir_protocol::kafka::{ErrorCode, Text};
use weir_protocol::name::TopicName;

use super::NODE_ID;
use super::connection::Connection;
use super::names::topic_name;

/// The version from which a request has more than one key.
const KEYS_FROM: i16 = 4;

/// As an endpoint's type: brokers, not controllers.
const BROKERS: i8 = 1;

/// What the data directory is called: where it lies is not its clients' business.
const LOG_DIR: &str = "weir-data";

impl Connection {
    pub(super) fn find_coordinator(
        &self,
        version: i16,
        request: find_coordinator::Request,
    ) -> find_coordinator::Response {
        let find = |key: Text| self.coordinator(key, request.key_type);
        if KEYS_FROM <= version {
            let coordinators = request.coordinator_keys.into_iter().map(find).collect();
            return find_coordinator::Response { coordinators, ..Default::default() };
        }
        let Coordinator { node_id, host, port, error_code, error_message, .. } = find(request.key);
        find_coordinator::Response {
            error_code,
            error_message,
            node_id,
            host,
            port,
            ..Default::default()
        }
    }

    fn coordinator(&self, key: Text, key_type: i8) -> Coordinator {
        // Who asks for transactions is refused by InitProducerId: a refusal of this request is
        // repeated by some clients without a word until their time is over.
        if !matches!(key_type, GROUP | TRANSACTION) {
            let why = "this weir coordinates consumer groups; it has no share groups";
            return Coordinator {
                key,
                node_id: -1,
                port: -1,
                error_code: ErrorCode::InvalidRequest,
                error_message: Some(why.into()),
                ..Coordinator::default()
            };
        }
        let (host, port) = (self.endpoint.host.clone(), i32::from(self.endpoint.port));
        Coordinator { key, node_id: NODE_ID, host, port, ..Coordinator::default() }
    }

    pub(super) fn describe_cluster(
        &self,
        request: &describe_cluster::Request,
    ) -> describe_cluster::Response {
        if request.endpoint_type != BROKERS {
            return describe_cluster::Response {
                error_code: ErrorCode::MismatchedEndpointType,
                error_message: Some("this is a broker's endpoint, no controller's".into()),
                ..Default::default()
            };
        }
        let broker = describe_cluster::Broker {
            broker_id: NODE_ID,
            host: self.endpoint.host.clone(),
            port: i32::from(self.endpoint.port),
            ..Default::default()
        };
        describe_cluster::Response {
            cluster_id: self.cluster_id(),
            controller_id: NODE_ID,
            brokers: vec![broker],
            ..Default::default()
        }
    }

    pub(super) fn describe_log_dirs(
        &self,
        request: describe_log_dirs::Request,
    ) -> describe_log_dirs::Response {
        let topics = match request.topics {
            None => {
                let all = self.session.list_topics(None, usize::MAX);
                all.iter().filter_map(|facts| self.sized(&facts.name, |_| true)).collect()
            }
            Some(asked) => {
                // Each topic once, however often it is named.
                let mut by_name: BTreeMap<Text, Vec<i32>> = BTreeMap::new();
                for topic in asked {
                    by_name.entry(topic.topic).or_default().extend(topic.partitions);
                }
                let found = by_name.iter().filter_map(|(name, partitions)| {
                    let name = topic_name(name).ok()?;
                    self.sized(&name, |number| partitions.contains(&number))
                });
                found.collect()
            }
        };
        let directory =
            describe_log_dirs::LogDir { log_dir: LOG_DIR.into(), topics, ..Default::default() };
        describe_log_dirs::Response { results: vec![directory], ..Default::default() }
    }

    /// The sizes of a topic's partitions; `None` where it is gone.
    fn sized(
        &self,
        name: &TopicName,
        is_asked: impl Fn(i32) -> bool,
    ) -> Option<describe_log_dirs::ResponseTopic> {
        let sizes = self.session.partition_bytes(name).ok()?;
        let partitions = (0..).zip(sizes).filter(|(number, _)| is_asked(*number));
        let partitions = partitions.map(|(partition_index, bytes)| describe_log_dirs::Partition {
            partition_index,
            partition_size: bytes.cast_signed(),
            ..Default::default()
        });
        Some(describe_log_dirs::ResponseTopic {
            name: name.as_str().into(),
            partitions: partitions.collect(),
            ..Default::default()
        })
    }
}
