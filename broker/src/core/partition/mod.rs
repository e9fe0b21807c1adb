//! A partition: its handle for those who produce and read, and the state its shard keeps of it.

pub(crate) mod admission;
pub(crate) mod gather;
pub(crate) mod handle;
pub(crate) mod identified;
pub(crate) mod message_id;
pub(crate) mod message_ids;
pub(crate) mod moves;
pub(crate) mod parking;
mod producer;
pub(crate) mod producers;
pub(crate) mod request;
pub(crate) mod reserve;
pub(crate) mod sift;
pub(crate) mod trim;

pub(crate) use handle::Handle;
