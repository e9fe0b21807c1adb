//! DescribeConfigs: the settings of topics and brokers.

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        resources: Vec<Resource> = 0..;
        include_synonyms: bool = 1..;
        include_documentation: bool = 3..;
    }

    pub struct Resource {
        /// One of [`resource`](super::resource).
        resource_type: i8 = 0..;
        resource_name: Text = 0..;
        /// Null: all of them.
        configuration_keys: Option<Vec<Text>> = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 0..;
        results: Vec<Described> = 0..;
    }

    pub struct Described {
        error_code: ErrorCode = 0..;
        error_message: Option<Text> = 0..;
        resource_type: i8 = 0..;
        resource_name: Text = 0..;
        configs: Vec<Config> = 0..;
    }

    pub struct Config {
        name: Text = 0..;
        value: Option<Text> = 0..;
        read_only: bool = 0..;
        /// One of [`source`].
        config_source: i8 = 1.., default -1;
        is_sensitive: bool = 0..;
        /// Where the value comes from and what it would be else, the first that counts first.
        synonyms: Vec<Synonym> = 1..;
        /// One of [`kind`].
        config_type: i8 = 3..;
        documentation: Option<Text> = 3..;
    }

    pub struct Synonym {
        name: Text = 1..;
        value: Option<Text> = 1..;
        source: i8 = 1..;
    }
}

/// Where the value of a setting comes from.
pub mod source {
    pub const TOPIC: i8 = 1;
    pub const BROKER: i8 = 2;
    pub const BROKERS_DEFAULT: i8 = 3;
    /// The broker's file of settings.
    pub const BROKER_FILE: i8 = 4;
    pub const DEFAULT: i8 = 5;
    pub const BROKER_LOGGER: i8 = 6;
    pub const CLIENT_METRICS: i8 = 7;
    pub const GROUP: i8 = 8;
}

/// What values a setting has.
pub mod kind {
    pub const UNKNOWN: i8 = 0;
    pub const BOOLEAN: i8 = 1;
    pub const STRING: i8 = 2;
    pub const INT: i8 = 3;
    pub const SHORT: i8 = 4;
    pub const LONG: i8 = 5;
    pub const DOUBLE: i8 = 6;
    pub const LIST: i8 = 7;
    pub const CLASS: i8 = 8;
    pub const PASSWORD: i8 = 9;
}
