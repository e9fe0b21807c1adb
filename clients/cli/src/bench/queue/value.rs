//! Records that prove what they are in any order, and the book of those that came.
//!
//! ```text
//! bytes   field     what it is (little-endian)
//!   8     run       which bench published it
//!   8     number    its number in the run, from 0
//!   4     checksum  CRC-32C of the two before and of all that follows
//!   …     filling   pseudo-random, up to the size asked for
//! ```
//!
//! Workers get records in any order, so that no chain can be made of them, as streams have it.
//! Knows no queue and no clock.

use thiserror::Error;
use weir_protocol::checksum::Crc32c;

use super::super::chain::fill;

/// The smallest record that holds all fields.
pub(super) const VALUE_BYTES_MIN: usize = 20;

/// Makes the records of a run, one after the other.
#[derive(Debug)]
pub(super) struct Writer {
    run: u64,
    number: u64,
    value: Vec<u8>,
}

impl Writer {
    /// # Panics
    /// If `bytes` is less than [`VALUE_BYTES_MIN`].
    pub(super) fn new(run: u64, bytes: usize) -> Self {
        assert!(VALUE_BYTES_MIN <= bytes, "a plan's records have room for the fields");
        Self { run, number: 0, value: vec![0; bytes] }
    }

    /// The next one.
    pub(super) fn next(&mut self) -> &[u8] {
        let (fields, filling) = self.value.split_at_mut(VALUE_BYTES_MIN);
        fill(filling, self.run ^ self.number);
        fields[..8].copy_from_slice(&self.run.to_le_bytes());
        fields[8..16].copy_from_slice(&self.number.to_le_bytes());
        let checksum = checksum(&fields[..16], filling);
        fields[16..].copy_from_slice(&checksum.to_le_bytes());
        self.number += 1;
        &self.value
    }
}

/// Which records of a run came.
#[derive(Debug)]
pub(super) struct Book {
    run: u64,
    records: u64,
    /// A bit each.
    came: Vec<u64>,
    count: u64,
    again: u64,
}

/// What is wrong with what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Wrong {
    #[error("a record of {bytes} bytes is not one of this bench")]
    Short { bytes: usize },
    #[error("record {number} is of another run, or of no bench")]
    Foreign { number: u64 },
    #[error("record {number} is not what was published")]
    Changed { number: u64 },
    #[error("{came} of {records} records came")]
    Missing { came: u64, records: u64 },
}

/// A record that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    First(u64),
    /// It was handed out before.
    Again,
}

impl Book {
    pub(super) fn new(run: u64, records: u64) -> Self {
        let words = usize::try_from(records.div_ceil(64)).expect("a plan bounds the records");
        Self { run, records, came: vec![0; words], count: 0, again: 0 }
    }

    /// Takes note of a record.
    pub(super) fn note(&mut self, value: &[u8]) -> Result<Came, Wrong> {
        let Some((fields, filling)) = value.split_first_chunk::<VALUE_BYTES_MIN>() else {
            return Err(Wrong::Short { bytes: value.len() });
        };
        let [numbers @ .., c0, c1, c2, c3] = fields;
        let (run, number) = numbers.split_at(8);
        let long = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight were split"));
        let (run, number) = (long(run), long(number));
        if run != self.run || self.records <= number {
            return Err(Wrong::Foreign { number });
        }
        if checksum(numbers, filling) != u32::from_le_bytes([*c0, *c1, *c2, *c3]) {
            return Err(Wrong::Changed { number });
        }
        let word = usize::try_from(number / 64).expect("a plan bounds the records");
        let (word, bit) = (&mut self.came[word], 1 << (number % 64));
        if *word & bit != 0 {
            self.again += 1;
            return Ok(Came::Again);
        }
        *word |= bit;
        self.count += 1;
        Ok(Came::First(number))
    }

    /// How often a record came that had come before.
    pub(super) fn again(&self) -> u64 {
        self.again
    }

    /// Whether all came.
    pub(super) fn finish(&self) -> Result<(), Wrong> {
        match self.count == self.records {
            true => Ok(()),
            false => Err(Wrong::Missing { came: self.count, records: self.records }),
        }
    }
}

fn checksum(numbers: &[u8], filling: &[u8]) -> u32 {
    let mut checksum = Crc32c::new();
    checksum.update(numbers);
    checksum.update(filling);
    checksum.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Vec<Vec<u8>> {
        let mut writer = Writer::new(7, 64);
        (0..70).map(|_| writer.next().to_vec()).collect()
    }

    #[test]
    fn records_that_come_once_in_any_order_are_all() {
        let mut book = Book::new(7, 70);
        for (number, value) in values().iter().enumerate().rev() {
            assert_eq!(
                book.finish(),
                Err(Wrong::Missing { came: 69 - number as u64, records: 70 })
            );
            assert_eq!(book.note(value), Ok(Came::First(number as u64)));
        }
        assert_eq!((book.finish(), book.again()), (Ok(()), 0));
    }

    #[test]
    fn a_record_that_comes_again_is_counted_and_stands_for_no_other() {
        let values = values();
        let mut book = Book::new(7, 2);
        assert_eq!(book.note(&values[1]), Ok(Came::First(1)));
        assert_eq!(book.note(&values[1]), Ok(Came::Again));
        assert_eq!((book.finish(), book.again()), (Err(Wrong::Missing { came: 1, records: 2 }), 1));
    }

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        for at in 0..64 {
            let mut value = values()[3].clone();
            value[at] ^= 0x10;
            let found = Book::new(7, 70).note(&value).unwrap_err();
            match at {
                0..8 => assert_eq!(found, Wrong::Foreign { number: 3 }),
                8..16 => assert!(matches!(found, Wrong::Foreign { .. } | Wrong::Changed { .. })),
                _ => assert_eq!(found, Wrong::Changed { number: 3 }),
            }
        }
        assert_eq!(Book::new(7, 70).note(&[0; 19]), Err(Wrong::Short { bytes: 19 }));
        assert_eq!(Book::new(8, 70).note(&values()[3]), Err(Wrong::Foreign { number: 3 }));
        assert_eq!(Book::new(7, 3).note(&values()[3]), Err(Wrong::Foreign { number: 3 }));
    }
}
