//! A connection within the process: two ends, and a bounded buffer each way between them.
//!
//! What a socket is between machines, without the machines: a test of the whole broker on one
//! thread has nothing that the operating system decides. An end that is dropped closes both ways;
//! what it sent before can still be read.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// One end.
#[derive(Debug)]
pub struct Pipe {
    incoming: Arc<Way>,
    outgoing: Arc<Way>,
}

/// One direction.
#[derive(Debug)]
struct Way {
    bytes_max: usize,
    carried: Mutex<Carried>,
    /// Rung when there is something to read, and at the end.
    filled: Notify,
    /// Rung when there is room, and at the end.
    drained: Notify,
}

#[derive(Debug, Default)]
struct Carried {
    bytes: VecDeque<u8>,
    closed: bool,
}

impl Pipe {
    /// Both ends of a pipe that holds `bytes_max` in each direction.
    pub fn pair(bytes_max: usize) -> (Self, Self) {
        let way = || {
            let (filled, drained) = (Notify::new(), Notify::new());
            Arc::new(Way { bytes_max, carried: Mutex::default(), filled, drained })
        };
        let (there, back) = (way(), way());
        let near = Self { incoming: Arc::clone(&back), outgoing: Arc::clone(&there) };
        (near, Self { incoming: there, outgoing: back })
    }

    /// Reads what is there; 0 at the end.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there yet.
    pub fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        let mut carried = self.incoming.carried.lock();
        let count = carried.bytes.len();
        if count == 0 && !carried.closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        let (first, second) = carried.bytes.as_slices();
        buffer.put_slice(first);
        buffer.put_slice(second);
        carried.bytes.clear();
        drop(carried);
        self.incoming.drained.notify_one();
        Ok(count)
    }

    /// Waits until there is something to read, or the end.
    pub async fn readable(&self) {
        let is_readable = |carried: &Carried| !carried.bytes.is_empty() || carried.closed;
        while !is_readable(&self.incoming.carried.lock()) {
            self.incoming.filled.notified().await;
        }
    }

    /// Writes as much of the slices as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` where there is no room, `BrokenPipe` where the other end is gone.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut carried = self.outgoing.carried.lock();
        if carried.closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let before = carried.bytes.len();
        let mut room = self.outgoing.bytes_max - before;
        if room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        for slice in slices {
            let count = room.min(slice.len());
            carried.bytes.extend(&slice[..count]);
            room -= count;
        }
        let written = carried.bytes.len() - before;
        drop(carried);
        self.outgoing.filled.notify_one();
        Ok(written)
    }

    /// Waits until something can be written, or the other end is gone.
    pub async fn writable(&self) {
        let bytes_max = self.outgoing.bytes_max;
        let is_writable = |carried: &Carried| carried.bytes.len() < bytes_max || carried.closed;
        while !is_writable(&self.outgoing.carried.lock()) {
            self.outgoing.drained.notified().await;
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        for way in [&self.incoming, &self.outgoing] {
            way.carried.lock().closed = true;
            way.filled.notify_one();
            way.drained.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(pipe: &Pipe, bytes: &[u8]) -> io::Result<usize> {
        pipe.try_write_vectored(&[IoSlice::new(bytes)])
    }

    #[tokio::test]
    async fn what_is_written_at_one_end_is_read_at_the_other() {
        let (near, far) = Pipe::pair(4);
        let mut read = BytesMut::new();
        assert_eq!(far.try_read_buf(&mut read).unwrap_err().kind(), ErrorKind::WouldBlock);
        let reading = async {
            while read.len() < 6 {
                far.readable().await;
                far.try_read_buf(&mut read).unwrap();
            }
        };
        let writing = async {
            assert_eq!(write(&near, b"abcdef").unwrap(), 4, "as much as it holds");
            assert_eq!(write(&near, b"ef").unwrap_err().kind(), ErrorKind::WouldBlock);
            near.writable().await;
            assert_eq!(write(&near, b"ef").unwrap(), 2);
        };
        tokio::join!(reading, writing);
        assert_eq!(&read[..], b"abcdef");
    }

    #[tokio::test]
    async fn an_end_that_is_gone_is_noticed_behind_what_it_sent() {
        let (near, far) = Pipe::pair(64);
        write(&near, b"last").unwrap();
        drop(near);
        let mut read = BytesMut::new();
        far.readable().await;
        assert_eq!(far.try_read_buf(&mut read).unwrap(), 4);
        far.readable().await;
        assert_eq!(far.try_read_buf(&mut read).unwrap(), 0);
        far.writable().await;
        assert_eq!(write(&far, b"back").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
