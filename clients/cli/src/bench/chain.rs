//! Records that prove what became of them: numbered, checksummed and chained to those before.
//!
//! ```text
//! bytes   field     what it is (little-endian)
//!   8     link      hash of the link before and of all that follows here
//!   8     run       which bench wrote it
//!   4     lane      which sequence of records it belongs to
//!   4     lanes     how many there are
//!   4     sequence  its number in its round, from 0
//!   4     round     how many a round has
//!   8     records   how many the lane has, in all its rounds
//!   …     filling   pseudo-random, up to the size asked for
//! ```
//!
//! A *lane* is one sequence that one connection writes to one partition, whose order is therefore
//! certain. A reader knows from any record how many lanes and records there are, so it can verify
//! what an earlier process wrote, too. A lane of more than was prepared is the same *round* again
//! and again, each a chain of its own; the last may be cut short. Rounds are alike, so one in
//! another's place would not be noticed; one too few or too many is.
//!
//! Knows no batch, no socket and no clock.
//!
//! Invariant of a [`Reader`]: each lane's records up to its `sequence` were read once, in order and
//! unchanged.

use thiserror::Error;
use weir_protocol::checksum::crc32c;

/// The smallest record that holds all fields.
pub(crate) const RECORD_BYTES_MIN: usize = 40;

/// Where a record is in its run: its number in its lane, over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) lane: u32,
    pub(crate) sequence: u64,
}

/// Makes the records of one lane, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    run: u64,
    lane: u32,
    lanes: u32,
    round: u32,
    records: u64,
    sequence: u32,
    link: u64,
}

impl Writer {
    /// Of a round of a lane that has so many records in all.
    pub(crate) fn new(run: u64, lane: u32, lanes: u32, round: u32, records: u64) -> Self {
        Self { run, lane, lanes, round, records, sequence: 0, link: first_link(run, lane) }
    }

    /// Writes the next record over all of `value`, whose length is the record's.
    ///
    /// # Panics
    /// If `value` is shorter than [`RECORD_BYTES_MIN`], or all of the round was written.
    pub(crate) fn write(&mut self, value: &mut [u8]) {
        assert!(self.sequence < self.round, "the round has as many records as was said");
        let (fields, filling) =
            value.split_first_chunk_mut::<RECORD_BYTES_MIN>().expect("the fields have room");
        let seed = self.link ^ u64::from(self.sequence);
        fill(filling, seed);
        fields[8..16].copy_from_slice(&self.run.to_le_bytes());
        fields[16..20].copy_from_slice(&self.lane.to_le_bytes());
        fields[20..24].copy_from_slice(&self.lanes.to_le_bytes());
        fields[24..28].copy_from_slice(&self.sequence.to_le_bytes());
        fields[28..32].copy_from_slice(&self.round.to_le_bytes());
        fields[32..40].copy_from_slice(&self.records.to_le_bytes());
        self.link = next_link(self.link, &value[LINK_BYTES..]);
        value[..LINK_BYTES].copy_from_slice(&self.link.to_le_bytes());
        self.sequence += 1;
    }

    /// The link of the last record that was written.
    pub(crate) fn link(&self) -> u64 {
        self.link
    }
}

/// Reads the records of all lanes of one run and finds what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    run: Option<u64>,
    lanes: Vec<Lane>,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    /// Records that were read.
    read: u64,
    link: u64,
    /// How many there are, once a record said so.
    records: Option<u64>,
}

impl Reader {
    /// Reads the records of any one run: which, and how many lanes, its first record says.
    pub(crate) fn of_any_run() -> Self {
        Self::default()
    }

    /// Reads the records of this run.
    pub(crate) fn of(run: u64, lanes: u32) -> Self {
        let mut reader = Self::default();
        reader.begin(run, lanes);
        reader
    }

    /// Takes the next record that came.
    ///
    /// # Errors
    /// It is not the one that comes next in its lane. The chain is broken: what follows says
    /// nothing more.
    pub(crate) fn read(&mut self, value: &[u8]) -> Result<Link, Broken> {
        let fields = Fields::parse(value).ok_or(Broken::Short { bytes: value.len() })?;
        let Fields { run, lane, lanes, sequence, round, records, link } = fields;
        if self.run.is_none() && lanes <= LANES_MAX {
            self.begin(run, lanes);
        }
        let of_this_run = self.run == Some(run) && self.lanes.len() == lanes as usize;
        let sequence = u64::from(sequence);
        let expected = match self.lanes.get_mut(lane as usize) {
            Some(lane) if of_this_run => lane,
            _ => return Err(Broken::Foreign { lane, sequence }),
        };
        let read = expected.read;
        let in_round = match expected.records {
            Some(records) if read == records => read,
            _ => read.checked_rem(round.into()).unwrap_or(read),
        };
        if sequence != in_round {
            return Err(Broken::OutOfSequence { lane, expected: in_round, found: sequence });
        }
        let before = if sequence == 0 { first_link(run, lane) } else { expected.link };
        let computed = next_link(before, value.get(LINK_BYTES..).unwrap_or_default());
        if computed != link {
            return Err(Broken::Changed { lane, sequence });
        }
        *expected = Lane { read: read + 1, link, records: Some(records) };
        Ok(Link { lane, sequence: read })
    }

    /// Ends the reading: every record must have been read.
    ///
    /// # Errors
    /// A lane has records that did not come.
    pub(crate) fn finish(&self) -> Result<(), Broken> {
        if self.lanes.is_empty() {
            return Err(Broken::Nothing);
        }
        for (lane, expected) in (0..).zip(&self.lanes) {
            match expected.records {
                None => return Err(Broken::NothingOf { lane }),
                Some(records) if expected.read == records => {}
                Some(records) => {
                    return Err(Broken::Missing { lane, records, read: expected.read });
                }
            }
        }
        Ok(())
    }

    /// The same, where the last link of each lane is known: what was read is what was written.
    ///
    /// # Errors
    /// As [`finish`](Self::finish), and where a lane ends in another link.
    pub(crate) fn finish_with(&self, links: &[u64]) -> Result<(), Broken> {
        self.finish()?;
        let ends = self.lanes.iter().map(|lane| lane.link);
        match (0..).zip(ends.zip(links)).find(|(_, (read, written))| read != *written) {
            None => Ok(()),
            Some((lane, _)) => Err(Broken::OtherEnd { lane }),
        }
    }

    /// Records that were read.
    pub(crate) fn records(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.read).sum()
    }

    fn begin(&mut self, run: u64, lanes: u32) {
        self.run = Some(run);
        let lane = |lane| Lane { read: 0, link: first_link(run, lane), records: None };
        self.lanes = (0..lanes).map(lane).collect();
    }
}

/// What is wrong with what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Broken {
    #[error("a record of {bytes} bytes is not one of this bench")]
    Short { bytes: usize },
    #[error("record {sequence} of lane {lane} is of another run, or of no bench")]
    Foreign { lane: u32, sequence: u64 },
    #[error(
        "record {found} of lane {lane} came where {expected} should: \
         records are missing, doubled or out of order"
    )]
    OutOfSequence { lane: u32, expected: u64, found: u64 },
    #[error("record {sequence} of lane {lane} is not what was sent")]
    Changed { lane: u32, sequence: u64 },
    #[error("lane {lane} has {records} records and only {read} came")]
    Missing { lane: u32, records: u64, read: u64 },
    #[error("no record of lane {lane} came")]
    NothingOf { lane: u32 },
    #[error("no record came")]
    Nothing,
    #[error("lane {lane} does not end as it was sent")]
    OtherEnd { lane: u32 },
}

struct Fields {
    link: u64,
    run: u64,
    lane: u32,
    lanes: u32,
    sequence: u32,
    round: u32,
    records: u64,
}

impl Fields {
    fn parse(value: &[u8]) -> Option<Self> {
        let mut rest = value;
        let mut long = || {
            let (bytes, behind) = rest.split_first_chunk()?;
            rest = behind;
            Some(u64::from_le_bytes(*bytes))
        };
        let (link, run, lanes, sequence, records) = (long()?, long()?, long()?, long()?, long()?);
        let (lane, lanes) = (lanes as u32, (lanes >> 32) as u32);
        let (sequence, round) = (sequence as u32, (sequence >> 32) as u32);
        Some(Self { link, run, lane, lanes, sequence, round, records })
    }
}

fn first_link(run: u64, lane: u32) -> u64 {
    mix(run ^ u64::from(lane).rotate_left(32))
}

fn next_link(link: u64, rest: &[u8]) -> u64 {
    mix(link ^ u64::from(crc32c(rest)))
}

/// Spreads every bit of `number` over all of them, and maps no two numbers to one (splitmix64).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Fills with bytes that no compression makes smaller.
pub(super) fn fill(target: &mut [u8], seed: u64) {
    let mut state = mix(seed);
    for chunk in target.chunks_mut(8) {
        // Xorshift: a bijection without a fixed point but 0, which `mix` gives for one seed only.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bytes = state.to_le_bytes();
        chunk.copy_from_slice(bytes.get(..chunk.len()).unwrap_or_default());
    }
}

const LINK_BYTES: usize = 8;

/// More lanes than any bench has; a record that says more is not one.
const LANES_MAX: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u64 = 7;

    /// The records of two lanes, as they might come: lane by lane.
    fn records(each: u32) -> (Vec<Vec<u8>>, Vec<u64>) {
        let mut values = Vec::new();
        let mut links = Vec::new();
        for lane in 0..2 {
            let mut writer = Writer::new(RUN, lane, 2, each, each.into());
            for _ in 0..each {
                let mut value = vec![0; 64];
                writer.write(&mut value);
                values.push(value);
            }
            links.push(writer.link());
        }
        (values, links)
    }

    fn read(mut reader: Reader, values: &[Vec<u8>], links: &[u64]) -> Result<(), Broken> {
        for value in values {
            reader.read(value)?;
        }
        reader.finish_with(links)
    }

    fn broken(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Broken {
        let (mut values, links) = records(10);
        change(&mut values);
        read(Reader::of(RUN, 2), &values, &links).unwrap_err()
    }

    #[test]
    fn what_was_written_is_read_in_any_order_of_lanes() {
        let (values, links) = records(10);
        assert_eq!(read(Reader::of(RUN, 2), &values, &links), Ok(()));
        assert_eq!(read(Reader::of_any_run(), &values, &links), Ok(()));
        let (one, other) = values.split_at(10);
        let mixed: Vec<_> =
            one.iter().zip(other).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
        assert_eq!(read(Reader::of(RUN, 2), &mixed, &links), Ok(()));
        let turned = [other, one].concat();
        assert_eq!(read(Reader::of(RUN, 2), &turned, &links), Ok(()));
    }

    #[test]
    fn a_lost_record_is_noticed_wherever_it_was() {
        let first = broken(|values| drop(values.remove(0)));
        assert_eq!(first, Broken::OutOfSequence { lane: 0, expected: 0, found: 1 });
        let middle = broken(|values| drop(values.remove(14)));
        assert_eq!(middle, Broken::OutOfSequence { lane: 1, expected: 4, found: 5 });
        let last = broken(|values| drop(values.pop()));
        assert_eq!(last, Broken::Missing { lane: 1, records: 10, read: 9 });
        let lane = broken(|values| values.truncate(10));
        assert_eq!(lane, Broken::NothingOf { lane: 1 });
        assert_eq!(broken(Vec::clear), Broken::NothingOf { lane: 0 });
        assert_eq!(Reader::of_any_run().finish(), Err(Broken::Nothing));
    }

    #[test]
    fn a_doubled_record_is_noticed_at_once_and_later() {
        let at_once = broken(|values| values.insert(4, values[3].clone()));
        assert_eq!(at_once, Broken::OutOfSequence { lane: 0, expected: 4, found: 3 });
        let later = broken(|values| values.push(values[0].clone()));
        assert_eq!(later, Broken::OutOfSequence { lane: 0, expected: 10, found: 0 });
    }

    #[test]
    fn records_out_of_order_are_noticed() {
        let swapped = broken(|values| values.swap(5, 6));
        assert_eq!(swapped, Broken::OutOfSequence { lane: 0, expected: 5, found: 6 });
    }

    #[test]
    fn a_change_of_any_byte_is_noticed_in_the_record_itself() {
        for at in 0..64 {
            for index in [3, 9] {
                let found = broken(|values| values[index][at] ^= 0x10);
                let sequence = index as u64;
                match at {
                    0..8 | 32.. => assert_eq!(found, Broken::Changed { lane: 0, sequence }),
                    24..28 => assert!(matches!(found, Broken::OutOfSequence { .. }), "{found}"),
                    28..32 => assert!(
                        matches!(found, Broken::OutOfSequence { .. } | Broken::Changed { .. }),
                        "{found}"
                    ),
                    _ => assert!(matches!(found, Broken::Foreign { .. }), "{found}"),
                }
            }
        }
    }

    #[test]
    fn a_record_that_was_cut_or_made_longer_is_noticed() {
        let longer = broken(|values| values[3].push(0));
        assert_eq!(longer, Broken::Changed { lane: 0, sequence: 3 });
        let cut = broken(|values| values[3].truncate(63));
        assert_eq!(cut, Broken::Changed { lane: 0, sequence: 3 });
        assert_eq!(broken(|values| values[3].truncate(39)), Broken::Short { bytes: 39 });
        assert_eq!(broken(|values| values[3].clear()), Broken::Short { bytes: 0 });
    }

    #[test]
    fn records_of_another_run_are_foreign() {
        let (values, _) = records(1);
        let mut reader = Reader::of(RUN + 1, 2);
        assert_eq!(reader.read(&values[0]), Err(Broken::Foreign { lane: 0, sequence: 0 }));
        let mut reader = Reader::of(RUN, 3);
        assert_eq!(reader.read(&values[0]), Err(Broken::Foreign { lane: 0, sequence: 0 }));
    }

    #[test]
    fn a_whole_run_in_the_place_of_another_is_noticed_by_its_end() {
        let (values, mut links) = records(3);
        links[1] ^= 1;
        assert_eq!(read(Reader::of(RUN, 2), &values, &links), Err(Broken::OtherEnd { lane: 1 }));
    }

    /// The records of one lane that has `records` in rounds of four.
    fn rounds(records: u64) -> (Vec<Vec<u8>>, u64) {
        let mut writer = Writer::new(RUN, 0, 1, 4, records);
        let (mut round, mut links) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let mut value = vec![0; 64];
            writer.write(&mut value);
            round.push(value);
            links.push(writer.link());
        }
        let all = round.iter().cycle().take(records as usize).cloned().collect();
        (all, links[(records as usize - 1) % 4])
    }

    #[test]
    fn rounds_are_read_to_the_end_of_the_last() {
        for records in [1, 3, 4, 5, 8, 10] {
            let (values, link) = rounds(records);
            assert_eq!(read(Reader::of(RUN, 1), &values, &[link]), Ok(()), "{records}");
            assert_eq!(read(Reader::of_any_run(), &values, &[link]), Ok(()), "{records}");
        }
    }

    #[test]
    fn what_is_wrong_with_rounds_is_noticed() {
        let broken = |change: fn(&mut Vec<Vec<u8>>)| {
            let (mut values, link) = rounds(10);
            change(&mut values);
            read(Reader::of(RUN, 1), &values, &[link]).unwrap_err()
        };
        let lost = broken(|values| drop(values.remove(5)));
        assert_eq!(lost, Broken::OutOfSequence { lane: 0, expected: 1, found: 2 });
        let doubled = broken(|values| values.insert(5, values[4].clone()));
        assert_eq!(doubled, Broken::OutOfSequence { lane: 0, expected: 1, found: 0 });
        let round_lost = broken(|values| drop(values.drain(4..8)));
        assert_eq!(round_lost, Broken::Missing { lane: 0, records: 10, read: 6 });
        let round_more = broken(|values| values.extend(values.clone().drain(2..6)));
        assert_eq!(round_more, Broken::OutOfSequence { lane: 0, expected: 10, found: 2 });
        let changed = broken(|values| values[6][50] ^= 1);
        assert_eq!(changed, Broken::Changed { lane: 0, sequence: 2 });
    }

    #[test]
    fn no_two_records_are_filled_alike() {
        let (values, _) = records(10);
        let mut fillings: Vec<_> = values.iter().map(|value| &value[40..]).collect();
        fillings.sort();
        fillings.dedup();
        assert_eq!(fillings.len(), 20);
        assert!(values.iter().all(|value| value[40..].iter().any(|byte| *byte != 0)));
    }
}
