//! Where the broker is reached, checked: an address for each face, none of which other machines
//! reach by mistake.

use std::net::SocketAddr;

use super::errors::ConfigError;
use super::file::ListenSection;

/// Where the broker is reached.
#[derive(Debug)]
pub struct Listen {
    pub native: SocketAddr,
    pub http: SocketAddr,
    pub kafka: SocketAddr,
}

impl Listen {
    pub(super) fn check(file: &ListenSection) -> Result<Self, ConfigError> {
        let listen = Self {
            native: address("listen.native", &file.native)?,
            http: address("listen.http", &file.http)?,
            kafka: address("listen.kafka", &file.kafka)?,
        };
        if file.insecure {
            return Ok(listen);
        }
        let keys = ["listen.native", "listen.http", "listen.kafka"];
        for (key, address) in keys.into_iter().zip(listen.addresses()) {
            if !is_loopback(address) {
                return Err(ConfigError::Exposed { key, address });
            }
        }
        Ok(listen)
    }

    /// Whether other machines can reach the broker, which asks nobody who they are: startup
    /// warns.
    pub fn is_exposed(&self) -> bool {
        self.addresses().into_iter().any(|address| !is_loopback(address))
    }

    fn addresses(&self) -> [SocketAddr; 3] {
        [self.native, self.http, self.kafka]
    }
}

fn address(key: &'static str, value: &str) -> Result<SocketAddr, ConfigError> {
    value.parse().map_err(|_| ConfigError::Address { key, value: value.to_owned() })
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
