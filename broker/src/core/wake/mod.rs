//! Who waits, and how they are woken: one queue and one wake for each waiter, however much came.

mod bells;
mod signals;
mod sync;
mod tail;

pub(crate) use bells::Bells;
pub(crate) use signals::{AppendError, Done, Signal, Signals, WakeList};
pub(crate) use tail::Tail;
