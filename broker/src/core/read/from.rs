//! Where a reader begins.

use weir_storage::log::{ReadError, Reader};
use weir_storage::offset::Offset;

/// A place in a partition, as somebody asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// The first record that is kept.
    Earliest,
    /// Behind the last record there is.
    Latest,
    Offset(Offset),
    /// So many offsets before the tail, or the first that is kept.
    Last(u64),
    /// The first record of that time or later, Unix milliseconds; the tail where there is none.
    Time(i64),
    /// The first record of the latest time that any has; the tail where there is none.
    Newest,
}

/// Why a place cannot be read from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FromError {
    #[error("offset {asked} is not in the partition, which has {start} to {tail}")]
    OutOfRange { asked: Offset, start: Offset, tail: Offset },
    #[error("the broker is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// An offset, with the time of its record where it was asked for by a time.
pub(crate) type Resolved = (Offset, Option<i64>);

/// The offset a place means now. Waits for the disk where the place is one in time.
pub(super) fn resolve(reader: &Reader, from: From) -> Result<Resolved, FromError> {
    let (start, tail) = (reader.start(), reader.tail());
    match from {
        From::Earliest => Ok((start, None)),
        From::Latest => Ok((tail, None)),
        From::Last(count) => Ok((start.max(Offset::new(tail.get().saturating_sub(count))), None)),
        From::Offset(asked) if asked < start || tail < asked => {
            Err(FromError::OutOfRange { asked, start, tail })
        }
        From::Offset(offset) => Ok((offset, None)),
        From::Time(time) => Ok(in_time(reader, reader.offset_for_time(time)?)),
        From::Newest => Ok(in_time(reader, reader.newest()?)),
    }
}

fn in_time(reader: &Reader, found: Option<(Offset, i64)>) -> Resolved {
    match found {
        Some((offset, timestamp)) => (offset, Some(timestamp)),
        None => (reader.tail(), None),
    }
}
