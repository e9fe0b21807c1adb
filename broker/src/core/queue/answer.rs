//! Answers that wait until what they speak of is committed.

use super::refusal::QueueError;
use super::request::{Outcome, Reply};

/// One on its way.
#[derive(Debug)]
pub(crate) enum Answer {
    Settled(Reply<Vec<Outcome>>, Vec<Outcome>),
    Done(Reply<()>, Result<(), QueueError>),
}

impl Answer {
    pub(crate) fn tell(self) {
        // Who does not wait any more does not miss it.
        match self {
            Self::Settled(reply, outcomes) => drop(reply.send(Ok(outcomes))),
            Self::Done(reply, said) => drop(reply.send(said)),
        }
    }

    /// What it speaks of will not be committed, or nobody knows.
    pub(crate) fn refuse(self, error: &QueueError) {
        match self {
            Self::Settled(reply, _) => drop(reply.send(Err(error.clone()))),
            Self::Done(reply, _) => drop(reply.send(Err(error.clone()))),
        }
    }
}
