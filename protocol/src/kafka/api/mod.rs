//! The APIs: which there are, in which versions, and the file of each.
//!
//! A file declares a request, its response and the structures inside of them; nothing in it knows
//! how to read or write. This one is the table of what is served, from which the ApiVersions answer
//! comes, and the two enums of all requests and all responses.

use std::fmt;
use std::ops::RangeInclusive;

use bytes::Bytes;

use super::fault::Fault;
use super::reader::Reader;
use super::wire::{Form, Wire};
use super::writer::Writer;

pub mod alter_configs;
pub mod api_versions;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_groups;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod describe_topic_partitions;
pub mod fetch;
pub mod find_coordinator;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
mod leader;
pub mod leave_group;
pub mod list_groups;
pub mod list_offsets;
pub mod metadata;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod resource;
pub mod sync_group;

pub use leader::{CurrentLeader, NodeEndpoint};

/// One list makes the keys, the versions and the enums, so that none of them can lack an API.
macro_rules! apis {
    ($($api:ident = $key:literal, $served:expr, flexible $flexible:expr, $file:ident;)+) => {
        /// What a request asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i16)]
        pub enum Api {
            $($api = $key,)+
        }

        impl Api {
            /// Every API, by key.
            pub const ALL: &'static [Self] = &[$(Self::$api),+];

            /// Kafka's name of it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$api => stringify!($api),)+
                }
            }

            /// The versions that are read and answered.
            pub const fn served(self) -> RangeInclusive<i16> {
                match self {
                    $(Self::$api => $served,)+
                }
            }

            /// The first version with compact lengths and tagged fields.
            const fn flexible_from(self) -> i16 {
                match self {
                    $(Self::$api => $flexible,)+
                }
            }
        }

        /// A request of any API.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Request {
            $($api($file::Request),)+
        }

        impl Request {
            pub fn api(&self) -> Api {
                match self {
                    $(Self::$api(_) => Api::$api,)+
                }
            }

            /// Reads a body; records in it are views of `body`. What stands behind it is passed
            /// over, as Kafka does: librdkafka 2.12 leaves three bytes of a list's count behind
            /// a Metadata request for all topics.
            ///
            /// # Errors
            /// The body is not what its version says.
            pub fn read(api: Api, version: i16, body: Bytes) -> Result<Self, Fault> {
                let mut reader = Reader::new(body, api.form(version));
                match api {
                    $(Api::$api => Wire::read(&mut reader, "body").map(Self::$api),)+
                }
            }

            pub(crate) fn write(&self, writer: &mut Writer<'_>) {
                match self {
                    $(Self::$api(request) => request.write(writer),)+
                }
            }
        }

        /// A response of any API.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Response {
            $($api($file::Response),)+
        }

        impl Response {
            pub fn api(&self) -> Api {
                match self {
                    $(Self::$api(_) => Api::$api,)+
                }
            }

            /// Reads a whole body.
            pub(crate) fn read(api: Api, version: i16, body: Bytes) -> Result<Self, Fault> {
                let mut reader = Reader::new(body, api.form(version));
                let response = match api {
                    $(Api::$api => Wire::read(&mut reader, "body").map(Self::$api)?,)+
                };
                reader.end()?;
                Ok(response)
            }

            pub(crate) fn write(&self, writer: &mut Writer<'_>) {
                match self {
                    $(Self::$api(response) => response.write(writer),)+
                }
            }
        }

        $(
            impl From<$file::Request> for Request {
                fn from(request: $file::Request) -> Self {
                    Self::$api(request)
                }
            }

            impl From<$file::Response> for Response {
                fn from(response: $file::Response) -> Self {
                    Self::$api(response)
                }
            }
        )+

        #[cfg(test)]
        mod sampled {
            use super::{Api, Form, Request, Response};
            use crate::kafka::tests::{Sampled, SampledMessage, Told, sample};

            impl SampledMessage for Request {
                fn sample(api: Api, form: Form, seed: u64) -> Self {
                    match api {
                        $(Api::$api => Self::$api(sample(seed, form)),)+
                    }
                }

                fn told(&self, form: Form) -> Told {
                    match self {
                        $(Self::$api(request) => request.told(form),)+
                    }
                }
            }

            impl SampledMessage for Response {
                fn sample(api: Api, form: Form, seed: u64) -> Self {
                    match api {
                        $(Api::$api => Self::$api(sample(seed, form)),)+
                    }
                }

                fn told(&self, form: Form) -> Told {
                    match self {
                        $(Self::$api(response) => response.told(form),)+
                    }
                }
            }
        }
    };
}

apis! {
    Produce = 0, 3..=13, flexible 9, produce;
    Fetch = 1, 4..=18, flexible 12, fetch;
    ListOffsets = 2, 1..=11, flexible 6, list_offsets;
    Metadata = 3, 0..=13, flexible 9, metadata;
    OffsetCommit = 8, 2..=10, flexible 8, offset_commit;
    OffsetFetch = 9, 1..=10, flexible 6, offset_fetch;
    FindCoordinator = 10, 0..=6, flexible 3, find_coordinator;
    JoinGroup = 11, 0..=9, flexible 6, join_group;
    Heartbeat = 12, 0..=4, flexible 4, heartbeat;
    LeaveGroup = 13, 0..=5, flexible 4, leave_group;
    SyncGroup = 14, 0..=5, flexible 4, sync_group;
    DescribeGroups = 15, 0..=6, flexible 5, describe_groups;
    ListGroups = 16, 0..=5, flexible 3, list_groups;
    ApiVersions = 18, 0..=4, flexible 3, api_versions;
    CreateTopics = 19, 2..=7, flexible 5, create_topics;
    DeleteTopics = 20, 1..=6, flexible 4, delete_topics;
    DeleteRecords = 21, 0..=2, flexible 2, delete_records;
    InitProducerId = 22, 0..=5, flexible 2, init_producer_id;
    OffsetForLeaderEpoch = 23, 2..=4, flexible 4, offset_for_leader_epoch;
    DescribeConfigs = 32, 1..=4, flexible 4, describe_configs;
    AlterConfigs = 33, 0..=2, flexible 2, alter_configs;
    DescribeLogDirs = 35, 1..=4, flexible 2, describe_log_dirs;
    CreatePartitions = 37, 0..=3, flexible 2, create_partitions;
    DeleteGroups = 42, 0..=2, flexible 2, delete_groups;
    IncrementalAlterConfigs = 44, 0..=1, flexible 1, incremental_alter_configs;
    OffsetDelete = 47, 0..=0, flexible NEVER, offset_delete;
    DescribeCluster = 60, 0..=2, flexible 0, describe_cluster;
    DescribeTopicPartitions = 75, 0..=0, flexible 0, describe_topic_partitions;
}

impl Api {
    /// The number of it on the wire.
    pub const fn key(self) -> i16 {
        self as i16
    }

    pub fn from_key(key: i16) -> Option<Self> {
        Self::ALL.iter().copied().find(|api| api.key() == key)
    }

    /// The versions that an ApiVersions answer names.
    ///
    /// They are those that are served, but Produce from 0 on, as Kafka itself does: older
    /// librdkafka takes a minimum above 0 for a broker that lacks compression, and sends all
    /// records plain.
    pub const fn advertised(self) -> RangeInclusive<i16> {
        match self {
            Self::Produce => 0..=*self.served().end(),
            _ => self.served(),
        }
    }

    pub(crate) fn form(self, version: i16) -> Form {
        Form { version, flexible: self.flexible_from() <= version }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// As the first flexible version: there is none.
const NEVER: i16 = i16::MAX;
