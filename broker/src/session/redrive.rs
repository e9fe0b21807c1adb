//! Dead letters that are moved back to where they died.

use weir_protocol::code::Code;
use weir_protocol::name::QueueName;

use super::{Redriven, Refusal, Session};
use crate::auth::Action;
use crate::core::mover::{RedriveError, Wanted};
use crate::core::queue::QueueError;

/// Which of a queue's dead letters go back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redrive {
    /// So many at the most: 1 to 10,000; 1,000 if nothing is said.
    pub(crate) max: Option<u64>,
    pub(crate) key: Option<Vec<u8>>,
    /// With these words in the reason.
    pub(crate) reason: Option<String>,
    /// Which died at this time or later, Unix milliseconds.
    pub(crate) since_ms: Option<i64>,
}

const MAX_DEFAULT: u64 = 1_000;
const MAX_MAX: u64 = 10_000;

impl Session {
    /// Moves dead letters of a queue back into its topic, for that queue alone.
    ///
    /// # Errors
    /// Where there are none to be looked at, or behind the first that cannot be moved.
    pub(crate) async fn redrive(
        &self,
        name: &QueueName,
        redrive: Redrive,
    ) -> Result<Redriven, Refusal> {
        self.allow_queue(Action::ManageQueue, name)?;
        let queue = self.queue_named(name)?;
        let Redrive { max, key, reason, since_ms } = redrive;
        let max = max.unwrap_or(MAX_DEFAULT);
        if !(1..=MAX_MAX).contains(&max) {
            let why = format!("max is {max}; it may be 1 to {MAX_MAX}");
            return Err(Refusal::new(Code::MalformedRequest, why));
        }
        let wanted = Wanted { max, key, reason, since_ms };
        let mover = self.door.mover.clone();
        let redrive = async move { mover.redrive(&queue.definition, &wanted).await };
        // Who goes away while letters move leaves none of them leased: this goes on to its end.
        match tokio::spawn(redrive).await {
            Ok(redriven) => Ok(redriven?),
            Err(_) => Err(QueueError::ShuttingDown.into()),
        }
    }
}

impl From<RedriveError> for Refusal {
    fn from(error: RedriveError) -> Self {
        let code = match error {
            RedriveError::Queue(error) => return error.into(),
            RedriveError::NoDeadLetter(_) | RedriveError::NoQueue(_) => Code::UnknownQueue,
            RedriveError::NotKept(_) => Code::DurabilityNotOffered,
            RedriveError::Busy | RedriveError::Stuck { .. } => Code::Overloaded,
        };
        Self::new(code, error.to_string())
    }
}
