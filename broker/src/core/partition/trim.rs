//! Where a partition's log begins from now on: what somebody asks for, and what it means.
//!
//! Pure. Starts only rise, and never above what is applied, so an entry that moves one can be
//! applied wherever the batches before it were.

use weir_storage::log::End;
use weir_storage::offset::Offset;

use crate::core::commit::trim::TrimError;

/// What is to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// The records below an offset.
    Offset(Offset),
    /// All records that there are when this is decided.
    Tail,
    /// All records, if none came since the tail was there.
    TailStill(Offset),
}

impl Before {
    /// The new start of a log that ends so; `None` where it stays. `next` is the offset that the
    /// next batch will get: above the tail while batches are under way.
    pub(crate) fn start(self, end: &End, next: Offset) -> Result<Option<Offset>, TrimError> {
        let (start, tail) = (end.start, end.offset);
        let asked = match self {
            Self::Offset(asked) if tail < asked => {
                return Err(TrimError::Beyond { asked, start, tail });
            }
            Self::Offset(asked) => asked,
            Self::Tail => tail,
            Self::TailStill(was) if was == next && was == tail => tail,
            Self::TailStill(_) => start,
        };
        Ok((start < asked).then_some(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Offset {
        Offset::new(offset)
    }

    #[test]
    fn a_start_only_rises_and_never_above_what_is_applied() {
        let end = End { start: at(5), offset: at(20), ..End::default() };
        let next = at(23);
        for (before, start) in [
            (Before::Offset(at(0)), None),
            (Before::Offset(at(5)), None),
            (Before::Offset(at(6)), Some(at(6))),
            (Before::Offset(at(20)), Some(at(20))),
            (Before::Tail, Some(at(20))),
            (Before::TailStill(at(20)), None),
        ] {
            assert_eq!(before.start(&end, next), Ok(start), "{before:?}");
        }
        assert_eq!(Before::TailStill(at(20)).start(&end, at(20)), Ok(Some(at(20))));
        assert_eq!(Before::TailStill(at(19)).start(&end, at(20)), Ok(None));
        let (start, tail) = (end.start, end.offset);
        for asked in [at(21), at(u64::MAX)] {
            let beyond = TrimError::Beyond { asked, start, tail };
            assert_eq!(Before::Offset(asked).start(&end, next), Err(beyond));
        }
    }
}
