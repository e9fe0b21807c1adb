//! InitProducerId: the identity under which a producer's batches are stored once.

use weir_protocol::kafka::Text;
use weir_protocol::kafka::api::init_producer_id::{Request, Response};

use super::codes::error_code;
use super::connection::Connection;
use crate::session::Producer;

impl Connection {
    /// A new identity, whatever the producer had before: its id and epoch matter to transactions
    /// alone.
    pub(super) async fn init_producer_id(&self, request: Request) -> Response {
        match self.session.init_producer(request.transactional_id.as_ref().map(Text::as_str)).await
        {
            Ok(Producer { id, epoch }) => {
                Response { producer_id: id, producer_epoch: epoch, ..Response::default() }
            }
            Err(refusal) => {
                let error_code = error_code(refusal.code);
                Response { error_code, producer_epoch: -1, ..Response::default() }
            }
        }
    }
}
