//! Kafka's numbers of variable length: zig-zag, seven bits a byte, the lowest first.
//!
//! Readers take from the front of a slice and leave it behind the number. They accept spellings
//! longer than needed, up to what the type's largest number takes, as Kafka does; and refuse what
//! does not fit the type. Writers spell shortest.

use bytes::BufMut;

/// The number at the front of `rest`, if one is there whole.
#[inline]
pub(super) fn take_i32(rest: &mut &[u8]) -> Option<i32> {
    let value = u32::try_from(take_unsigned::<5>(rest)?).ok()?;
    Some((value >> 1) as i32 ^ -((value & 1) as i32))
}

/// The number at the front of `rest`, if one is there whole.
#[inline]
pub(super) fn take_i64(rest: &mut &[u8]) -> Option<i64> {
    let value = take_unsigned::<10>(rest)?;
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}

#[inline]
pub(super) fn put(target: &mut impl BufMut, value: i64) {
    let mut left = zig_zag(value);
    while 0x80 <= left {
        target.put_u8(left as u8 | 0x80);
        left >>= 7;
    }
    target.put_u8(left as u8);
}

/// The bytes that [`put`] writes for `value`.
#[inline]
pub(super) fn bytes_of(value: i64) -> usize {
    let bits = 64 - (zig_zag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn zig_zag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

#[inline]
fn take_unsigned<const BYTES_MAX: usize>(rest: &mut &[u8]) -> Option<u64> {
    let (&first, behind) = rest.split_first()?;
    if first < 0x80 {
        *rest = behind;
        return Some(u64::from(first));
    }
    take_longer::<BYTES_MAX>(rest)
}

fn take_longer<const BYTES_MAX: usize>(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (at, &byte) in rest.iter().enumerate().take(BYTES_MAX) {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * at as u32;
        if bits << shift >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            *rest = rest.get(at + 1..)?;
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_spelled_as_kafka_spells_them() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (i64::from(i32::MAX), &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ] {
            let mut written = Vec::new();
            put(&mut written, value);
            assert_eq!(written, bytes);
            assert_eq!(take_i64(&mut &bytes[..]), Some(value));
        }
    }

    #[test]
    fn what_is_cut_or_too_large_is_no_number() {
        assert_eq!(take_i32(&mut &[][..]), None);
        assert_eq!(take_i32(&mut &[0x80][..]), None);
        assert_eq!(take_i32(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), None);
        assert_eq!(take_i32(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..]), None);
        assert_eq!(take_i64(&mut &[0xff; 10][..]), None);
        let mut tenth_too_large = [0xff; 10];
        tenth_too_large[9] = 0x02;
        assert_eq!(take_i64(&mut &tenth_too_large[..]), None);
    }

    #[test]
    fn a_number_spelled_longer_than_needed_is_read() {
        let mut rest = &[0x82, 0x80, 0x00, 0x07][..];
        assert_eq!(take_i32(&mut rest), Some(1));
        assert_eq!(rest, [0x07]);
    }

    proptest! {
        #[test]
        fn numbers_read_back_and_leave_what_follows(value: i64, narrow: i32, tail: u8) {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            prop_assert_eq!(bytes.len(), bytes_of(value));
            put(&mut bytes, i64::from(narrow));
            bytes.push(tail);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_i64(&mut rest), Some(value));
            prop_assert_eq!(take_i32(&mut rest), Some(narrow));
            prop_assert_eq!(rest, [tail]);
        }
    }
}
