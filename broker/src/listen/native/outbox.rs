//! What a connection still has to send: small frames gathered, large payloads as they lie.
//!
//! ```text
//!   pieces   [ frames … | payload of a Deliver | frames … | payload ]   gathering: frames …
//! ```

use std::io;

use bytes::{Bytes, BytesMut};
use weir_protocol::native::{DeliverLeases, Response, deliver_head, encode_response, lease_head};

use super::socket::Socket;
use crate::listen::pieces::{Piece, Pieces};

/// The outbox.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    gathering: BytesMut,
    pieces: Pieces,
}

impl Outbox {
    pub(super) fn push(&mut self, correlation: u32, response: &Response) {
        encode_response(correlation, response, &mut self.gathering);
    }

    pub(super) fn deliver(&mut self, subscription: u32, tail: u64, batches: Bytes) {
        deliver_head(subscription, tail, batches.len(), &mut self.gathering);
        self.close_gathered();
        self.pieces.push(Piece::Payload(batches));
    }

    pub(super) fn lease(&mut self, deliver: DeliverLeases) {
        lease_head(&deliver, deliver.batches.len(), &mut self.gathering);
        self.close_gathered();
        self.pieces.push(Piece::Payload(deliver.batches));
    }

    /// How many bytes wait for the socket.
    pub(super) fn len(&self) -> usize {
        self.pieces.len() + self.gathering.len()
    }

    /// The same without the payloads of deliveries, which credit bounds: what was answered.
    pub(super) fn answered_len(&self) -> usize {
        self.pieces.frames_len() + self.gathering.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes as much as the socket takes, `bytes_max` at most, and says how much that was.
    pub(super) fn write_to(&mut self, socket: &Socket, bytes_max: usize) -> io::Result<usize> {
        self.close_gathered();
        self.pieces.write_to(socket, bytes_max)
    }

    fn close_gathered(&mut self) {
        if !self.gathering.is_empty() {
            self.pieces.push(Piece::Frames(self.gathering.split().freeze()));
        }
    }
}
