//! What of a partition's records all its topic's queues are done with: whole segments that nobody
//! writes any more.
//!
//! Pure: segments and the least floor of the queues in, where the log is to begin out.

use weir_storage::log::Extents;
use weir_storage::offset::Offset;

use crate::core::partition::trim::Before;

/// What goes now that all below `floor` is resolved in every queue.
pub(super) fn worked_off(extents: &Extents, start: Offset, floor: Offset) -> Option<Before> {
    let done = extents.ended.iter().take_while(|extent| extent.next <= floor);
    let next = done.last()?.next;
    (start < next).then_some(Before::Offset(next))
}

/// So many segments that are not written any more may wait for what a queue has gone on from.
const SEGMENTS_BEHIND: usize = 2;

/// Below which offset a queue should put aside what it is not done with: it has gone on, and whole
/// segments wait for a few records.
pub(super) fn far_behind(extents: &Extents, needed: Offset, hwm: Offset) -> Option<Offset> {
    let past = extents.ended.partition_point(|extent| extent.next <= hwm);
    let below = extents.ended.get(past.checked_sub(SEGMENTS_BEHIND + 1)?)?.next;
    (needed < below).then_some(below)
}

#[cfg(test)]
mod tests {
    use weir_storage::log::Extent;

    use super::*;

    #[test]
    fn a_segment_goes_once_its_last_record_is_resolved_and_the_one_that_is_written_stays() {
        let extent = |next| Extent { next: Offset::new(next), bytes: 1, newest_timestamp: -1 };
        let ended = vec![extent(10), extent(20), extent(30)];
        let extents = Extents { ended, active: Some(extent(40)) };
        let at = |start, floor| worked_off(&extents, Offset::new(start), Offset::new(floor));
        assert_eq!(at(0, 9), None);
        assert_eq!(at(0, 10), Some(Before::Offset(Offset::new(10))));
        assert_eq!(at(0, 29), Some(Before::Offset(Offset::new(20))));
        assert_eq!(at(20, 29), None);
        assert_eq!(at(20, 40), Some(Before::Offset(Offset::new(30))));
    }

    #[test]
    fn what_is_some_segments_behind_a_queue_that_went_on_is_to_be_put_aside() {
        let extent = |next| Extent { next: Offset::new(next), bytes: 1, newest_timestamp: -1 };
        let ended = (1..=5).map(|number| extent(number * 10)).collect();
        let extents = Extents { ended, active: Some(extent(60)) };
        let behind = |needed, hwm| far_behind(&extents, Offset::new(needed), Offset::new(hwm));
        assert_eq!(behind(3, 55), Some(Offset::new(30)));
        assert_eq!(behind(3, 39), Some(Offset::new(10)));
        assert_eq!(behind(3, 29), None);
        assert_eq!(behind(30, 55), None);
    }
}
