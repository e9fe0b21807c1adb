//! The record batch, version 2 of Apache Kafka: the unit that is sent, checked, stored and read.
//!
//! The bytes that travel are the bytes that rest. The door looks at a batch's header alone
//! ([`check()`]), the broker rebuilds the first sixteen bytes ([`prefix`]) and stores the rest as
//! it came.
//!
//! Numbers are big-endian, inside a record zig-zag varints. This is the one layout of weir that is
//! not little-endian, because it is not ours.

mod check;
mod layout;

pub use check::{CheckError, check, verify_crc};
pub use layout::{
    Attributes, Compression, HEADER_BYTES, Header, HeaderError, PREFIX_BYTES, Prefix,
    RECORD_BYTES_MIN, TimestampType, UnknownCompression, batch_bytes, prefix,
};

#[cfg(test)]
mod tests;
