//! The task that puts records of one queue and partition aside, before their log lets them go.
//!
//! ```text
//!   shard: to_park ─► read ─► one batch of one record ─► parked partition, in the same shard
//!                                   Append + QueueAck{parked}, in one frame
//! ```
//!
//! A copy is the record as it was: timestamp, key, value and headers. A crash leaves both the copy
//! and the queue's word that it is there, or neither; then it is copied again. Who holds the
//! record's lease holds it on.

use weir_protocol::batch::{Builder, Record};

use super::post::{Duty, Post, Stuck, Turn};
use super::sent::{Sent, Timed};
use super::source::{Found, read, record};
use crate::core::partition::Handle;
use crate::core::partition::parking::Parking;
use crate::core::partition::request::Origin;
use crate::core::queue::Definition;
use crate::core::wake::Signals;

/// Records under way at a time.
const AT_ONCE: u32 = 256;

/// Bytes of records under way at a time, unless one is larger.
const BYTES_AT_ONCE: usize = 1 << 20;

/// What it does.
#[derive(Debug)]
pub(super) struct Parker;

impl Duty for Parker {
    const STUCK: &'static str = "records that should be put aside are not; they are tried again";

    async fn turn(&self, post: &Post, queue: &Definition) -> Result<Turn, Stuck> {
        let (work, signals) = (&post.mover.work, post.signals.clone());
        let mut all = work.to_park(queue, post.partition, AT_ONCE, signals, 0).await?;
        if all.is_empty() {
            return Ok(Turn::Idle);
        }
        let topic = post.mover.parked(queue).await?;
        let target = topic.partitions.get(post.partition as usize).ok_or(Stuck::Ended)?;
        while !all.is_empty() {
            let rest = post.copy_some(&all, target).await?;
            all.drain(..rest);
        }
        Ok(Turn::Moved)
    }
}

impl Post {
    /// Copies the first of these, and waits for all copies to be there; how many they were.
    async fn copy_some(&self, all: &[Parking], target: &Handle) -> Result<usize, Stuck> {
        let (appended, mut sent) = (Signals::default(), Sent::default());
        let (mut under_way, mut bytes, mut done) = (0, 0, 0);
        for parking in all {
            done += 1;
            let found = read(&self.source, &self.mover.cold_reads, parking.offset).await;
            let Found::Batch(plain) = found.map_err(|error| Stuck::Later(error.to_string()))?
            else {
                // What nobody can read now is not saved by a copy.
                continue;
            };
            let copy = record(&plain, parking.offset).map(|record| copied(&record));
            let Some(Some(copy)) = copy else { continue };
            bytes += copy.len();
            let copy = Timed::as_it_is(copy);
            sent.send(target, copy, Origin::Parked(*parking), &appended, under_way).await;
            under_way += 1;
            if BYTES_AT_ONCE <= bytes {
                break;
            }
        }
        sent.hear(&appended, under_way).await;
        sent.stuck.map_or(Ok(done), |why| Err(Stuck::Later(why)))
    }
}

/// A batch of the record alone, as it was; `None` where it does not fit into one.
fn copied(record: &Record<'_>) -> Option<bytes::Bytes> {
    let mut builder = Builder::new();
    builder.push(record.timestamp, record.key, record.value, record.headers()).ok()?;
    Some(builder.finish(None))
}
