//! One reader of server-sent events that costs its machine as little as can be: many of them share
//! a thread with what they measure.
//!
//! ```text
//!   bytes ─► head ─► chunks of HTTP/1.1 ─► lines ─► Heard at each empty line
//! ```
//!
//! Reads just what a broker writes. It looks for an event's name and for the offset at the
//! beginning of a record, and leaves the rest unread.

use std::io;
use std::mem::take;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A connection to a stream of events.
#[derive(Debug)]
pub(crate) struct Listener {
    stream: TcpStream,
    wire: Wire,
}

/// What an event was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Where the reader stands.
    Position,
    /// A record, and its offset.
    Record(u64),
    /// What no reader of a bench should hear.
    Other(String),
}

/// The bytes that came, as far as they are read.
#[derive(Debug, Default)]
struct Wire {
    state: State,
    /// A line of HTTP whose end has not come.
    line: Vec<u8>,
    /// A line of an event whose end has not come; it may be in the next chunk.
    cut: Vec<u8>,
    /// The event's name, where it has one.
    name: Vec<u8>,
    heard: Option<Heard>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Head,
    /// The line with a chunk's size.
    Size,
    /// So much of a chunk is to come.
    Inside(usize),
    /// The line end behind a chunk.
    Behind,
}

impl Listener {
    /// Asks for the events of `path`.
    pub(crate) async fn open(address: &str, path: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        Ok(Self { stream, wire: Wire::default() })
    }

    /// Waits for bytes and tells all that they complete.
    ///
    /// # Errors
    /// The connection ended, or what comes is no stream of events.
    pub(crate) async fn hear(
        &mut self,
        buffer: &mut [u8],
        mut heard: impl FnMut(Heard),
    ) -> io::Result<()> {
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    return self.wire.take(bytes, &mut heard);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Wire {
    fn take(&mut self, mut bytes: &[u8], heard: &mut impl FnMut(Heard)) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.state {
                State::Inside(left) => {
                    let (inside, behind) = bytes.split_at(left.min(bytes.len()));
                    self.lines(inside, heard);
                    bytes = behind;
                    self.state = match left - inside.len() {
                        0 => State::Behind,
                        left => State::Inside(left),
                    };
                }
                State::Head | State::Size | State::Behind => {
                    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                        self.line.extend_from_slice(bytes);
                        return Ok(());
                    };
                    let (line, behind) = bytes.split_at(end + 1);
                    self.line.extend_from_slice(line);
                    bytes = behind;
                    let line = take(&mut self.line);
                    self.state = self.state.behind(line.trim_ascii_end())?;
                }
            }
        }
        Ok(())
    }

    /// Lines of events; the last may be cut off.
    fn lines(&mut self, mut bytes: &[u8], heard: &mut impl FnMut(Heard)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = bytes.split_at(end);
            if self.cut.is_empty() {
                self.field(line, heard);
            } else {
                self.cut.extend_from_slice(line);
                let line = take(&mut self.cut);
                self.field(&line, heard);
            }
            bytes = behind.get(1..).unwrap_or_default();
        }
        self.cut.extend_from_slice(bytes);
    }

    fn field(&mut self, line: &[u8], heard: &mut impl FnMut(Heard)) {
        if line.is_empty() {
            self.heard.take().map(heard);
        } else if let Some(name) = line.strip_prefix(b"event: ") {
            self.name = name.to_vec();
        } else if let Some(data) = line.strip_prefix(b"data: ") {
            let other = || Heard::Other(String::from_utf8_lossy(data).into_owned());
            self.heard = Some(match &*take(&mut self.name) {
                b"" => offset(data).map_or_else(other, Heard::Record),
                b"position" => Heard::Position,
                _ => other(),
            });
        }
    }
}

impl State {
    /// What follows a line outside of chunks.
    fn behind(self, line: &[u8]) -> io::Result<Self> {
        let said = || io::Error::other(String::from_utf8_lossy(line).into_owned());
        match self {
            Self::Head if line.is_empty() => Ok(Self::Size),
            Self::Head if line.starts_with(b"HTTP/") && !line.starts_with(b"HTTP/1.1 200 ") => {
                Err(said())
            }
            Self::Head => Ok(Self::Head),
            Self::Behind => Ok(Self::Size),
            Self::Size | Self::Inside(_) => {
                let text = std::str::from_utf8(line).map_err(|_| said())?;
                match usize::from_str_radix(text, 16) {
                    Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(bytes) => Ok(Self::Inside(bytes)),
                    Err(_) => Err(said()),
                }
            }
        }
    }
}

/// The offset at the beginning of a record's JSON.
fn offset(data: &[u8]) -> Option<u64> {
    // Behind the topic's name, which none of these is a part of.
    let place = br#""partition":0,"offset":"#;
    let at = data.windows(place.len()).position(|bytes| bytes == place)?;
    let digits = data.get(at + place.len()..)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
        52\r\nretry: 5\n\nevent: position\ndata: {\"partitions\":[]}\nid: a\n\n\
        data: {\"partition\":0,\"off\r\n\
        32\r\nset\":41,\"value\":1}\nid: b\n\n:\n\nevent: gap\ndata: {}\n\n\r\n";

    fn heard(pieces: &[&[u8]]) -> io::Result<Vec<Heard>> {
        let (mut wire, mut all) = (Wire::default(), Vec::new());
        for piece in pieces {
            wire.take(piece, &mut |heard| all.push(heard))?;
        }
        Ok(all)
    }

    #[test]
    fn events_are_heard_wherever_chunks_and_reads_are_cut() {
        let expected = [Heard::Position, Heard::Record(41), Heard::Other(String::from("{}"))];
        for at in 0..STREAM.len() {
            let (one, other) = STREAM.split_at(at);
            assert_eq!(heard(&[one, other]).unwrap(), expected, "cut at {at}");
        }
    }

    #[test]
    fn a_refusal_and_an_end_are_errors() {
        let refusal = heard(&[b"HTTP/1.1 404 Not Found\r\n"]).unwrap_err();
        assert!(refusal.to_string().contains("404"));
        assert!(heard(&[STREAM, b"0\r\n\r\n"]).is_err());
        assert!(heard(&[STREAM, b"no size\r\n"]).is_err());
    }
}
