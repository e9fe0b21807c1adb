//! Who a producer is, so that what it sends twice is stored once.

use weir_protocol::code::Code;

use super::{Refusal, Session};
use crate::auth::{Action, Resource};
use crate::core::catalog::actor::Request;

/// A producer's number and the epoch it begins in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

impl Session {
    /// Makes a producer: no other one ever gets its id. A new epoch of one that it has already it
    /// begins by itself, with sequence 0.
    pub(crate) async fn init_producer(
        &self,
        transactional_id: Option<&str>,
    ) -> Result<Producer, Refusal> {
        self.door.gate.allows(&self.identity, Action::Produce, &Resource::Broker)?;
        if let Some(id) = transactional_id {
            let message = format!(
                "transactions are not offered, and {id:?} is a transactional id: leave it out, \
                 and records are still stored once"
            );
            return Err(Refusal::new(Code::TransactionsNotOffered, message));
        }
        let id = self.ask(|reply| Request::ProducerId { reply }).await?;
        Ok(Producer { id: id.cast_signed(), epoch: 0 })
    }
}
