//! Lines of a file or of standard input, read on a thread of their own in blocks of whole lines.
//!
//! ```text
//!   reader thread: read ─► cut behind the last line end ─► block ─► (4 at most) ─► command
//! ```
//!
//! A block goes on as soon as it has a whole line, so what is typed or trickles in is sent at once.
//! A last line without a line end counts as one. Knows nothing of what the lines say.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::thread;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::sync::mpsc;
use weir_protocol::limits::BATCH_BYTES_MAX;

/// Where lines come from.
#[derive(Debug)]
pub(crate) enum Source {
    File { path: PathBuf, file: File },
    Stdin,
}

impl Source {
    /// Opens a file; nothing, or `-`, stands for standard input.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, LinesError> {
        match path {
            None => Ok(Self::Stdin),
            Some(path) if path == Path::new("-") => Ok(Self::Stdin),
            Some(path) => {
                let failed = |source| LinesError::Open { path: path.to_owned(), source };
                let file = File::open(path).map_err(failed)?;
                Ok(Self::File { path: path.to_owned(), file })
            }
        }
    }

    /// How much there is to read, where that is known.
    pub(crate) fn bytes(&self) -> Option<u64> {
        match self {
            Self::File { file, .. } => {
                file.metadata().ok().filter(|meta| meta.is_file()).map(|meta| meta.len())
            }
            Self::Stdin => None,
        }
    }

    /// Whether it is typed: then nothing else should be written to the terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        match self {
            Self::File { file, .. } => file.is_terminal(),
            Self::Stdin => io::stdin().is_terminal(),
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::File { path, .. } => path.display().to_string(),
            Self::Stdin => String::from("standard input"),
        }
    }

    /// Reads it to its end, or until nobody wants more.
    pub(crate) fn read(self) -> Blocks {
        let (sender, blocks) = mpsc::channel(BLOCKS_MAX);
        let name = self.name();
        // Not joined: a read of a terminal may never end, and the process need not wait for it.
        thread::spawn(move || match self {
            Self::File { file, .. } => read_blocks(file, &name, &sender),
            Self::Stdin => read_blocks(io::stdin().lock(), &name, &sender),
        });
        Blocks { blocks }
    }
}

/// Blocks of whole lines.
#[derive(Debug)]
pub(crate) struct Blocks {
    blocks: mpsc::Receiver<Result<Bytes, LinesError>>,
}

impl Blocks {
    /// The next block; `None` at the end. Can be dropped and called again without losing one.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, LinesError>> {
        self.blocks.recv().await
    }
}

/// The lines of a block, without their ends.
pub(crate) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    block
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// Why there are no more lines.
#[derive(Debug, Error)]
pub(crate) enum LinesError {
    #[error("cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot read {name}: {source}")]
    Read { name: String, source: io::Error },
    #[error(
        "{name} has a line of more than {LINE_BYTES_MAX} bytes, which no record holds; \
         is it one record a line?"
    )]
    TooLong { name: String },
}

type Sender = mpsc::Sender<Result<Bytes, LinesError>>;

fn read_blocks(mut source: impl Read, name: &str, sender: &Sender) {
    let mut scratch = vec![0; READ_BYTES];
    let mut pending = BytesMut::new();
    loop {
        let block = match source.read(&mut scratch) {
            Ok(0) => break,
            Ok(bytes) => cut(&mut pending, scratch.get(..bytes).unwrap_or_default(), name),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => Err(LinesError::Read { name: name.to_owned(), source }),
        };
        let Some(block) = block.transpose() else { continue };
        let is_last = block.is_err();
        if sender.blocking_send(block).is_err() || is_last {
            return;
        }
    }
    if !pending.is_empty() {
        // Nobody to send to means that nobody wants it.
        drop(sender.blocking_send(Ok(pending.freeze())));
    }
}

/// Puts `read` behind what is `pending`, and takes all whole lines.
fn cut(pending: &mut BytesMut, read: &[u8], name: &str) -> Result<Option<Bytes>, LinesError> {
    let Some(end) = read.iter().rposition(|byte| *byte == b'\n') else {
        pending.extend_from_slice(read);
        return match pending.len() <= LINE_BYTES_MAX {
            true => Ok(None),
            false => Err(LinesError::TooLong { name: name.to_owned() }),
        };
    };
    let (whole, rest) = read.split_at(end + 1);
    pending.extend_from_slice(whole);
    let block = pending.split().freeze();
    pending.extend_from_slice(rest);
    Ok(Some(block))
}

const READ_BYTES: usize = 256 << 10;

/// Blocks that are read and not yet taken.
const BLOCKS_MAX: usize = 4;

/// A longer line fits no batch.
const LINE_BYTES_MAX: usize = BATCH_BYTES_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it has in pieces of the given sizes, as pipes do.
    struct Pieces<'a> {
        text: &'a [u8],
        sizes: &'a [usize],
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let size = self.sizes.split_off_first().copied().unwrap_or(usize::MAX);
            let size = size.min(self.text.len()).min(into.len());
            let piece = self.text.split_off(..size).expect("no larger than the text");
            into[..size].copy_from_slice(piece);
            Ok(size)
        }
    }

    fn read(text: &str, sizes: &[usize]) -> Vec<String> {
        let (sender, mut blocks) = mpsc::channel(1_000);
        read_blocks(Pieces { text: text.as_bytes(), sizes }, "the test", &sender);
        let mut read = Vec::new();
        while let Ok(block) = blocks.try_recv() {
            let block = block.unwrap();
            read.extend(lines(&block).map(|line| String::from_utf8(line.to_vec()).unwrap()));
        }
        read
    }

    #[test]
    fn lines_are_whole_wherever_reads_are_cut() {
        let text = "one\n\nthree\r\nfour";
        for at in 1..text.len() {
            assert_eq!(read(text, &[at, 1]), ["one", "", "three\r", "four"], "cut at {at}");
        }
        assert_eq!(read(text, &[1; 20]), ["one", "", "three\r", "four"]);
    }

    #[test]
    fn a_last_line_end_ends_a_line_and_begins_none() {
        assert_eq!(read("a\nb\n", &[]), ["a", "b"]);
        assert_eq!(read("\n", &[]), [""]);
        assert!(read("", &[]).is_empty());
    }

    #[test]
    fn a_line_that_no_record_holds_ends_the_reading() {
        let (sender, mut blocks) = mpsc::channel(8);
        read_blocks(io::repeat(b'x'), "the test", &sender);
        assert!(matches!(blocks.try_recv(), Ok(Err(LinesError::TooLong { .. }))));
        assert!(blocks.try_recv().is_err());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Source::open(Some(Path::new("/nowhere/a.ndjson"))).unwrap_err().to_string();
        assert!(error.starts_with("cannot open /nowhere/a.ndjson: "), "{error}");
        assert!(matches!(Source::open(Some(Path::new("-"))), Ok(Source::Stdin)));
        assert!(matches!(Source::open(None), Ok(Source::Stdin)));
    }
}
