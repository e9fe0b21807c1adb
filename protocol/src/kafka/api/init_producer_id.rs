//! InitProducerId: the identity under which a producer's batches are stored once.

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        /// Null: idempotent alone.
        transactional_id: Option<Text> = 0..;
        transaction_timeout_ms: i32 = 0..;
        /// The identity it had, to go on with at the next epoch; −1: none.
        producer_id: i64 = 3.., default -1;
        producer_epoch: i16 = 3.., default -1;
    }

    pub struct Response {
        throttle_time_ms: i32 = 0..;
        error_code: ErrorCode = 0..;
        producer_id: i64 = 0.., default -1;
        producer_epoch: i16 = 0..;
    }
}
