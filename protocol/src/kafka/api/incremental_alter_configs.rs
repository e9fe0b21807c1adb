//! IncrementalAlterConfigs: the settings that are named change, all others stay.

use super::super::{ErrorCode, Text};

/// As an operation: the value is this.
pub const SET: i8 = 0;

/// As an operation: the value is the default again.
pub const DELETE: i8 = 1;

/// As an operation: these are added to a list.
pub const APPEND: i8 = 2;

/// As an operation: these are taken out of a list.
pub const SUBTRACT: i8 = 3;

message! {
    pub struct Request {
        resources: Vec<Resource> = 0..;
        /// Say what would happen, and do nothing.
        validate_only: bool = 0..;
    }

    pub struct Resource {
        /// One of [`resource`](super::resource).
        resource_type: i8 = 0..;
        resource_name: Text = 0..;
        configs: Vec<Config> = 0..;
    }

    pub struct Config {
        name: Text = 0..;
        config_operation: i8 = 0..;
        value: Option<Text> = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 0..;
        responses: Vec<Altered> = 0..;
    }

    pub struct Altered {
        error_code: ErrorCode = 0..;
        error_message: Option<Text> = 0..;
        resource_type: i8 = 0..;
        resource_name: Text = 0..;
    }
}
