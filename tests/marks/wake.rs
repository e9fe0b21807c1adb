//! The broker's `core::wake`, of this test's parts.

#![allow(dead_code, unused_imports, reason = "a part of it is what is shared")]

use super::sync;

#[path = "../../broker/src/core/wake/signals.rs"]
mod signals;
#[path = "../../broker/src/core/wake/tail.rs"]
mod tail;

pub(crate) use signals::{AppendError, Done, Signal, Signals, WakeList};
pub(crate) use tail::Tail;
