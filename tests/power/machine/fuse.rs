//! A FUSE file system of one file, whose content is a [`Content`]: enough for a loop device.
//!
//! The kernel's protocol, spoken directly: fixed little structs over `/dev/fuse`, a request and
//! its answer at a time. All numbers are the machine's own, little-endian on every machine we
//! test on. See `fuse(4)` and `include/uapi/linux/fuse.h`.
//!
//! Invariant: writes and flushes reach the content in the order in which the kernel sent them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

use super::mounted::unmount;

/// What the file holds.
pub(super) trait Content: Send + Sync {
    fn bytes(&self) -> u64;

    /// Fills the buffer from there on.
    fn read(&self, position: u64, buffer: &mut [u8]) -> io::Result<()>;

    fn write(&self, position: u64, bytes: &[u8]) -> io::Result<()>;

    /// All that was written is kept when this returns.
    fn flush(&self) -> io::Result<()>;
}

/// The file system, mounted; unmounted when it is dropped.
pub(super) struct OneFile {
    at: TempDir,
    server: Option<JoinHandle<()>>,
}

impl OneFile {
    pub(super) fn serve(content: Box<dyn Content>) -> Self {
        let at = tempfile::tempdir().expect("a directory can be made");
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = device.expect("FUSE is there");
        mount(&device, at.path());
        let mut session = Session { device, content };
        let server = thread::spawn(move || session.run());
        Self { at, server: Some(server) }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.at.path().join(NAME)
    }
}

impl Drop for OneFile {
    fn drop(&mut self) {
        unmount(self.at.path());
        let server = self.server.take().expect("it is dropped once");
        assert!(server.join().is_ok() || thread::panicking(), "the disk fails by itself");
    }
}

/// The device goes to `mount` as its standard input, for the kernel to find it there.
fn mount(device: &File, at: &Path) {
    let stdin = Stdio::from(device.try_clone().expect("a descriptor can be doubled"));
    let mounted = Command::new("mount")
        .args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40000,user_id=0,group_id=0", "weir"])
        .arg(at)
        .stdin(stdin)
        .status();
    assert!(mounted.expect("mount runs").success(), "FUSE cannot be mounted");
}

struct Session {
    device: File,
    content: Box<dyn Content>,
}

/// A request's answer, or why there is none.
enum Answer {
    Bytes(Vec<u8>),
    Error(i32),
    /// The kernel expects none.
    Silence,
}

impl Session {
    /// Serves until the file system is unmounted.
    fn run(&mut self) {
        let mut buffer = vec![0; WRITE_BYTES_MAX + 4096];
        while let Ok(read) = self.device.read(&mut buffer) {
            let request = &buffer[..read];
            let (body, unique) = (&request[40..], &request[8..16]);
            let (error, bytes) = match self.answer(u32_at(request, 4), u64_at(request, 16), body) {
                Answer::Bytes(bytes) => (0, bytes),
                Answer::Error(errno) => (-errno, Vec::new()),
                Answer::Silence => continue,
            };
            let mut reply = Vec::with_capacity(16 + bytes.len());
            reply.extend((16 + bytes.len() as u32).to_le_bytes());
            reply.extend(error.to_le_bytes());
            reply.extend(unique);
            reply.extend(bytes);
            // An answer that is not wanted any more is refused; the next read says more.
            let _ = self.device.write(&reply);
        }
    }

    fn answer(&self, opcode: u32, node: u64, body: &[u8]) -> Answer {
        match opcode {
            FORGET | BATCH_FORGET | INTERRUPT => Answer::Silence,
            INIT => Answer::Bytes(init(body)),
            LOOKUP if body.strip_suffix(&[0]) == Some(NAME.as_bytes()) => {
                Answer::Bytes([words(&[FILE, 0, TTL, TTL, 0]), self.attributes(FILE)].concat())
            }
            LOOKUP => Answer::Error(ENOENT),
            GETATTR | SETATTR => Answer::Bytes([words(&[TTL, 0]), self.attributes(node)].concat()),
            OPEN | OPENDIR => Answer::Bytes(words(&[1, 0])),
            READ => {
                let bytes = self.content.bytes().saturating_sub(u64_at(body, 8));
                let mut buffer = vec![0; bytes.min(u32_at(body, 16).into()) as usize];
                let read = self.content.read(u64_at(body, 8), &mut buffer);
                done(&read, buffer)
            }
            WRITE => {
                let bytes = &body[40..][..u32_at(body, 16) as usize];
                let written = self.content.write(u64_at(body, 8), bytes);
                done(&written, words(&[bytes.len() as u64]))
            }
            FSYNC => done(&self.content.flush(), Vec::new()),
            STATFS => Answer::Bytes(vec![0; 80]),
            FLUSH | RELEASE | RELEASEDIR | DESTROY | ACCESS => Answer::Bytes(Vec::new()),
            _ => Answer::Error(ENOSYS),
        }
    }

    /// `struct fuse_attr`.
    fn attributes(&self, node: u64) -> Vec<u8> {
        let (mode, bytes) = match node {
            FILE => (0o100_600, self.content.bytes()),
            _ => (0o40_700, 0),
        };
        let mut attributes = words(&[node, bytes, bytes / 512, 0, 0, 0]);
        // Nanoseconds of three times, mode, links, user, group, device, block size, flags.
        for number in [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0_u32] {
            attributes.extend(number.to_le_bytes());
        }
        attributes
    }
}

/// `struct fuse_init_out`: the protocol's version, and how much comes in one write.
fn init(body: &[u8]) -> Vec<u8> {
    let (minor, readahead) = (u32_at(body, 4).min(31), u32_at(body, 8));
    let mut reply = Vec::new();
    for number in [7, minor, readahead, BIG_WRITES, 0, WRITE_BYTES_MAX as u32, 1] {
        reply.extend(number.to_le_bytes());
    }
    reply.resize(64, 0);
    reply
}

fn done(result: &io::Result<()>, bytes: Vec<u8>) -> Answer {
    match result {
        Ok(()) => Answer::Bytes(bytes),
        Err(_) => Answer::Error(EIO),
    }
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

const NAME: &str = "disk";
const FILE: u64 = 2;

/// Seconds for which the kernel believes what it was told.
const TTL: u64 = 3600;
const WRITE_BYTES_MAX: usize = 128 << 10;
const BIG_WRITES: u32 = 1 << 5;

const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const SETATTR: u32 = 4;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const STATFS: u32 = 17;
const RELEASE: u32 = 18;
const FSYNC: u32 = 20;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const RELEASEDIR: u32 = 29;
const ACCESS: u32 = 34;
const INTERRUPT: u32 = 36;
const DESTROY: u32 = 38;
const BATCH_FORGET: u32 = 42;

const ENOENT: i32 = 2;
const EIO: i32 = 5;
const ENOSYS: i32 = 38;
