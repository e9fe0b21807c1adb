//! CRC-32C (Castagnoli), the checksum of record batches and of our own frames.
//!
//! The crate is crc-fast, as it is ahead of the crate crc32c at every size that matters. Measured
//! on an AMD EPYC with AVX-512 and VPCLMULQDQ, one thread, warm cache:
//!
//! | bytes | crc-fast | crc32c 0.6.9 |
//! |---|---|---|
//! | 64 | 5.6 ns | 8.3 ns |
//! | 1 KiB | 20 ns, 51 GB/s | 36 ns, 28 GB/s |
//! | 64 KiB | 1.0 µs, 65 GB/s | 2.2 µs, 30 GB/s |
//! | 1 MiB | 15.9 µs, 66 GB/s | 32 µs, 32 GB/s |
//!
//! In pieces ([`Crc32c`]) a sum costs 1 to 2 ns more.

use crc_fast::{CrcAlgorithm, Digest};

/// The CRC-32C of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The CRC-32C of bytes that lie in several pieces.
#[derive(Clone, Debug)]
pub struct Crc32c(Digest);

impl Crc32c {
    pub fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    pub fn finish(self) -> u32 {
        self.0.finalize() as u32
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_are_those_of_rfc_3720() {
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn sums_of_every_length_are_those_of_the_polynomial() {
        let bytes: Vec<u8> = (0..70_000_u32).map(|at| (at * 31 % 251) as u8).collect();
        for length in (0..1_100).chain([4_095, 4_096, 4_097, 65_536, 70_000]) {
            let piece = &bytes[bytes.len() - length..];
            assert_eq!(crc32c(piece), by_the_polynomial(piece), "of {length} bytes");
        }
    }

    fn by_the_polynomial(bytes: &[u8]) -> u32 {
        let step = |crc: u32| crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        let fold = |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc));
        !bytes.iter().fold(!0, fold)
    }

    proptest! {
        #[test]
        fn pieces_sum_to_the_whole(bytes: Vec<u8>, cut: proptest::sample::Index) {
            let (head, rest) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut pieces = Crc32c::new();
            pieces.update(head);
            pieces.update(rest);
            prop_assert_eq!(pieces.finish(), crc32c(&bytes));
        }
    }
}
