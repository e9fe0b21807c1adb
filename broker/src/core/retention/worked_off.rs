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
}
