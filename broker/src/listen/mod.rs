//! Where connections come in. Each face has a directory of its own and knows no other; they share
//! the one accept loop.

pub(crate) mod accept;
pub(crate) mod http;
pub(crate) mod native;
