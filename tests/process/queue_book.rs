//! What workers told of a queue, and what must hold of it.
//!
//! Invariants it checks, of each record:
//! - it was taken, and was settled for good: acked, or, if it is poison, dead and then acked when
//!   it came back
//! - it comes again only behind a failure that its worker said, a worker that was lost or hangs,
//!   a lease that ran out in all its time, or a broker that was killed
//! - nothing comes behind an ack that was answered
//! - of one key, and where the queue keeps its order, the next comes when the one before is said
//!
//! It knows no process and no clock: what is told has its times in it.

use std::collections::{BTreeMap, BTreeSet};

use weir_client::QueueOrder;

/// Records of one key are a few dozen apart.
pub(super) const KEYS: u32 = 97;

/// One of so many records can never be done, at first; as the worker has it.
pub(super) const POISON: u32 = 251;

/// Everything that was told.
#[derive(Debug, Default)]
pub(super) struct Book {
    records: BTreeMap<u32, Told>,
    /// The same of records that came back from the dead letter.
    pub(super) redriven: BTreeSet<u32>,
    /// Workers that were killed or hang.
    pub(super) lost: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct Told {
    leases: Vec<Lease>,
    said_ns: Option<i64>,
    /// By which lease.
    acked: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    epoch: u32,
    delivery: u32,
    failures: u32,
    at_ns: i64,
    worker: usize,
}

/// How often records came again, and why.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) lost_workers: usize,
    pub(super) ran_out: usize,
    pub(super) kills: usize,
    pub(super) retries: usize,
}

impl Book {
    /// A line of a worker; whether it says that a record is settled that was not.
    pub(super) fn note(&mut self, worker: usize, line: &str) -> bool {
        let words: Vec<_> = line.split(' ').collect();
        let number: u32 = words[1].parse().unwrap();
        match words[..] {
            ["took", _, "again", ..] => {
                assert!(is_poison(number), "{number} was never dead: {line}");
                self.redriven.insert(number);
                false
            }
            ["took", _, "first", _, epoch, _, delivery, failures, at_ns] => {
                let [epoch, delivery, failures] =
                    [epoch, delivery, failures].map(|word| word.parse().unwrap());
                let at_ns = at_ns.parse().unwrap();
                let lease = Lease { epoch, delivery, failures, at_ns, worker };
                self.records.entry(number).or_default().leases.push(lease);
                false
            }
            ["said", _, at_ns] if !is_poison(number) => {
                let (told, at_ns) = (self.records.entry(number).or_default(), at_ns.parse());
                let at_ns = at_ns.unwrap();
                told.said_ns = Some(told.said_ns.map_or(at_ns, |before| before.min(at_ns)));
                false
            }
            ["acked", _, epoch, delivery] if !is_poison(number) => {
                let lease = (epoch.parse().unwrap(), delivery.parse().unwrap());
                self.records.entry(number).or_default().acked.replace(lease).is_none()
            }
            ["said" | "acked" | "failed" | "gone", ..] => false,
            _ => panic!("a worker says {line}"),
        }
    }

    /// How many records a worker has taken.
    pub(super) fn taken_by(&self, worker: usize) -> usize {
        let of = |told: &&Told| told.leases.iter().any(|lease| lease.worker == worker);
        self.records.values().filter(of).count()
    }

    /// Holds what was told against what must be.
    pub(super) fn assert_holds(&mut self, records: u32, order: QueueOrder, lease_ms: i64) -> Tally {
        let taken: Vec<_> = self.records.keys().copied().collect();
        assert!(taken.iter().copied().eq(0..records), "{} of {records} were taken", taken.len());
        let (mut tally, mut violations) = (Tally::default(), Vec::new());
        for (number, told) in &mut self.records {
            told.leases.sort_by_key(|lease| (lease.epoch, lease.delivery));
            for pair in told.leases.windows(2) {
                let [before, next] = pair else { unreachable!("windows of two") };
                let has_run_out = lease_ms * 1_000_000 <= next.at_ns - before.at_ns;
                let failed = before.failures < next.failures;
                match () {
                    () if before.epoch < next.epoch => tally.kills += 1,
                    () if self.lost.contains(&before.worker) && failed => tally.lost_workers += 1,
                    () if is_poison(*number) && failed => tally.retries += 1,
                    () if failed && has_run_out => tally.ran_out += 1,
                    () => violations.push(format!("{number} came as {next:?} behind {before:?}")),
                }
            }
            let last = told.leases.last().map(|lease| (lease.epoch, lease.delivery));
            if told.acked.is_some_and(|acked| Some(acked) < last) {
                violations.push(format!("{number} came behind its ack: {told:?}"));
            }
        }
        if order == QueueOrder::Key {
            self.check_order(&mut violations);
        }
        assert_eq!(violations, Vec::<String>::new());
        let poison: Vec<_> = (0..records).filter(|number| is_poison(*number)).collect();
        assert!(self.redriven.iter().eq(&poison), "{:?} came back of {poison:?}", self.redriven);
        tally
    }

    fn check_order(&self, violations: &mut Vec<String>) {
        for (number, told) in &self.records {
            let Some(next) = self.records.get(&(number + KEYS)) else { continue };
            let done_ns = match is_poison(*number) {
                true => told.leases.iter().map(|lease| lease.at_ns).max(),
                false => told.said_ns,
            };
            let taken_ns = next.leases.iter().map(|lease| lease.at_ns).min();
            if done_ns.is_none() || taken_ns < done_ns {
                violations.push(format!("{} came before {number} was done", number + KEYS));
            }
        }
    }
}

/// Whether a record can never be done, at first.
pub(super) fn is_poison(number: u32) -> bool {
    number.is_multiple_of(POISON)
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// Two records of one key, the first of them poison; each is worked off by worker 1 or lost.
    const GOOD: [&str; 8] = [
        "took 0 first 0 1 0 1 0 100",
        "failed 0 200",
        "took 0 again 0 1 2 1 0 900",
        "said 0 910",
        "took 97 first 0 1 1 1 0 300",
        "took 97 first 0 1 1 2 1 400",
        "said 97 410",
        "acked 97 1 2",
    ];

    /// Whether a book of 98 records holds that has these lines of one key; those of the other keys
    /// are done at once.
    fn holds(lines: &[&'static str], lost: Option<usize>) -> bool {
        let lines = lines.to_vec();
        let held = catch_unwind(move || {
            let mut book = Book::default();
            book.lost.extend(lost);
            for line in lines {
                book.note(1, line);
            }
            for number in 1..97 {
                book.note(2, &format!("took {number} first 1 1 {number} 1 0 50"));
                book.note(2, &format!("said {number} 60"));
                assert!(book.note(2, &format!("acked {number} 1 1")));
            }
            book.assert_holds(98, QueueOrder::Key, 1_000);
        });
        held.is_ok()
    }

    #[test]
    fn a_lease_of_a_lost_worker_excuses_and_nothing_else_does() {
        assert!(holds(&GOOD, Some(1)));
        assert!(!holds(&GOOD, None));
        let silent = GOOD.map(|line| match line {
            "took 97 first 0 1 1 2 1 400" => "took 97 first 0 1 1 2 0 400",
            line => line,
        });
        assert!(!holds(&silent, Some(1)), "the broker counted no failure");
    }

    #[test]
    fn what_is_missing_late_or_out_of_order_is_noticed() {
        assert!(!holds(&GOOD[4..], Some(1)), "poison never came");
        assert!(!holds(&GOOD[..4], Some(1)), "a record never came");
        let behind: Vec<_> = GOOD.into_iter().chain(["took 97 first 0 1 1 3 2 500"]).collect();
        assert!(!holds(&behind, Some(1)), "it came behind its ack");
        let early = GOOD.map(|line| match line {
            "took 97 first 0 1 1 1 0 300" => "took 97 first 0 1 1 1 0 90",
            line => line,
        });
        assert!(!holds(&early, Some(1)), "it came before the one of its key");
    }
}
