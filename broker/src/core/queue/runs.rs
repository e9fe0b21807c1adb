//! Sets of offsets as bytes: runs, each by its distance from the one before and its length.
//!
//! ```text
//!   gap varint | length varint          of each run, rising; a varint is LEB128 of a u64
//! ```
//!
//! The gap of the first run is its first offset. No run is empty and none touches the one before,
//! so a set has one form only. Acks that come in order cost two or three bytes, however many.

use std::ops::Range;

use bytes::{Buf, BufMut};

/// Adds the runs of offsets; they need not be in order and may come twice.
pub(super) fn of_offsets(offsets: &mut [u64], runs: &mut Vec<Range<u64>>) {
    offsets.sort_unstable();
    let others = runs.len();
    for offset in offsets {
        match runs[others..].last_mut() {
            Some(last) if *offset < last.end => {}
            Some(last) if *offset == last.end => last.end += 1,
            _ => runs.push(*offset..*offset + 1),
        }
    }
}

/// Joins runs that touch or overlap, and puts them in order.
pub(super) fn joined(runs: &mut Vec<Range<u64>>) {
    runs.retain(|run| run.start < run.end);
    runs.sort_unstable_by_key(|run| run.start);
    runs.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
}

pub(super) fn put(runs: impl IntoIterator<Item = Range<u64>>, out: &mut impl BufMut) {
    let mut end = 0;
    for run in runs {
        put_varint(run.start - end, out);
        put_varint(run.end - run.start, out);
        end = run.end;
    }
}

/// So many runs, handed out one by one; `None` behind the first that cannot be.
pub(super) fn take(count: usize, rest: &mut &[u8], mut each: impl FnMut(Range<u64>)) -> Option<()> {
    let mut end: u64 = 0;
    for at in 0..count {
        let (gap, length) = (varint(rest)?, varint(rest)?);
        if length == 0 || (gap == 0 && at != 0) {
            return None;
        }
        let start = end.checked_add(gap)?;
        end = start.checked_add(length)?;
        each(start..end);
    }
    Some(())
}

/// The most bytes a run takes.
pub(super) const RUN_BYTES_MAX: usize = 20;

pub(super) fn put_varint(mut value: u64, out: &mut impl BufMut) {
    while 0x7f < value {
        out.put_u8(u8::try_from(value & 0x7f).expect("seven bits are a byte") | 0x80);
        value >>= 7;
    }
    out.put_u8(u8::try_from(value).expect("what is left has seven bits"));
}

pub(super) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = rest.try_get_u8().ok()?;
        let bits = u64::from(byte & 0x7f);
        // One bit is left for the tenth byte, and no number is written longer than it need be.
        if (shift == 63 && 1 < bits) || (byte == 0 && shift != 0) {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn offsets_come_back_from_their_runs(mut offsets in vec(0_u64..200, 0..80)) {
            let mut runs = Vec::new();
            of_offsets(&mut offsets, &mut runs);
            let mut bytes = Vec::new();
            put(runs.iter().cloned(), &mut bytes);
            let mut back = Vec::new();
            let mut rest = &bytes[..];
            prop_assert_eq!(take(runs.len(), &mut rest, |run| back.push(run)), Some(()));
            prop_assert!(rest.is_empty());
            offsets.dedup();
            let all: Vec<u64> = back.into_iter().flatten().collect();
            prop_assert_eq!(all, offsets);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..40), count in 0_usize..9) {
            let mut runs = Vec::new();
            let mut rest = &bytes[..];
            if take(count, &mut rest, |run| runs.push(run)).is_some() {
                let mut again = Vec::new();
                put(runs, &mut again);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - rest.len()]);
            }
        }

        #[test]
        fn a_number_of_any_size_comes_back(value: u64) {
            let mut bytes = Vec::new();
            put_varint(value, &mut bytes);
            let mut rest = &bytes[..];
            prop_assert_eq!(varint(&mut rest), Some(value));
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn runs_that_touch_are_joined() {
        let mut runs = vec![7..9, 1..3, 3..4, 8..12, 20..20];
        joined(&mut runs);
        assert_eq!(runs, [1..4, 7..12]);
    }
}
