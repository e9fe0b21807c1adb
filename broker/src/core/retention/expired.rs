//! What of a partition's records has had its time or is beyond its size: whole segments, the
//! oldest first.
//!
//! Pure: segments, settings and an age's reckoning in, where the log is to begin out.
//!
//! ```text
//!   ├─ ended ─┤├─ ended ─┤├─ ended ─┤├─ active ─┤
//!    old, or    old: goes   young:     goes when all of it is old and nothing comes:
//!    beyond                 stays,     it ends first, and so it is a whole segment too
//!    the size: goes         and all behind it
//! ```
//!
//! A segment is as old as its newest record, by the stamp that its producer wrote, as in Kafka. A
//! stamp of the future, or none, says nothing: then the segment is as old as the one behind it,
//! which was written later. So one wrong stamp keeps a segment no longer than its neighbour.

use weir_storage::log::{Extent, Extents};
use weir_storage::offset::Offset;

use crate::core::catalog::settings::Settings;
use crate::core::partition::trim::Before;

/// Of so many segments, one goes for its age at a time, and at least one: if the time was wrong,
/// somebody may notice before all is gone.
const SEGMENTS_PER_DELETED: usize = 4;

/// What goes of a partition now; `now_ms` is the time by which records grow old.
pub(super) fn expired(
    extents: &Extents,
    start: Offset,
    settings: &Settings,
    now_ms: i64,
) -> Option<Before> {
    // What lies below the start has gone already, but for its files.
    let gone = extents.ended.partition_point(|extent| extent.next <= start);
    let ended = &extents.ended[gone..];
    let active = &extents.active;
    let too_many = settings.retention_bytes.map_or(0, |kept| beyond(ended, active, kept));
    let too_old = settings.retention_ms.map_or(0, |kept_ms| {
        let ages = ages(ended, active, now_ms);
        let old = ages.iter().take_while(|age| age.is_some_and(|age| kept_ms < age)).count();
        old.min(ages.len().div_ceil(SEGMENTS_PER_DELETED))
    });
    let count = too_many.max(too_old);
    if ended.len() < count {
        return active.as_ref().map(|active| Before::TailStill(active.next));
    }
    ended[..count].last().map(|last| Before::Offset(last.next))
}

/// How many of the oldest segments there are without which `kept` bytes remain.
fn beyond(ended: &[Extent], active: &Option<Extent>, kept: u64) -> usize {
    let bytes = |extents: &[Extent]| extents.iter().map(|extent| extent.bytes).sum::<u64>();
    let active = active.as_ref().map_or(0, |active| active.bytes);
    let mut left = bytes(ended) + active;
    let goes = |extent: &&Extent| {
        left -= extent.bytes;
        kept <= left
    };
    ended.iter().take_while(goes).count()
}

/// How old each segment is, the active one at the end, in milliseconds; `None` where nobody knows.
fn ages(ended: &[Extent], active: &Option<Extent>, now_ms: i64) -> Vec<Option<u64>> {
    let age = |extent: &Extent| {
        let stamp = (0..=now_ms).contains(&extent.newest_timestamp);
        stamp.then(|| now_ms.abs_diff(extent.newest_timestamp))
    };
    let mut behind = None;
    let mut ages: Vec<_> = ended
        .iter()
        .chain(active)
        .rev()
        .map(|extent| {
            behind = age(extent).or(behind);
            behind
        })
        .collect();
    ages.reverse();
    ages
}

#[cfg(test)]
mod tests {
    use weir_protocol::batch::TimestampType;

    use super::*;
    use crate::core::catalog::settings::{Durability, WorkedOff};

    /// Segments of 100 bytes and 10 offsets, of these newest stamps; the last is active.
    fn extents(stamps: &[i64]) -> Extents {
        let mut all: Vec<_> = (0..)
            .zip(stamps)
            .map(|(number, stamp)| Extent {
                next: Offset::new((number + 1) * 10),
                bytes: 100,
                newest_timestamp: *stamp,
            })
            .collect();
        let active = all.pop();
        Extents { ended: all, active }
    }

    fn settings(retention_ms: Option<u64>, retention_bytes: Option<u64>) -> Settings {
        Settings {
            durability: Durability::Synced,
            retention_ms,
            retention_bytes,
            segment_bytes: 1 << 20,
            batch_bytes_max: 1024,
            timestamp_type: TimestampType::CreateTime,
            message_id_window_ms: None,
            message_id_window_records: None,
            worked_off: WorkedOff::Keep,
        }
    }

    fn by_age(stamps: &[i64], now_ms: i64) -> Option<Before> {
        expired(&extents(stamps), Offset::ZERO, &settings(Some(100), None), now_ms)
    }

    fn below(offset: u64) -> Option<Before> {
        Some(Before::Offset(Offset::new(offset)))
    }

    #[test]
    fn whole_segments_go_for_their_age_the_oldest_first_and_a_quarter_at_a_time() {
        assert_eq!(by_age(&[0, 50, 60, 70], 100), None);
        assert_eq!(by_age(&[0, 50, 60, 70], 101), below(10));
        // Three are old: one of four goes now.
        assert_eq!(by_age(&[0, 50, 60, 70], 161), below(10));
        assert_eq!(by_age(&[0, 1, 2, 3, 4, 5, 6, 7], 999), below(20));
        // An old one behind a young one stays: order is kept.
        assert_eq!(by_age(&[0, 500, 0, 0, 500, 500, 500, 500], 550), below(10));
    }

    #[test]
    fn the_active_segment_goes_once_all_of_it_is_old_and_nothing_before_it_is_left() {
        assert_eq!(by_age(&[50], 150), None);
        assert_eq!(by_age(&[50], 151), Some(Before::TailStill(Offset::new(10))));
        assert_eq!(by_age(&[0, 50], 151), below(10));
        let settings = settings(Some(100), None);
        let one_gone = expired(&extents(&[0, 50]), Offset::new(10), &settings, 151);
        assert_eq!(one_gone, Some(Before::TailStill(Offset::new(20))));
        let nothing = Extents { ended: Vec::new(), active: None };
        assert_eq!(expired(&nothing, Offset::ZERO, &settings, i64::MAX), None);
    }

    #[test]
    fn a_stamp_of_the_future_or_none_keeps_a_segment_as_long_as_the_one_behind_it() {
        for odd in [1_000_000, i64::MAX, -1, i64::MIN] {
            assert_eq!(by_age(&[odd, 50, 300], 150), None, "{odd}");
            assert_eq!(by_age(&[odd, 50, 300], 151), below(10), "{odd}");
            // Nobody knows how old these are.
            assert_eq!(by_age(&[odd, odd], 999), None, "{odd}");
            assert_eq!(by_age(&[10, odd], 999), below(10), "{odd}");
        }
        // A clock before 1970 makes nothing old.
        assert_eq!(by_age(&[0, 5, 9], -1_000_000), None);
    }

    #[test]
    fn what_a_partition_keeps_for_its_size_is_never_less_than_asked_for() {
        let by_size = |bytes, start| {
            let start = Offset::new(start);
            expired(&extents(&[0, 0, 0, 0]), start, &settings(None, Some(bytes)), 999)
        };
        assert_eq!(by_size(400, 0), None);
        assert_eq!(by_size(301, 0), None);
        assert_eq!(by_size(300, 0), below(10));
        assert_eq!(by_size(101, 0), below(20));
        // The active segment stays, whatever it holds.
        assert_eq!(
            (by_size(100, 0), by_size(1, 0), by_size(0, 0)),
            (below(30), below(30), below(30))
        );
        // What is deleted already counts for nothing, but half a segment counts whole.
        assert_eq!((by_size(300, 10), by_size(300, 15), by_size(200, 10)), (None, None, below(20)));
    }

    #[test]
    fn without_a_limit_nothing_goes() {
        let nothing = expired(&extents(&[0; 9]), Offset::ZERO, &settings(None, None), i64::MAX);
        assert_eq!(nothing, None);
    }
}
