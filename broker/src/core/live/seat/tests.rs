use proptest::collection::vec;
use proptest::prelude::*;
use weir_protocol::id::TopicId;
use weir_storage::offset::Offset;

use super::super::filter::Filter;
use super::super::fresh::Fresh;
use super::*;
use crate::core::read::ColdReads;
use crate::core::wake::Signals;
use crate::metrics::Metrics;

const PARTITIONS: usize = 2;

/// What records have as keys, and what readers follow.
const KEYS: [Option<&str>; 4] = [Some("a.1"), Some("a.2"), Some("b"), None];
const WANTED: [&[&str]; 4] = [&[], &["a.1"], &["a.>", "a.*"], &["b", "nobody"]];

/// What a ring may take: some hundred records.
const RING_BYTES: usize = 48 << 10;

#[derive(Clone, Debug)]
enum Op {
    /// So many records with a key come to a partition, and to the ring.
    Come(usize, usize, u64),
    /// So many come at once that most are evicted before anybody looks.
    Flood(usize),
    /// A record that is too large for the ring.
    Large(usize),
    /// A reader looks if it was told, and takes up to so many at a time.
    Look(usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let (partition, key) = (0..PARTITIONS, 0..KEYS.len());
    prop_oneof![
        6 => (partition.clone(), key, 1_u64..4).prop_map(|(of, key, n)| Op::Come(of, key, n)),
        1 => partition.clone().prop_map(Op::Flood),
        1 => partition.prop_map(Op::Large),
        6 => (0..WANTED.len(), 1_usize..4).prop_map(|(reader, room)| Op::Look(reader, room)),
    ]
}

/// A log: of each partition, the keys of its records.
type Log = [Vec<Option<&'static str>>; PARTITIONS];

#[derive(Debug)]
struct Reader {
    seat: Seat,
    signals: Signals,
    wanted: Option<Arc<Filters>>,
    is_at_ring: bool,
    next: [u64; PARTITIONS],
    had: [Vec<u64>; PARTITIONS],
}

/// It takes up to `room` events in one go.
struct Taking<'a> {
    next: &'a mut [u64; PARTITIONS],
    had: &'a mut [Vec<u64>; PARTITIONS],
    taken: usize,
    room: usize,
}

impl Taker for Taking<'_> {
    fn next(&self, partition: usize) -> u64 {
        self.next[partition]
    }

    fn pass(&mut self, partition: usize, to: u64) {
        assert!(self.next[partition] < to);
        self.next[partition] = to;
    }

    fn take(&mut self, partition: usize, to: u64, event: &[u8]) -> ControlFlow<()> {
        assert!(event.starts_with(&(to - 1).to_le_bytes()));
        self.next[partition] = to;
        self.had[partition].push(to - 1);
        self.taken += 1;
        if self.taken == self.room { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Reader {
    fn wants(&self, key: Option<&str>) -> bool {
        self.wanted.as_ref().is_none_or(|filters| filters.take(key.map(str::as_bytes)))
    }

    fn is_told(&self) -> bool {
        let mut signals = Vec::new();
        self.signals.take(&mut signals);
        !signals.is_empty()
    }

    /// Takes all there is.
    fn look(&mut self, log: &Log, room: usize) {
        loop {
            if !self.is_at_ring {
                self.read_log(log);
                let next = self.next;
                assert!(self.seat.join(|partition| next[partition]), "the ring has what comes");
                self.is_at_ring = true;
            }
            let (next, had) = (&mut self.next, &mut self.had);
            match self.seat.take(&mut Taking { next, had, taken: 0, room }) {
                Took::More => {}
                Took::All => return,
                Took::Behind | Took::Over => self.is_at_ring = false,
            }
        }
    }

    fn read_log(&mut self, log: &Log) {
        for (partition, keys) in log.iter().enumerate() {
            for offset in self.next[partition]..keys.len() as u64 {
                if self.wants(keys[offset as usize]) {
                    self.had[partition].push(offset);
                }
            }
            self.next[partition] = keys.len() as u64;
        }
    }
}

fn come(
    stage: &Stage,
    log: &mut Log,
    partition: usize,
    keys: &[Option<&'static str>],
    size: usize,
) {
    let mut fresh = Fresh::default();
    for key in keys {
        let offset = log[partition].len() as u64;
        log[partition].push(*key);
        let subject = key.map_or(Subject::None, |key| Subject::Of(key.as_bytes()));
        fresh.push(partition as u32, offset + 1, subject, |target| {
            target.extend(offset.to_le_bytes());
            target.resize(target.len() + size, 7);
        });
    }
    stage.append(&mut fresh, RING_BYTES);
}

fn rings() -> Rings {
    let metrics = Metrics::new();
    Rings::new(RING_BYTES, ColdReads::new(metrics.cold_reads), metrics.deliver)
}

fn reader(stage: &Arc<Stage>, wanted: &[&str]) -> Reader {
    let mut filters = Filters::default();
    wanted.iter().for_each(|text| filters.add(&Filter::parse(text).unwrap()).unwrap());
    let wanted = (!wanted.is_empty()).then(|| Arc::new(filters));
    let signals = Signals::default();
    let rings = rings();
    let key = (TopicId::from_bytes([7; 16]), PARTITIONS, "form");
    let place = Place { signals: &signals, token: 1 };
    let seat = Seat::new(rings, key, Arc::clone(stage), wanted.clone(), &place);
    let (next, had) = ([0; PARTITIONS], Default::default());
    Reader { seat, signals, wanted, is_at_ring: false, next, had }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_reader_that_looks_when_it_is_told_has_all_that_is_for_it_once_and_in_order(
        ops in vec(op(), 1..60),
    ) {
        let stage = Arc::new(Stage::new(&[Offset::new(0); PARTITIONS], None));
        let mut log = Log::default();
        let mut readers = WANTED.map(|wanted| reader(&stage, wanted));
        readers.iter_mut().for_each(|reader| reader.look(&log, 1));
        for op in ops {
            match op {
                Op::Come(partition, key, count) => {
                    let keys = vec![KEYS[key]; count as usize];
                    come(&stage, &mut log, partition, &keys, 40);
                }
                Op::Flood(partition) => {
                    come(&stage, &mut log, partition, &KEYS.repeat(300), 100);
                }
                Op::Large(partition) => {
                    come(&stage, &mut log, partition, &KEYS[..1], RING_BYTES / 2);
                }
                Op::Look(number, room) => {
                    let reader = &mut readers[number];
                    if reader.is_told() {
                        reader.look(&log, room);
                    }
                }
            }
        }
        for mut reader in readers {
            if reader.is_told() {
                reader.look(&log, 100);
            }
            for (partition, keys) in log.iter().enumerate() {
                let numbered = (0..).zip(keys);
                let wanted = numbered.filter(|(_, key)| reader.wants(**key));
                let wanted: Vec<u64> = wanted.map(|(offset, _)| offset).collect();
                prop_assert_eq!(&reader.had[partition], &wanted);
            }
        }
        prop_assert!(stage.state.read().ring.bytes() <= RING_BYTES);
    }
}

#[test]
fn a_reader_of_one_subject_is_not_told_of_others_and_looks_at_its_own_alone() {
    let stage = Arc::new(Stage::new(&[Offset::new(0); PARTITIONS], None));
    let mut log = Log::default();
    let mut reader = reader(&stage, &["b"]);
    reader.look(&log, 1);
    for _ in 0..3 {
        come(&stage, &mut log, 0, &[Some("a.1"); 1_000], 100);
    }
    assert!(!reader.is_told());
    come(&stage, &mut log, 0, &[Some("b")], 100);
    // What it passes over was evicted long ago, and it reads no log for it.
    assert!(reader.is_told());
    let mut taking = Taking { next: &mut reader.next, had: &mut reader.had, taken: 0, room: 9 };
    assert_eq!(reader.seat.take(&mut taking), Took::All);
    assert_eq!((taking.taken, reader.next[0]), (1, 3_001));
}

#[test]
fn a_ring_that_was_overtaken_sends_its_readers_to_the_log_and_takes_them_back() {
    let stage = Arc::new(Stage::new(&[Offset::new(0); PARTITIONS], None));
    let mut log = Log::default();
    let mut reader = reader(&stage, &["b"]);
    reader.look(&log, 1);
    log[0].resize(7, None);
    stage.cut(0, 7);
    assert!(reader.is_told());
    let (next, had) = (&mut reader.next, &mut reader.had);
    let took = reader.seat.take(&mut Taking { next, had, taken: 0, room: 9 });
    assert_eq!(took, Took::Behind);
    reader.is_at_ring = false;
    reader.look(&log, 1);
    come(&stage, &mut log, 0, &[Some("b")], 40);
    assert!(reader.is_told());
    reader.look(&log, 1);
    assert_eq!(reader.had[0], [7]);
}

#[test]
fn a_ring_that_is_closed_sends_its_readers_to_the_log() {
    let stage = Arc::new(Stage::new(&[Offset::new(0); PARTITIONS], None));
    let mut reader = reader(&stage, &[]);
    reader.look(&Log::default(), 1);
    stage.close();
    assert!(reader.is_told());
    let mut taking = Taking { next: &mut reader.next, had: &mut reader.had, taken: 0, room: 9 };
    assert_eq!(reader.seat.take(&mut taking), Took::Behind);
    assert!(!reader.seat.join(|_| 0));
}

/// What happens to a sweep of one partition.
#[derive(Clone, Debug)]
enum Swept {
    /// The walk goes on by so many records.
    Walk(usize),
    /// What was walked is handed on.
    HandOn,
    /// Somebody comes who wants this and reads that next.
    Board(usize, u64),
    /// Somebody on board takes up to so many.
    Look(usize, usize),
}

fn swept() -> impl Strategy<Value = Swept> {
    prop_oneof![
        4 => (1_usize..12).prop_map(Swept::Walk),
        3 => Just(Swept::HandOn),
        2 => (1..WANTED.len(), 0_u64..120).prop_map(|(wants, next)| Swept::Board(wants, next)),
        4 => (0_usize..8, 1_usize..6).prop_map(|(who, room)| Swept::Look(who, room)),
    ]
}

/// A reader on board, where it began, and how its sweep ended.
#[derive(Debug)]
struct Aboard {
    reader: Reader,
    from: u64,
    ended: Option<Took>,
}

impl Aboard {
    fn look(&mut self, room: usize) {
        if self.ended.is_none() {
            let (next, had) = (&mut self.reader.next, &mut self.reader.had);
            let took = self.reader.seat.take(&mut Taking { next, had, taken: 0, room });
            self.ended = matches!(took, Took::Over | Took::Behind).then_some(took);
        }
    }
}

fn aboard(stage: &Arc<Stage>, wants: usize, from: u64) -> Option<Aboard> {
    let mut filters = Filters::default();
    WANTED[wants].iter().for_each(|text| filters.add(&Filter::parse(text).unwrap()).unwrap());
    let (wanted, signals) = (Arc::new(filters), Signals::default());
    let key = (TopicId::from_bytes([7; 16]), PARTITIONS, "form");
    let place = Place { signals: &signals, token: 1 };
    let next = [from, 0];
    let at = |partition: usize| next[partition];
    let filters = Arc::clone(&wanted);
    let seat = Seat::on_board(rings(), key, Arc::clone(stage), filters, &place, at)?;
    let (wanted, had) = (Some(wanted), Default::default());
    let reader = Reader { seat, signals, wanted, is_at_ring: true, next, had };
    Some(Aboard { reader, from, ended: None })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn who_gets_on_board_of_a_sweep_has_all_that_is_for_it_or_goes_on_alone(
        keys in vec(0..KEYS.len(), 100),
        ops in vec(swept(), 1..80),
    ) {
        let stage = Arc::new(Stage::for_sweep(&[0; PARTITIONS], 0));
        let (mut walked, mut fresh, mut all) = (0_u64, Fresh::default(), Vec::<Aboard>::new());
        let end = [Swept::Walk(keys.len()), Swept::HandOn];
        for op in ops.into_iter().chain(end) {
            match op {
                Swept::Walk(count) => for key in keys.iter().skip(walked as usize).take(count) {
                    let key = KEYS[*key].map(str::as_bytes);
                    walked += 1;
                    if stage.walks(0, walked, key) {
                        fresh.push(0, walked, key.map_or(Subject::None, Subject::Of), |target| {
                            target.extend((walked - 1).to_le_bytes());
                            target.resize(target.len() + 1_500, 7);
                        });
                    }
                },
                Swept::HandOn => {
                    stage.append(&mut fresh, RING_BYTES);
                    stage.pass(0, walked);
                }
                Swept::Board(wants, from) => match aboard(&stage, wants, from) {
                    Some(aboard) => all.push(aboard),
                    None => prop_assert!(from < walked),
                },
                Swept::Look(who, room) => if let Some(aboard) = all.get_mut(who) {
                    aboard.look(room);
                },
            }
        }
        stage.end();
        for aboard in &mut all {
            while aboard.ended.is_none() {
                aboard.look(7);
            }
            let reader = &aboard.reader;
            let wanted = (0..).zip(&keys).filter(|(_, key)| reader.wants(KEYS[**key]));
            let mut wanted: Vec<u64> = wanted.map(|(offset, _)| offset).collect();
            wanted.retain(|offset| aboard.from <= *offset);
            match aboard.ended {
                Some(Took::Over) => prop_assert_eq!(&reader.had[0], &wanted),
                _ => prop_assert!(wanted.starts_with(&reader.had[0])),
            }
        }
        if all.iter().all(|aboard| aboard.ended == Some(Took::Over)) {
            prop_assert_eq!(stage.audience.lock().owed(), 0);
        }
        drop(all);
        prop_assert!(stage.is_deserted());
    }
}
