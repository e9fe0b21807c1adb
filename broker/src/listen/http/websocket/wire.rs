//! One WebSocket, message by message: what comes is read, bounded and judged; what goes out is
//! gathered and written at once.
//!
//! ```text
//!   hear ◄── messages ── tungstenite ◄── metered ◄── socket
//!                             │ pongs, close           ▲
//!   outbox ── frames ─────────┴────────────────────────┘
//! ```
//!
//! Messages go past tungstenite, which would copy each: a server's frames are not masked, and are
//! written where they are sent from. Knows nothing of what is said.
//!
//! Invariant: tungstenite has nothing half written when frames go out, and is not asked to read
//! while frames are half written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};
use weir_protocol::web::frame::{push_binary, push_ping, push_text};
use weir_protocol::web::live::{Form, Tell};

use super::close;
use super::pulse::Pulse;

/// A WebSocket.
#[derive(Debug)]
pub(super) struct Wire<S> {
    socket: WebSocketStream<Metered<S>>,
    outbox: Outbox,
    pulse: Pulse,
}

/// What came.
#[derive(Debug)]
pub(super) enum Heard {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// The connection is over, and is closed so.
    End(Option<CloseFrame>),
}

/// What goes out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// A socket of which `read` was read ahead, with messages of so many bytes at the most.
    pub(super) async fn open(socket: S, read: &[u8], message_bytes_max: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(CONTROL_BYTES_MAX)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        let metered = Metered { socket, bytes: 0 };
        let (read, role) = (read.to_vec(), Role::Server);
        let socket = WebSocketStream::from_partially_read(metered, read, role, Some(config)).await;
        Self { socket, outbox: Outbox::default(), pulse: Pulse::default() }
    }

    pub(super) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// The next message. Safe to give up and ask again.
    pub(super) async fn hear(&mut self) -> Heard {
        loop {
            let message = match self.socket.next().await {
                None => return Heard::End(None),
                Some(Err(error)) => return Heard::End(close::for_error(&error)),
                Some(Ok(message)) => message,
            };
            let (Message::Ping(payload) | Message::Pong(payload)) = &message else {
                self.pulse.message(self.socket.get_ref().bytes);
                match message {
                    Message::Text(text) => return Heard::Text(text),
                    Message::Binary(bytes) => return Heard::Binary(bytes),
                    // Answered by itself; what comes next is the end.
                    _ => continue,
                }
            };
            if let Err(over) = self.pulse.control(payload.len()) {
                return Heard::End(Some(close::for_over(over)));
            }
        }
    }

    /// Writes all that goes out. Safe to give up and ask again.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.socket.flush().await.map_err(io::Error::other)?;
        let Outbox { bytes, written } = &mut self.outbox;
        while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
            match self.socket.get_mut().write(rest).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => *written += count,
            }
        }
        if *written != 0 {
            self.pulse.said();
        }
        self.outbox.clear();
        Ok(())
    }

    /// Whether the next tick has it say that it is alive, for want of anything else.
    pub(super) fn is_silent(&self) -> bool {
        self.pulse.is_silent()
    }

    /// A tick of the clock: says what is due, or why the connection is over.
    pub(super) fn tick(&mut self) -> Result<(), CloseFrame> {
        let due = self.pulse.tick(self.socket.get_ref().bytes).map_err(close::for_over)?;
        if due.alive {
            self.outbox.say(&Tell::Alive {});
        }
        if due.ping {
            push_ping(&mut self.outbox.bytes);
        }
        Ok(())
    }

    /// Says why it ends, and gives the client a moment to read it.
    pub(super) async fn close(mut self, frame: Option<CloseFrame>) {
        let Some(frame) = frame else { return };
        let parting = async {
            self.flush().await.ok()?;
            self.socket.close(Some(frame)).await.ok()?;
            while let Some(Ok(_)) = self.socket.next().await {}
            // What is still unread would make the system take back what was said.
            let mut discarded = [0; 512];
            while self.socket.get_mut().read(&mut discarded).await.ok()? != 0 {}
            Some(())
        };
        let _ = timeout(PARTING_MAX, parting).await;
    }
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether what comes next waits until this is written.
    pub(super) fn is_full(&self) -> bool {
        OUTBOX_BYTES <= self.bytes.len()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn say(&mut self, tell: &Tell<'_>) {
        push_text(&mut self.bytes, |target| tell.push_to(target));
    }

    /// A message in this form that `write` writes.
    pub(super) fn message(&mut self, form: Form, write: impl FnOnce(&mut Vec<u8>)) {
        match form {
            Form::Json => push_text(&mut self.bytes, write),
            Form::Binary => push_binary(&mut self.bytes, write),
        }
    }

    /// A connection that says nothing keeps no memory for it.
    fn clear(&mut self) {
        self.written = 0;
        self.bytes.clear();
        self.bytes.shrink_to(OUTBOX_BYTES_KEPT);
    }
}

/// A stream whose bytes are counted as they come.
#[derive(Debug)]
struct Metered<S> {
    socket: S,
    bytes: u64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        self.bytes += (buffer.filled().len() - before) as u64;
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

/// What is read at once. A message that is longer makes room for itself.
const READ_BUFFER_BYTES: usize = 1 << 10;

/// A pong and a close are all that tungstenite writes.
const CONTROL_BYTES_MAX: usize = 1 << 10;

/// With this much nothing is added before it is written.
const OUTBOX_BYTES: usize = 64 << 10;

const OUTBOX_BYTES_KEPT: usize = 512;

/// How long a client is given to take its leave.
const PARTING_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
