//! Which record a value is: who sent it, and as its how-many-th.
//!
//! ```text
//!   "weir" | session u32 | number u64 | filling, which follows from session and number
//! ```
//!
//! So a value that was cut, mixed up or written over in part is no token at all.

use std::{fmt, iter};

use crate::dice::Dice;

/// A record's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    pub session: u32,
    pub number: u64,
}

impl Token {
    /// The value that carries it, of `bytes` or what a token needs.
    pub fn value(self, bytes: usize) -> Vec<u8> {
        let mut value = Vec::with_capacity(bytes.max(HEAD_BYTES));
        value.extend(MAGIC);
        value.extend(self.session.to_le_bytes());
        value.extend(self.number.to_le_bytes());
        let mut filling = self.filling();
        while value.len() < bytes {
            let left = bytes - value.len();
            let word = filling.next().expect("the filling does not end");
            value.extend(&word.to_le_bytes()[..left.min(8)]);
        }
        value
    }

    /// The token of a value, if it is whole.
    pub fn of(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_at_checked(HEAD_BYTES)?;
        let session = u32::from_le_bytes(head[4..8].try_into().ok()?);
        let number = u64::from_le_bytes(head[8..16].try_into().ok()?);
        let token = Self { session, number };
        let mut words = rest.chunks(8).zip(token.filling());
        let is_whole = words.all(|(found, word)| *found == word.to_le_bytes()[..found.len()]);
        (head[..4] == MAGIC && is_whole).then_some(token)
    }

    /// A sequence of its own for each token.
    fn filling(self) -> impl Iterator<Item = u64> {
        let mut dice = Dice::seeded(u64::from(self.session) << 40 ^ self.number);
        iter::repeat_with(move || dice.roll())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.session, self.number)
    }
}

const MAGIC: [u8; 4] = *b"weir";
const HEAD_BYTES: usize = 16;
