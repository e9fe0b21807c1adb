//! What the clients of Kafka are told and may do, checked.
//!
//! A Kafka client connects where it was told, then is told by the broker where to connect for its
//! topics. [`Advertised`] is what it is told; without one it is the address by which it came.

use std::time::Duration;

use weir_protocol::limits;

use super::checked::{within_ms, within_usize};
use super::errors::ConfigError;
use super::file::KafkaSection;

/// What the Kafka face does.
#[derive(Clone, Debug)]
pub struct Kafka {
    pub advertised: Option<Advertised>,
    pub auto_create_topics: bool,
    pub request_bytes_max: usize,
    pub idle_max: Duration,
}

impl Kafka {
    pub(super) fn check(file: &KafkaSection) -> Result<Self, ConfigError> {
        let advertised = file.advertised.as_deref().map(Advertised::parse).transpose()?;
        let request_bytes_max = within_usize(
            "kafka.request_bytes_max",
            file.request_bytes_max,
            64 << 10..=limits::KAFKA_FRAME_BYTES_MAX,
        )?;
        let idle_max = within_ms("kafka.idle_ms_max", file.idle_ms_max, 1_000..=86_400_000)?;
        let auto_create_topics = file.auto_create_topics;
        Ok(Self { advertised, auto_create_topics, request_bytes_max, idle_max })
    }
}

/// A host and a port that clients can connect to: a name or an IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    pub host: String,
    pub port: u16,
}

impl Advertised {
    fn parse(value: &str) -> Result<Self, ConfigError> {
        let refused = || ConfigError::Advertised { value: value.to_owned() };
        let (host, port) = value.rsplit_once(':').ok_or_else(refused)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let (host, is_right) = match bare {
            Some(host) => (host, host.parse::<std::net::Ipv6Addr>().is_ok()),
            None => (host, !host.is_empty() && host.chars().all(is_host)),
        };
        match port.parse() {
            Ok(port) if is_right && 0 < port && host.len() <= HOST_BYTES_MAX => {
                Ok(Self { host: host.to_owned(), port })
            }
            _ => Err(refused()),
        }
    }
}

/// The longest name that DNS has.
const HOST_BYTES_MAX: usize = 253;
