//! What Kafka clients do with a broker, each test the same for every family that is installed.
//!
//! docs/testing.md says how to run one family, and how to run all of it against Apache Kafka.

mod crashes;
mod groups;
mod kcat;
mod matrix;
mod metadata;
mod resets;
mod segments;
mod tools;
