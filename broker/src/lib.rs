//! The broker.

pub mod auth;
pub mod clock;
pub mod config;
pub mod listen;
pub mod metrics;
