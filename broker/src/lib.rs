//! The broker: what the binary `weir` runs, as a library for those who test it.

pub mod check;
pub mod clock;
pub mod config;
pub mod hands;
pub mod metrics;
pub mod recover;
pub mod shutdown;
pub mod startup;

pub(crate) mod admin;
pub(crate) mod auth;
pub(crate) mod core;
pub(crate) mod listen;
pub(crate) mod session;
pub(crate) mod tracks;
