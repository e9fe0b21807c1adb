//! What a connection still has to send: small frames gathered, large payloads as they lie.
//!
//! ```text
//!   pieces   [ frames … | payload of a Deliver | frames … | payload ]   gathering: frames …
//! ```
//!
//! A payload is a slice of a log's mapping; it goes to the socket by a vectored write, uncopied.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use weir_protocol::native::{DeliverLeases, Response, deliver_head, encode_response, lease_head};

use super::socket::Socket;

/// Pieces that one system call takes.
const PIECES_PER_WRITE_MAX: usize = 64;

/// The outbox.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    gathering: BytesMut,
    pieces: VecDeque<Piece>,
    /// Bytes of `pieces`.
    waiting_bytes: usize,
    /// Those of them that are no payload.
    frames_bytes: usize,
}

#[derive(Debug)]
enum Piece {
    Frames(Bytes),
    Payload(Bytes),
}

impl Outbox {
    pub(super) fn push(&mut self, correlation: u32, response: &Response) {
        encode_response(correlation, response, &mut self.gathering);
    }

    pub(super) fn deliver(&mut self, subscription: u32, tail: u64, batches: Bytes) {
        deliver_head(subscription, tail, batches.len(), &mut self.gathering);
        self.close_gathered();
        self.waiting_bytes += batches.len();
        self.pieces.push_back(Piece::Payload(batches));
    }

    pub(super) fn lease(&mut self, deliver: DeliverLeases) {
        lease_head(&deliver, deliver.batches.len(), &mut self.gathering);
        self.close_gathered();
        self.waiting_bytes += deliver.batches.len();
        self.pieces.push_back(Piece::Payload(deliver.batches));
    }

    /// How many bytes wait for the socket.
    pub(super) fn len(&self) -> usize {
        self.waiting_bytes + self.gathering.len()
    }

    /// The same without the payloads of deliveries, which credit bounds: what was answered.
    pub(super) fn answered_len(&self) -> usize {
        self.frames_bytes + self.gathering.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes as much as the socket takes, `bytes_max` at most, and says how much that was.
    pub(super) fn write_to(&mut self, socket: &Socket, bytes_max: usize) -> io::Result<usize> {
        self.close_gathered();
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
    fn write_some(&self, socket: &Socket, bytes_max: usize) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE_MAX];
        let (mut count, mut left) = (0, bytes_max);
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
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

    fn close_gathered(&mut self) {
        if !self.gathering.is_empty() {
            let frames = self.gathering.split().freeze();
            self.waiting_bytes += frames.len();
            self.frames_bytes += frames.len();
            self.pieces.push_back(Piece::Frames(frames));
        }
    }

    fn sent(&mut self, mut bytes: usize) {
        self.waiting_bytes -= bytes;
        while let Some(piece) = self.pieces.front_mut() {
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
            self.pieces.pop_front();
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
