//! Answers to batches that are not appended: stored before, or refused for what came before.
//!
//! What came before may be under way itself, and nobody is told of what a power cut could still
//! take. So such an answer waits for all that was proposed until then.
//!
//! ```text
//!   original ─► proposed at index 7 ─► committed ─► answered
//!   its copy ─► found in the window, waits for 7 ──► answered with the same offset
//! ```
//!
//! Bounded by the permits of the batches, which are held until the answer.
//!
//! Invariant: indexes only rise.

use std::collections::VecDeque;

use weir_storage::offset::{Index, Offset};

use crate::core::commit::append::Waiters;
use crate::core::commit::permit::Permit;
use crate::core::wake::{AppendError, WakeList};

/// The answers of one lane that wait.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    waiting: VecDeque<Echo>,
}

#[derive(Debug)]
struct Echo {
    behind: Index,
    waiters: Waiters,
    outcome: Result<Offset, AppendError>,
    _permit: Option<Permit>,
}

impl Echoes {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Answers those who wait for a batch with `outcome` once `behind` is applied.
    pub(super) fn push(
        &mut self,
        behind: Index,
        waiters: Waiters,
        permit: Option<Permit>,
        outcome: Result<Offset, AppendError>,
    ) {
        self.waiting.push_back(Echo { behind, waiters, outcome, _permit: permit });
    }

    /// Whether some can be told, now that all up to `applied` is.
    pub(super) fn is_due(&self, applied: Index) -> bool {
        self.waiting.front().is_some_and(|echo| echo.behind <= applied)
    }

    /// Tells those whose answer is certain.
    pub(super) fn tell(&mut self, applied: Index, wakes: &mut WakeList) {
        while let Some(mut echo) = self.waiting.pop_front_if(|echo| echo.behind <= applied) {
            echo.waiters.answer_all(echo.outcome, wakes);
        }
    }

    /// Nothing more will be applied: what an original's fate is, its copy's is too.
    pub(super) fn give_up(&mut self, wakes: &mut WakeList) {
        for mut echo in self.waiting.drain(..) {
            let unknown = AppendError::OutcomeUnknown;
            echo.waiters.refuse(echo.outcome.err().unwrap_or(unknown), wakes);
        }
    }
}
