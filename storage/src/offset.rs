//! The numbers that say where something is: of a record, of a shard's entry, of a leader's reign.
//!
//! None of them converts into another or into an integer by itself: a byte position passed for an
//! offset does not compile. Positions inside one file are plain `u64`, named `position`.

use std::fmt;
use std::ops::Range;

/// A record's number in its partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(u64);

/// Half-open range of offsets.
pub type OffsetSpan = Range<Offset>;

/// The number of an entry in its shard's order; consecutive from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Index(u64);

/// The reign under which an entry was proposed; raised by each election, 1 on a single node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Term(u64);

/// A partition's generation: raised whenever what lies above its tail may have been lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(u32);

/// A byte in the journal, counted over all the segments it ever had; never restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct JournalPos(u64);

macro_rules! number {
    ($name:ident, $int:ty) => {
        impl $name {
            pub const ZERO: Self = Self(0);

            pub const fn new(number: $int) -> Self {
                Self(number)
            }

            pub const fn get(self) -> $int {
                self.0
            }

            /// This number moved up by `count`.
            ///
            /// # Panics
            /// Past the end of the number's range, which no file or partition can reach.
            #[must_use]
            pub const fn plus(self, count: $int) -> Self {
                match self.0.checked_add(count) {
                    Some(number) => Self(number),
                    None => panic!("a number of records or bytes passed the end of its range"),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(Offset, u64);
number!(Index, u64);
number!(Term, u64);
number!(Epoch, u32);
number!(JournalPos, u64);

impl Offset {
    /// How many offsets lie between `earlier` and this one.
    ///
    /// # Panics
    /// If `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> u64 {
        match self.0.checked_sub(earlier.0) {
            Some(count) => count,
            None => panic!("an offset was measured from a later one"),
        }
    }
}

impl JournalPos {
    /// How many bytes lie between `earlier` and this position.
    ///
    /// # Panics
    /// If `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> u64 {
        match self.0.checked_sub(earlier.0) {
            Some(bytes) => bytes,
            None => panic!("a journal position was measured from a later one"),
        }
    }
}
