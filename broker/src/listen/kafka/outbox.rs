//! What a connection still has to send: answers as pieces, records as they lie.
//!
//! A piece that is records is a slice of a log's mapping; it goes to the socket by a vectored
//! write, uncopied.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;
use weir_protocol::kafka::Frame;

/// Pieces that one system call takes.
const PIECES_PER_WRITE_MAX: usize = 64;

/// The outbox.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbox {
    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.bytes();
        self.pieces.extend(frame.into_pieces());
    }

    /// How many bytes wait for the socket.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Writes as much as the socket takes, `bytes_max` at most, and says how much that was.
    pub(super) fn write_to(&mut self, socket: &TcpStream, bytes_max: usize) -> io::Result<usize> {
        let mut left = bytes_max;
        while left != 0 && !self.pieces.is_empty() {
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
    fn write_some(&self, socket: &TcpStream, bytes_max: usize) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE_MAX];
        let (mut count, mut left) = (0, bytes_max);
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            let taken = piece.len().min(left);
            *slice = IoSlice::new(&piece[..taken]);
            (count, left) = (count + 1, left - taken);
            if left == 0 {
                break;
            }
        }
        socket.try_write_vectored(&slices[..count])
    }

    fn sent(&mut self, mut bytes: usize) {
        self.bytes -= bytes;
        while let Some(piece) = self.pieces.front_mut() {
            let taken = bytes.min(piece.len());
            piece.advance(taken);
            if !piece.is_empty() {
                return;
            }
            bytes -= taken;
            self.pieces.pop_front();
        }
    }
}
