//! One life of the broker: from a start on what its disk kept to an end, by order or not, with
//! clients at it and weather over it.
//!
//! ```text
//!   start ─► audit ─► clients, turn after turn ─► ┬ power off, at any operation of the disk
//!                                                 └ clients leave, none unanswered ─► stop
//! ```
//!
//! A turn is one of three, as the dice say: the runtime's tasks run a little, one stage steps, or
//! time passes. Nothing else decides an order: all of the broker and its clients are on one thread.

use std::cell::RefCell;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, timeout};
use weir_broker::clock::Randomness;
use weir_broker::hands::{Hands, Stages, Turn};
use weir_broker::shutdown::Stopped;
use weir_broker::startup::{Embedded, World};

use crate::book::{Leave, Way};
use crate::checker::jobs::Queue;
use crate::checker::{Broken, Ending};
use crate::clients::consumer::Cursors;
use crate::clients::{auditor, consumer, employer, member, numbered, operator, producer, worker};
use crate::disk::SimDisk;
use crate::run::Run;
use crate::trace::note;
use crate::weather::Weather;

/// Turns that a start, a farewell or a stop may take: far more than any needs.
const TURNS_MAX: u64 = 200_000;

thread_local! {
    /// What a task of this thread panicked with.
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Remembers panics in tasks, which the runtime keeps to itself.
pub(crate) fn watch_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.with(|panicked| *panicked.borrow_mut() = Some(panic.to_string()));
            before(panic);
        }));
    });
}

/// How a life is to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Turns with clients.
    pub(crate) turns: u64,
    /// Operations of the disk behind its start, or behind its turns, after which the power goes.
    pub(crate) off: Off,
    /// Whether what the operating system had is lost too.
    pub(crate) ending: Ending,
    pub(crate) weather: bool,
}

/// When the power goes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Off {
    /// Operations behind the start of the start.
    InStart(u64),
    /// Operations behind the last turn.
    InTheMidst(u64),
    /// When all clients have their answers.
    Calm,
    Never,
}

/// A life.
pub(crate) struct Life<'a> {
    pub(crate) run: &'a mut Run,
    pub(crate) disk: SimDisk,
    pub(crate) stages: Stages,
    pub(crate) weather: Weather,
    /// Kept to the last: to let it go is to tell its connections to end.
    broker: Option<Embedded>,
    last: Instant,
    /// Whether its broker found topics that lose records for their age.
    pub(crate) has_ages: bool,
}

/// Something that went off, or on.
struct PowerOff;

impl<'a> Life<'a> {
    pub(crate) fn new(run: &'a mut Run, disk: SimDisk, stages: Stages, weather: Weather) -> Self {
        let (broker, last) = (None, Instant::now());
        Self { run, disk, stages, weather, broker, last, has_ages: false }
    }

    /// Lives, and says how it ended for those who trusted in it.
    pub(crate) async fn live(&mut self, plan: Plan, hands: Hands) -> Ending {
        match self.live_on(plan, hands).await {
            Ok(ending) => ending,
            Err(PowerOff) => {
                self.hear_the_rest().await;
                plan.ending
            }
        }
    }

    /// Behind the end clients still hear what had been said before it: a stage's turn is many
    /// steps to everybody else.
    async fn hear_the_rest(&mut self) {
        self.disk.off();
        for _ in 0..self.run.dice.below(200) {
            yield_now().await;
        }
    }

    async fn live_on(&mut self, plan: Plan, hands: Hands) -> Result<Ending, PowerOff> {
        if let Off::InStart(operations) = plan.off {
            self.disk.off_after(operations);
        }
        let Some(broker) = self.start(hands).await? else { return Ok(Ending::PowerCut) };
        let leave = Leave::default();
        let way = Way { entrance: broker.entrance(), leave: leave.clone() };
        self.broker = Some(broker);
        let (book, dice) = (self.run.book.clone(), self.run.dice.another());
        let audit = tokio::spawn(auditor::audit(book, way.clone(), dice, self.disk.clone()));
        self.until_done("the audit", &[&audit]).await?;
        self.has_ages = self.run.book.known().iter().any(|known| known.has_ages);
        let (clients, last_way) = (self.clients(&way), way);
        for _ in 0..plan.turns {
            if plan.weather {
                let leapt = self.weather.blow(&mut self.run.dice, &self.disk, &self.run.hand);
                if leapt && !self.run.clock_is_recorded {
                    self.run.book.open().checker.believe_leaps();
                }
            }
            self.turn().await?;
        }
        if let Off::InTheMidst(operations) = plan.off {
            self.disk.off_after(operations);
            for _ in 0..plan.turns {
                self.turn().await?;
            }
            return Err(PowerOff);
        }
        self.weather.clear(&self.disk);
        leave.tell();
        let Clients { others, consumer } = clients;
        let all: Vec<_> = others.iter().collect();
        self.until_done("a client's farewell", &all).await?;
        let (book, dice) = (self.run.book.clone(), self.run.dice.another());
        let drain = tokio::spawn(worker::drain(book, last_way, dice));
        self.until_done("the drain of queues", &[&drain]).await?;
        self.until_done("a consumer's farewell", &[&consumer]).await?;
        if let Ok(cursors) = consumer.await {
            self.run.cursors = cursors;
        }
        if plan.off != Off::Never {
            return Err(PowerOff);
        }
        self.stop().await
    }

    /// Starts the broker; `None` where its disk failed it.
    async fn start(&mut self, hands: Hands) -> Result<Option<Embedded>, PowerOff> {
        let randomness = Randomness::seeded(self.run.dice.roll());
        let (disk, clock) = (Arc::new(self.disk.clone()), self.run.clock.clone());
        let world = World { disk, clock, randomness, hands };
        let start = tokio::spawn(Embedded::start(self.run.config(), world));
        self.until_done("the start", &[&start]).await?;
        match start.await {
            Ok(Ok(embedded)) => Ok(Some(embedded)),
            Ok(Err(error)) => {
                note!(self.run.trace, "the broker does not start: {error}");
                if !self.weather.is_bad(&self.disk) {
                    let what = format!("the broker does not start: {error}");
                    self.run.book.judge(Err(Broken::Other { what }));
                }
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    fn clients(&mut self, way: &Way) -> Clients {
        let (book, dice) = (self.run.book.clone(), &mut self.run.dice);
        let mut others =
            vec![tokio::spawn(operator::operate(book.clone(), way.clone(), dice.another()))];
        for _ in 0..1 + dice.below(3) {
            let produce = producer::produce(book.clone(), way.clone(), dice.another());
            others.push(tokio::spawn(produce));
        }
        let produce = numbered::produce(book.clone(), way.clone(), dice.another());
        others.push(tokio::spawn(produce));
        for _ in 0..2 {
            let belong = member::belong(book.clone(), way.clone(), dice.another());
            others.push(tokio::spawn(belong));
        }
        let employ = employer::employ(book.clone(), way.clone(), dice.another());
        others.push(tokio::spawn(employ));
        for queue in [Queue::Steady, Queue::Steady, Queue::Hasty, Queue::Hasty] {
            let work = worker::work(book.clone(), way.clone(), dice.another(), queue);
            others.push(tokio::spawn(work));
        }
        let cursors = std::mem::take(&mut self.run.cursors);
        let consume = consumer::consume(book, way.clone(), dice.another(), cursors);
        Clients { others, consumer: tokio::spawn(consume) }
    }

    async fn stop(&mut self) -> Result<Ending, PowerOff> {
        let Some(broker) = self.broker.take() else { return Ok(Ending::Kill) };
        // Connections end before, one behind the other: how a stop tells them is left to chance.
        pass(2).await;
        let stop = tokio::spawn(broker.stop());
        self.until_done("the stop", &[&stop]).await?;
        let stopped = stop.await;
        note!(self.run.trace, "stopped: {stopped:?}");
        match stopped {
            Ok(Stopped::Cleanly) => Ok(Ending::Clean),
            _ if self.weather.is_bad(&self.disk) => Ok(Ending::PowerCut),
            other => {
                let what = format!("nothing failed, and the stop is {other:?}");
                self.run.book.judge(Err(Broken::Other { what }));
                Ok(Ending::Kill)
            }
        }
    }

    /// Goes on until all of the tasks have ended.
    async fn until_done<T>(
        &mut self,
        what: &str,
        tasks: &[&JoinHandle<T>],
    ) -> Result<(), PowerOff> {
        for _ in 0..TURNS_MAX {
            if tasks.iter().all(|task| task.is_finished()) {
                return Ok(());
            }
            self.turn().await?;
        }
        let what = format!("{what} does not come to an end");
        self.run.book.judge(Err(Broken::Other { what }));
        Err(PowerOff)
    }

    async fn turn(&mut self) -> Result<(), PowerOff> {
        match self.run.dice.below(100) {
            0..40 => yield_now().await,
            40..85 => self.step(),
            _ => pass(1 + self.run.dice.below(20)).await,
        }
        let now = Instant::now();
        self.run.hand.advance(now - self.last);
        self.last = now;
        if let Some(panic) = PANICKED.with(|panicked| panicked.borrow_mut().take()) {
            self.run.book.judge(Err(Broken::Other { what: panic }));
        }
        let is_over = self.disk.is_off() || self.run.book.open().broken.is_some();
        if is_over { Err(PowerOff) } else { Ok(()) }
    }

    fn step(&mut self) {
        let names = self.stages.names();
        if names.is_empty() {
            return;
        }
        let name = *self.run.dice.pick(&names);
        if self.weather.lets(name) && self.stages.step(name) != Turn::Idle {
            note!(self.run.trace, "stage {name}");
        }
    }
}

/// Lets simulated time pass: whoever can do something does it first.
async fn pass(ms: u64) {
    let _ = timeout(Duration::from_millis(ms), pending::<()>()).await;
}

/// The clients of a life.
struct Clients {
    others: Vec<JoinHandle<()>>,
    consumer: JoinHandle<Cursors>,
}
