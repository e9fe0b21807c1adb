//! Real Kafka clients against a broker: what the tests in `clients/` are written with.
//!
//! ```text
//!   samples ─► family's program: produce ─► broker ─► another family's program: consume ─► equal?
//! ```
//!
//! A [`family`] is a client library with one small program around it; all programs take the same
//! verbs and print the same lines. The [`broker`] is weir's binary, or Apache Kafka itself to see
//! what the clients do there. What is not [`installed`] is skipped, except under CI.

pub mod broker;
pub mod family;
pub mod http;
pub mod installed;
pub mod native;
pub mod program;
pub mod record;
pub mod samples;
pub mod tool;
pub mod topic;
