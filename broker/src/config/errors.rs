//! Why a configuration is refused: which key, what it says, what is allowed.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// A configuration nothing is started with.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error(
        "cannot read the configuration {}: {source}; correct --config or the file's permissions",
        path.display()
    )]
    Read { path: PathBuf, source: io::Error },

    /// No TOML, a key that does not exist, or a value of the wrong kind.
    #[error("the configuration {} is not understood: {source}", path.display())]
    Syntax { path: PathBuf, source: toml::de::Error },

    #[error("{key} is {value}; it takes {min} to {max}")]
    Range { key: &'static str, value: u64, min: u64, max: u64 },

    /// Two keys that are right alone and wrong together.
    #[error("{key} is {value}; it takes at most {max}, {reason}")]
    Conflict { key: &'static str, value: u64, max: u64, reason: &'static str },

    #[error("{key} is '{value}'; it takes an IP address and a port, such as 127.0.0.1:7700")]
    Address { key: &'static str, value: String },

    #[error(
        "{key} is {address}, which other machines can reach, and no authentication is configured: \
         anyone who connects could read, write and delete everything; use a loopback address such \
         as 127.0.0.1:{}, or, on a network you trust, start with --insecure (listen.insecure = \
         true)", address.port()
    )]
    Exposed { key: &'static str, address: SocketAddr },

    #[error(
        "kafka.advertised is '{value}'; it takes the host and the port by which Kafka clients \
         reach the broker, such as broker.example.com:9092"
    )]
    Advertised { value: String },

    #[error(
        "http.allowed_origins has '{value}'; it takes origins as browsers send them: a scheme, a \
         host and, if it is not the scheme's own, a port, such as https://app.example.com"
    )]
    Origin { value: String },

    #[error("data is empty; it takes the path of a directory, such as ./weir-data")]
    NoDirectory,
}
