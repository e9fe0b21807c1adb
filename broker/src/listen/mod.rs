//! Where connections come in. Each face has a directory of its own and knows no other; they share
//! the one accept loop, what a connection reads into, and the queue of what it writes.

pub(crate) mod accept;
pub(crate) mod http;
mod intake;
pub(crate) mod kafka;
pub(crate) mod native;
mod pieces;
