//! What is known of one partition, and what each new event must agree with.

use std::collections::BTreeMap;
use std::iter::Sum;

use weir_protocol::native::Durability;

use super::violation::Broken;
use super::{Partition, Token, Violation};

/// The records of one partition and what became of them.
#[derive(Debug)]
pub(super) struct Story {
    partition: Partition,
    durability: Durability,
    fates: BTreeMap<Token, Fate>,
    /// Every token that was ever seen at an offset, by reader, by ack or behind a restart.
    places: BTreeMap<u64, Token>,
    start: u64,
}

/// What is known of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// On its way, or its answer was lost: there once, or never.
    Unknown,
    /// Seen by a follower or behind a restart, never acknowledged.
    Read(u64),
    Acknowledged(u64),
    Refused,
    /// It was not there behind a crash, and will never be.
    Gone,
}

/// How a broker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process: the operating system keeps what it was given.
    Process,
    /// The machine: what was not synced may be gone.
    Machine,
}

/// All that a partition holds behind a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The first offset that is kept.
    pub start: u64,
    pub records: Vec<(u64, Vec<u8>)>,
    /// Spans that the reader was told hold nothing.
    pub gaps: Vec<std::ops::Range<u64>>,
}

/// How many records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub sent: u64,
    pub acknowledged: u64,
    pub unknown: u64,
    pub refused: u64,
    /// Gone behind a crash: of `written` partitions acknowledged ones too.
    pub gone: u64,
}

impl Story {
    pub(super) fn new(partition: Partition, durability: Durability) -> Self {
        let (fates, places) = (BTreeMap::new(), BTreeMap::new());
        Self { partition, durability, fates, places, start: 0 }
    }

    pub(super) fn sent(&mut self, tokens: &[Token]) {
        self.fates.extend(tokens.iter().map(|token| (*token, Fate::Unknown)));
    }

    pub(super) fn acknowledged(
        &mut self,
        tokens: &[Token],
        base: u64,
        violations: &mut Vec<Violation>,
    ) {
        for (token, offset) in tokens.iter().zip(base..) {
            self.place(*token, offset, violations);
            self.fates.insert(*token, Fate::Acknowledged(offset));
        }
    }

    pub(super) fn refused(&mut self, tokens: &[Token], violations: &mut Vec<Violation>) {
        for token in tokens {
            if let Some(Fate::Read(offset)) = self.fates.insert(*token, Fate::Refused) {
                self.broken(Broken::Stored { token: *token, offset }, violations);
            }
        }
    }

    pub(super) fn read(
        &mut self,
        expected: u64,
        offset: u64,
        value: &[u8],
        violations: &mut Vec<Violation>,
    ) {
        if offset != expected {
            self.broken(Broken::Skipped { expected, offset }, violations);
        }
        self.seen(offset, value, violations);
    }

    pub(super) fn found(&mut self, crash: Crash, found: &Found, violations: &mut Vec<Violation>) {
        if found.start < self.start {
            let (before, now) = (self.start, found.start);
            self.broken(Broken::StartWentBack { before, now }, violations);
        }
        if self.start < found.start {
            self.broken(Broken::Trimmed { start: found.start }, violations);
        }
        self.start = found.start;
        self.check_complete(found, violations);
        let mut there = BTreeMap::new();
        for (offset, value) in &found.records {
            if let Some(token) = self.seen(*offset, value, violations) {
                there.insert(token, *offset);
            }
        }
        self.check_order(&found.records, violations);
        self.check_absent(crash, &there, violations);
    }

    pub(super) fn tally(&self) -> Tally {
        let count = |is: fn(&Fate) -> bool| self.fates.values().filter(|fate| is(fate)).count();
        Tally {
            sent: self.fates.len() as u64,
            acknowledged: count(|fate| matches!(fate, Fate::Acknowledged(_))) as u64,
            unknown: count(|fate| matches!(fate, Fate::Unknown | Fate::Read(_))) as u64,
            refused: count(|fate| matches!(fate, Fate::Refused)) as u64,
            gone: count(|fate| matches!(fate, Fate::Gone)) as u64,
        }
    }

    /// A value was sent to a reader.
    fn seen(
        &mut self,
        offset: u64,
        value: &[u8],
        violations: &mut Vec<Violation>,
    ) -> Option<Token> {
        let token = Token::of(value);
        let Some((token, fate)) = token.and_then(|token| Some((token, *self.fates.get(&token)?)))
        else {
            self.broken(Broken::Foreign { offset }, violations);
            return None;
        };
        match fate {
            Fate::Unknown => _ = self.fates.insert(token, Fate::Read(offset)),
            Fate::Read(_) | Fate::Acknowledged(_) => {}
            Fate::Refused => self.broken(Broken::Stored { token, offset }, violations),
            Fate::Gone => self.broken(Broken::Resurrected { token, offset }, violations),
        }
        self.place(token, offset, violations);
        Some(token)
    }

    /// A token was seen at an offset: both have no other.
    fn place(&mut self, token: Token, offset: u64, violations: &mut Vec<Violation>) {
        match self.places.insert(offset, token) {
            Some(before) if before != token => {
                self.broken(Broken::Reused { offset, before, now: token }, violations);
            }
            _ => {}
        }
        match self.fates.get(&token) {
            Some(&(Fate::Read(before) | Fate::Acknowledged(before))) if before != offset => {
                self.broken(Broken::Moved { token, before, now: offset }, violations);
            }
            _ => {}
        }
    }

    /// Each offset from the start on is a record's or a gap's.
    fn check_complete(&self, found: &Found, violations: &mut Vec<Violation>) {
        let mut expected = found.start;
        let mut gaps = found.gaps.iter();
        for (offset, _) in &found.records {
            while expected != *offset {
                match gaps.find(|gap| gap.start <= expected && expected < gap.end) {
                    Some(gap) => expected = gap.end,
                    None => {
                        self.broken(Broken::Skipped { expected, offset: *offset }, violations);
                        expected = *offset;
                    }
                }
            }
            expected = offset + 1;
        }
    }

    fn check_order(&self, records: &[(u64, Vec<u8>)], violations: &mut Vec<Violation>) {
        let mut last: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for (offset, value) in records {
            let Some(token) = Token::of(value) else { continue };
            match last.insert(token.session, (token.number, *offset)) {
                Some((number, behind)) if token.number <= number => {
                    let offset = *offset;
                    self.broken(Broken::Reordered { token, offset, behind }, violations);
                }
                _ => {}
            }
        }
    }

    /// What is not there may be missing, and will be for ever.
    fn check_absent(
        &mut self,
        crash: Crash,
        there: &BTreeMap<Token, u64>,
        violations: &mut Vec<Violation>,
    ) {
        let may_lose = crash == Crash::Machine && self.durability == Durability::Written;
        let (partition, start) = (self.partition, self.start);
        for (token, fate) in &mut self.fates {
            if there.contains_key(token) {
                continue;
            }
            let token = *token;
            let broken = match *fate {
                Fate::Acknowledged(offset) if start <= offset => Broken::Lost { token, offset },
                Fate::Read(offset) if start <= offset => Broken::Vanished { token, offset },
                Fate::Unknown => {
                    *fate = Fate::Gone;
                    continue;
                }
                Fate::Acknowledged(_) | Fate::Read(_) | Fate::Refused | Fate::Gone => continue,
            };
            *fate = Fate::Gone;
            if !may_lose {
                violations.push(Violation { partition, broken });
            }
        }
    }

    fn broken(&self, broken: Broken, violations: &mut Vec<Violation>) {
        violations.push(Violation { partition: self.partition, broken });
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, one| Self {
            sent: sum.sent + one.sent,
            acknowledged: sum.acknowledged + one.acknowledged,
            unknown: sum.unknown + one.unknown,
            refused: sum.refused + one.refused,
            gone: sum.gone + one.gone,
        })
    }
}
