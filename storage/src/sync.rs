//! What the marks between threads are made of, by one name each, so that a model checker can put
//! its own in their place: `tests/marks` compiles the files that use these with `loom`'s.

pub(crate) use std::hint;
pub(crate) use std::sync::atomic;
