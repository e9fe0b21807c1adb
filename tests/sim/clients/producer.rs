//! A producer: batches of numbered records, some under way at a time, and now and then a
//! connection that goes in the midst of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use weir_protocol::batch::{Builder, ProducerStamp};
use weir_protocol::code::Code;
use weir_protocol::limits::BATCH_BYTES_MAX;
use weir_protocol::native::{Ack, Produce, Request, Response};

use crate::book::{Book, Way, payload, stamp};
use crate::checker::{Acked, Number};
use crate::dice::Dice;
use crate::line::{Line, Lost};
use crate::trace::note;

/// A batch that was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    first: Number,
    count: u64,
    acked: Acked,
}

/// A producer's connection.
struct Producer<'a> {
    book: &'a Book,
    line: Line,
    id: u64,
    turn: u64,
    under_way: BTreeMap<u32, Sent>,
}

/// Produces until it should go.
pub(crate) async fn produce(book: Book, way: Way, mut dice: Dice) {
    while !way.is_over() {
        let Some(pipe) = way.connect(&mut dice) else { return };
        match Line::greet(pipe).await {
            Ok(line) => {
                let (id, under_way) = (book.new_producer(), BTreeMap::new());
                let mut producer = Producer { book: &book, line, id, turn: 0, under_way };
                if let Err(lost) = producer.run(&way, &mut dice).await {
                    book.lost("a producer", &lost);
                }
            }
            Err(lost) => book.lost("a producer", &lost),
        }
        way.pause(&mut dice, 50).await;
    }
}

impl Producer<'_> {
    async fn run(&mut self, way: &Way, dice: &mut Dice) -> Result<(), Lost> {
        let under_way_max = 1 + dice.below(6) as usize;
        for _ in 0..dice.below(40) {
            if way.is_over() {
                break;
            }
            if dice.percent(30) {
                way.pause(dice, 20).await;
            }
            self.send(dice).await?;
            while under_way_max < self.under_way.len() {
                self.take_answer().await?;
            }
        }
        if !way.is_over() && dice.percent(25) {
            // Gone, with answers unread and half a request sent.
            return self.leave_half(dice).await;
        }
        while !self.under_way.is_empty() {
            self.take_answer().await?;
        }
        Ok(())
    }

    async fn send(&mut self, dice: &mut Dice) -> Result<(), Lost> {
        let Some((produce, sent)) = self.batch(dice) else { return Ok(()) };
        let place = (produce.topic, produce.partition);
        let Sent { first, count, .. } = sent;
        let (id, turn, ack) = (self.id, self.turn, produce.ack);
        note!(self.book.trace, "producer {id} offers {first}+{count} to {place:?} for {ack:?}");
        self.book.open().checker.offered(place, first, count, id, turn);
        self.turn += 1;
        let correlation = self.line.send(&Request::Produce(produce)).await?;
        if correlation != 0 {
            self.under_way.insert(correlation, sent);
        }
        Ok(())
    }

    async fn leave_half(&mut self, dice: &mut Dice) -> Result<(), Lost> {
        match self.batch(dice) {
            Some((produce, _)) => self.line.send_half(&Request::Produce(produce)).await,
            None => Ok(()),
        }
    }

    /// The next batch, for any partition there is.
    fn batch(&self, dice: &mut Dice) -> Option<(Produce, Sent)> {
        let known = self.book.known();
        if known.is_empty() {
            return None;
        }
        let topic = dice.pick(&known);
        let partition = dice.below(u64::from(topic.partitions)) as u32;
        let ack = *dice.pick(&[Ack::Topic, Ack::Topic, Ack::Topic, Ack::Written, Ack::None]);
        let count = 1 + dice.below(4);
        let first = self.book.numbers(count);
        let acked = if ack == Ack::Written { Acked::Written } else { Acked::Topic };
        let batch = batch(partition, first, count, None);
        Some((Produce { topic: topic.id, partition, ack, batch }, Sent { first, count, acked }))
    }

    async fn take_answer(&mut self) -> Result<(), Lost> {
        let frame = self.line.next().await?;
        let Some(sent) = self.under_way.remove(&frame.correlation) else { return Ok(()) };
        let Sent { first, count, acked } = sent;
        let id = self.id;
        match frame.response {
            Response::Produced { base_offset } => {
                note!(self.book.trace, "producer {id}: {first}+{count} stored at {base_offset}");
                let outcome = self.book.open().checker.acked(first, count, base_offset, acked);
                self.book.judge(outcome);
            }
            Response::Error(error) => {
                note!(self.book.trace, "producer {id}: {first}+{count} refused: {}", error.code);
                if is_refusal(error.code) {
                    let outcome = self.book.open().checker.refused(first, count);
                    self.book.judge(outcome);
                }
            }
            other => return Err(Lost::Nonsense(format!("a batch is answered by {other:?}"))),
        }
        Ok(())
    }
}

/// Whether an error says that nothing was stored.
pub(super) fn is_refusal(code: Code) -> bool {
    !matches!(code, Code::OutcomeUnknown | Code::Internal)
}

pub(super) fn batch(
    partition: u32,
    first: Number,
    count: u64,
    numbers: Option<ProducerStamp>,
) -> Bytes {
    let mut builder = Builder::with_bytes_max(BATCH_BYTES_MAX);
    for number in first..first + count {
        let value = payload(number);
        let stamp = stamp(partition, number);
        builder.push(stamp, None, Some(&value[..]), []).expect("the values fit");
    }
    builder.finish(numbers)
}
