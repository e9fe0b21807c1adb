//! AlterConfigs: the settings of a topic become those that are named, all others their defaults.

use super::super::{ErrorCode, Text};

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
