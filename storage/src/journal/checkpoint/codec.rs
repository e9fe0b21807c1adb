//! The bytes of a checkpoint.
//!
//! ```text
//!    0 magic "weirchkp"   8 crc u32   12 version u16  14 zeros  16 number u64  24 journal_from u64
//!   32 run u32           36 logs u32  40 tables u32   44 before u32   48 directory's uuid
//!   64 logs, 64 bytes each: topic 16, partition u32, epoch u32, segment u64, position u64,
//!      offset u64, start u64, index u64
//!      tables, each: shard u16, zeros u16, length u32, index u64, term u64, bytes, zeros to 8
//! ```
//!
//! Little-endian. `crc` is the CRC-32C of all that follows it.

use bytes::{Buf, BufMut, Bytes};
use weir_protocol::checksum::Crc32c;
use weir_protocol::id::TopicId;

use super::{Before, Checkpoint, LogMark, Table};
use crate::offset::{Epoch, Index, JournalPos, Offset, Term};

/// Why bytes are no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Damaged,
    NewerFormat(u16),
}

impl Checkpoint {
    /// The file's bytes in order, in pieces; tables are not copied.
    pub(super) fn encode(&self) -> Vec<Bytes> {
        let mut pieces = vec![self.encode_marks().into()];
        for table in &self.tables {
            let length = u32::try_from(table.bytes.len()).expect("a table is below 4 GiB");
            let mut head = Vec::with_capacity(TABLE_HEAD_BYTES);
            head.put_u16_le(table.shard);
            head.put_u16_le(0);
            head.put_u32_le(length);
            head.put_u64_le(table.index.get());
            head.put_u64_le(table.term.get());
            pieces.push(head.into());
            pieces.push(table.bytes.clone());
            pieces.push(Bytes::from_static(&[0; ALIGNMENT]).slice(..padding(table.bytes.len())));
        }
        let mut sum = Crc32c::new();
        sum.update(&pieces[0][CRC_END..]);
        pieces[1..].iter().for_each(|piece| sum.update(piece));
        let mut first = pieces[0].to_vec();
        first[CRC_END - 4..CRC_END].copy_from_slice(&sum.finish().to_le_bytes());
        pieces[0] = first.into();
        pieces
    }

    fn encode_marks(&self) -> Vec<u8> {
        let count = |length| u32::try_from(length).expect("a broker has fewer than 2^32 logs");
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.logs.len() * LOG_BYTES);
        bytes.put_slice(&MAGIC);
        bytes.put_u32_le(0);
        bytes.put_u16_le(VERSION);
        bytes.put_u16_le(0);
        bytes.put_u64_le(self.number);
        bytes.put_u64_le(self.journal_from.get());
        bytes.put_u32_le(self.run);
        bytes.put_u32_le(count(self.logs.len()));
        bytes.put_u32_le(count(self.tables.len()));
        bytes.put_u32_le(match self.before {
            Before::Kept => 0,
            Before::GivenUp => 1,
        });
        bytes.put_slice(&self.directory);
        for log in &self.logs {
            bytes.put_slice(log.topic.as_bytes());
            bytes.put_u32_le(log.partition);
            bytes.put_u32_le(log.epoch.get());
            bytes.put_u64_le(log.segment.get());
            bytes.put_u64_le(log.position);
            bytes.put_u64_le(log.offset.get());
            bytes.put_u64_le(log.start.get());
            bytes.put_u64_le(log.index.get());
        }
        bytes
    }

    /// Reads a whole file; the tables share its bytes.
    pub(super) fn decode(file: &Bytes) -> Result<Self, Unreadable> {
        let header = file.first_chunk::<HEADER_BYTES>().ok_or(Unreadable::Damaged)?;
        let mut sum = Crc32c::new();
        sum.update(&file[CRC_END..]);
        if header[..8] != MAGIC || header[CRC_END - 4..CRC_END] != sum.finish().to_le_bytes() {
            return Err(Unreadable::Damaged);
        }
        let mut header = &header[CRC_END..];
        let version = header.get_u16_le();
        if version != VERSION {
            return Err(Unreadable::NewerFormat(version));
        }
        header.advance(2);
        let number = header.get_u64_le();
        let journal_from = JournalPos::new(header.get_u64_le());
        let run = header.get_u32_le();
        let (log_count, table_count) = (header.get_u32_le(), header.get_u32_le());
        let before = match header.get_u32_le() {
            0 => Before::Kept,
            1 => Before::GivenUp,
            _ => return Err(Unreadable::Damaged),
        };
        let mut directory = [0; 16];
        header.copy_to_slice(&mut directory);
        let mut rest = file.slice(HEADER_BYTES..);
        let mut logs = Vec::new();
        for _ in 0..log_count {
            logs.push(decode_log(&mut rest).ok_or(Unreadable::Damaged)?);
        }
        let mut tables = Vec::new();
        for _ in 0..table_count {
            tables.push(decode_table(&mut rest).ok_or(Unreadable::Damaged)?);
        }
        if !rest.is_empty() {
            return Err(Unreadable::Damaged);
        }
        Ok(Self { number, journal_from, run, before, directory, logs, tables })
    }
}

fn decode_log(rest: &mut Bytes) -> Option<LogMark> {
    if rest.len() < LOG_BYTES {
        return None;
    }
    let mut topic = [0; 16];
    rest.copy_to_slice(&mut topic);
    let partition = rest.get_u32_le();
    let epoch = Epoch::new(rest.get_u32_le());
    let segment = Offset::new(rest.get_u64_le());
    let position = rest.get_u64_le();
    let offset = Offset::new(rest.get_u64_le());
    let start = Offset::new(rest.get_u64_le());
    let index = Index::new(rest.get_u64_le());
    let topic = TopicId::from_bytes(topic);
    Some(LogMark { topic, partition, segment, position, offset, epoch, start, index })
}

fn decode_table(rest: &mut Bytes) -> Option<Table> {
    if rest.len() < TABLE_HEAD_BYTES {
        return None;
    }
    let shard = rest.get_u16_le();
    rest.advance(2);
    let length = rest.get_u32_le() as usize;
    let index = Index::new(rest.get_u64_le());
    let term = Term::new(rest.get_u64_le());
    if rest.len() < length + padding(length) {
        return None;
    }
    let bytes = rest.split_to(length);
    rest.advance(padding(length));
    Some(Table { shard, index, term, bytes })
}

/// The zeros behind a table of `length` bytes.
fn padding(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT) - length
}

const MAGIC: [u8; 8] = *b"weirchkp";
const VERSION: u16 = 1;
const CRC_END: usize = 12;
const HEADER_BYTES: usize = 64;
const LOG_BYTES: usize = 64;
const TABLE_HEAD_BYTES: usize = 24;
const ALIGNMENT: usize = 8;
