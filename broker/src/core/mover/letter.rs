//! A dead letter: the record that died, with headers that say where and why.
//!
//! ```text
//!   weir-dead-queue         the queue it died in
//!   weir-dead-partition     ┐ where it was
//!   weir-dead-offset        ┘
//!   weir-dead-timestamp     its own, Unix milliseconds; the letter has the time of its move
//!   weir-dead-deliveries    how often it was handed out
//!   weir-dead-failures      how often it failed
//!   weir-dead-reason        the last reason
//!   weir-dead-first-ms      ┐ when it failed first and last, Unix milliseconds;
//!   weir-dead-last-ms       ┘ not there where it never failed
//!   weir-dead-cut           what is missing: `value`, or `record` where nothing else could be kept
//! ```
//!
//! Key, value and the other headers are the record's own, but for those that say when it may be
//! handed out: they have had their time. Those of an earlier death give way to these.
//!
//! Pure.

use bytes::Bytes;
use weir_protocol::batch::{Builder, PushError, Record, RecordHeader};
use weir_protocol::name::QueueName;

use crate::core::queue::Dying;

/// A batch with the letter for a record that died; `None` for the record where it cannot be read.
pub(super) fn letter(
    queue: &QueueName,
    partition: u32,
    dying: &Dying,
    record: Option<&Record<'_>>,
    now_ms: i64,
) -> Bytes {
    let died = died(queue, partition, dying, record.map(|record| record.timestamp));
    let mut builder = Builder::new();
    let written = match record {
        Some(record) => whole(&mut builder, record, &died, now_ms)
            .or_else(|_| without_value(&mut builder, record, &died, now_ms)),
        None => Err(PushError::Full),
    };
    if written.is_err() {
        let headers = said(&died).chain([cut(b"record")]);
        let pushed = builder.push(now_ms, None, None, headers);
        pushed.expect("a few short headers fit into a batch");
    }
    builder.finish(None)
}

fn whole(
    builder: &mut Builder,
    record: &Record<'_>,
    died: &[Line],
    now_ms: i64,
) -> Result<(), PushError> {
    let headers = record.headers().filter(is_kept).chain(said(died));
    builder.push(now_ms, record.key, record.value, headers)
}

fn without_value(
    builder: &mut Builder,
    record: &Record<'_>,
    died: &[Line],
    now_ms: i64,
) -> Result<(), PushError> {
    let headers = record.headers().filter(is_kept).chain(said(died)).chain([cut(b"value")]);
    builder.push(now_ms, record.key, None, headers)
}

/// A header's name and its text.
type Line = (&'static str, String);

/// Where and why it died.
fn died(queue: &QueueName, partition: u32, dying: &Dying, timestamp: Option<i64>) -> Vec<Line> {
    let mut died = vec![
        ("weir-dead-queue", queue.to_string()),
        ("weir-dead-partition", partition.to_string()),
        ("weir-dead-offset", dying.offset.get().to_string()),
        ("weir-dead-deliveries", dying.deliveries.to_string()),
        ("weir-dead-failures", dying.failures.to_string()),
        ("weir-dead-reason", dying.reason.to_string()),
    ];
    let times = [
        ("weir-dead-timestamp", timestamp),
        ("weir-dead-first-ms", Some(dying.first_failed_ms).filter(|ms| *ms != 0)),
        ("weir-dead-last-ms", Some(dying.last_failed_ms).filter(|ms| *ms != 0)),
    ];
    died.extend(times.into_iter().filter_map(|(name, ms)| Some((name, ms?.to_string()))));
    died
}

fn said(died: &[Line]) -> impl Iterator<Item = RecordHeader<'_>> + Clone {
    died.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())))
}

fn cut(what: &'static [u8]) -> RecordHeader<'static> {
    (b"weir-dead-cut", Some(what))
}

/// Whether a header goes along with its record.
pub(super) fn is_kept((name, _): &RecordHeader<'_>) -> bool {
    let is_of_its_time = [&b"weir-deliver-at"[..], b"weir-delay", b"weir-ttl", b"weir-for-queue"];
    !name.starts_with(b"weir-dead-") && !is_of_its_time.contains(name)
}

#[cfg(test)]
mod tests {
    use weir_protocol::batch::View;
    use weir_protocol::limits::BATCH_BYTES_MAX;
    use weir_storage::offset::Offset;

    use super::*;
    use crate::core::queue::Log;

    fn dying() -> Dying {
        Dying {
            log: Log::Main,
            offset: Offset::new(41),
            copy: None,
            deliveries: 5,
            failures: 3,
            reason: "no such order".into(),
            first_failed_ms: 1_000,
            last_failed_ms: 0,
        }
    }

    fn batch(value: &[u8], headers: &[RecordHeader<'_>]) -> Bytes {
        let mut builder = Builder::new();
        builder.push(77, Some(b"key"), Some(value), headers.iter().copied()).unwrap();
        builder.finish(None)
    }

    /// The letter's value, and its headers as text.
    fn written(batch: Option<&Bytes>) -> (Option<Vec<u8>>, Vec<(String, String)>) {
        let record = batch.map(|batch| View::parse(batch).unwrap().records().next().unwrap());
        let record = record.map(Result::unwrap);
        let queue = QueueName::parse("jobs").unwrap();
        let letter = letter(&queue, 2, &dying(), record.as_ref(), 9_000);
        let written = View::parse(&letter).unwrap().records().next().unwrap().unwrap();
        assert_eq!(written.timestamp, 9_000);
        assert_eq!(written.key, record.as_ref().and_then(|record| record.key));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = written.headers().map(|(name, value)| (text(name), text(value.unwrap())));
        (written.value.map(<[u8]>::to_vec), headers.collect())
    }

    fn names(headers: &[(String, String)]) -> Vec<&str> {
        headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_letter_is_the_record_with_where_and_why_it_died() {
        let headers = [
            (&b"trace"[..], Some(&b"7f"[..])),
            (b"weir-delay", Some(b"5m")),
            (b"weir-dead-reason", Some(b"of an earlier death")),
            (b"weir-message-id", Some(b"order-1")),
        ];
        let (value, headers) = written(Some(&batch(b"value", &headers)));
        assert_eq!(value, Some(b"value".to_vec()));
        let said: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("trace", "7f"),
            ("weir-message-id", "order-1"),
            ("weir-dead-queue", "jobs"),
            ("weir-dead-partition", "2"),
            ("weir-dead-offset", "41"),
            ("weir-dead-deliveries", "5"),
            ("weir-dead-failures", "3"),
            ("weir-dead-reason", "no such order"),
            ("weir-dead-timestamp", "77"),
            ("weir-dead-first-ms", "1000"),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn what_no_letter_has_room_for_is_cut_and_said_to_be() {
        let empty = batch(b"", &[]).len();
        let (value, headers) = written(Some(&batch(&vec![0; BATCH_BYTES_MAX - empty - 8], &[])));
        assert_eq!(value, None);
        assert_eq!(headers.last().unwrap(), &("weir-dead-cut".to_owned(), "value".to_owned()));
        let long = vec![0; BATCH_BYTES_MAX - empty - 16];
        let (_, headers) = {
            let batch = batch(b"", &[(b"h", Some(&long))]);
            let record = View::parse(&batch).unwrap().records().next().unwrap().unwrap();
            let queue = QueueName::parse("jobs").unwrap();
            let letter = letter(&queue, 2, &dying(), Some(&record), 9_000);
            let count = View::parse(&letter).unwrap().records().count();
            (count, written(None).1)
        };
        assert_eq!(headers.last().unwrap().1, "record");
        assert!(!names(&headers).contains(&"weir-dead-timestamp"));
    }
}
