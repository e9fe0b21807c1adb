//! Retention by size and by age: which records go, when, and which do not, whatever the clock says.

use std::ops::Range;
use std::time::Duration;

use weir_broker::clock::{Clock, FakeClock};
use weir_broker::shutdown::Stopped;
use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    AlterTopic, Durability, ListOffsets, OffsetAt, RETENTION_UNLIMITED, Request, Response,
    Settings, SubscribeFrom, TopicDescription,
};
use weir_tests::reading::PLENTY;
use weir_tests::wire::{Wire, batch_at};
use weir_tests::{Place, SMALL_JOURNAL, TestBroker};

use crate::delete_records::until_logs;

/// Bytes of a record of which ten fill a segment.
const VALUE_BYTES: usize = 100_000;

/// When the tests begin, Unix milliseconds.
const BEGIN_MS: i64 = 1_800_000_000_000;

const DAY: Duration = Duration::from_secs(24 * 3600);
const YEAR_MS: i64 = 365 * 24 * 3_600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_loses_the_oldest_segments_that_are_beyond_its_size() {
    for durability in [Durability::Synced, Durability::Written] {
        let (place, _hand) = place();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let topic = wire.create_with("t", 1, settings(durability)).await;
        fill(&mut wire, &topic, 0..44, |_| BEGIN_MS).await;
        swept(&broker).await;
        assert_eq!(start(&mut wire, &topic).await, 0, "nobody said how much to keep");
        // One segment of ten and four in the active one are the least that has a million bytes.
        alter(&mut wire, Settings { retention_bytes: Some(1_000_000), ..Settings::default() })
            .await;
        until_start(&broker, &mut wire, &topic, 30).await;
        until_logs(&place, &topic, &[30, 40]).await;
        let refused = wire.subscribe(1, (&topic, 0), SubscribeFrom::Offset(29), PLENTY).await;
        assert_eq!(refused.unwrap_err().code, Code::OffsetOutOfRange);
        // Less than a segment is kept: the one that is written stays all the same.
        alter(&mut wire, Settings { retention_bytes: Some(1), ..Settings::default() }).await;
        until_start(&broker, &mut wire, &topic, 40).await;
        swept(&broker).await;
        assert_eq!(start(&mut wire, &topic).await, 40);
        let kept: Vec<_> = wire.stored(&topic, 0).await.into_iter().map(|(at, _)| at).collect();
        assert_eq!(kept, [40, 41, 42, 43]);
        assert_eq!(broker.metric("weir_retention_deleted_segments_total"), 4.0);
        let unlimited = Some(RETENTION_UNLIMITED);
        alter(&mut wire, Settings { retention_bytes: unlimited, ..Settings::default() }).await;
        fill(&mut wire, &topic, 44..60, |_| BEGIN_MS).await;
        swept(&broker).await;
        let place = broker.cut_power(1);
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        assert_eq!(start(&mut wire, &topic).await, 40);
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_by_whole_segments_once_the_newest_in_them_is_old() {
    for durability in [Durability::Synced, Durability::Written] {
        let (place, hand) = place();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let kept_ms = DAY.as_millis() as u64;
        let settings = Settings { retention_ms: Some(kept_ms), ..settings(durability) };
        let topic = wire.create_with("t", 1, settings).await;
        // A record an hour: 44 hours in all.
        let hourly = |offset: u64| BEGIN_MS + offset as i64 * 3_600_000;
        fill(&mut wire, &topic, 0..44, hourly).await;
        hand.advance(Duration::from_secs(43 * 3600));
        swept(&broker).await;
        // The first segment's newest is of hour 9, the second's of hour 19.
        until_start(&broker, &mut wire, &topic, 10).await;
        hand.advance(Duration::from_millis(1));
        until_start(&broker, &mut wire, &topic, 20).await;
        swept(&broker).await;
        assert_eq!(start(&mut wire, &topic).await, 20);
        until_logs(&place, &topic, &[20, 30, 40]).await;
        // Nothing comes any more: in the end the last ones go too, and their file with them.
        hand.advance(2 * DAY);
        until_start(&broker, &mut wire, &topic, 44).await;
        until_logs(&place, &topic, &[]).await;
        assert_eq!(wire.stored(&topic, 0).await, []);
        let now_ms = hourly(43) + 2 * 24 * 3_600_000;
        fill(&mut wire, &topic, 44..46, |_| now_ms).await;
        swept(&broker).await;
        assert_eq!(wire.stored(&topic, 0).await.len(), 2);
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_leaps_a_year_ahead_deletes_nothing() {
    let (mut place, hand) = place();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let week = Some(7 * DAY.as_millis() as u64);
    let settings = Settings { retention_ms: week, ..settings(Durability::Synced) };
    let topic = wire.create_with("t", 1, settings).await;
    fill(&mut wire, &topic, 0..24, |_| BEGIN_MS).await;
    swept(&broker).await;
    hand.set_wall_ms(BEGIN_MS + YEAR_MS);
    swept(&broker).await;
    assert_eq!(start(&mut wire, &topic).await, 0);
    assert_eq!(broker.metric("weir_retention_held_back_ms"), YEAR_MS as f64);
    // What the catalogue was told before this is committed.
    wire.create("behind", 1).await;
    place = broker.cut_power(4);
    for run in 0..2 {
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        swept(&broker).await;
        assert_eq!(start(&mut wire, &topic).await, 0, "run {run}");
        assert_eq!(broker.metric("weir_retention_held_back_ms"), YEAR_MS as f64);
        hand.advance(DAY / 2);
        swept(&broker).await;
        assert_eq!(start(&mut wire, &topic).await, 0, "run {run}");
        let (stopped_at, stopped) = broker.stop().await;
        assert_eq!(stopped, Stopped::Cleanly);
        place = stopped_at;
    }
    // A leap while nobody looks is one, too.
    hand.set_wall_ms(BEGIN_MS + 3 * YEAR_MS);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    swept(&broker).await;
    assert_eq!(start(&mut wire, &topic).await, 0);
    // A clock that stays so for a day is believed.
    hand.advance(DAY - Duration::from_secs(1));
    swept(&broker).await;
    assert_eq!(start(&mut wire, &topic).await, 0);
    hand.advance(Duration::from_secs(1));
    until_start(&broker, &mut wire, &topic, 24).await;
    assert_eq!(broker.metric("weir_retention_held_back_ms"), 0.0);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_a_year_breaks_no_order_and_no_index() {
    let (place, hand) = place();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let week = Some(7 * DAY.as_millis() as u64);
    let settings = Settings { retention_ms: week, ..settings(Durability::Synced) };
    let topic = wire.create_with("t", 1, settings).await;
    fill(&mut wire, &topic, 0..12, |_| BEGIN_MS).await;
    hand.set_wall_ms(BEGIN_MS - YEAR_MS);
    fill(&mut wire, &topic, 12..24, |_| BEGIN_MS - YEAR_MS).await;
    swept(&broker).await;
    hand.set_wall_ms(BEGIN_MS);
    fill(&mut wire, &topic, 24..30, |_| BEGIN_MS + 1).await;
    swept(&broker).await;
    assert_eq!(start(&mut wire, &topic).await, 0);
    let place = broker.cut_power(5);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let stored: Vec<_> = wire.stored(&topic, 0).await.into_iter().map(|(at, _)| at).collect();
    assert_eq!(stored, Vec::from_iter(0..30));
    for (time_ms, offset) in [(0, 0), (BEGIN_MS, 0), (BEGIN_MS + 1, 24), (BEGIN_MS + 2, 30)] {
        assert_eq!(at(&mut wire, &topic, OffsetAt::Time(time_ms)).await, offset, "{time_ms}");
    }
    broker.stop().await;
}

/// A place whose brokers sweep all the time and read a clock that stands still.
fn place() -> (Place, FakeClock) {
    let (clock, hand) = Clock::fake();
    hand.set_wall_ms(BEGIN_MS);
    let often = format!("{SMALL_JOURNAL}[retention]\nsweep_interval_ms = 10\n");
    (Place::crashing().configured(&often).timed(&clock), hand)
}

fn settings(durability: Durability) -> Settings {
    Settings {
        durability: Some(durability),
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(200_000),
        ..Settings::default()
    }
}

async fn fill(
    wire: &mut Wire,
    topic: &TopicDescription,
    offsets: Range<u64>,
    stamp: impl Fn(u64) -> i64,
) {
    for offset in offsets {
        let value = vec![offset as u8; VALUE_BYTES];
        let stamped = batch_at(stamp(offset), &[&value]);
        assert_eq!(wire.produce(topic, 0, stamped).await, Ok(offset));
    }
}

async fn alter(wire: &mut Wire, settings: Settings) {
    let name = TopicName::parse("t").unwrap();
    let alter = AlterTopic { name, partitions: None, settings };
    assert!(matches!(wire.ask(Request::AlterTopic(alter)).await, Ok(Response::Topic(_))));
}

/// Waits until a sweep has begun and ended behind this call, and what it asked for is done.
async fn swept(broker: &TestBroker) {
    let before = broker.metric("weir_retention_sweeps_total");
    while broker.metric("weir_retention_sweeps_total") < before + 3.0 {
        tokio::task::yield_now().await;
    }
}

async fn until_start(broker: &TestBroker, wire: &mut Wire, topic: &TopicDescription, wanted: u64) {
    for _ in 0..100 {
        if start(wire, topic).await == wanted {
            return;
        }
        swept(broker).await;
    }
    panic!("the log begins at {}, not at {wanted}", start(wire, topic).await);
}

async fn start(wire: &mut Wire, topic: &TopicDescription) -> u64 {
    at(wire, topic, OffsetAt::Earliest).await
}

async fn at(wire: &mut Wire, topic: &TopicDescription, at: OffsetAt) -> u64 {
    let list = ListOffsets { topic: topic.id, partition: 0, at };
    match wire.ask(Request::ListOffsets(list)).await {
        Ok(Response::Offset(found)) => found.offset,
        other => panic!("an offset is answered, not {other:?}"),
    }
}
