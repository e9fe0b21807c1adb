//! Dead letters that are moved back to where they died.

use weir_protocol::code::Code;
use weir_protocol::name::QueueName;

use super::{Redriven, Refusal, Session};
use crate::auth::Action;
use crate::core::mover::{RedriveError, Wanted};

/// Which of a queue's dead letters go back.
pub(crate) type Redrive = Wanted;

impl Session {
    /// Moves dead letters of a queue back into its topic, for that queue alone.
    ///
    /// # Errors
    /// Where there are none to be looked at, or behind the first that cannot be moved.
    pub(crate) async fn redrive(
        &self,
        name: &QueueName,
        redrive: &Redrive,
    ) -> Result<Redriven, Refusal> {
        self.allow_queue(Action::ManageQueue, name)?;
        let queue = self.queue_named(name)?;
        Ok(self.door.mover.redrive(&queue.definition, redrive).await?)
    }
}

impl From<RedriveError> for Refusal {
    fn from(error: RedriveError) -> Self {
        let code = match error {
            RedriveError::Queue(error) => return error.into(),
            RedriveError::NoDeadLetter(_) | RedriveError::NoQueue(_) => Code::UnknownQueue,
            RedriveError::Busy | RedriveError::Stuck { .. } => Code::Overloaded,
        };
        Self::new(code, error.to_string())
    }
}
