//! What is served, and who serves it.

use weir_protocol::kafka::{Api, Request, Response};

use super::answers::Route;
use super::connection::{Connection, Ended};
use super::feeds::Feeds;

/// The APIs that are served, by key: what a client finds out by its first request.
pub(super) const SERVED: &[Api] = &[
    Api::Produce,
    Api::Fetch,
    Api::ListOffsets,
    Api::Metadata,
    Api::FindCoordinator,
    Api::ApiVersions,
    Api::CreateTopics,
    Api::DeleteTopics,
    Api::DeleteRecords,
    Api::OffsetForLeaderEpoch,
    Api::DescribeConfigs,
    Api::AlterConfigs,
    Api::DescribeLogDirs,
    Api::CreatePartitions,
    Api::IncrementalAlterConfigs,
    Api::DescribeCluster,
    Api::DescribeTopicPartitions,
];

impl Connection {
    /// Answers a request, or has it answered when its batches are.
    pub(super) async fn serve(
        &self,
        route: Route,
        request: Request,
        feeds: &mut Feeds,
    ) -> Result<(), Ended> {
        let response: Response = match request {
            Request::Produce(request) => return self.produce(route, request).await,
            Request::Fetch(request) => feeds.fetch(request).await.into(),
            Request::ListOffsets(request) => self.list_offsets(request).await.into(),
            Request::Metadata(request) => self.metadata(route.version, request).await.into(),
            Request::ApiVersions(request) => {
                super::api_versions::answer(route.version, &request).into()
            }
            Request::FindCoordinator(request) => {
                self.find_coordinator(route.version, request).into()
            }
            Request::CreateTopics(request) => self.create_topics(request).await.into(),
            Request::DeleteTopics(request) => self.delete_topics(request).await.into(),
            Request::DeleteRecords(request) => self.delete_records(request).await.into(),
            Request::CreatePartitions(request) => self.create_partitions(request).await.into(),
            Request::OffsetForLeaderEpoch(request) => self.offset_for_leader_epoch(request).into(),
            Request::DescribeConfigs(request) => self.describe_configs(request).into(),
            Request::AlterConfigs(request) => self.alter_configs(request).await.into(),
            Request::IncrementalAlterConfigs(request) => {
                self.incremental_alter_configs(request).await.into()
            }
            Request::DescribeLogDirs(request) => self.describe_log_dirs(request).into(),
            Request::DescribeCluster(request) => self.describe_cluster(&request).into(),
            Request::DescribeTopicPartitions(request) => {
                self.describe_topic_partitions(request).into()
            }
            request => {
                tracing::debug!(api = %request.api(), "a Kafka client asks for what is not served");
                return Err(Ended::Closed);
            }
        };
        self.answer(route, &response);
        Ok(())
    }
}
