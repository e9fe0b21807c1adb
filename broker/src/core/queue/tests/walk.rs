//! What a scout reads out of batches.

use std::ops::Range;

use bytes::Bytes;
use weir_protocol::batch::Builder;

use super::super::look::LookOut;
use super::super::scouted::{Scouted, Times};
use super::super::settings::Order;
use super::super::walk::Walk;

type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// A batch at offset 0 of one record for each list of headers, at 1,000 ms.
fn batch(records: &[&[(&str, &str)]]) -> Bytes {
    let mut builder = Builder::new();
    for (at, headers) in records.iter().enumerate() {
        let headers: Vec<Header<'_>> =
            headers.iter().map(|(key, value)| (key.as_bytes(), Some(value.as_bytes()))).collect();
        let key = [b'k', u8::try_from(at % 2).unwrap()];
        builder.push(1_000, Some(&key), Some(b"value"), headers.iter().copied()).unwrap();
    }
    builder.finish(None)
}

fn walked(bytes: &Bytes, from: u64, order: Order, ttl_ms: Option<u64>) -> Scouted {
    let queue = "jobs".parse().unwrap();
    let mut walk = Walk::new(&queue, &LookOut { round: 4, from, order, ttl_ms });
    walk.slice(bytes);
    walk.finish()
}

fn one(span: &Range<u64>) -> &[Range<u64>] {
    std::slice::from_ref(span)
}

#[test]
fn plain_records_are_a_span_and_those_below_the_order_are_left_out() {
    let bytes = batch(&[&[] as &[(&str, &str)]; 5]);
    let found = walked(&bytes, 2, Order::None, None);
    assert_eq!(found, Scouted { round: 4, span: 2..5, ..Scouted::default() });
    let found = walked(&bytes, 2, Order::Key, None);
    let keys: Vec<_> = found.keys.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(keys, [2, 3, 4]);
    assert_eq!(found.keys[0].1, found.keys[2].1);
    assert_ne!(found.keys[0].1, found.keys[1].1);
}

#[test]
fn times_are_read_as_people_and_programs_write_them() {
    let bytes = batch(&[
        &[("weir-deliver-at", "5000")],
        &[("weir-deliver-at", "2026-01-02T03:04:05Z")],
        &[("weir-delay", "250")],
        &[("weir-delay", "5m")],
        &[("weir-ttl", "2d")],
        &[("weir-delay", "soon"), ("weir-other", "x")],
        &[("weir-for-queue", "other")],
        &[("weir-for-queue", "jobs")],
    ]);
    let found = walked(&bytes, 0, Order::None, None);
    let visible = |at_ms| Times { visible_at_ms: Some(at_ms), expires_ms: None };
    let expires = |at_ms| Times { visible_at_ms: None, expires_ms: Some(at_ms) };
    assert_eq!(
        found.times,
        [
            (0, visible(5_000)),
            (1, visible(1_767_323_045_000)),
            (2, visible(1_250)),
            (3, visible(301_000)),
            (4, expires(172_801_000)),
        ]
    );
    assert_eq!((found.span, found.holes.as_slice()), (0..8, one(&(6..7))));
    let found = walked(&bytes, 4, Order::None, Some(10));
    assert_eq!(found.times[..2], [(4, expires(172_801_000)), (5, expires(1_010))]);
}

#[test]
fn what_lies_is_unreadable_from_there_on_and_what_is_missing_is_a_hole() {
    let whole = batch(&[&[] as &[(&str, &str)]; 4]);
    let mut lying = whole.to_vec();
    // The second record says that it ends behind the batch.
    let record_bytes = (lying.len() - 61) / 4;
    lying[61 + record_bytes] = 0x7e;
    let found = walked(&lying.into(), 0, Order::None, None);
    assert_eq!((found.span, found.unreadable.as_slice()), (0..4, one(&(1..4))));
    let mut behind = whole.to_vec();
    behind[..8].copy_from_slice(&10_u64.to_be_bytes());
    let found = walked(&behind.into(), 3, Order::None, None);
    assert_eq!((found.span, found.holes.as_slice()), (3..14, one(&(3..10))));
}
