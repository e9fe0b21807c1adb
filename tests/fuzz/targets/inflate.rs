//! Bytes that say they are compressed records, of each compression: never a panic, never more
//! memory than the limit, and no walk that goes on for longer than the bytes do.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir_protocol::batch::{Attributes, HEADER_BYTES, Header, Plain};

const INFLATED_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let [compression, records @ ..] = bytes else { return };
    let header = Header {
        base_offset: 0,
        batch_bytes: HEADER_BYTES + records.len(),
        leader_epoch: 0,
        crc: 0,
        attributes: Attributes::from_bits(u16::from(*compression % 8)),
        last_offset_delta: u32::from(u16::MAX),
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        records: u32::from(u16::MAX),
    };
    let batch = Bytes::from([&header.to_bytes(), records].concat());
    if let Ok(plain) = Plain::parse(&batch, INFLATED_BYTES_MAX) {
        assert!(plain.view().records().count() <= INFLATED_BYTES_MAX);
    }
});
