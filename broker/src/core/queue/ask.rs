//! What is asked of one queue in one partition, and what its bench does about it.

use weir_storage::offset::Offset;

use super::answer::Answer;
use super::draft::room;
use super::foreman::{Bench, Foreman, JournalRoom, Key, random};
use super::leases::NO_LEASE;
use super::machine::Around;
use super::refusal::QueueError;
use super::request::{Dying, Log, Outcome, Receipt, Reply, Take, Taken, Verb, Wish, WorkerId};
use super::table::Table;
use crate::clock::{Moment, Randomness};

/// The worker that moves dead letters is no worker of anybody's.
const MOVER: WorkerId = WorkerId(0);

impl Foreman {
    pub(super) fn ask(
        &mut self,
        key: Key,
        wish: Wish,
        table: &Table,
        at: Moment,
        room: &impl JournalRoom,
    ) {
        let randomness = self.randomness.clone();
        let Some((bench, around)) = self.bench(key, table, at) else {
            return wish.refuse(QueueError::Gone);
        };
        match wish {
            Wish::Take(take, reply) => bench.take(&take, reply, &around, room),
            Wish::Settle(items, reply) => bench.settle(&items, reply, &around, room, &randomness),
            Wish::GiveBack(receipts) => bench.machine.give_back(&receipts, &around),
            // Whoever else waits is rung at the turn's end.
            Wish::Pass => {}
            Wish::Facts(reply) => drop(reply.send(Ok(bench.machine.facts(&around)))),
            Wish::Seek(floor, reply) => bench.seek(floor, reply, &around, room),
            Wish::Purge(reply) => {
                bench.seek(Offset::new(around.ends.tail), reply, &around, room);
            }
            Wish::Forget(below, reply) => bench.forget(below, reply, &around, room),
            Wish::Dying { max, signals, token, reply } => {
                let dying = bench.dying(max, &around);
                if dying.is_empty() {
                    bench.machine.movers.push(MOVER, &signals, token);
                }
                // A mover that went away finds them again.
                let _ = reply.send(Ok(dying));
            }
            Wish::Clear(below, reply) => {
                drop(reply.send(Ok(bench.machine.clear(below, &around))));
            }
            Wish::ToPark { max, signals, token, reply } => {
                let (queue, partition) = key;
                let parking = bench.machine.next_to_park(queue, partition, max, &around);
                if parking.is_empty() {
                    bench.machine.parkers.push(MOVER, &signals, token);
                }
                let _ = reply.send(Ok(parking));
            }
            Wish::Moved(moved, reply) => bench.moved(&moved, reply, &around, room),
        }
    }
}

impl Bench {
    fn take(
        &mut self,
        take: &Take,
        reply: Reply<Taken>,
        around: &Around<'_>,
        journal: &impl JournalRoom,
    ) {
        // For the mark of what was handed out.
        if self.promised.is_empty() && !self.promise(room(0, 0, 0), journal) {
            return drop(reply.send(Err(QueueError::JournalFull)));
        }
        let mut leases = Vec::new();
        self.machine.take(take, self.place.log, around, &mut leases);
        let taken = Taken { epoch: around.epoch, until: around.at.now + take.lease, leases };
        if let Err(Ok(unheard)) = reply.send(Ok(taken)) {
            let receipt = |lease: &super::request::Leased| Receipt {
                log: lease.log,
                offset: lease.offset,
                epoch: unheard.epoch,
                delivery: lease.deliveries,
            };
            let receipts: Vec<_> = unheard.leases.iter().map(receipt).collect();
            self.machine.give_back(&receipts, around);
            self.machine.workers.forget(take.worker);
        }
    }

    fn settle(
        &mut self,
        items: &[(Receipt, Verb)],
        reply: Reply<Vec<Outcome>>,
        around: &Around<'_>,
        journal: &impl JournalRoom,
        randomness: &Randomness,
    ) {
        let (mut attempts, mut reason_bytes) = (0, 0);
        for (_, verb) in items {
            attempts += usize::from(!matches!(verb, Verb::Ack | Verb::Extend { .. }));
            reason_bytes += match verb {
                Verb::Reject { reason } | Verb::Retry { reason: Some(reason), .. } => {
                    reason.words().len()
                }
                Verb::Retry { reason: None, .. } => OWN_REASON_BYTES,
                Verb::Ack | Verb::Extend { .. } | Verb::Release { .. } => 0,
            };
        }
        if !self.promise(room(items.len(), attempts, reason_bytes), journal) {
            return drop(reply.send(Err(QueueError::JournalFull)));
        }
        let machine = &mut self.machine;
        let outcomes = items.iter().map(|(receipt, verb)| {
            if receipt.log != self.place.log {
                return Outcome::Unknown;
            }
            let random = if matches!(verb, Verb::Retry { .. }) { random(randomness) } else { 0 };
            machine.settle(receipt, verb, around, random)
        });
        let outcomes = outcomes.collect();
        self.answers.push(Answer::Settled(reply, outcomes));
    }

    fn seek(
        &mut self,
        floor: Offset,
        reply: Reply<()>,
        around: &Around<'_>,
        journal: &impl JournalRoom,
    ) {
        let tail = around.ends.tail;
        if tail < floor.get() {
            let beyond = QueueError::Beyond { asked: floor, tail: Offset::new(tail) };
            return drop(reply.send(Err(beyond)));
        }
        if !self.promise(room(1, 0, 0), journal) {
            return drop(reply.send(Err(QueueError::JournalFull)));
        }
        self.machine.draft.seek(floor.get().max(around.ends.start));
        self.answers.push(Answer::Done(reply, Ok(())));
    }

    fn forget(
        &mut self,
        below: Offset,
        reply: Reply<()>,
        around: &Around<'_>,
        journal: &impl JournalRoom,
    ) {
        if !self.promise(room(1, 0, 0), journal) {
            return drop(reply.send(Err(QueueError::JournalFull)));
        }
        self.machine.forget_below(below, around);
        self.answers.push(Answer::Done(reply, Ok(())));
    }

    fn dying(&self, max: u32, around: &Around<'_>) -> Vec<Dying> {
        let machine = &self.machine;
        let waiting = machine.dying.iter().filter(|offset| machine.leases.of(**offset).is_none());
        let named = waiting.filter_map(|offset| {
            let attempt = around.track.attempt(*offset)?;
            Some(Dying {
                log: self.place.log,
                offset: Offset::new(*offset),
                copy: around.track.copy(*offset).map(Offset::new),
                deliveries: attempt.deliveries,
                failures: attempt.failures,
                reason: attempt.dying.clone()?,
                first_failed_ms: attempt.first_failed_ms,
                last_failed_ms: attempt.last_failed_ms,
            })
        });
        named.take(max as usize).collect()
    }

    fn moved(
        &mut self,
        moved: &[(Log, Offset)],
        reply: Reply<()>,
        around: &Around<'_>,
        journal: &impl JournalRoom,
    ) {
        if !self.promise(room(moved.len(), 0, 0), journal) {
            return drop(reply.send(Err(QueueError::JournalFull)));
        }
        let of_this = moved.iter().filter(|(log, _)| *log == self.place.log);
        for offset in of_this.map(|(_, offset)| offset.get()) {
            if self.machine.dying.contains(&offset) && !around.track.is_resolved(offset) {
                self.machine.leases.settle(offset, NO_LEASE);
                self.machine.draft.resolve(offset);
            }
        }
        self.answers.push(Answer::Done(reply, Ok(())));
    }
}

/// What a machine says where a worker gives no reason.
const OWN_REASON_BYTES: usize = 64;
