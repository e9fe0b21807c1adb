//! What waiting is made of, by one name each, so that a model checker can put its own in their
//! place: `tests/marks` compiles this folder's files with `loom`'s.

pub(super) use std::sync::atomic;

pub(super) use parking_lot::Mutex;
pub(super) use tokio::sync::Notify;
