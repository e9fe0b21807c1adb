//! DescribeCluster: the brokers there are.

use super::super::{ErrorCode, Text};
use super::metadata::OPERATIONS_NOT_ASKED;

message! {
    pub struct Request {
        include_cluster_authorized_operations: bool = 0..;
        /// 1: brokers; 2: controllers.
        endpoint_type: i8 = 1.., default 1;
        include_fenced_brokers: bool = 2..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 0..;
        error_code: ErrorCode = 0..;
        error_message: Option<Text> = 0..;
        endpoint_type: i8 = 1.., default 1;
        cluster_id: Text = 0..;
        controller_id: i32 = 0.., default -1;
        brokers: Vec<Broker> = 0..;
        cluster_authorized_operations: i32 = 0.., default OPERATIONS_NOT_ASKED;
    }

    pub struct Broker {
        broker_id: i32 = 0..;
        host: Text = 0..;
        port: i32 = 0..;
        rack: Option<Text> = 0..;
        is_fenced: bool = 2..;
    }
}
