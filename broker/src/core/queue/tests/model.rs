//! Random histories of a queue against a simple model, with crashes in them.
//!
//! What must hold in each: nothing is lost (a record is resolved only by its ack, its move to the
//! dead letter, the end of its time, retention, a seek, or because it is none), one lease at a
//! time, order by key, no record before its time or behind its end, and in the end every record
//! gets its turn.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::backoff::Backoff;
use super::super::entries::What;
use super::super::leases::{NO_LEASE, State};
use super::super::request::{Again, Leased, Outcome, Reason, Receipt, Verb, WorkerId};
use super::super::scouted::Times;
use super::super::settings::{LateAcks, LeaseExpiry, Order, Settings};
use super::super::why::Why;
use super::drill::{Drill, Record, forged};

#[derive(Clone, Debug)]
enum Op {
    Append { records: u8, key: u8 },
    Special { kind: u8, ms: u16 },
    Scout { max: u8 },
    Take { worker: u8, max: u8 },
    Settle { pick: u8, verb: Verb },
    Again { pick: u8 },
    Forge { offset: u8, delivery: u8 },
    GiveBack { pick: u8 },
    WorkerGone { worker: u8 },
    Advance { ms: u16 },
    Commit { entries: u8 },
    Crash { survive: u8 },
    Checkpoint,
    Trim { records: u8 },
    Park { below: u8, max: u8 },
    Seek { floor: u8 },
    Purge,
    Move,
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        6 => Just(Verb::Ack),
        1 => (0_u64..500).prop_map(|delay_ms| Verb::Release { delay_ms }),
        2 => Just(Verb::Retry { again: Again::Backoff, reason: None }),
        1 => (0_u64..500).prop_map(|delay_ms| Verb::Retry {
            again: Again::After { delay_ms },
            reason: Some(Reason::new("no luck")),
        }),
        1 => Just(Verb::Reject { reason: Reason::new("poison") }),
        1 => (1_u64..900).prop_map(|ms| Verb::Extend {
            lease: std::time::Duration::from_millis(ms),
        }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1_u8..9, 0_u8..4).prop_map(|(records, key)| Op::Append { records, key }),
        2 => (0_u8..6, 0_u16..900).prop_map(|(kind, ms)| Op::Special { kind, ms }),
        6 => (1_u8..12).prop_map(|max| Op::Scout { max }),
        8 => (1_u8..4, 1_u8..6).prop_map(|(worker, max)| Op::Take { worker, max }),
        10 => (any::<u8>(), verb()).prop_map(|(pick, verb)| Op::Settle { pick, verb }),
        2 => any::<u8>().prop_map(|pick| Op::Again { pick }),
        1 => (any::<u8>(), 1_u8..4).prop_map(|(offset, delivery)| Op::Forge { offset, delivery }),
        1 => any::<u8>().prop_map(|pick| Op::GiveBack { pick }),
        1 => (1_u8..4).prop_map(|worker| Op::WorkerGone { worker }),
        3 => (0_u16..800).prop_map(|ms| Op::Advance { ms }),
        6 => (1_u8..5).prop_map(|entries| Op::Commit { entries }),
        1 => (0_u8..4).prop_map(|survive| Op::Crash { survive }),
        1 => Just(Op::Checkpoint),
        1 => (1_u8..9).prop_map(|records| Op::Trim { records }),
        2 => (0_u8..20, 1_u8..9).prop_map(|(below, max)| Op::Park { below, max }),
        1 => any::<u8>().prop_map(|floor| Op::Seek { floor }),
        1 => Just(Op::Purge),
        2 => Just(Op::Move),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let leases = (1_u32..20, 1_u32..20);
    (any::<[bool; 3]>(), 1_u32..5, leases, 1_u32..30).prop_map(
        |([by_key, refuses, releases], max_failures, leases, lookahead_records)| Settings {
            max_failures,
            backoff: Backoff::List(vec![0, 100, 300]),
            order: if by_key { Order::Key } else { Order::None },
            late_acks: if refuses { LateAcks::Refuse } else { LateAcks::Accept },
            lease_expiry: if releases { LeaseExpiry::Release } else { LeaseExpiry::Failure },
            leases_max: leases.0,
            worker_leases_max: leases.1,
            lookahead_records,
            ..Settings::DEFAULT
        },
    )
}

#[derive(Debug)]
struct Run {
    drill: Drill,
    /// All that were ever granted.
    granted: Vec<(Receipt, u64)>,
    held: BTreeMap<u64, Receipt>,
    /// What was acked or moved, committed or not.
    named: BTreeSet<u64>,
    /// What is resolved for good.
    acked: BTreeSet<u64>,
    delivered: BTreeMap<u64, u32>,
    /// What was put aside for good, and owed then.
    parked: BTreeSet<u64>,
    /// A seek leaves leases as they are, which then are out of their key's order.
    has_sought: bool,
}

impl Run {
    fn new(settings: Settings) -> Self {
        Self {
            drill: Drill::new(settings),
            granted: Vec::new(),
            held: BTreeMap::new(),
            named: BTreeSet::new(),
            acked: BTreeSet::new(),
            delivered: BTreeMap::new(),
            parked: BTreeSet::new(),
            has_sought: false,
        }
    }

    fn step(&mut self, op: Op) {
        let drill = &mut self.drill;
        match op {
            Op::Append { records, key } => {
                let key = Some(u64::from(key)).filter(|key| *key != 0);
                let record = Record { key, ..Record::default() };
                (0..records).for_each(|_| drill.log.push(Some(record)));
            }
            Op::Special { kind, ms } => self.special(kind, i64::from(ms)),
            Op::Scout { max } => drop(drill.scout(usize::from(max))),
            Op::Take { worker, max } => {
                let leased = drill.take(u64::from(worker), u32::from(max), 500);
                self.leased(u64::from(worker), &leased);
            }
            Op::Settle { pick, verb } => {
                let held: Vec<_> = self.held.values().copied().collect();
                if let Some(receipt) = held.get(usize::from(pick) % held.len().max(1)) {
                    self.settle(*receipt, &verb);
                }
            }
            Op::Again { pick } => {
                let at = usize::from(pick) % self.granted.len().max(1);
                if let Some((receipt, _)) = self.granted.get(at).copied() {
                    self.settle(receipt, &Verb::Ack);
                }
            }
            Op::Forge { offset, delivery } => self.forge(u64::from(offset), u32::from(delivery)),
            Op::GiveBack { pick } => self.give_back(usize::from(pick)),
            Op::WorkerGone { worker } => self.worker_gone(u64::from(worker)),
            Op::Advance { ms } => drill.advance(u64::from(ms)),
            Op::Commit { entries } => self.commit(usize::from(entries)),
            Op::Crash { survive } => {
                let survive = usize::from(survive);
                // What survives is committed, though nobody was told.
                self.commit(survive);
                self.drill.crash(0);
                self.held.clear();
                self.delivered.clear();
                self.has_sought = false;
            }
            Op::Checkpoint => drill.write_checkpoint(),
            Op::Trim { records } => {
                let start = drill.tail().min(drill.start + u64::from(records));
                // What is not put aside by then, for good, is gone.
                let track = drill.track();
                self.named.extend((drill.start..start).filter(|offset| !track.is_parked(*offset)));
                drill.start = start;
                drill.catch_up();
                drill.finish();
            }
            Op::Park { below, max } => {
                drill.clear(drill.start + u64::from(below));
                drill.park(u32::from(max));
            }
            Op::Seek { floor } => {
                let floor = u64::from(floor).min(drill.tail()).max(drill.start);
                drill.machine.draft.seek(floor);
                drill.finish();
            }
            Op::Purge => {
                let tail = drill.tail();
                drill.machine.draft.seek(tail);
                drill.finish();
            }
            Op::Move => self.move_dying(),
        }
        self.check();
    }

    fn special(&mut self, kind: u8, ms: i64) {
        let at_ms = self.drill.at.wall_ms + ms;
        let mut record = Record { key: Some(u64::from(kind)), ..Record::default() };
        let (visible, expires) = (Some(at_ms), Some(at_ms + 100));
        match kind {
            0 => return self.drill.log.push(None),
            1 => record.times = Times { visible_at_ms: visible, expires_ms: None },
            2 => record.times = Times { visible_at_ms: None, expires_ms: visible },
            3 => record.is_for_another = true,
            4 => record.is_unreadable = true,
            _ => record.times = Times { visible_at_ms: visible, expires_ms: expires },
        }
        self.drill.log.push(Some(record));
    }

    fn forge(&mut self, offset: u64, delivery: u32) {
        let drill = &mut self.drill;
        let known = self.delivered.get(&offset).copied().unwrap_or_default();
        let forged = forged(offset, drill.epoch, 1_000 + known + delivery);
        let outcome = drill.settle(forged, &Verb::Ack);
        let lease = drill.machine.leases.of(offset);
        let is_decided = lease.is_some_and(|lease| matches!(lease.state, State::Settling { .. }));
        let is_refused = match is_decided || drill.track().is_resolved(offset) {
            true => outcome != Outcome::Ok,
            false => outcome == Outcome::Unknown,
        };
        assert!(is_refused, "{outcome:?}");
    }

    fn give_back(&mut self, pick: usize) {
        let held: Vec<_> = self.held.values().copied().collect();
        let Some(receipt) = held.get(pick % held.len().max(1)) else { return };
        self.drill.with(|machine, around| machine.give_back(&[*receipt], around));
        self.drill.finish();
        self.held.remove(&receipt.offset.get());
        self.delivered.remove(&receipt.offset.get());
        self.granted.retain(|(granted, _)| granted != receipt);
    }

    fn worker_gone(&mut self, worker: u64) {
        self.drill.worker_gone(worker);
        let granted = &self.granted;
        let is_lost = |held: &Receipt| granted.contains(&(*held, worker));
        self.held.retain(|_, receipt| !is_lost(receipt));
    }

    fn leased(&mut self, worker: u64, leased: &[Leased]) {
        let track = self.drill.track();
        let by_key = self.drill.definition.settings.order == Order::Key && !self.has_sought;
        self.forget_expired();
        for lease in leased {
            let offset = lease.offset.get();
            let receipt = self.drill.receipt(lease);
            let record = self.drill.log[offset as usize].expect("only records are leased");
            assert!(!record.is_for_another && !record.is_unreadable);
            match lease.copy {
                Some(copy) => assert_eq!(self.drill.copies[copy.get() as usize], offset),
                None => assert!(self.drill.start <= offset, "{offset} can be read nowhere"),
            }
            assert!(!self.acked.contains(&offset), "{offset} was acked for good");
            assert!(!track.is_resolved(offset), "{offset} is resolved");
            let wall_ms = self.drill.at.wall_ms;
            assert!(record.times.expires_ms.is_none_or(|end_ms| wall_ms < end_ms));
            assert!(record.times.visible_at_ms.is_none_or(|at_ms| at_ms <= wall_ms));
            let number = self.delivered.insert(offset, lease.deliveries);
            assert!(number.is_none_or(|number| number < lease.deliveries), "{offset}");
            assert!(self.held.insert(offset, receipt).is_none(), "{offset} has two leases");
            self.granted.push((receipt, worker));
            if by_key && let Some(key) = record.key {
                let is_there = |of: &u64| self.drill.start <= *of || self.parked.contains(of);
                let before = (0..offset).filter(is_there).filter(|of| {
                    self.drill.log[*of as usize]
                        .is_some_and(|of| of.key == Some(key) && !of.is_for_another)
                });
                for of in before {
                    assert!(
                        track.is_resolved(of)
                            || self.drill.log[of as usize]
                                .is_none_or(|record| record.is_unreadable),
                        "{offset} overtook {of}"
                    );
                }
            }
        }
        let leases_max = self.drill.definition.settings.leases_max as usize;
        let leases = &self.drill.machine.leases;
        assert!(leases.held() <= leases_max);
        let of_worker_max = self.drill.definition.settings.worker_leases_max as usize;
        for worker in (0..=u64::from(u8::MAX)).map(WorkerId) {
            let held = leases.of_worker(worker).len();
            assert!(held <= of_worker_max);
            assert_eq!(leases.held_by(worker), held);
        }
    }

    fn settle(&mut self, receipt: Receipt, verb: &Verb) {
        let offset = receipt.offset.get();
        let outcome = self.drill.settle(receipt, verb);
        self.forget_expired();
        let is_held = self.held.get(&offset) == Some(&receipt);
        // A crash may leave no trace of what was handed out right before it.
        let is_of_now = receipt.epoch == self.drill.epoch;
        assert!(outcome != Outcome::Unknown || self.has_sought || !is_of_now, "{receipt:?}");
        if is_held {
            assert_eq!(outcome, Outcome::Ok, "{receipt:?}");
        }
        if outcome == Outcome::Ok && *verb == Verb::Ack {
            self.named.insert(offset);
        }
        if outcome == Outcome::Ok && !matches!(verb, Verb::Extend { .. }) && is_held {
            self.held.remove(&offset);
        }
    }

    /// Leases that the machine has ended by now.
    fn forget_expired(&mut self) {
        let drill = &mut self.drill;
        self.held
            .retain(|_, receipt| drill.with(|machine, around| machine.is_held(receipt, around)));
    }

    fn move_dying(&mut self) {
        let dying: Vec<u64> = self.drill.machine.dying.iter().copied().collect();
        for offset in dying {
            self.named.insert(offset);
            self.drill.machine.leases.settle(offset, NO_LEASE);
            self.drill.machine.draft.resolve(offset);
        }
        self.drill.finish();
    }

    fn commit(&mut self, entries: usize) {
        for _ in 0..entries.min(self.drill.under_way.len()) {
            let Some(what) = self.drill.commit(1).pop() else { break };
            match what {
                What::Resolve(runs) => {
                    self.acked
                        .extend(runs.into_iter().flatten().filter(|of| self.named.contains(of)));
                }
                What::Seek(floor) => {
                    let track = self.drill.track();
                    assert_eq!((track.floor(), track.hwm()), (floor, floor));
                    self.acked.clear();
                    self.parked.clear();
                    self.named.extend(0..floor);
                    self.has_sought = true;
                }
                What::Parked(parked) => {
                    let track = self.drill.track();
                    let owed = parked.into_iter().map(|(offset, _)| offset);
                    self.parked.extend(owed.filter(|offset| track.is_parked(*offset)));
                }
                What::Attempts(_) | What::Hwm(_) | What::Gone | What::Cut(_) => {}
            }
        }
    }

    /// Nothing is lost.
    fn check(&self) {
        let (track, drill) = (self.drill.track(), &self.drill);
        let parked = self.parked.range(..drill.start).copied();
        for offset in parked.chain(drill.start..drill.tail().min(track.hwm())) {
            let why = drill.log[offset as usize].is_none_or(|record| {
                let is_over = record.times.expires_ms.is_some_and(|at| at <= drill.at.wall_ms);
                record.is_for_another || is_over
            });
            let may_be = why || self.named.contains(&offset);
            assert!(may_be || !track.is_resolved(offset), "{offset} is lost");
        }
        assert_eq!(track.unresolved, track.pending.len());
        assert_eq!(track.copies.len(), track.parked.len() as u64);
        let copies = track.parked.values().map(|parked| parked.copy);
        assert!(copies.into_iter().all(|copy| track.copies.contains(copy)));
    }

    /// Every record that is left gets its turn.
    fn work_off(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "{:?}", self.facts());
            self.drill.advance(400);
            while self.drill.scout(50) {}
            let leased = self.drill.take(9, 100, 30_000);
            self.leased(9, &leased);
            for lease in leased {
                self.settle(self.drill.receipt(&lease), &Verb::Ack);
            }
            self.move_dying();
            self.commit(usize::MAX);
            self.check();
            if self.facts() == Why::Nothing && self.drill.under_way.is_empty() {
                break;
            }
        }
        assert_eq!(self.drill.track().floor(), self.drill.track().hwm().min(self.drill.tail()));
        let tail = self.drill.tail();
        assert!(self.drill.track().parked.is_empty());
        assert!((self.drill.start..tail).all(|offset| self.drill.track().is_resolved(offset)));
    }

    fn facts(&mut self) -> Why {
        self.drill.with(|machine, around| machine.facts(around).why)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn no_history_loses_a_record_or_hands_it_to_two(
        settings in settings(),
        ops in vec(op(), 1..120),
    ) {
        let mut run = Run::new(settings);
        for op in ops {
            run.step(op);
        }
        run.work_off();
    }
}
