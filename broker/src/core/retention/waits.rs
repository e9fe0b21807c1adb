//! Segments that wait to go until queues have put aside what they are still owed of them.
//!
//! Not for ever: a queue that gets no further, since its copies have no room or the log cannot be
//! read, is waited for through some sweeps, and then its records go, as the topic says.
//!
//! Pure: what is left in, whether the segments may go out.

use std::collections::BTreeMap;

use weir_protocol::id::TopicId;

/// Sweeps through which a queue is waited for that gets no further.
const SWEEPS_MAX: u32 = 30;

/// The partitions that wait.
#[derive(Debug, Default)]
pub(super) struct Waits {
    partitions: BTreeMap<(TopicId, u32), Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    left: u64,
    sweeps: u32,
}

/// What may be done with segments that want to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    Wait,
    /// All the same: so many records are lost to queues.
    Lose(u64),
}

impl Waits {
    /// So many records have to be put aside yet.
    pub(super) fn judge(&mut self, partition: (TopicId, u32), left: u64) -> Verdict {
        if left == 0 {
            self.partitions.remove(&partition);
            return Verdict::Go;
        }
        let wait = self.partitions.entry(partition).or_insert(Wait { left, sweeps: 0 });
        let sweeps = if left < wait.left { 0 } else { wait.sweeps + 1 };
        *wait = Wait { left, sweeps };
        if sweeps <= SWEEPS_MAX {
            return Verdict::Wait;
        }
        self.partitions.remove(&partition);
        Verdict::Lose(left)
    }

    /// Forgets partitions of topics that are gone.
    pub(super) fn keep(&mut self, is_there: impl Fn(TopicId) -> bool) {
        self.partitions.retain(|(topic, _), _| is_there(*topic));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_wait_while_a_queue_gets_on_and_some_sweeps_longer() {
        let (mut waits, partition) = (Waits::default(), (TopicId::from_bytes([1; 16]), 0));
        for left in (1..100).rev() {
            assert_eq!(waits.judge(partition, left), Verdict::Wait);
        }
        for _ in 0..SWEEPS_MAX {
            assert_eq!(waits.judge(partition, 1), Verdict::Wait);
        }
        assert_eq!(waits.judge(partition, 1), Verdict::Lose(1));
        assert_eq!(waits.judge(partition, 1), Verdict::Wait);
        assert_eq!(waits.judge(partition, 0), Verdict::Go);
        assert_eq!(waits.judge(partition, 1), Verdict::Wait);
        waits.keep(|_| false);
        assert_eq!(waits.partitions.len(), 0);
    }
}
