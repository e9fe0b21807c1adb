//! What travels to and from a weir broker: bytes to values and back.
//!
//! This package knows no socket, file, clock or runtime. Whatever it reads came from a peer or a
//! disk and may be anything at all, so nothing here indexes, trusts a length or reserves memory
//! that a length promises.
//!
//! - [`limits`]: every size a peer can see
//! - [`name`], [`id`]: what a topic is called, and what it is
//! - [`checksum`]: CRC-32C, the checksum of batches
//! - [`batch`]: the record batch, the unit of everything
//! - [`code`]: why a request is refused, on every face
//! - [`native`]: weir's own protocol
//! - [`kafka`]: Kafka's protocol
//! - [`read_buffer`]: what frames are read into, whichever wire they are of
//! - [`web`]: what browsers read
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod batch;
pub mod checksum;
pub mod code;
pub mod id;
pub mod kafka;
pub mod limits;
pub mod name;
pub mod native;
pub mod partitioner;
pub mod read_buffer;
pub mod web;
