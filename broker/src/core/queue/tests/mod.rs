//! Tests of the queues, below their door.

mod drill;
mod entries;
mod memory;
mod model;
mod parked;
mod verbs;
mod walk;
