//! What is served, and who serves it.

use weir_protocol::kafka::{Api, Request, Response};

use super::answers::Route;
use super::connection::{Connection, Ended};
use super::feeds::Feeds;

/// The APIs that are served, by key: what a client finds out by its first request.
pub(super) const SERVED: &[Api] =
    &[Api::Produce, Api::Fetch, Api::ListOffsets, Api::Metadata, Api::ApiVersions];

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
            request => {
                tracing::debug!(api = %request.api(), "a Kafka client asks for what is not served");
                return Err(Ended::Closed);
            }
        };
        self.answer(route, &response);
        Ok(())
    }
}
