//! Work queues: each record of a topic handed to one of many workers, until it is resolved.
//!
//! A queue is a reader of a topic with progress of its own. It knows no wire, no user and no
//! journal.

#![allow(dead_code, reason = "the catalogue and the shards take it into use one by one")]

mod backoff;
mod settings;

#[allow(unused_imports, reason = "as above")]
pub(crate) use backoff::{BACKOFF_LIST_MAX, BACKOFF_MS_MAX, Backoff};
#[allow(unused_imports, reason = "as above")]
pub(crate) use settings::{
    DELAY_MS_MAX, Delivery, LEASE_MS_MAX, LEASE_MS_MIN, LateAcks, LeaseExpiry, Order, SettingError,
    Settings, check_lease_ms,
};
