//! Whether a reader can go on where it says it was: seen by looking at the partitions' ends, never
//! by a search.

use super::{Place, TopicFacts};

/// Why a reader cannot have been where it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beyond;

impl TopicFacts {
    /// Where each partition goes on for who was at `places`. One that was added since is read from
    /// its beginning.
    ///
    /// # Errors
    /// A place lies behind what there is: it is of another broker, or of other files.
    pub(crate) fn resumed(&self, places: &[Place]) -> Result<Vec<u64>, Beyond> {
        if self.partitions.len() < places.len() {
            return Err(Beyond);
        }
        let resumed = self.partitions.iter().enumerate().map(|(number, now)| {
            let (epoch, tail) = (now.epoch.get(), now.tail.get());
            match places.get(number) {
                Some(place) => resumed_at(*place, epoch, tail).ok_or(Beyond),
                None => Ok(now.start.get()),
            }
        });
        resumed.collect()
    }
}

/// Where a partition with this epoch and tail goes on for who was at `place`, if it can have
/// been.
fn resumed_at(place: Place, epoch: u32, tail: u64) -> Option<u64> {
    match place {
        Place { epoch: was, next } if was <= epoch && next <= tail => Some(next),
        // It was there before a stop that lost records; none of the lost offsets comes again.
        Place { epoch: was, .. } if was < epoch => Some(tail),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_beyond_the_end_is_good_only_if_a_crash_made_it_so() {
        for (epoch, next, resumed) in [
            (3, 20, Some(20)),
            (3, 5, Some(5)),
            (3, 1, Some(1)),
            (2, 10, Some(10)),
            (2, 21, Some(20)),
            (3, 21, None),
            (4, 10, None),
        ] {
            assert_eq!(resumed_at(Place { epoch, next }, 3, 20), resumed, "{epoch} {next}");
        }
    }
}
