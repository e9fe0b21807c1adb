//! Random operations on a part of weir and on a plain model of it, with crashes among them: both
//! must answer the same.
#![allow(clippy::unwrap_used, reason = "all of it is a test, most of it outside `#[test]`")]

mod journal;
mod log;
