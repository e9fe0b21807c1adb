//! The broker that tests run.
