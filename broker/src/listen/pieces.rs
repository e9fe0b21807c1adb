//! What waits for a socket, in pieces that are written as they lie.
//!
//! ```text
//!   [ frames … │ payload │ frames … │ payload ]  ──one system call─► socket
//! ```
//!
//! A payload is a slice of a log's mapping: it goes out by a vectored write, uncopied. What the
//! pieces mean it does not know, only which of them are records that somebody asked for with
//! credit, and which are answers. Called by the outboxes of the native and the Kafka face.
//!
//! Invariant: no piece in the queue is empty, and both counts are those of the queue.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;

/// Pieces that one system call takes.
const PIECES_PER_WRITE_MAX: usize = 64;

/// What is written to.
pub(super) trait Sink {
    /// Writes as much of the slices as is taken.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is taken now.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

impl Sink for TcpStream {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Self::try_write_vectored(self, slices)
    }
}

/// One of them.
#[derive(Debug)]
pub(super) enum Piece {
    Frames(Bytes),
    Payload(Bytes),
}

/// The pieces.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    queue: VecDeque<Piece>,
    bytes: usize,
    /// Those of them that are no payload.
    frames_bytes: usize,
}

impl Pieces {
    pub(super) fn push(&mut self, piece: Piece) {
        let bytes = piece.bytes().len();
        if bytes == 0 {
            return;
        }
        self.bytes += bytes;
        if let Piece::Frames(_) = piece {
            self.frames_bytes += bytes;
        }
        self.queue.push_back(piece);
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// The same without payloads.
    pub(super) fn frames_len(&self) -> usize {
        self.frames_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Writes as much as the socket takes, `bytes_max` at most, and says how much that was.
    pub(super) fn write_to(&mut self, socket: &impl Sink, bytes_max: usize) -> io::Result<usize> {
        let mut left = bytes_max;
        while left != 0 && !self.queue.is_empty() {
            match self.write_some(socket, left) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.sent(written);
                    left -= written;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(bytes_max - left)
    }

    /// One system call's worth of the first `bytes_max` bytes.
    fn write_some(&self, socket: &impl Sink, bytes_max: usize) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE_MAX];
        let (mut count, mut left) = (0, bytes_max);
        for (slice, piece) in slices.iter_mut().zip(&self.queue) {
            let bytes = piece.bytes();
            let taken = bytes.len().min(left);
            *slice = IoSlice::new(&bytes[..taken]);
            (count, left) = (count + 1, left - taken);
            if left == 0 {
                break;
            }
        }
        socket.try_write_vectored(&slices[..count])
    }

    fn sent(&mut self, mut bytes: usize) {
        self.bytes -= bytes;
        while let Some(piece) = self.queue.front_mut() {
            let taken = bytes.min(piece.bytes().len());
            match piece {
                Piece::Payload(payload) => payload.advance(taken),
                Piece::Frames(frames) => {
                    frames.advance(taken);
                    self.frames_bytes -= taken;
                }
            }
            if !piece.bytes().is_empty() {
                return;
            }
            bytes -= taken;
            self.queue.pop_front();
        }
    }
}

impl Piece {
    fn bytes(&self) -> &Bytes {
        match self {
            Self::Frames(bytes) | Self::Payload(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Takes a few bytes a call, and nothing when it is full.
    struct Trickle {
        taken: RefCell<Vec<u8>>,
        per_call: usize,
        room: usize,
    }

    impl Sink for Trickle {
        fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let mut taken = self.taken.borrow_mut();
            let room = self.per_call.min(self.room - taken.len());
            if room == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            let offered = slices.iter().flat_map(|slice| slice.iter().copied());
            let before = taken.len();
            taken.extend(offered.take(room));
            Ok(taken.len() - before)
        }
    }

    #[test]
    fn pieces_go_out_in_their_order_however_little_the_socket_takes() {
        let mut pieces = Pieces::default();
        let mut expected = Vec::new();
        for number in 0..200_u8 {
            let bytes = Bytes::from(vec![number; usize::from(number % 7)]);
            expected.extend_from_slice(&bytes);
            pieces.push(match number % 3 {
                0 => Piece::Payload(bytes),
                _ => Piece::Frames(bytes),
            });
        }
        let (total, frames) = (pieces.len(), pieces.frames_len());
        assert_eq!(total, expected.len());
        assert!(frames < total);
        let socket = Trickle { taken: RefCell::default(), per_call: 11, room: 100 };
        assert_eq!(pieces.write_to(&socket, 60).unwrap(), 60);
        assert_eq!(pieces.write_to(&socket, usize::MAX).unwrap(), 40);
        assert_eq!(pieces.len(), total - 100);
        let socket = Trickle { room: usize::MAX, ..socket };
        pieces.write_to(&socket, usize::MAX).unwrap();
        assert_eq!(*socket.taken.borrow(), expected);
        assert_eq!((pieces.len(), pieces.frames_len(), pieces.is_empty()), (0, 0, true));
    }
}
