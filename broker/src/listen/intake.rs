//! How a connection reads: what has come, into memory that is used again.
//!
//! A connection that stays idle holds no memory for it.

use std::future::pending;
use std::io::{self, ErrorKind};

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};
use weir_protocol::read_buffer::ReadBuffer;

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
    buffer: ReadBuffer,
}

impl Intake {
    /// Takes the next frame that came whole, by `cut`, which takes it off the front of what came.
    pub(super) fn take<F, E>(
        &mut self,
        cut: impl FnOnce(&mut BytesMut) -> Result<Option<F>, E>,
    ) -> Result<Option<F>, E> {
        self.buffer.take(cut)
    }

    /// What came and was not taken yet.
    pub(super) fn untaken(&self) -> &BytesMut {
        self.buffer.untaken()
    }

    /// Reads what has come of a frame of which `missing` bytes are still to come.
    pub(super) async fn fill(&mut self, socket: &impl Source, missing: usize) -> io::Result<()> {
        loop {
            self.wait(socket).await?;
            match socket.try_read_buf(self.buffer.room_for(missing)) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the peer has gone, while something else is done for it. What it sends meanwhile
    /// is kept for later; one that has sent `ahead_bytes_max` is there, and not watched any more.
    pub(super) async fn until_gone(&mut self, socket: &impl Source, ahead_bytes_max: usize) {
        while self.untaken().len() < ahead_bytes_max {
            if self.fill(socket, 1).await.is_err() {
                return;
            }
        }
        pending().await
    }

    /// Waits until there is something to read; an idle connection holds no memory for it.
    async fn wait(&mut self, socket: &impl Source) -> io::Result<()> {
        if !self.buffer.untaken().is_empty() || !self.buffer.holds_memory() {
            return socket.readable().await;
        }
        if let Ok(readable) = timeout(IDLE, socket.readable()).await {
            return readable;
        }
        self.buffer.give_back();
        socket.readable().await
    }
}
