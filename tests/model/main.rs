//! Random operations on a part of weir and on a plain model of it, with crashes among them: both
//! must answer the same.

mod log;
