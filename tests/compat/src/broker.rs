//! The broker under test: weir's binary, or with `WEIR_COMPAT_BROKER=kafka` Apache Kafka itself, as
//! the judge of what its clients may expect.
//!
//! Its data lies in a directory that goes with it; it is killed when it is dropped. It can be
//! killed and started again at the same address, with what it had kept.

mod apache;
mod weir;

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use tempfile::TempDir;

use crate::program::Program;
use crate::{native, topic};

pub use self::weir::binary;

/// A broker that serves.
#[derive(Debug)]
pub struct Broker {
    kind: Kind,
    directory: TempDir,
    process: Program,
    addresses: Addresses,
}

/// Which broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Weir,
    ApacheKafka,
}

/// Where it is reached.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    kafka: SocketAddr,
    /// Only weir has one.
    native: Option<SocketAddr>,
    /// The same.
    http: Option<SocketAddr>,
}

impl Broker {
    /// Starts the broker that the environment asks for, and waits until it serves.
    ///
    /// # Panics
    /// If it does not.
    pub fn start() -> Self {
        match env::var("WEIR_COMPAT_BROKER").as_deref() {
            Err(_) | Ok("weir") => Self::start_kind(Kind::Weir),
            Ok("kafka") => Self::start_kind(Kind::ApacheKafka),
            Ok(other) => panic!("WEIR_COMPAT_BROKER is weir or kafka, not {other}"),
        }
    }

    fn start_kind(kind: Kind) -> Self {
        let directory = TempDir::new().expect("a directory can be made");
        let (process, addresses) = match kind {
            Kind::Weir => weir::start(directory.path(), None),
            Kind::ApacheKafka => {
                let kafka = free_address();
                let process = apache::start(directory.path(), kafka, free_address());
                (process, Addresses { kafka, native: None, http: None })
            }
        };
        Self { kind, directory, process, addresses }
    }

    /// Where Kafka's protocol is spoken.
    pub fn kafka(&self) -> SocketAddr {
        self.addresses.kafka
    }

    /// Where weir's own protocol is spoken. `None` if the broker is not weir.
    pub fn native(&self) -> Option<SocketAddr> {
        self.addresses.native
    }

    /// Where weir speaks HTTP. `None` if the broker is not weir.
    pub fn http(&self) -> Option<SocketAddr> {
        self.addresses.http
    }

    /// Makes topics with as many partitions.
    pub fn create(&self, topics: &[String], partitions: u32) {
        match self.addresses.native {
            None => topic::create(self.kafka(), topics, partitions),
            Some(native) => {
                topics.iter().for_each(|topic| native::create(native, topic, partitions));
            }
        }
    }

    /// Stops it, as SIGTERM does, and gives the directory of its data, which goes with the broker.
    ///
    /// # Panics
    /// If it does not end by itself.
    pub fn stop(&mut self) -> PathBuf {
        self.process.terminate();
        self.directory.path().join("data")
    }

    /// Kills it, as `kill -9` does, and starts it again on the same data and address.
    ///
    /// # Panics
    /// If it does not start again.
    pub fn kill_and_start(&mut self) {
        self.process.kill();
        let path = self.directory.path();
        (self.process, self.addresses) = match self.kind {
            Kind::Weir => weir::start(path, Some(self.addresses.kafka)),
            Kind::ApacheKafka => {
                let addresses = self.addresses;
                (apache::start(path, addresses.kafka, free_address()), addresses)
            }
        };
    }
}

/// An address that nobody listens at just now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    listener.local_addr().expect("a listener has an address")
}
