//! A numbered producer: what was not answered it sends again under the same numbers, over every
//! connection and every life of the broker.
//!
//! ```text
//!   sent ─► answered                 the answer says where it is, now or since an earlier life
//!     └── no answer: the connection, the broker or the power went ──► sent again, as it was
//! ```
//!
//! The checker knows each record once, so one that the broker stores twice is found. A refusal ends
//! the numbers: what is not answered then is never sent again.

use std::collections::{BTreeMap, VecDeque};

use weir_protocol::batch::ProducerStamp;
use weir_protocol::native::{Ack, Produce, ProducerIdentity, Request, Response};

use super::producer::{batch, is_refusal};
use crate::book::{Book, Way};
use crate::checker::{Acked, Number, Place};
use crate::dice::Dice;
use crate::line::{Line, Lost};
use crate::trace::note;

/// Batches without an answer: within what the broker knows again.
const UNDER_WAY_MAX: usize = 4;

/// What the producer remembers; it outlives the broker.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    identity: ProducerIdentity,
    /// Whose its records are, for the checker.
    id: u64,
    turn: u64,
    next: BTreeMap<Place, i32>,
    /// In the order in which they were first sent.
    under_way: VecDeque<Sent>,
}

/// A batch without an answer.
#[derive(Clone, Copy, Debug)]
struct Sent {
    place: Place,
    first: Number,
    count: u64,
    stamp: ProducerStamp,
    tries: u32,
}

/// Its connection.
struct Numbered<'a> {
    book: &'a Book,
    line: Line,
    /// What was sent on it, by the first record's number.
    asked: BTreeMap<u32, Number>,
}

/// Produces until it should go.
pub(crate) async fn produce(book: Book, way: Way, mut dice: Dice) {
    while !way.is_over() {
        let Some(pipe) = way.connect(&mut dice) else { return };
        match Line::greet(pipe).await {
            Ok(line) => {
                let mut numbered = Numbered { book: &book, line, asked: BTreeMap::new() };
                if let Err(lost) = numbered.run(&way, &mut dice).await {
                    book.lost("a numbered producer", &lost);
                }
            }
            Err(lost) => book.lost("a numbered producer", &lost),
        }
        way.pause(&mut dice, 50).await;
    }
}

impl Numbered<'_> {
    async fn run(&mut self, way: &Way, dice: &mut Dice) -> Result<(), Lost> {
        if !self.has_numbers().await? {
            return Ok(());
        }
        self.send_again().await?;
        for _ in 0..dice.below(40) {
            if way.is_over() || self.book.open().numbers.is_none() {
                break;
            }
            if dice.percent(20) {
                way.pause(dice, 30).await;
            }
            if self.under_way() < UNDER_WAY_MAX {
                self.send_new(dice).await?;
            } else {
                self.take_answer().await?;
            }
        }
        if dice.percent(40) {
            // Gone, with answers unread: what they were is asked for again.
            return Ok(());
        }
        while !self.asked.is_empty() {
            self.take_answer().await?;
        }
        Ok(())
    }

    fn under_way(&self) -> usize {
        self.book.open().numbers.as_ref().map_or(0, |numbers| numbers.under_way.len())
    }

    async fn has_numbers(&mut self) -> Result<bool, Lost> {
        if self.book.open().numbers.is_some() {
            return Ok(true);
        }
        let identity = match self.line.ask(&Request::InitProducer).await? {
            Ok(Response::Producer(identity)) => identity,
            Ok(other) => return Err(Lost::Nonsense(format!("numbers are given by {other:?}"))),
            Err(error) => {
                note!(self.book.trace, "no numbers: {}", error.code);
                return Ok(false);
            }
        };
        let id = self.book.new_producer();
        note!(self.book.trace, "producer {id} is {identity:?}");
        let (next, under_way) = (BTreeMap::new(), VecDeque::new());
        let numbers = Numbers { identity, id, turn: 0, next, under_way };
        self.book.open().numbers = Some(numbers);
        Ok(true)
    }

    async fn send_again(&mut self) -> Result<(), Lost> {
        let numbers = self.book.open().numbers.clone();
        for mut sent in numbers.into_iter().flat_map(|numbers| numbers.under_way) {
            sent.tries += 1;
            if let Some(numbers) = &mut self.book.open().numbers
                && let Some(known) = numbers.under_way.iter_mut().find(|it| it.first == sent.first)
            {
                *known = sent;
            }
            note!(self.book.trace, "{}+{} again, as {:?}", sent.first, sent.count, sent.stamp);
            self.book.open().sent_again += 1;
            self.send(sent).await?;
        }
        Ok(())
    }

    async fn send_new(&mut self, dice: &mut Dice) -> Result<(), Lost> {
        let known = self.book.known();
        if known.is_empty() {
            return Ok(());
        }
        let topic = dice.pick(&known);
        let place = (topic.id, dice.below(u64::from(topic.partitions)) as u32);
        let count = 1 + dice.below(4);
        let first = self.book.numbers(count);
        let sent = {
            let pages = &mut *self.book.open();
            let Some(numbers) = &mut pages.numbers else { return Ok(()) };
            let ProducerIdentity { producer_id: id, producer_epoch: epoch } = numbers.identity;
            let sequence = numbers.next.entry(place).or_default();
            let stamp = ProducerStamp { id, epoch, sequence: *sequence };
            *sequence += count as i32;
            let sent = Sent { place, first, count, stamp, tries: 1 };
            numbers.under_way.push_back(sent);
            pages.checker.offered(place, first, count, numbers.id, numbers.turn);
            numbers.turn += 1;
            sent
        };
        note!(self.book.trace, "{first}+{count} to {place:?} as {:?}", sent.stamp);
        self.send(sent).await
    }

    async fn send(&mut self, sent: Sent) -> Result<(), Lost> {
        let Sent { place: (topic, partition), first, count, stamp, .. } = sent;
        let batch = batch(partition, first, count, Some(stamp));
        let produce = Produce { topic, partition, ack: Ack::Topic, batch };
        let correlation = self.line.send(&Request::Produce(produce)).await?;
        self.asked.insert(correlation, first);
        Ok(())
    }

    async fn take_answer(&mut self) -> Result<(), Lost> {
        let frame = self.line.next().await?;
        let Some(first) = self.asked.remove(&frame.correlation) else { return Ok(()) };
        let pages = &mut *self.book.open();
        let Some(numbers) = &mut pages.numbers else { return Ok(()) };
        let at = numbers.under_way.iter().position(|sent| sent.first == first);
        let Some(Sent { count, tries, .. }) = at.and_then(|at| numbers.under_way.remove(at)) else {
            return Ok(());
        };
        let outcome = match frame.response {
            Response::Produced { base_offset } => {
                note!(self.book.trace, "{first}+{count} stored at {base_offset}, try {tries}");
                pages.checker.acked(first, count, base_offset, Acked::Topic)
            }
            Response::Error(error) => {
                note!(self.book.trace, "{first}+{count} refused, try {tries}: {}", error.code);
                pages.numbers = None;
                match tries {
                    1 if is_refusal(error.code) => pages.checker.refused(first, count),
                    // An earlier try may have stored it.
                    _ => Ok(()),
                }
            }
            other => return Err(Lost::Nonsense(format!("a batch is answered by {other:?}"))),
        };
        if let Err(broken) = outcome {
            note!(self.book.trace, "BROKEN {broken}");
            pages.broken.get_or_insert(broken);
        }
        Ok(())
    }
}
