//! Who may do what. Asked by `session` and by nobody else, before anything is done.
//!
//! It knows people and names; what a topic or queue is, and what doing something means, it does
//! not know.

mod gate;
mod identity;

pub(crate) use gate::{Action, Denied, Gate, Resource};
pub(crate) use identity::Identity;
