//! What is kept costs what is unresolved, never what waits.

use bytes::BytesMut;

use super::super::entries::{Entry, What};
use super::super::settings::Settings;
use super::super::table::Table;
use super::super::track::Track;
use super::drill::{Drill, PLACE};

/// What the bitmaps of a track take on the heap, with what the maps around them take.
fn heap_bytes(track: &Track) -> u64 {
    track
        .pending
        .bitmaps()
        .map(|(_, bitmap)| {
            let of = bitmap.statistics();
            let offsets = of.n_bytes_array_containers
                + of.n_bytes_run_containers
                + of.n_bytes_bitset_containers;
            offsets + u64::from(of.n_containers) * 40
        })
        .sum()
}

#[test]
fn a_million_scattered_unresolved_records_are_small_and_come_back() {
    for every in [2, 100, 1_000] {
        let mut table = Table::default();
        let apply = |table: &mut Table, what| table.apply(&Entry { place: PLACE, what });
        // All but the last of so many are acked.
        for block in 0..1_000 {
            let start = block * 1_000 * every;
            let runs = (0..1_000).map(|at| start + at * every..start + (at + 1) * every - 1);
            apply(&mut table, What::Resolve(runs.collect()));
        }
        apply(&mut table, What::Hwm(1_000_000 * every));
        let track = table.track(&PLACE).unwrap();
        assert_eq!(track.unresolved, 1_000_000);
        assert!(heap_bytes(track) <= 16 << 20, "{} bytes of heap", heap_bytes(track));
        let told = track.state_bytes();
        assert!(heap_bytes(track) <= told, "{} bytes, {told} told", heap_bytes(track));
        assert!(track.state_bytes() <= 16 << 20, "{} bytes told", track.state_bytes());
        let mut bytes = BytesMut::new();
        table.encode(&mut bytes);
        assert!(bytes.len() <= 16 << 20, "{} bytes", bytes.len());
        assert_eq!(Table::decode(&bytes), Some(table));
    }
}

#[test]
fn a_backlog_of_ten_million_costs_nothing() {
    let mut drill = Drill::new(Settings::DEFAULT);
    drill.append(1_000);
    let first = drill.receive(1, 10);
    assert_eq!(first.len(), 10);
    drill.commit(usize::MAX);
    let before = drill.track();
    let (state, ready) =
        drill.with(|machine, around| (machine.state_bytes(around), machine.ready.len()));
    // The log is only long: nobody looks at what is behind the lookahead.
    drill.log.resize(10_000_000, Some(super::drill::Record::default()));
    while drill.scout(10_000) {}
    assert_eq!(drill.take(1, 10, 30_000).len(), 10);
    drill.commit(usize::MAX);
    assert_eq!(drill.track(), before);
    let (after, now_ready) =
        drill.with(|machine, around| (machine.state_bytes(around), machine.ready.len()));
    assert_eq!(state, after);
    assert!(now_ready <= ready + 20_000, "{now_ready}");
    let mut bytes = BytesMut::new();
    drill.table.encode(&mut bytes);
    assert!(bytes.len() < 64, "{} bytes", bytes.len());
}
