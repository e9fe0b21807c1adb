//! Batches that bring message ids, next to what their partition remembers.
//!
//! ```text
//!   numbered by its producer, or several records  ─► as it is: duplicates are marked in the log
//!   one record, known                             ─► not stored: the offset it has
//!   gathered from requests, some known            ─► without those: each has the offset it has
//! ```
//!
//! A numbered batch is always taken, since its producer's next one follows it. What was gathered
//! is made anew where it has duplicates, so that none enters the log; who sent one record twice
//! within it is told one offset twice.
//!
//! Pure: no channel, no clock. Nothing passes a parked batch, so sifting it again finds nothing
//! more.

use std::collections::BTreeMap;

use weir_protocol::batch::{Builder, Header, TimestampType, View, put_append_time};
use weir_storage::offset::Offset;

use super::message_id::{Ids, MessageId};
use super::message_ids::MessageIds;
use super::request::Batch;
use crate::core::commit::append::{Waiter, Waiters};

/// What is left of a batch, and who is answered with what is stored.
#[derive(Debug)]
pub(crate) struct Sifted {
    pub(crate) batch: Option<Batch>,
    pub(crate) stored: Vec<(Waiters, Offset)>,
}

/// Where a record of a gathered batch goes.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Into the batch that is made of what is left, at this place; who shares it has its id.
    At(u32),
    /// It has an offset.
    Stored(Offset),
}

/// Takes out of a batch what its partition knows of, as far as it need not be in the log.
pub(crate) fn sift(batch: Batch, known: &mut MessageIds, now_ms: i64) -> Sifted {
    if batch.origin.is_some() {
        // It has the id that it had before, and is meant to be here.
        return Sifted::whole(batch);
    }
    let Some(ids) = &batch.ids else {
        known.forget_ids();
        return Sifted::whole(batch);
    };
    let is_numbered = 0 <= batch.header.producer_id;
    if ids.of_records.is_empty() || is_numbered || batch.in_journal {
        return Sifted::whole(batch);
    }
    known.expire(ids.window, now_ms);
    match (&batch.waiters, &ids.of_records[..]) {
        (Waiters::Gathered(_), _) => gathered(batch, known),
        (_, [(_, id)]) if batch.header.records == 1 => match known.find(*id) {
            None => Sifted::whole(batch),
            Some(offset) => Sifted { batch: None, stored: vec![(batch.waiters, offset)] },
        },
        _ => Sifted::whole(batch),
    }
}

impl Sifted {
    fn whole(batch: Batch) -> Self {
        Self { batch: Some(batch), stored: Vec::new() }
    }
}

fn gathered(mut batch: Batch, known: &MessageIds) -> Sifted {
    let places = places(&batch, known);
    let is_whole = (0..).zip(&places).all(|(old, new)| matches!(new, Place::At(at) if *at == old));
    if is_whole {
        return Sifted::whole(batch);
    }
    let mut stored = Vec::new();
    let mut left: Vec<(Waiter, u32)> = Vec::new();
    let Waiters::Gathered(waiters) = std::mem::replace(&mut batch.waiters, Waiters::Nobody) else {
        unreachable!("only what was gathered is made anew")
    };
    for (waiter, place) in waiters {
        match places[place as usize] {
            Place::At(at) => left.push((waiter, at)),
            Place::Stored(offset) => stored.push((Waiters::One(waiter), offset)),
        }
    }
    batch.waiters = Waiters::Gathered(left);
    Sifted { batch: without_duplicates(batch, &places), stored }
}

/// Where each record of a batch goes.
fn places(batch: &Batch, known: &MessageIds) -> Vec<Place> {
    let mut ids = batch.ids.iter().flat_map(|ids| &ids.of_records).peekable();
    let mut first: BTreeMap<MessageId, u32> = BTreeMap::new();
    let mut next = 0;
    let place = |old: u32| {
        if let Some((_, id)) = ids.next_if(|(place, _)| *place == old) {
            if let Some(offset) = known.find(*id) {
                return Place::Stored(offset);
            }
            if let Some(at) = first.get(id) {
                return Place::At(*at);
            }
            first.insert(*id, next);
        }
        next += 1;
        Place::At(next - 1)
    };
    (0..batch.header.records).map(place).collect()
}

/// The batch with those records alone that have a place of their own, if there are any.
fn without_duplicates(mut batch: Batch, places: &[Place]) -> Option<Batch> {
    let mut builder = Builder::new();
    let view = View::parse(&batch.bytes).expect("the broker's own builder made it");
    for (record, place) in view.records().zip(places) {
        let record = record.expect("the broker's own builder made it");
        let is_next = matches!(place, Place::At(at) if *at == builder.records());
        if is_next {
            let pushed = builder.push(record.timestamp, record.key, record.value, record.headers());
            pushed.expect("it was in a larger batch");
        }
    }
    if builder.is_empty() {
        return None;
    }
    let mut count = 0;
    let keeps = |place: &Place| {
        let is_kept = matches!(place, Place::At(at) if *at == count);
        count += u32::from(is_kept);
        is_kept.then_some(count - 1)
    };
    let kept: Vec<Option<u32>> = places.iter().map(keeps).collect();
    if let Some(Ids { of_records, .. }) = &mut batch.ids {
        let left = of_records.iter().filter_map(|(old, id)| Some((kept[*old as usize]?, *id)));
        *of_records = left.collect();
    }
    let bytes = builder.finish(None);
    let made_well = "the builder makes batches that parse";
    (batch.header, batch.bytes) = match batch.header.attributes.timestamp_type() {
        TimestampType::CreateTime => (Header::parse(&bytes).expect(made_well), bytes),
        TimestampType::LogAppendTime => {
            put_append_time(&bytes, batch.header.max_timestamp).expect(made_well)
        }
    };
    Some(batch)
}

#[cfg(test)]
mod tests;
