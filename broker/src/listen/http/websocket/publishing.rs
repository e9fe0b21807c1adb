//! What a client publishes over a WebSocket: one publish at a time, so that records of one key keep
//! the order in which they were sent. How many may wait, the conversation says.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;

use tokio::sync::OwnedSemaphorePermit;
use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::web::live::{Placement, Publish, Tell};

use super::super::body::Bodies;
use super::super::problem::Problem;
use super::super::publish::{ACK_WAIT_MAX, placements};
use super::super::record::IncomingRecords;
use crate::session::{Record, Refusal, Session};

/// The publishes of one connection.
pub(super) struct Publishing {
    session: Session,
    bodies: Bodies,
    waiting: VecDeque<Waiting>,
    under_way: Option<UnderWay>,
}

/// What became of a publish.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) say: Tell<'static>,
    /// Of the message that asked for it.
    pub(super) bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    topic: TopicName,
    records: Vec<Record>,
    bytes: usize,
    /// The right to their memory.
    reserved: OwnedSemaphorePermit,
}

type UnderWay = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Publishing {
    /// Publishes by a session that nothing else is asked of.
    pub(super) fn new(session: Session, bodies: Bodies) -> Self {
        Self { session, bodies, waiting: VecDeque::new(), under_way: None }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none() && self.waiting.is_empty()
    }

    /// Takes a publish in.
    ///
    /// # Errors
    /// It is none that can be done, or there is no memory for it now.
    pub(super) fn take(
        &mut self,
        publish: &Publish<'_>,
        value: Option<&[u8]>,
        bytes: usize,
    ) -> Result<(), Problem> {
        let topic = TopicName::parse(&publish.topic);
        let topic = topic
            .map_err(|error| Problem::new(Code::InvalidName, format!("the topic: {error}")))?;
        let reserved = self.bodies.reserve_now(bytes)?;
        let records: IncomingRecords<'_> = serde_json::from_str(publish.records.get())
            .map_err(|error| Problem::malformed(format!("the records: {error}")))?;
        let mut records = records.into_records()?;
        if let Some(value) = value {
            give(&mut records, value)?;
        }
        if records.is_empty() {
            return Err(Refusal::no_records().into());
        }
        self.waiting.push_back(Waiting { id: publish.id, topic, records, bytes, reserved });
        self.go_on();
        Ok(())
    }

    /// The next answer; never, while nothing is to be answered. Safe to give up and ask again.
    pub(super) async fn answer(&mut self) -> Answer {
        let Some(under_way) = &mut self.under_way else { return pending().await };
        let answer = under_way.await;
        self.under_way = None;
        self.go_on();
        answer
    }

    fn go_on(&mut self) {
        if self.under_way.is_none()
            && let Some(waiting) = self.waiting.pop_front()
        {
            self.under_way = Some(Box::pin(publish(self.session.clone(), waiting)));
        }
    }
}

async fn publish(session: Session, waiting: Waiting) -> Answer {
    let Waiting { id, topic, records, bytes, reserved } = waiting;
    let placed = session.publish(&topic, &records, ACK_WAIT_MAX).await;
    drop(reserved);
    let placed = placed.map_err(Problem::from).and_then(placements);
    let say = match placed {
        Ok(placed) => {
            let of = |(partition, offset)| Placement { partition, offset };
            Tell::Published { id, records: placed.into_iter().map(of).collect() }
        }
        Err(problem) => Tell::Error(problem.into_trouble(None, Some(id))),
    };
    Answer { say, bytes }
}

/// Gives the one record of a binary message its value.
fn give(records: &mut [Record], value: &[u8]) -> Result<(), Problem> {
    match records {
        [record] if record.value.is_none() => {
            record.value = Some(value.to_vec());
            Ok(())
        }
        _ => Err(Problem::malformed(
            "a binary message publishes one record, whose value stands behind the head",
        )),
    }
}

impl fmt::Debug for Publishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publishing").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}
