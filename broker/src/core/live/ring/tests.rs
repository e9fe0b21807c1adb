use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const PARTITIONS: usize = 3;

const BLOCK_BYTES: usize = 64 << 10;

/// What happens to a log, its ring and one reader.
#[derive(Clone, Debug)]
enum Op {
    /// Records come to a partition.
    Append(usize, u64),
    /// Offsets of a partition have no records.
    Hole(usize, u64),
    /// The ring takes up to so many records of a partition from the log.
    Walk(usize, usize),
    /// A record is too large for the ring.
    Cut(usize),
    Evict,
    /// The reader takes up to so many records, by the ring or from the log.
    Read(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let partition = 0..PARTITIONS;
    prop_oneof![
        4 => (partition.clone(), 1_u64..4).prop_map(|(of, count)| Op::Append(of, count)),
        1 => (partition.clone(), 1_u64..3).prop_map(|(of, count)| Op::Hole(of, count)),
        6 => (partition.clone(), 1_usize..5).prop_map(|(of, count)| Op::Walk(of, count)),
        1 => partition.prop_map(Op::Cut),
        2 => Just(Op::Evict),
        6 => (1_usize..6).prop_map(Op::Read),
    ]
}

/// A log's partitions: where each goes on, and the offsets that have records.
#[derive(Debug, Default)]
struct Log {
    partitions: [(u64, Vec<u64>); PARTITIONS],
}

impl Log {
    /// The first record at or above `from`, if there is one.
    fn next(&self, partition: usize, from: u64) -> Option<u64> {
        self.partitions[partition].1.iter().copied().find(|offset| from <= *offset)
    }
}

#[derive(Debug, Default)]
struct Reader {
    next: [u64; PARTITIONS],
    /// The number of the next entry, while it goes by the ring.
    entry: Option<u64>,
    had: [Vec<u64>; PARTITIONS],
}

impl Reader {
    fn read(&mut self, log: &Log, ring: &Ring) {
        if self.entry.is_none() {
            self.entry = ring.joined(|partition| self.next[partition]);
        }
        match self.entry {
            Some(number) => self.read_ring(ring, number),
            None => self.read_log(log),
        }
    }

    fn read_ring(&mut self, ring: &Ring, number: u64) {
        match ring.at(number) {
            At::Entry(seen) => {
                let partition = seen.partition as usize;
                self.entry = Some(number + 1);
                if self.next[partition] < seen.to {
                    self.next[partition] = seen.to;
                    self.had[partition].push(seen.to - 1);
                }
            }
            At::Head => {
                for (next, covered) in self.next.iter_mut().zip(ring.covered()) {
                    *next = covered.to.max(*next);
                }
            }
            At::Behind => self.entry = None,
        }
    }

    fn read_log(&mut self, log: &Log) {
        for partition in 0..PARTITIONS {
            match log.next(partition, self.next[partition]) {
                Some(offset) => {
                    self.had[partition].push(offset);
                    self.next[partition] = offset + 1;
                    return;
                }
                None => self.next[partition] = log.partitions[partition].0,
            }
        }
    }
}

/// Takes the ring to the next record of the log, if there is one.
fn walk(ring: &mut Ring, log: &Log, partition: usize) {
    let from = ring.covered()[partition].to;
    let number = partition as u32;
    match log.next(partition, from) {
        Some(offset) => {
            let event = [7; 40_000];
            let subject = Subject::Of(b"s");
            let seen = Seen { partition: number, to: offset + 1, subject, event: &event };
            ring.push(&seen, BLOCK_BYTES);
        }
        None => ring.pass(number, log.partitions[partition].0),
    }
}

proptest! {
    #[test]
    fn whatever_happens_a_reader_has_every_record_once_and_in_order(ops in vec(op(), 1..80)) {
        let (mut log, mut reader) = (Log::default(), Reader::default());
        let mut ring = Ring::new(&[0; PARTITIONS]);
        for op in ops {
            match op {
                Op::Append(partition, count) => {
                    let (tail, offsets) = &mut log.partitions[partition];
                    offsets.extend(*tail..*tail + count);
                    *tail += count;
                }
                Op::Hole(partition, count) => log.partitions[partition].0 += count,
                Op::Walk(partition, count) => {
                    (0..count).for_each(|_| walk(&mut ring, &log, partition));
                }
                Op::Cut(partition) => {
                    let from = ring.covered()[partition].to;
                    if let Some(offset) = log.next(partition, from) {
                        ring.cut(partition as u32, offset + 1);
                    }
                }
                Op::Evict => { ring.evict(); }
                Op::Read(count) => (0..count).for_each(|_| reader.read(&log, &ring)),
            }
        }
        for partition in 0..PARTITIONS {
            while ring.covered()[partition].to < log.partitions[partition].0 {
                walk(&mut ring, &log, partition);
            }
        }
        (0..1_000).for_each(|_| reader.read(&log, &ring));
        for (had, (_, offsets)) in reader.had.iter().zip(&log.partitions) {
            prop_assert_eq!(had, offsets);
        }
        prop_assert!(reader.entry.is_some());
    }
}

#[test]
fn entries_come_back_as_they_were_put_in() {
    let mut ring = Ring::new(&[5, 0]);
    let entries = [
        Seen { partition: 0, to: 6, subject: Subject::Of(b"a.b"), event: b"first" },
        Seen { partition: 1, to: 9, subject: Subject::None, event: b"" },
        Seen { partition: 0, to: 7, subject: Subject::Of(b""), event: b"third" },
        Seen { partition: 0, to: 8, subject: Subject::Everybody, event: b"gap" },
    ];
    for (number, seen) in (0..).zip(&entries) {
        assert_eq!(ring.push(seen, BLOCK_BYTES), number);
    }
    for (number, seen) in (0..).zip(entries) {
        assert_eq!(ring.at(number), At::Entry(seen));
    }
    assert_eq!(ring.at(4), At::Head);
}

#[test]
fn it_takes_no_more_than_it_may_and_its_readers_read_the_log_again() {
    let mut ring = Ring::new(&[0]);
    let event = vec![7; BLOCK_BYTES / 4];
    for offset in 0..100 {
        let seen = Seen { partition: 0, to: offset + 1, subject: Subject::None, event: &event };
        ring.push(&seen, BLOCK_BYTES);
        ring.fit(8 * BLOCK_BYTES);
        assert!(ring.bytes() <= 8 * BLOCK_BYTES);
    }
    let Covered { from, to } = ring.covered()[0];
    assert!(0 < from && from < to && to == 100);
    assert_eq!(ring.at(from - 1), At::Behind);
    assert_eq!(ring.joined(|_| from - 1), None);
    assert_eq!(ring.joined(|_| from), Some(from));
    assert_eq!(ring.joined(|_| to), Some(ring.head()));
    ring.cut(0, 101);
    assert_eq!((ring.joined(|_| 100), ring.joined(|_| 101)), (None, Some(101)));
    assert_eq!((ring.at(100), ring.at(101)), (At::Behind, At::Head));
}
