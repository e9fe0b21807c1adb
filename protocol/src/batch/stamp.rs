//! What is put on a batch that is whole: its producer's stamp, or the broker's time.
//!
//! Both change the header, which the checksum covers, so the batch is copied and its checksum made
//! anew. The records stay as they are, compressed or not.
//!
//! ```text
//!   prefix 16 │ magic, CRC │ attributes ... max timestamp │ producer, epoch, sequence │ records
//!               made anew    the broker's time             the producer's stamp        as they are
//! ```
//!
//! Called by clients, which number batches when they send them, and by the broker's door.

use bytes::{Bytes, BytesMut};

use super::layout::{CRC_COVERS_FROM, Header, HeaderError};
use crate::checksum::crc32c;

/// Who sent a batch, and its place among what they sent: what duplicates are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStamp {
    pub id: i64,
    pub epoch: i16,
    /// Of the batch's first record.
    pub sequence: i32,
}

impl ProducerStamp {
    /// A copy of a batch with this stamp in place of its own.
    ///
    /// # Errors
    /// The bytes do not begin with a batch's header.
    pub fn put_on(self, batch: &[u8]) -> Result<Bytes, HeaderError> {
        let Self { id: producer_id, epoch: producer_epoch, sequence: base_sequence } = self;
        let header = Header::parse(batch)?;
        let header = Header { producer_id, producer_epoch, base_sequence, ..header };
        Ok(copy(batch, header).1)
    }
}

/// A copy of a batch whose records all have this time, the broker's, with its header.
///
/// # Errors
/// The bytes do not begin with a batch's header.
pub fn put_append_time(batch: &[u8], at_ms: i64) -> Result<(Header, Bytes), HeaderError> {
    let header = Header::parse(batch)?;
    let attributes = header.attributes.with_append_time();
    Ok(copy(batch, Header { attributes, max_timestamp: at_ms, ..header }))
}

fn copy(batch: &[u8], header: Header) -> (Header, Bytes) {
    let mut copy = BytesMut::from(batch);
    let header = seal(&mut copy, header);
    (header, copy.freeze())
}

/// Writes a batch's header in front of its records, with their checksum.
pub(super) fn seal(batch: &mut [u8], mut header: Header) -> Header {
    put_header(batch, &header);
    header.crc = crc32c(batch.get(CRC_COVERS_FROM..).expect("a header's room was made"));
    put_header(batch, &header);
    header
}

fn put_header(batch: &mut [u8], header: &Header) {
    *batch.first_chunk_mut().expect("a header's room was made") = header.to_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Builder, View, verify_crc};

    #[test]
    fn records_of_a_batch_that_got_the_brokers_time_have_it_and_all_else_stays() {
        let mut builder = Builder::new();
        builder.push(10, Some(b"k"), Some(b"v"), [(&b"h"[..], None)]).unwrap();
        builder.push(20, None, Some(b"w"), []).unwrap();
        let stamp = ProducerStamp { id: 7, epoch: 1, sequence: 3 };
        let batch = builder.finish(Some(stamp));
        let (header, timed) = put_append_time(&batch, 5).unwrap();
        assert_eq!(verify_crc(&timed), Ok(header), "the header is the batch's");
        let times = |batch: &Bytes| -> Vec<i64> {
            View::parse(batch).unwrap().records().map(|record| record.unwrap().timestamp).collect()
        };
        assert_eq!((times(&batch), times(&timed)), (vec![10, 20], vec![5, 5]));
        assert_eq!((header.producer_id, header.base_sequence, header.base_timestamp), (7, 3, 10));
        assert_eq!(batch.get(61..), timed.get(61..));
        assert!(put_append_time(&batch.slice(..60), 5).is_err());
    }
}
