//! The broker.

pub mod clock;
