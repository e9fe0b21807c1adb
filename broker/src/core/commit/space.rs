//! Room on the disk ahead of the writers, and the stage that makes it: in the logs by allocating,
//! in the journal by segments.
//!
//! Short work that somebody waits for, so it has a stage of its own beside the keeper's. It ends
//! when it is told to, or when nobody is left to ask. A full disk passes; any other failure stops
//! all writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use tokio::sync::Notify;
use weir_storage::journal::{MakeError, Maker, MakerStep};
use weir_storage::log::{GrowError, Upkeep};

use super::full_logs::{Attempt, FullLogs};
use super::halt::Halt;
use super::room_bell::RoomBell;
use super::watermark::{DiskWatch, Fill, LOOK_EVERY};
use crate::clock::Clock;
use crate::hands::{Stage, Turn};

/// Orders that may wait: one for each partition that can be open, and then some.
pub(crate) const SPACE_MAX: usize = 16_384;

/// What the space stage is asked for.
#[derive(Debug)]
pub(crate) enum Space {
    /// Room in a log for a batch of so many bytes; takes the `asked` flag down and rings when
    /// there is, or cannot be.
    Grow {
        upkeep: Upkeep,
        bytes: u64,
        asked: Arc<AtomicBool>,
        bell: Arc<Notify>,
    },
    /// The journal took a segment: make the next.
    Make,
    /// Somebody was refused for want of disk: look whether there is some again.
    Look,
    Stop,
}

/// The space stage. What is asked for goes before what is made ahead.
#[derive(Debug)]
pub(crate) struct SpaceStage {
    pub(crate) inbox: Receiver<Space>,
    pub(crate) maker: Maker,
    pub(crate) making: MakerStep,
    pub(crate) room_bell: RoomBell,
    pub(crate) halt: Halt,
    pub(crate) watch: DiskWatch,
    /// What it found last.
    pub(crate) fill: Fill,
    pub(crate) full_logs: FullLogs,
    pub(crate) clock: Clock,
}

impl Stage for SpaceStage {
    fn step(&mut self) -> Turn {
        let next = self.inbox.try_recv();
        self.turn(next)
    }

    fn run(&mut self) {
        loop {
            let next = match self.making {
                MakerStep::Worked => self.inbox.try_recv(),
                MakerStep::Idle => {
                    self.inbox.recv_timeout(LOOK_EVERY).map_err(|error| match error {
                        RecvTimeoutError::Timeout => TryRecvError::Empty,
                        RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
                    })
                }
            };
            if self.turn(next) == Turn::End {
                return;
            }
        }
    }
}

impl SpaceStage {
    fn turn(&mut self, next: Result<Space, TryRecvError>) -> Turn {
        self.look_if_due();
        match next {
            Ok(Space::Grow { upkeep, bytes, asked, bell }) => {
                self.grow(&upkeep, bytes);
                asked.store(false, Ordering::Release);
                bell.notify_one();
            }
            Ok(Space::Look) => self.look(),
            Ok(Space::Make) => self.making = MakerStep::Worked,
            Ok(Space::Stop) | Err(TryRecvError::Disconnected) => return Turn::End,
            Err(TryRecvError::Empty) if self.making == MakerStep::Idle => return Turn::Idle,
            Err(TryRecvError::Empty) => self.making = self.make(),
        }
        Turn::Worked
    }

    fn look_if_due(&mut self) {
        let before = self.fill;
        self.fill = self.watch.look_if_due(self.clock.now());
        self.try_again_after(before);
    }

    fn look(&mut self) {
        let before = self.fill;
        self.fill = self.watch.look(self.clock.now());
        self.try_again_after(before);
    }

    /// Where there is room again, there may be some for the journal too.
    fn try_again_after(&mut self, before: Fill) {
        if self.fill < before {
            self.making = MakerStep::Worked;
        }
    }

    /// Makes room in a log; what could not be made is found out by who asks for it again.
    fn grow(&mut self, upkeep: &Upkeep, bytes: u64) {
        self.look();
        if self.halt.is_raised() || self.fill == Fill::Full {
            return;
        }
        let (log, free_bytes) = (upkeep.directory(), self.watch.free_bytes());
        let attempt = Attempt { bytes, free_bytes, at: self.clock.now() };
        if !self.full_logs.is_worth_it(log, attempt) {
            return;
        }
        match upkeep.grow(bytes) {
            Ok(()) => self.full_logs.grew(log),
            Err(GrowError::Disk(error)) if !error.is_passing() => self.halt.raise(&error),
            Err(error) => {
                if self.full_logs.note(log, attempt) {
                    tracing::warn!(%error, "a log cannot grow; batches are refused until one can");
                }
            }
        }
    }

    /// One step of the journal's maker, and what it means for those who wait for room.
    fn make(&mut self) -> MakerStep {
        if self.halt.is_raised() {
            return MakerStep::Idle;
        }
        match self.maker.step() {
            Ok(step) => {
                self.room_bell.room_came();
                return step;
            }
            Err(MakeError::Passing(error)) => {
                tracing::warn!(%error, "the journal's next segment cannot be made now");
                if error.is_full() {
                    self.room_bell.disk_filled();
                }
            }
            Err(error @ (MakeError::Failed(_) | MakeError::Stopped)) => self.halt.raise(&error),
        }
        MakerStep::Idle
    }
}

/// Asks for room where a place is free; whoever asks can do without an answer.
pub(crate) fn ask_if_free(inbox: &Sender<Space>, work: Space) {
    let _ = inbox.try_send(work);
}
