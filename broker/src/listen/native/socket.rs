//! What a connection runs over: a socket of the machine, or a pipe within the process.
//!
//! It moves bytes without waiting, and waits without moving any; what they mean it does not know.

use std::io::{self, IoSlice};

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::pipe::Pipe;
use crate::listen::intake::Source;
use crate::listen::pieces::Sink;

/// The socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Pipe(Pipe),
}

impl Socket {
    /// Who is at the other end, for listings.
    pub(super) fn peer(&self) -> String {
        match self {
            Self::Tcp(stream) => {
                stream.peer_addr().map(|address| address.ip().to_string()).unwrap_or_default()
            }
            Self::Pipe(_) => "pipe".to_owned(),
        }
    }

    /// Waits until something can be written.
    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Pipe(pipe) => {
                pipe.writable().await;
                Ok(())
            }
        }
    }
}

impl Sink for Socket {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(slices),
            Self::Pipe(pipe) => pipe.try_write_vectored(slices),
        }
    }
}

impl Source for Socket {
    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Pipe(pipe) => {
                pipe.readable().await;
                Ok(())
            }
        }
    }

    fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(buffer),
            Self::Pipe(pipe) => pipe.try_read_buf(buffer),
        }
    }
}
