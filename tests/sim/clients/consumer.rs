//! A consumer: follows a topic's partitions with little credit, slowly, and goes on where it was
//! when its connection or the broker is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::timeout;
use weir_protocol::batch::{View, batches, verify_crc};
use weir_protocol::code::Code;
use weir_protocol::native::{
    Amount, Deliver, Ended, Flow, Gap, Grant, Request, Response, Subscribe, SubscribeFrom,
};

use crate::book::{Book, Known, Way, number_of};
use crate::checker::{Broken, Number, Place};
use crate::dice::Dice;
use crate::line::{Line, Lost};
use crate::trace::note;

/// Where a consumer is in each partition; it outlives the broker.
pub(crate) type Cursors = BTreeMap<Place, u64>;

/// A subscription.
#[derive(Clone, Copy, Debug)]
struct Reading {
    place: Place,
    cursor: u64,
    seen: Amount,
}

/// A consumer's connection.
struct Consumer<'a> {
    book: &'a Book,
    line: Line,
    readings: BTreeMap<u32, Reading>,
    cursors: &'a mut Cursors,
}

/// Consumes until it should go, and then as far as it is owed.
pub(crate) async fn consume(book: Book, way: Way, mut dice: Dice, mut cursors: Cursors) -> Cursors {
    loop {
        let last = way.is_over();
        let Some(pipe) = way.connect(&mut dice) else { return cursors };
        match Line::greet(pipe).await {
            Ok(line) => {
                let (book, readings) = (&book, BTreeMap::new());
                let mut consumer = Consumer { book, line, readings, cursors: &mut cursors };
                if let Err(lost) = consumer.run(&way, &mut dice).await {
                    book.lost("a consumer", &lost);
                }
            }
            Err(lost) => book.lost("a consumer", &lost),
        }
        if last {
            return cursors;
        }
        way.pause(&mut dice, 50).await;
    }
}

impl Consumer<'_> {
    async fn run(&mut self, way: &Way, dice: &mut Dice) -> Result<(), Lost> {
        let known = self.book.known();
        if known.is_empty() {
            way.pause(dice, 100).await;
            return Ok(());
        }
        let topic = dice.pick(&known).clone();
        self.subscribe_all(&topic, dice).await?;
        let mut turns = dice.below(60);
        while !self.readings.is_empty() {
            if way.is_over() {
                if self.has_all() {
                    return Ok(());
                }
                let frame = self.line.next().await.map_err(|lost| self.behind(lost))?;
                self.take(frame.response, dice).await?;
                continue;
            }
            if turns == 0 {
                return Ok(());
            }
            turns -= 1;
            if dice.percent(10) {
                way.pause(dice, 200).await;
            }
            let a_while = Duration::from_millis(1 + dice.below(100));
            if let Ok(frame) = timeout(a_while, self.line.next_some_time()).await {
                self.take(frame?.response, dice).await?;
            }
        }
        Ok(())
    }

    /// Whether it was given all that it is owed.
    fn has_all(&self) -> bool {
        let pages = self.book.open();
        let owed = |reading: &Reading| pages.checker.owed_tail(reading.place);
        self.readings.values().all(|reading| owed(reading) <= reading.cursor)
    }

    fn behind(&self, lost: Lost) -> Lost {
        match lost {
            Lost::Hung(what) => Lost::Hung(format!("{what} for {:?}", self.readings)),
            lost => lost,
        }
    }

    async fn subscribe_all(&mut self, topic: &Known, dice: &mut Dice) -> Result<(), Lost> {
        for partition in 0..topic.partitions {
            let place = (topic.id, partition);
            let cursor = self.cursors.get(&place).copied();
            let from = match cursor {
                Some(cursor) if !dice.percent(10) => SubscribeFrom::Offset(cursor),
                _ => SubscribeFrom::Earliest,
            };
            let credit = credit(dice);
            let (subscription, topic) = (partition, topic.id);
            let subscribe = Subscribe { subscription, topic, partition, from, credit };
            match self.line.ask(&Request::Subscribe(subscribe)).await? {
                Ok(Response::Subscribed(subscribed)) => {
                    let cursor = subscribed.from;
                    note!(self.book.trace, "consumer of {place:?} at {from:?}: {subscribed:?}");
                    let seen = Amount::ZERO;
                    self.readings.insert(subscription, Reading { place, cursor, seen });
                    self.book.open().checker.told_tail(place, subscribed.tail);
                }
                Ok(other) => return Err(Lost::Nonsense(format!("subscribed by {other:?}"))),
                Err(error) => {
                    note!(self.book.trace, "consumer of {place:?} refused: {}", error.code);
                    self.cursors.remove(&place);
                    if error.code == Code::OffsetOutOfRange {
                        let what = format!("{place:?} at {cursor:?}: {}", error.message);
                        self.book.judge(self.out_of_range(place, cursor, what));
                    }
                }
            }
        }
        Ok(())
    }

    /// A cursor is never ahead of its partition; behind its start it may be, where that moved.
    fn out_of_range(&self, place: Place, cursor: Option<u64>, what: String) -> Result<(), Broken> {
        match cursor {
            Some(cursor) if self.book.open().checker.may_be_trimmed(place, cursor) => Ok(()),
            _ => Err(Broken::Other { what }),
        }
    }

    async fn take(&mut self, response: Response, dice: &mut Dice) -> Result<(), Lost> {
        match response {
            Response::Deliver(deliver) => self.take_records(&deliver, dice).await,
            Response::Gap(Gap { subscription, span }) => {
                let Some(reading) = self.readings.get_mut(&subscription) else { return Ok(()) };
                let (place, expected) = (reading.place, reading.cursor);
                note!(self.book.trace, "consumer of {place:?}: gap {span:?}");
                if expected < span.start {
                    let given = span.start;
                    self.book.judge(Err(Broken::Skipped { place, expected, given }));
                }
                reading.cursor = expected.max(span.end);
                self.cursors.insert(place, reading.cursor);
                Ok(())
            }
            Response::Ended(Ended { subscription, error }) => {
                if let Some(Reading { place, .. }) = self.readings.remove(&subscription) {
                    note!(self.book.trace, "consumer of {place:?} ended: {}", error.code);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn take_records(&mut self, deliver: &Deliver, dice: &mut Dice) -> Result<(), Lost> {
        let Some(mut reading) = self.readings.get(&deliver.subscription).copied() else {
            return Ok(());
        };
        let place = reading.place;
        let records = records(&deliver.batches).map_err(Lost::Nonsense)?;
        let (from, count) = (reading.cursor, records.len());
        note!(self.book.trace, "consumer of {place:?} at {from}: {count} records");
        for (offset, number) in records {
            if reading.cursor < offset {
                let (expected, given) = (reading.cursor, offset);
                self.book.judge(Err(Broken::Skipped { place, expected, given }));
            }
            reading.cursor = reading.cursor.max(offset + 1);
            self.book.read(place, offset, number);
        }
        self.book.open().checker.told_tail(place, deliver.tail);
        reading.seen.messages += count as u64;
        reading.seen.bytes += deliver.batches.len() as u64;
        self.cursors.insert(place, reading.cursor);
        self.readings.insert(deliver.subscription, reading);
        let grant = Grant { seen: reading.seen, credit: credit(dice) };
        let subscription = deliver.subscription;
        let flow = Flow { subscription, grant, drain: false, echo: false };
        self.line.send(&Request::Flow(flow)).await.map(drop)
    }
}

fn credit(dice: &mut Dice) -> Amount {
    Amount { messages: 1 + dice.below(30), bytes: 1 + dice.below(8000) }
}

/// The records of a run of batches; says what is wrong with them where something is.
pub(crate) fn records(run: &[u8]) -> Result<Vec<(u64, Number)>, String> {
    let mut records = Vec::new();
    for batch in batches(run) {
        let (_, bytes) = batch.map_err(|error| format!("a batch is not whole: {error}"))?;
        verify_crc(bytes).map_err(|error| format!("a batch is damaged: {error}"))?;
        let view = View::parse(bytes).map_err(|error| format!("a batch lies: {error}"))?;
        for record in view.records() {
            let record = record.map_err(|error| format!("a record lies: {error}"))?;
            let number = number_of(record.value.unwrap_or_default());
            let number = number.ok_or("a record's bytes are nobody's".to_owned())?;
            records.push((record.offset, number));
        }
    }
    Ok(records)
}
