//! What a connection still has to send: answers, records among them as they lie.

use std::io;

use tokio::net::TcpStream;
use weir_protocol::kafka::Frame;

use crate::listen::pieces::{Piece, Pieces};

/// The outbox.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pieces: Pieces,
}

impl Outbox {
    pub(super) fn push(&mut self, frame: Frame) {
        for piece in frame.into_pieces() {
            self.pieces.push(Piece::Frames(piece));
        }
    }

    /// How many bytes wait for the socket.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Writes as much as the socket takes, `bytes_max` at most, and says how much that was.
    pub(super) fn write_to(&mut self, socket: &TcpStream, bytes_max: usize) -> io::Result<usize> {
        self.pieces.write_to(socket, bytes_max)
    }
}
