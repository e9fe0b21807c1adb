//! What either side reads into.
//!
//! A frame that is announced gets room as it arrives, twice as much each time: who announces much
//! and sends little pins little. Who has sent large frames before gets room for the next at once.
//!
//! Frames are slices of what was read, and hold it until they are done with. By then its memory is
//! used again: bringing fresh pages in would cost more than all else that is done with a large
//! frame. A connection that stays idle gives it all back.
//!
//! ```text
//!   buffer: being read into        spent: read from, oldest first; free when its frames are gone
//! ```
//!
//! It knows no socket: who reads makes room, and reads into the buffer what there is.

use std::collections::VecDeque;

use bytes::BytesMut;

/// Room for reading, at least.
const READ_BYTES_MIN: usize = 4 << 10;

/// Room asked for at once, whatever was announced.
const READ_BYTES: usize = 64 << 10;

/// Room asked for at once of who has sent so large a frame before.
const READ_BYTES_PROVEN_MAX: usize = 2 << 20;

/// Buffers kept for their memory.
const SPENT_MAX: usize = 32;

/// The buffer, and the memory of those before it.
#[derive(Debug, Default)]
pub struct ReadBuffer {
    buffer: BytesMut,
    spent: VecDeque<BytesMut>,
    /// Whether there is memory behind `buffer`, which its capacity does not tell.
    holds: bool,
    /// The largest frame that came whole.
    proven_bytes: usize,
}

impl ReadBuffer {
    /// Takes the next frame that came whole, by `cut`, which takes it off the front of what came.
    ///
    /// # Errors
    /// Those of `cut`.
    pub fn take<F, E>(
        &mut self,
        cut: impl FnOnce(&mut BytesMut) -> Result<Option<F>, E>,
    ) -> Result<Option<F>, E> {
        let before = self.buffer.len();
        let taken = cut(&mut self.buffer)?;
        let frame_bytes = before - self.buffer.len();
        self.proven_bytes = self.proven_bytes.max(frame_bytes).min(READ_BYTES_PROVEN_MAX);
        Ok(taken)
    }

    /// What came and was not taken yet.
    pub fn untaken(&self) -> &BytesMut {
        &self.buffer
    }

    /// Whether it holds memory, or gave it all back.
    pub fn holds_memory(&self) -> bool {
        self.holds
    }

    /// Gives all memory back but that of frames still in use. What was not taken stays.
    pub fn give_back(&mut self) {
        let (buffer, proven_bytes) = (BytesMut::from(&self.buffer[..]), self.proven_bytes);
        *self = Self { holds: !buffer.is_empty(), buffer, proven_bytes, ..Self::default() };
    }

    /// What came, with room for more of a frame of which `missing` bytes are still to come.
    pub fn room_for(&mut self, missing: usize) -> &mut BytesMut {
        self.make_room(missing);
        &mut self.buffer
    }

    fn make_room(&mut self, missing: usize) {
        let there = self.buffer.len();
        if missing.min(READ_BYTES_MIN) <= self.buffer.capacity() - there {
            return;
        }
        let trusted = READ_BYTES.max(there).max(self.proven_bytes);
        let wanted = missing.clamp(READ_BYTES, trusted);
        if self.buffer.try_reclaim(wanted) {
            return;
        }
        let mut fresh = self.reuse(there + wanted);
        fresh.extend_from_slice(&self.buffer);
        let mut spent = std::mem::replace(&mut self.buffer, fresh);
        spent.clear();
        if std::mem::replace(&mut self.holds, true) && self.spent.len() < SPENT_MAX {
            self.spent.push_back(spent);
        }
    }

    /// An empty buffer of so many bytes: the oldest whose frames are gone, or a new one.
    fn reuse(&mut self, bytes: usize) -> BytesMut {
        match self.spent.front_mut().map(|oldest| oldest.try_reclaim(bytes)) {
            Some(true) => self.spent.pop_front().expect("the oldest was just looked at"),
            // Smaller than what is wanted now, and as free: it will not serve any more.
            Some(false) if self.spent.len() == SPENT_MAX => {
                self.spent.pop_front();
                BytesMut::with_capacity(bytes)
            }
            Some(false) | None => BytesMut::with_capacity(bytes),
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    /// Fills the buffer with `bytes` and takes them off as one frame would be.
    fn take(from: &mut ReadBuffer, bytes: usize) -> bytes::Bytes {
        from.make_room(bytes);
        from.buffer.resize(bytes, 7);
        from.buffer.split_to(bytes).freeze()
    }

    #[test]
    fn the_memory_of_frames_that_are_gone_is_used_again() {
        let mut from = ReadBuffer { proven_bytes: READ_BYTES, ..ReadBuffer::default() };
        let first = take(&mut from, READ_BYTES);
        let place = first.as_ptr();
        let second = take(&mut from, READ_BYTES);
        assert_ne!(second.as_ptr(), place, "a frame that is held keeps its bytes");
        drop(first);
        let third = take(&mut from, READ_BYTES);
        assert_eq!(third.as_ptr(), place);
    }

    #[test]
    fn who_holds_all_frames_makes_nobody_keep_more_than_the_limit() {
        let mut from = ReadBuffer::default();
        let held: Vec<_> = (0..2 * SPENT_MAX).map(|_| take(&mut from, READ_BYTES)).collect();
        assert_eq!(from.spent.len(), SPENT_MAX);
        drop(held);
    }

    #[test]
    fn a_large_frame_gets_room_as_it_arrives_until_one_has_come_whole() {
        let mut from = ReadBuffer::default();
        from.make_room(8 << 20);
        assert!(from.buffer.capacity() < 2 * READ_BYTES);
        let mut from = ReadBuffer { proven_bytes: 1 << 20, ..ReadBuffer::default() };
        from.make_room(8 << 20);
        assert!(1 << 20 <= from.buffer.capacity());
    }

    #[test]
    fn who_gives_memory_back_keeps_what_was_not_taken() {
        let mut from = ReadBuffer::default();
        drop((take(&mut from, READ_BYTES), take(&mut from, READ_BYTES)));
        from.buffer.extend_from_slice(b"half");
        from.give_back();
        assert_eq!((&from.buffer[..], from.spent.len()), (&b"half"[..], 0));
        assert!(from.holds_memory());
        from.buffer.clear();
        from.give_back();
        assert!(!from.holds_memory());
    }
}
