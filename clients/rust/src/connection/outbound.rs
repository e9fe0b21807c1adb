//! What waits to be written: frames in order, as few and as large pieces as that allows.
//!
//! Small frames are gathered behind each other in one buffer. A large batch is not copied into it:
//! its head is gathered, the buffer is cut there, and the batch follows as a piece of its own. The
//! writer takes all pieces at once and hands them to one vectored write.
//!
//! ```text
//!   pieces:  [Flow, Produce head] [batch, 200 KiB] [Produce with a batch of 1 KiB, Ping ...]
//! ```
//!
//! Knows no socket and no limit; the connection bounds what it puts here.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use weir_protocol::id::TopicId;
use weir_protocol::native::{Ack, Request, encode_request, produce_head};

/// A batch up to this size is copied behind its head: cheaper than a piece of its own.
const COPIED_BYTES_MAX: usize = 4 << 10;

/// A batch and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct ProduceRequest {
    pub(crate) topic: TopicId,
    pub(crate) partition: u32,
    pub(crate) ack: Ack,
    pub(crate) batch: Bytes,
}

/// Frames that wait for the writer.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    pieces: VecDeque<Bytes>,
    /// Of the pieces, which `gathered` is not yet one of.
    piece_bytes: usize,
    gathered: BytesMut,
}

impl Outbound {
    pub(crate) fn put(&mut self, correlation: u32, request: &Request) {
        encode_request(correlation, request, &mut self.gathered);
    }

    pub(crate) fn put_produce(&mut self, correlation: u32, request: ProduceRequest) {
        let ProduceRequest { topic, partition, ack, batch } = request;
        produce_head(correlation, topic, partition, ack, batch.len(), &mut self.gathered);
        if batch.len() <= COPIED_BYTES_MAX {
            self.gathered.extend_from_slice(&batch);
        } else {
            self.cut();
            self.push(batch);
        }
    }

    /// All that waits.
    pub(crate) fn bytes(&self) -> usize {
        self.piece_bytes + self.gathered.len()
    }

    /// All that waits, which then waits no longer; `None` if that is nothing.
    pub(crate) fn take(&mut self) -> Option<Frames> {
        self.cut();
        let bytes = std::mem::take(&mut self.piece_bytes);
        (bytes != 0).then(|| Frames { pieces: std::mem::take(&mut self.pieces), bytes })
    }

    fn cut(&mut self) {
        if !self.gathered.is_empty() {
            let gathered = self.gathered.split().freeze();
            self.push(gathered);
        }
    }

    fn push(&mut self, piece: Bytes) {
        self.piece_bytes += piece.len();
        self.pieces.push_back(piece);
    }
}

/// Frames on their way into the socket.
///
/// Invariant: no piece is empty, and `bytes` is the sum of all.
#[derive(Debug)]
pub(super) struct Frames {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Buf for Frames {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.len().min(self.pieces.len());
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
        }
        filled
    }

    fn advance(&mut self, mut bytes: usize) {
        self.bytes -= bytes;
        while let Some(piece) = self.pieces.front_mut() {
            if bytes < piece.len() {
                piece.advance(bytes);
                return;
            }
            bytes -= piece.len();
            self.pieces.pop_front();
        }
        assert_eq!(bytes, 0, "no more is written than there was");
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::native::{Decoder, RequestFrame};

    use super::*;

    fn produce(batch: Bytes) -> ProduceRequest {
        let topic = TopicId::from_bytes([7; 16]);
        ProduceRequest { topic, partition: 3, ack: Ack::Written, batch }
    }

    /// What the peer reads when each write takes at most `step` bytes.
    fn written(mut frames: Frames, step: usize) -> BytesMut {
        let mut received = BytesMut::new();
        while frames.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 2];
            let filled = frames.chunks_vectored(&mut slices);
            let all: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            let bytes = step.min(all.len());
            received.extend_from_slice(&all[..bytes]);
            frames.advance(bytes);
        }
        received
    }

    #[test]
    fn frames_arrive_in_order_however_the_socket_takes_them() {
        let large = Bytes::from(vec![1; COPIED_BYTES_MAX + 1]);
        for step in [1, 7, 4096, usize::MAX] {
            let mut outbound = Outbound::default();
            outbound.put_produce(1, produce(Bytes::from_static(b"small")));
            outbound.put_produce(2, produce(large.clone()));
            outbound.put(3, &Request::InitProducer);
            let bytes = outbound.bytes();
            let mut received = written(outbound.take().unwrap(), step);
            assert_eq!(received.len(), bytes);
            assert_eq!(outbound.bytes(), 0);

            // Requests before a Hello are refused, so one goes first.
            let mut decoder = Decoder::server();
            let mut hello = hello();
            decoder.next(&mut hello).unwrap().unwrap();
            decoder.hello_done(1 << 20);
            let mut next = || decoder.next(&mut received).unwrap().unwrap();
            let batch_of = |frame: RequestFrame| match frame.request {
                Request::Produce(produce) => (frame.correlation, produce.batch),
                other => panic!("{other:?}"),
            };
            assert_eq!(batch_of(next()), (1, Bytes::from_static(b"small")));
            assert_eq!(batch_of(next()), (2, large.clone()));
            assert_eq!(next(), RequestFrame { correlation: 3, request: Request::InitProducer });
        }
    }

    #[test]
    fn a_large_batch_is_not_copied_and_small_frames_share_one_piece() {
        let large = Bytes::from(vec![1; COPIED_BYTES_MAX + 1]);
        let mut outbound = Outbound::default();
        outbound.put(1, &Request::Ping);
        outbound.put(2, &Request::Ping);
        outbound.put_produce(3, produce(large.clone()));
        outbound.put(4, &Request::Ping);
        let frames = outbound.take().unwrap();
        assert_eq!(frames.pieces.len(), 3);
        assert_eq!(frames.pieces[1].as_ptr(), large.as_ptr());
    }

    #[test]
    fn nothing_to_write_is_nothing_to_take() {
        assert!(Outbound::default().take().is_none());
    }

    fn hello() -> BytesMut {
        let mut out = BytesMut::new();
        let hello = weir_protocol::native::Hello {
            version_min: 1,
            version_max: 1,
            features: 0,
            frame_bytes_max: 1 << 20,
            client_name: String::new(),
        };
        encode_request(1, &Request::Hello(hello), &mut out);
        out
    }
}
