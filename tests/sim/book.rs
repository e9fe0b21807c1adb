//! What all clients of a simulation share: the checker they tell what they see, the topics they
//! know, and the numbers of their records.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::timeout;
use weir_broker::startup::{Entrance, Pipe};
use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;
use weir_protocol::native::{Durability, RETENTION_UNLIMITED, TopicDescription};

use crate::checker::crew::Crew;
use crate::checker::jobs::Jobs;
use crate::checker::topics::Topics;
use crate::checker::{Ages, Broken, Checker, Number, Place, Promise};
use crate::clients::numbered::Numbers;
use crate::dice::Dice;
use crate::line::Lost;
use crate::trace::{Trace, note};

/// The book; clones are the same.
#[derive(Clone)]
pub(crate) struct Book {
    pub(crate) trace: Trace,
    pages: Arc<Mutex<Pages>>,
}

/// What stands in it.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    pub(crate) checker: Checker,
    pub(crate) topics: Topics,
    /// The topics that clients use.
    pub(crate) known: Vec<Known>,
    pub(crate) broken: Option<Broken>,
    pub(crate) crew: Crew,
    pub(crate) jobs: Jobs,
    /// Of the producer that sends again what was not answered.
    pub(crate) numbers: Option<Numbers>,
    /// How often it did.
    pub(crate) sent_again: u64,
    next_number: Number,
    next_producer: u64,
}

/// A topic that clients use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: TopicName,
    pub(crate) id: TopicId,
    pub(crate) partitions: u32,
    pub(crate) promise: Promise,
    /// Whether it loses records for their age.
    pub(crate) has_ages: bool,
}

/// When a simulation begins, by its wall clock.
pub(crate) const BEGINNING_MS: i64 = 1_700_000_000_000;

/// How long a topic keeps its records that does not keep them for ever: longer than any simulation
/// takes, and shorter than most leaps of its clock.
pub(crate) const KEPT_MS: u64 = 30 * 86_400_000;

/// Further ahead than any leap.
const FUTURE_MS: i64 = BEGINNING_MS + 10 * 365 * 86_400_000;

impl Book {
    pub(crate) fn new(trace: Trace) -> Self {
        Self { trace, pages: Arc::default() }
    }

    pub(crate) fn open(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock()
    }

    /// Writes down the first promise that was broken.
    pub(crate) fn judge(&self, outcome: Result<(), Broken>) {
        if let Err(broken) = outcome {
            note!(self.trace, "BROKEN {broken}");
            self.open().broken.get_or_insert(broken);
        }
    }

    /// A connection was lost: that may be, waiting for ever may not.
    pub(crate) fn lost(&self, who: &str, lost: &Lost) {
        note!(self.trace, "{who} lost its connection: {lost:?}");
        match lost {
            Lost::Closed => {}
            Lost::Hung(what) | Lost::Nonsense(what) => {
                self.judge(Err(Broken::Other { what: format!("{who}: {what}") }));
            }
            Lost::Unread(place, error) => {
                let what = format!("{who}: {place:?} cannot be read: {error}");
                self.judge(Err(Broken::Other { what }));
            }
        }
    }

    pub(crate) fn new_producer(&self) -> u64 {
        let mut pages = self.open();
        pages.next_producer += 1;
        pages.next_producer
    }

    /// Takes the numbers of so many records.
    pub(crate) fn numbers(&self, count: u64) -> Number {
        let mut pages = self.open();
        pages.next_number += count;
        pages.next_number - count
    }

    /// A topic that clients may use from now on.
    pub(crate) fn learn(&self, topic: &TopicDescription) {
        let promise = match topic.settings.durability {
            Durability::Written => Promise::Written,
            Durability::Synced | Durability::Ephemeral => Promise::Synced,
        };
        let partitions = u32::try_from(topic.partitions.len()).expect("partitions are limited");
        let has_ages = topic.settings.retention_ms != RETENTION_UNLIMITED;
        let mut pages = self.open();
        pages.known.retain(|known| known.id != topic.id);
        let name = topic.name.clone();
        pages.known.push(Known { name, id: topic.id, partitions, promise, has_ages });
        for number in 0..partitions {
            let ages = if has_ages { ages_of(number) } else { Ages::Never };
            pages.checker.opened((topic.id, number), promise, ages);
        }
    }

    /// A topic that goes away.
    pub(crate) fn unlearn(&self, id: TopicId) {
        let mut pages = self.open();
        pages.known.retain(|known| known.id != id);
        pages.checker.forget(id);
        pages.crew.forget(id);
    }

    pub(crate) fn known(&self) -> Vec<Known> {
        self.open().known.clone()
    }

    pub(crate) fn read(&self, place: Place, offset: u64, number: Number) {
        let outcome = self.open().checker.read(place, offset, number);
        self.judge(outcome);
    }
}

/// What the records of a partition are, by their stamps.
fn ages_of(partition: u32) -> Ages {
    match partition % 3 {
        0 => Ages::Old,
        1 => Ages::Young,
        _ => Ages::Never,
    }
}

/// The stamp of a partition's records.
pub(crate) fn stamp(partition: u32, number: Number) -> i64 {
    match ages_of(partition) {
        Ages::Old => number.cast_signed(),
        Ages::Young => BEGINNING_MS,
        Ages::Never => FUTURE_MS,
    }
}

/// The bytes of a record: its number, and as many more as follow from it.
pub(crate) fn payload(number: Number) -> Vec<u8> {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let len = match mixed % 100 {
        0..2 => 12_000,
        2..12 => mixed % 3000,
        _ => mixed % 200,
    };
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(8 + len as usize, mixed as u8);
    bytes
}

/// The number of a record, if these are its bytes.
pub(crate) fn number_of(bytes: &[u8]) -> Option<Number> {
    let number = u64::from_le_bytes(*bytes.first_chunk()?);
    (payload(number) == bytes).then_some(number)
}

/// How a client of a simulation comes to the broker, and hears that it should go.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) entrance: Entrance,
    pub(crate) leave: Leave,
}

/// Tells clients to go. Those who wait hear of it in the order in which they began to wait, which
/// a `watch` leaves to chance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leave {
    shared: Arc<(AtomicBool, Notify)>,
}

impl Leave {
    pub(crate) fn tell(&self) {
        self.shared.0.store(true, Ordering::SeqCst);
        self.shared.1.notify_waiters();
    }

    pub(crate) fn is_told(&self) -> bool {
        self.shared.0.load(Ordering::SeqCst)
    }
}

impl Way {
    /// A connection, over a pipe of some size; `None` where the broker takes none any more.
    pub(crate) fn connect(&self, dice: &mut Dice) -> Option<Pipe> {
        let bytes_max = *dice.pick(&[256, 4 << 10, 64 << 10]);
        self.entrance.connect(bytes_max)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.leave.is_told()
    }

    /// Lets some time pass, less where the client should go.
    pub(crate) async fn pause(&self, dice: &mut Dice, ms_max: u64) {
        let pause = Duration::from_millis(dice.below(ms_max + 1));
        if !self.is_over() {
            let _ = timeout(pause, self.leave.shared.1.notified()).await;
        }
    }
}
