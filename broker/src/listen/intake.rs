//! What a connection reads into.
//!
//! A frame that is announced gets room as it arrives, twice as much each time: who announces much
//! and sends little pins little. Who has sent large frames before gets room for the next at once.
//!
//! Frames are slices of what was read, and hold it until their batch is answered. By then its
//! memory is used again: bringing fresh pages in would cost more than all else that is done with a
//! large batch. A connection that stays idle gives it all back.
//!
//! ```text
//!   buffer: being read into        spent: read from, oldest first; free when its frames are gone
//! ```

use std::collections::VecDeque;
use std::io::{self, ErrorKind};

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

/// Room for reading, at least.
const READ_BYTES_MIN: usize = 4 << 10;

/// Room asked for at once, whatever the client announced.
const READ_BYTES: usize = 64 << 10;

/// Room asked for at once of a client that has sent so large a frame before.
const READ_BYTES_PROVEN_MAX: usize = 2 << 20;

/// Buffers kept for their memory.
const SPENT_MAX: usize = 32;

/// How long a connection may say nothing before it gives its memory back.
const IDLE: Duration = Duration::from_secs(1);

/// What is read from.
pub(super) trait Source {
    /// Waits until there is something to read, or the end.
    async fn readable(&self) -> io::Result<()>;

    /// Reads what is there; 0 at the end.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there yet.
    fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize>;
}

impl Source for TcpStream {
    async fn readable(&self) -> io::Result<()> {
        Self::readable(self).await
    }

    fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        Self::try_read_buf(self, buffer)
    }
}

/// The intake.
#[derive(Debug, Default)]
pub(super) struct Intake {
    buffer: BytesMut,
    spent: VecDeque<BytesMut>,
    /// Whether there is memory behind `buffer`, which its capacity does not tell.
    holds: bool,
    /// The largest frame that came whole.
    proven_bytes: usize,
}

impl Intake {
    /// Takes the next frame that came whole, by `cut`, which takes it off the front of what came.
    pub(super) fn take<F, E>(
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
    pub(super) fn untaken(&self) -> &BytesMut {
        &self.buffer
    }

    /// Reads what has come of a frame of which `missing` bytes are still to come.
    pub(super) async fn fill(&mut self, socket: &impl Source, missing: usize) -> io::Result<()> {
        loop {
            self.wait(socket).await?;
            self.make_room(missing);
            match socket.try_read_buf(&mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until there is something to read; an idle connection holds no memory for it.
    async fn wait(&mut self, socket: &impl Source) -> io::Result<()> {
        if !self.buffer.is_empty() || !self.holds {
            return socket.readable().await;
        }
        if let Ok(readable) = timeout(IDLE, socket.readable()).await {
            return readable;
        }
        *self = Self { proven_bytes: self.proven_bytes, ..Self::default() };
        socket.readable().await
    }

    /// Makes room for the frame that is being read, of which `missing` bytes are still to come.
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
    fn take(intake: &mut Intake, bytes: usize) -> bytes::Bytes {
        intake.make_room(bytes);
        intake.buffer.resize(bytes, 7);
        intake.buffer.split_to(bytes).freeze()
    }

    #[test]
    fn the_memory_of_frames_that_are_gone_is_used_again() {
        let mut intake = Intake { proven_bytes: READ_BYTES, ..Intake::default() };
        let first = take(&mut intake, READ_BYTES);
        let place = first.as_ptr();
        let second = take(&mut intake, READ_BYTES);
        assert_ne!(second.as_ptr(), place, "a frame that is held keeps its bytes");
        drop(first);
        let third = take(&mut intake, READ_BYTES);
        assert_eq!(third.as_ptr(), place);
    }

    #[test]
    fn who_holds_all_frames_makes_nobody_keep_more_than_the_limit() {
        let mut intake = Intake::default();
        let held: Vec<_> = (0..2 * SPENT_MAX).map(|_| take(&mut intake, READ_BYTES)).collect();
        assert_eq!(intake.spent.len(), SPENT_MAX);
        drop(held);
    }

    #[test]
    fn a_large_frame_gets_room_as_it_arrives_until_one_has_come_whole() {
        let mut intake = Intake::default();
        intake.make_room(8 << 20);
        assert!(intake.buffer.capacity() < 2 * READ_BYTES);
        let mut intake = Intake { proven_bytes: 1 << 20, ..Intake::default() };
        intake.make_room(8 << 20);
        assert!(1 << 20 <= intake.buffer.capacity());
    }
}
