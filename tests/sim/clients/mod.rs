//! Who uses the broker in a simulation: each is a task with dice of its own.

pub(crate) mod auditor;
pub(crate) mod consumer;
pub(crate) mod employer;
pub(crate) mod member;
pub(crate) mod numbered;
pub(crate) mod operator;
pub(crate) mod producer;
pub(crate) mod worker;
