//! The record batch, version 2 of Apache Kafka: the unit that is sent, checked, stored and read.
//!
//! The bytes that travel are the bytes that rest. A client builds a batch ([`Builder`]), the door
//! looks at its header alone ([`check()`]), the broker rebuilds the first sixteen bytes
//! ([`prefix`]) and stores the rest as it came, readers get runs of batches ([`batches`]), and only
//! who needs records walks them ([`View`]), inflated where they are compressed ([`Plain`]).
//!
//! Numbers are big-endian, inside a record zig-zag varints. This is the one layout of weir that is
//! not little-endian, because it is not ours.
//!
//! ```
//! use weir_protocol::batch::{Builder, View, check};
//!
//! let mut builder = Builder::new();
//! builder.push(1_700_000_000_000, Some(b"JFK"), Some(b"landed"), [])?;
//! builder.push(1_700_000_000_007, None, None, [(&b"trace"[..], None)])?;
//! let batch = builder.finish(None);
//!
//! let header = check(&batch, 1_000)?;
//! assert_eq!(header.records, 2);
//! for record in View::parse(&batch)?.records() {
//!     let record = record?;
//!     println!("{} {:?} {}", record.offset, record.key, record.headers().len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod layout;

mod check;

mod inflate;
mod message_id;
mod record;
mod run;
mod view;

mod builder;
mod stamp;
mod varint;

pub use builder::{Builder, PushError};
pub use check::{CheckError, check, verify_crc};
pub use inflate::{InflateError, Plain};
pub use layout::{
    Attributes, Compression, HEADER_BYTES, Header, HeaderError, PREFIX_BYTES, Prefix,
    RECORD_BYTES_MIN, TimestampType, UnknownCompression, batch_bytes, prefix,
};
pub use message_id::{MESSAGE_ID_HEADER, MessageIdError, message_id};
pub use record::{Headers, Record, RecordError, RecordHeader};
pub use run::{Batches, RunError, batches};
pub use stamp::{ProducerStamp, put_append_time};
pub use view::{Records, View, ViewError};

#[cfg(test)]
mod tests;
