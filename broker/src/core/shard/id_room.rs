//! How many message ids the partitions of a shard remember together.
//!
//! Each topic's window says how many a partition may remember; together they might promise more
//! memory than there is. Where the shard is at its limit, a batch with new ids makes its own
//! partition forget as many of its oldest before their time, but for the last few. Nothing is
//! refused for it: that is counted, and a duplicate of what was forgotten is stored.
//!
//! Decided before anything is proposed: the entry says what the partition still knows.

use crate::core::partition::message_id::Ids;
use crate::metrics;

/// What each partition may remember, whatever the others do: two requests that cross are told
/// apart even then.
const PARTITION_MIN: usize = 256;

/// A shard's.
#[derive(Debug)]
pub(crate) struct IdRoom {
    max: usize,
    /// What its open partitions remember.
    kept: usize,
    metrics: metrics::MessageIds,
}

impl IdRoom {
    pub(crate) fn new(max: usize, metrics: metrics::MessageIds) -> Self {
        Self { max, kept: 0, metrics }
    }

    /// Narrows the window of a batch's ids to what there is room for, at a partition that
    /// remembers so many. Of batches that wait for their place none knows of the others: what they
    /// bring together beyond the limit is limited as they are.
    pub(super) fn narrow(&self, ids: &mut Ids, own: usize) {
        let room = self.max.saturating_sub(self.kept);
        let may = (own + room).max(PARTITION_MIN);
        let window = ids.window.records as usize;
        if may < window {
            let all = own + ids.of_records.len();
            let early = all.min(window).saturating_sub(may);
            self.metrics.forgotten_early.inc_by(early as u64);
            ids.window.records = u32::try_from(may).expect("a narrower window fits");
        }
    }

    /// A partition remembers more or fewer than before.
    pub(super) fn changed(&mut self, before: usize, now: usize) {
        self.kept = self.kept + now - before;
        let change =
            i64::try_from(now).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(i64::MAX);
        self.metrics.kept.add(change);
    }
}

impl Drop for IdRoom {
    fn drop(&mut self) {
        self.changed(self.kept, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::partition::message_id::Window;
    use crate::metrics::Metrics;

    fn narrowed(room: &IdRoom, window: u32, own: usize) -> u32 {
        let mut ids = Ids::none(Window { ms: 60_000, records: window });
        room.narrow(&mut ids, own);
        ids.window.records
    }

    #[test]
    fn windows_are_what_topics_say_until_the_shard_is_full_and_never_less_than_a_few() {
        let metrics = Metrics::new().message_ids;
        let mut room = IdRoom::new(1_000, metrics.clone());
        assert_eq!(narrowed(&room, 700, 0), 700);
        room.changed(0, 700);
        assert_eq!(narrowed(&room, 5_000, 0), 300, "what is left");
        assert_eq!(narrowed(&room, 5_000, 700), 1_000, "what it has, and what is left");
        room.changed(0, 300);
        assert_eq!(narrowed(&room, 5_000, 300), 300);
        assert_eq!(narrowed(&room, 5_000, 0), PARTITION_MIN as u32);
        assert_eq!(narrowed(&room, 100, 0), 100);
        room.changed(700, 0);
        assert_eq!(narrowed(&room, 5_000, 300), 1_000);
        assert_eq!(metrics.kept.get(), 300);
        drop(room);
        assert_eq!(metrics.kept.get(), 0);
    }
}
