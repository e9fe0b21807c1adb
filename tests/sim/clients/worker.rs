//! Workers: they are given records, say one thing or another of them, hang, and are lost.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::timeout;
use weir_protocol::id::QueueId;
use weir_protocol::name::QueueName;
use weir_protocol::native::{
    Amount, DeliverLeases, Flow, Grant, LEASE_OF_QUEUE, LeaseReceipt, Request, Response, RetryAt,
    Settle, SettleOutcome, SettleVerb, Work,
};

use super::consumer::records;
use super::employer::name_of;
use crate::book::{Book, Way};
use crate::checker::Number;
use crate::checker::jobs::{Lease, Queue, Said, Word, Worker};
use crate::dice::Dice;
use crate::line::{Line, Lost};
use crate::trace::note;

/// The subscription's number on each connection.
const SUBSCRIPTION: u32 = 1;

/// What says that a queue has nothing left.
const ALL_DONE: &str = "all records are worked off";

/// How often a drain looks whether all is done.
const LOOKS_MAX: u32 = 600;

/// A worker's connection.
struct Desk<'a> {
    book: &'a Book,
    line: Line,
    queue: Queue,
    id: QueueId,
    worker: Worker,
    held: BTreeMap<Number, LeaseReceipt>,
    seen: Amount,
}

/// Works until it should go.
pub(crate) async fn work(book: Book, way: Way, mut dice: Dice, queue: Queue) {
    while !way.is_over() {
        let Some(pipe) = way.connect(&mut dice) else { return };
        let worked = async {
            let line = Line::greet(pipe).await?;
            let Some(mut desk) = Desk::open(&book, line, queue, credit(&mut dice)).await? else {
                return Ok(());
            };
            let worked = desk.run(&way, &mut dice).await;
            book.open().jobs.gone(desk.worker);
            worked
        };
        if let Err(lost) = worked.await {
            book.lost("a worker", &lost);
        }
        way.pause(&mut dice, 100).await;
    }
}

/// Takes all that is left of both queues and of the dead letters, and compares.
pub(crate) async fn drain(book: Book, way: Way, mut dice: Dice) {
    let Some(pipe) = way.connect(&mut dice) else { return };
    let drained = async {
        let mut line = Line::greet(pipe).await?;
        for queue in [Queue::Steady, Queue::Hasty] {
            let Some(mut desk) = Desk::open(&book, line, queue, PLENTY).await? else {
                return Ok(());
            };
            let is_done = desk.take_all().await?;
            book.open().jobs.gone(desk.worker);
            line = desk.line;
            if !is_done || (queue == Queue::Hasty && !letters(&book, &mut line).await?) {
                return Ok(());
            }
            note!(book.trace, "{queue:?} is drained");
            let outcome = book.open().jobs.drained(queue);
            book.judge(outcome);
        }
        Ok(())
    };
    if let Err(lost) = drained.await {
        book.lost("the drain", &lost);
    }
}

const PLENTY: Amount = Amount { messages: 1_000, bytes: 1 << 20 };

impl<'a> Desk<'a> {
    /// Begins to work; `None` where there is no such queue.
    async fn open(
        book: &'a Book,
        mut line: Line,
        queue: Queue,
        credit: Amount,
    ) -> Result<Option<Self>, Lost> {
        match begin(&mut line, name_of(queue), credit).await? {
            Some(id) => {
                let (worker, held, seen) = (book.new_producer(), BTreeMap::new(), Amount::ZERO);
                note!(book.trace, "worker {worker} of {queue:?} begins");
                Ok(Some(Self { book, line, queue, id, worker, held, seen }))
            }
            None => Ok(None),
        }
    }

    async fn run(&mut self, way: &Way, dice: &mut Dice) -> Result<(), Lost> {
        for _ in 0..dice.below(80) {
            if way.is_over() {
                break;
            }
            match dice.below(100) {
                0..40 => self.hear_a_while(dice).await?,
                40..80 => self.say_something(dice).await?,
                80..92 => self.grant(dice).await?,
                _ => way.pause(dice, 400).await,
            }
        }
        match dice.below(3) {
            // Lost, with a word on its way that nobody hears the answer to.
            0 => {
                let said: Vec<_> = self.held.keys().copied().take(2).collect();
                said.iter().for_each(|of| self.book.open().jobs.says(self.queue, *of, Word::End));
                let settle = self.settle(SettleVerb::Ack, &said);
                self.line.send(&settle).await.map(drop)
            }
            1 => {
                self.book.open().jobs.gone(self.worker);
                let end = Request::Unsubscribe { subscription: SUBSCRIPTION };
                self.line.ask(&end).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn hear_a_while(&mut self, dice: &mut Dice) -> Result<(), Lost> {
        let a_while = Duration::from_millis(1 + dice.below(50));
        match timeout(a_while, self.line.next_some_time()).await {
            Ok(frame) => self.hear(frame?.response),
            Err(_) => Ok(()),
        }
    }

    fn hear(&mut self, event: Response) -> Result<(), Lost> {
        match event {
            Response::DeliverLeases(deliver) => self.take(&deliver),
            Response::Ended(ended) => {
                note!(self.book.trace, "worker {} ends: {}", self.worker, ended.error.code);
                Err(Lost::Closed)
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, deliver: &DeliverLeases) -> Result<(), Lost> {
        for (receipt, number) in leased(deliver)? {
            let spot = (receipt.partition, receipt.offset);
            note!(self.book.trace, "worker {} has {number} at {spot:?}", self.worker);
            let lease = (receipt.epoch, receipt.delivery);
            let mut pages = self.book.open();
            let came = pages.jobs.delivered(self.queue, number, (spot, lease), self.worker);
            drop(pages);
            self.book.judge(came);
            self.held.insert(number, receipt);
            self.seen.messages += 1;
        }
        self.seen.bytes += deliver.batches.len() as u64;
        Ok(())
    }

    async fn say_something(&mut self, dice: &mut Dice) -> Result<(), Lost> {
        let count = 1 + dice.below(4) as usize;
        let some: Vec<_> = self.held.keys().copied().take(count).collect();
        if some.is_empty() {
            return Ok(());
        }
        let reason = String::from("the dice said so");
        let (verb, word) = match dice.below(100) {
            0..60 => (SettleVerb::Ack, Word::End),
            60..70 => (SettleVerb::Release { delay_ms: 0 }, Word::Back),
            70..85 => (SettleVerb::Retry { at: RetryAt::Backoff, reason }, Word::Back),
            85..90 => (SettleVerb::Reject { reason }, Word::End),
            _ => (SettleVerb::Extend { lease_ms: LEASE_OF_QUEUE }, Word::Extend),
        };
        self.say(verb, word, &some).await
    }

    async fn say(&mut self, verb: SettleVerb, word: Word, of: &[Number]) -> Result<(), Lost> {
        note!(self.book.trace, "worker {} says {verb:?} of {of:?}", self.worker);
        of.iter().for_each(|number| self.book.open().jobs.says(self.queue, *number, word));
        let settle = self.settle(verb, of);
        let leases = of.iter().filter_map(|number| self.held.get(number));
        let leases: Vec<Lease> = leases.map(|held| (held.epoch, held.delivery)).collect();
        if word != Word::Extend {
            of.iter().for_each(|number| _ = self.held.remove(number));
        }
        let outcomes = match self.line.ask(&settle).await? {
            Ok(Response::Settled(outcomes)) => outcomes,
            Ok(other) => return Err(Lost::Nonsense(format!("settled by {other:?}"))),
            Err(error) => {
                note!(self.book.trace, "worker {} is refused: {}", self.worker, error.code);
                return Ok(());
            }
        };
        note!(self.book.trace, "worker {} hears {outcomes:?}", self.worker);
        for (of, outcome) in of.iter().copied().zip(leases).zip(outcomes) {
            let said = if outcome == SettleOutcome::Ok { Said::Ok } else { Said::Over };
            let answered = self.book.open().jobs.answered(self.queue, of, word, said);
            self.book.judge(answered);
        }
        Ok(())
    }

    fn settle(&self, verb: SettleVerb, of: &[Number]) -> Request {
        let receipts = of.iter().filter_map(|number| self.held.get(number)).copied().collect();
        Request::Settle(Settle { queue: self.id, verb, receipts })
    }

    async fn grant(&mut self, dice: &mut Dice) -> Result<(), Lost> {
        let grant = Grant { seen: self.seen, credit: credit(dice) };
        let flow = Flow { subscription: SUBSCRIPTION, grant, drain: false, echo: false };
        self.line.send(&Request::Flow(flow)).await.map(drop)
    }

    /// Acks all that comes; whether the queue then says that all is done.
    async fn take_all(&mut self) -> Result<bool, Lost> {
        for _ in 0..LOOKS_MAX {
            while let Ok(frame) = timeout(QUIET, self.line.next_some_time()).await {
                self.hear(frame?.response)?;
                let all: Vec<_> = self.held.keys().copied().collect();
                self.say(SettleVerb::Ack, Word::End, &all).await?;
                let grant = Grant { seen: self.seen, credit: PLENTY };
                let flow = Flow { subscription: SUBSCRIPTION, grant, drain: false, echo: false };
                self.line.send(&Request::Flow(flow)).await?;
            }
            match all_done(&mut self.line, name_of(self.queue)).await? {
                Look::Left(why) => note!(self.book.trace, "{:?}: {why}", self.queue),
                look => {
                    let end = Request::Unsubscribe { subscription: SUBSCRIPTION };
                    self.line.ask(&end).await?.ok();
                    return Ok(look == Look::Done);
                }
            }
        }
        let what = format!("{:?} does not come to its end", self.queue);
        Err(Lost::Hung(what))
    }
}

/// How long a drain listens before it asks.
const QUIET: Duration = Duration::from_millis(20);

/// Reads all letters; whether there may be no more.
async fn letters(book: &Book, line: &mut Line) -> Result<bool, Lost> {
    let name = QueueName::parse("hasty.dead").expect("the name is valid");
    let Some(id) = begin(line, name.clone(), PLENTY).await? else { return Ok(true) };
    for _ in 0..LOOKS_MAX {
        while let Ok(frame) = timeout(QUIET, line.next_some_time()).await {
            let Response::DeliverLeases(deliver) = frame?.response else { continue };
            let leased = leased(&deliver)?;
            for (receipt, number) in &leased {
                note!(book.trace, "a letter of {number} at {}", receipt.offset);
                let spot = (receipt.partition, receipt.offset);
                let outcome = book.open().jobs.letter(*number, spot);
                book.judge(outcome);
            }
            let receipts = leased.into_iter().map(|(receipt, _)| receipt).collect();
            let settle = Settle { queue: id, verb: SettleVerb::Ack, receipts };
            line.ask(&Request::Settle(settle)).await?.ok();
        }
        match all_done(line, name.clone()).await? {
            Look::Left(_) => {}
            look => return Ok(look == Look::Done),
        }
    }
    Err(Lost::Hung("the dead letters do not come to their end".to_owned()))
}

/// What a look at a queue finds.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Done,
    Left(String),
    /// It does not say, since the disk failed the broker.
    Nothing,
}

async fn all_done(line: &mut Line, name: QueueName) -> Result<Look, Lost> {
    match line.ask(&Request::WhyQueue { name }).await? {
        Ok(Response::QueueState(state)) if state.why == ALL_DONE => Ok(Look::Done),
        Ok(Response::QueueState(state)) => Ok(Look::Left(state.why)),
        Ok(other) => Err(Lost::Nonsense(format!("why is answered by {other:?}"))),
        Err(_) => Ok(Look::Nothing),
    }
}

/// Begins to work on a queue, if it is there.
async fn begin(line: &mut Line, queue: QueueName, credit: Amount) -> Result<Option<QueueId>, Lost> {
    let (subscription, lease_ms) = (SUBSCRIPTION, LEASE_OF_QUEUE);
    let work = Work { subscription, queue, lease_ms, credit };
    match line.ask(&Request::Work(work)).await? {
        Ok(Response::Working(working)) => Ok(Some(working.queue)),
        Ok(other) => Err(Lost::Nonsense(format!("work is answered by {other:?}"))),
        Err(_) => Ok(None),
    }
}

/// The leased records of a delivery.
fn leased(deliver: &DeliverLeases) -> Result<Vec<(LeaseReceipt, Number)>, Lost> {
    let numbers = records(&deliver.batches).map_err(Lost::Nonsense)?;
    let numbers: BTreeMap<_, _> = numbers.into_iter().collect();
    let (partition, epoch) = (deliver.partition, deliver.epoch);
    let mut leased = Vec::new();
    for run in &deliver.leases {
        for offset in run.offset..run.offset + u64::from(run.count) {
            let Some(number) = numbers.get(&offset) else {
                return Err(Lost::Nonsense(format!("{offset} is leased, and not sent")));
            };
            let delivery = run.deliveries;
            leased.push((LeaseReceipt { partition, epoch, offset, delivery }, *number));
        }
    }
    Ok(leased)
}

fn credit(dice: &mut Dice) -> Amount {
    Amount { messages: 1 + dice.below(12), bytes: 1 + dice.below(30_000) }
}
