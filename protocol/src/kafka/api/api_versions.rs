//! ApiVersions: which APIs there are and in which versions, the first thing a client asks.
//!
//! Its response never has a flexible header, and a request of a version that is not served is
//! answered in version 0: so a client of any age reads the answer (KIP-511).

use super::super::{ErrorCode, Text};
use super::Api;

message! {
    pub struct Request {
        client_software_name: Text = 3..;
        client_software_version: Text = 3..;
    }

    pub struct Response {
        error_code: ErrorCode = 0..;
        api_keys: Vec<ApiVersion> = 0..;
        throttle_time_ms: i32 = 1..;
        supported_features: Vec<SupportedFeature> = 3.., tag 0;
        finalized_features_epoch: i64 = 3.., tag 1, default -1;
        finalized_features: Vec<FinalizedFeature> = 3.., tag 2;
        zk_migration_ready: bool = 3.., tag 3;
    }

    pub struct ApiVersion {
        api_key: i16 = 0..;
        min_version: i16 = 0..;
        max_version: i16 = 0..;
    }

    /// A minimum of 0 may be named from version 4 on alone: older clients take it for an error.
    pub struct SupportedFeature {
        name: Text = 3..;
        min_version: i16 = 3..;
        max_version: i16 = 3..;
    }

    pub struct FinalizedFeature {
        name: Text = 3..;
        max_version_level: i16 = 3..;
        min_version_level: i16 = 3..;
    }
}

impl From<Api> for ApiVersion {
    fn from(api: Api) -> Self {
        let versions = api.advertised();
        Self {
            api_key: api.key(),
            min_version: *versions.start(),
            max_version: *versions.end(),
            ..Self::default()
        }
    }
}

impl Response {
    /// Names every API of the table, and nothing else.
    pub fn of_all_apis() -> Self {
        let api_keys = Api::ALL.iter().copied().map(ApiVersion::from).collect();
        Self { api_keys, ..Self::default() }
    }

    /// The answer to a version that is not served, which is written in version 0.
    pub fn unsupported_version() -> Self {
        Self { error_code: ErrorCode::UnsupportedVersion, ..Self::of_all_apis() }
    }
}
