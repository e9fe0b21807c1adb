//! Who serves what: each API by the method that is called after it.

use weir_protocol::kafka::{Request, Response, Text};

use super::answers::Route;
use super::connection::{Connection, Ended};
use super::feeds::Feeds;

impl Connection {
    /// Answers a request, or has it answered when its batches are.
    pub(super) async fn serve(
        &self,
        route: Route,
        client_id: Option<Text>,
        request: Request,
        feeds: &mut Feeds,
    ) -> Result<(), Ended> {
        let version = route.version;
        let response: Response = match request {
            Request::Produce(request) => return self.produce(route, request).await,
            Request::Fetch(request) => feeds.fetch(request).await.into(),
            Request::JoinGroup(request) => {
                self.join_group(version, client_id, request).await.into()
            }
            Request::SyncGroup(request) => self.sync_group(request).await.into(),
            Request::Heartbeat(request) => self.heartbeat(request).await.into(),
            Request::LeaveGroup(request) => self.leave_group(version, request).await.into(),
            Request::OffsetCommit(request) => self.offset_commit(request).await.into(),
            Request::OffsetFetch(request) => self.offset_fetch(version, request).await.into(),
            Request::OffsetDelete(request) => self.offset_delete(request).await.into(),
            Request::DescribeGroups(request) => self.describe_groups(version, request).await.into(),
            Request::ListGroups(request) => self.list_groups(request).await.into(),
            Request::DeleteGroups(request) => self.delete_groups(request).await.into(),
            Request::ListOffsets(request) => self.list_offsets(request).await.into(),
            Request::Metadata(request) => self.metadata(version, request).await.into(),
            Request::ApiVersions(request) => super::api_versions::answer(version, &request).into(),
            Request::FindCoordinator(request) => self.find_coordinator(version, request).into(),
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
            Request::InitProducerId(request) => self.init_producer_id(request).await.into(),
        };
        self.answer(route, &response);
        Ok(())
    }
}
