//! Where the classes of bytes lie in an image, and what damage of each means.
//!
//! Reads the files as docs/format.md has them, not by the code that wrote them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::case::{Case, Change, Expect};
use crate::made::{Made, bytes, files};

pub(crate) struct Classes<'a> {
    made: &'a Made,
    /// What a round chooses by: bits, and places of a class.
    round: u64,
    newest: Newest,
}

/// What the newest checkpoint says.
struct Newest {
    file: PathBuf,
    journal_from: u64,
    /// Topic directory, partition, segment, position.
    marks: Vec<(PathBuf, u64, u64)>,
}

/// A journal file: base, bytes, and where its frames begin.
struct Journal {
    file: PathBuf,
    base: u64,
    frames: Vec<u64>,
}

impl<'a> Classes<'a> {
    pub(crate) fn of(made: &'a Made, round: u64) -> Self {
        let newest = newest(made);
        Self { made, round, newest }
    }

    pub(crate) fn journal_headers(&self) -> Vec<Case> {
        let fields = [
            ("magic", 0),
            ("crc", 8),
            ("version", 12),
            ("uuid", 16),
            ("before", 32),
            ("base", 48),
            ("length", 56),
            ("directory", 64),
            ("zeros", 80),
        ];
        let files = self.journal();
        let flips = files.iter().flat_map(|journal| {
            fields.map(|(field, at)| {
                let name = format!("journal segment header: {field}");
                self.flip(name, &journal.file, at, Expect::Stops)
            })
        });
        flips.collect()
    }

    pub(crate) fn frames(&self) -> Vec<Case> {
        let fields = [
            ("magic", 0),
            ("length", 4),
            ("crc", 8),
            ("version", 12),
            ("flags", 13),
            ("shard", 14),
            ("run", 16),
            ("entries", 20),
            ("term", 24),
            ("index", 32),
            ("durable_to", 40),
            ("timestamp", 48),
            ("reserved", 56),
            ("entry length", 64),
            ("entry kind", 68),
            ("entry zeros", 69),
            ("topic", 72),
            ("partition", 88),
            ("segment", 96),
            ("position", 104),
            ("batch base offset", 112),
            ("batch header", 140),
            ("records", 300),
        ];
        let mut cases = Vec::new();
        let (below, above) = self.frames_around_the_checkpoint();
        for (field, at) in fields {
            for (place, (file, frame)) in [("kept", &below), ("replayed", &above)] {
                let name = format!("frame {place}: {field}");
                cases.push(self.flip(name, file, frame + at, Expect::Stops));
            }
        }
        cases
    }

    pub(crate) fn journal_files(&self) -> Vec<Case> {
        let journal = self.journal();
        let [first, second, ..] = &journal[..] else { panic!("the journal has two segments") };
        let disk = self.made.disk();
        let stops = |name: &str, file: &Path, change| Case {
            name: format!("journal segment {name}"),
            file: file.to_owned(),
            change,
            expect: Expect::Stops,
        };
        let stale = self.made.earlier[&first.file].clone();
        vec![
            stops("missing", &first.file, Change::Remove),
            stops("missing", &second.file, Change::Remove),
            stops("truncated", &first.file, Change::Cut { bytes: 1 << 20 }),
            stops("truncated", &second.file, Change::Cut { bytes: 8192 }),
            stops("swapped", &second.file, Change::Put(bytes(&*disk, &first.file))),
            stops("stale", &first.file, Change::Put(stale)),
        ]
    }

    pub(crate) fn sealed_batches(&self) -> Vec<Case> {
        let log = self.log();
        let segment = log.join(&self.sealed_segments()[0]);
        let at = |position| self.flip_of_batch("sealed", &segment, position);
        let fields = [0, 8, 12, 16, 17, 21, 23, 27, 35, 43, 51, 53, 57, 61, 1000];
        fields.into_iter().map(at).collect()
    }

    pub(crate) fn active_batches(&self) -> Vec<Case> {
        let (directory, segment, position) = self.active();
        let file = directory.join(format!("{segment:020}.log"));
        let at = |position| self.flip_of_batch("active", &file, position);
        let fields = [0, 8, 12, 16, 17, 21, 23, 27, 35, 43, 51, 53, 57, 61, 1000];
        let mut cases: Vec<_> = fields.into_iter().map(at).collect();
        let above = position + 20;
        if above < bytes(&*self.made.disk(), &file).len() as u64 {
            let name = "active: above the checkpoint".to_owned();
            cases.push(self.flip(name, &file, above, Expect::Served));
        }
        cases
    }

    pub(crate) fn log_files(&self) -> Vec<Case> {
        let log = self.log();
        let names = self.sealed_segments();
        let sealed = |name: &str, file: &str, change| Case {
            name: format!("sealed segment {name}"),
            file: log.join(file),
            change,
            expect: Expect::Quarantines,
        };
        let disk = self.made.disk();
        let other = bytes(&*disk, &log.join(&names[1]));
        let mut cases = vec![
            sealed("missing", &names[0], Change::Remove),
            sealed("truncated", &names[0], Change::Cut { bytes: 100_000 }),
            sealed("swapped", &names[0], Change::Put(other)),
        ];
        for position in [0, 8, 12, 16, 24, 40, 48, 56, 64, 72] {
            let (name, manifest) = (format!("manifest: byte {position}"), log.join("manifest"));
            cases.push(self.flip(name, &manifest, position, MANIFEST));
        }
        cases
    }

    pub(crate) fn indexes(&self) -> Vec<Case> {
        let log = self.log();
        let segment = &self.sealed_segments()[0];
        let mut cases = Vec::new();
        for kind in ["index", "timeindex"] {
            let file = log.join(segment.replace("log", kind));
            if bytes(&*self.made.disk(), &file).is_empty() {
                continue;
            }
            let told = Expect::ServedAndTold;
            cases.push(self.flip(format!("{kind}: first entry"), &file, 3, told));
            let (name, change) = (format!("{kind} missing"), Change::Remove);
            cases.push(Case { name, file, change, expect: told });
        }
        assert!(!cases.is_empty(), "a sealed segment has entries in its indexes");
        cases
    }

    pub(crate) fn checkpoints(&self) -> Vec<Case> {
        let fields = [
            ("magic", 0),
            ("crc", 8),
            ("version", 12),
            ("number", 16),
            ("journal_from", 24),
            ("run", 32),
            ("logs", 36),
            ("tables", 40),
            ("before", 44),
            ("directory", 48),
            ("mark", 64),
            ("position", 96),
        ];
        let flip = |(field, at)| {
            let name = format!("newest checkpoint: {field}");
            self.flip(name, &self.newest.file, at, Expect::ServedAndTold)
        };
        fields.into_iter().map(flip).collect()
    }

    pub(crate) fn identity(&self) -> Vec<Case> {
        let file = self.made.image.directory().join("identity");
        let last = bytes(&*self.made.disk(), &file).len() as u64 - 2;
        let flip = |position| {
            self.flip(format!("identity: byte {position}"), &file, position, Expect::Stops)
        };
        [0, 17, 45, 90, 130, 180, last].into_iter().map(flip).collect()
    }

    pub(crate) fn clean_mark(&self) -> Vec<Case> {
        let file = self.made.image.directory().join("clean");
        let flip = |position| {
            let name = format!("clean mark: byte {position}");
            self.flip(name, &file, position, Expect::ServedAndTold)
        };
        [0, 15, 30, 60].into_iter().map(flip).collect()
    }

    fn flip(&self, name: String, file: &Path, position: u64, expect: Expect) -> Case {
        let bit = ((position + self.round) % 8) as u8;
        Case { name, file: file.to_owned(), change: Change::Flip { position, bit }, expect }
    }

    fn flip_of_batch(&self, kind: &str, file: &Path, position: u64) -> Case {
        let name = format!("{kind} batch: byte {position}");
        self.flip(name, file, position, Expect::Quarantines)
    }

    /// Frames with a batch: one that only the older checkpoint needs, one that a start replays.
    fn frames_around_the_checkpoint(&self) -> ((PathBuf, u64), (PathBuf, u64)) {
        let (mut below, mut above) = (Vec::new(), Vec::new());
        let older = older_from(self.made, &self.newest.file);
        for Journal { file, base, frames } in self.journal() {
            let large = frames.windows(2).filter(|two| 100_000 < two[1] - two[0]);
            for frame in large.map(|two| two[0]) {
                let position = base + frame;
                if position < older {
                    continue;
                }
                let list =
                    if position < self.newest.journal_from { &mut below } else { &mut above };
                list.push((file.clone(), frame));
            }
        }
        let chosen = |list: &[(PathBuf, u64)]| list[self.round as usize % list.len()].clone();
        (chosen(&below), chosen(&above))
    }

    /// The journal's files that hold frames, in order.
    fn journal(&self) -> Vec<Journal> {
        let mut found = Vec::new();
        for (file, bytes) in files(&self.made.pattern, "journal") {
            let frames = frames(&bytes);
            if !frames.is_empty() {
                found.push(Journal { file, base: number(&bytes, 48), frames });
            }
        }
        found.sort_by_key(|journal| journal.base);
        found
    }

    /// The directory of the log with the most sealed segments.
    fn log(&self) -> PathBuf {
        let sealed = |directory: &Path| segments(self.made, directory).len();
        let logs = self.newest.marks.iter().map(|mark| mark.0.clone());
        logs.max_by_key(|log| sealed(log)).unwrap()
    }

    /// The names of its sealed segments.
    fn sealed_segments(&self) -> Vec<String> {
        let log = self.log();
        let mark = self.newest.marks.iter().find(|mark| mark.0 == log).unwrap();
        let active = format!("{:020}.log", mark.1);
        segments(self.made, &log).into_iter().filter(|name| *name < active).collect()
    }

    /// The log whose active segment has batches below the checkpoint.
    fn active(&self) -> (PathBuf, u64, u64) {
        let log = self.log();
        let mark = self.newest.marks.iter().find(|mark| mark.0 == log).unwrap();
        assert!(0 < mark.2, "the active segment has batches below the checkpoint");
        mark.clone()
    }
}

/// What damage of a manifest does.
const MANIFEST: Expect = Expect::Quarantines;

fn newest(made: &Made) -> Newest {
    let (file, bytes) = files(&made.pattern, "checkpoint").pop_last().unwrap();
    let marks = (0..number(&bytes, 36) as u32 as usize).map(|mark| {
        let mark = &bytes[64 + mark * 64..];
        let topic: [u8; 16] = mark[..16].try_into().unwrap();
        let topic = weir_protocol::id::TopicId::from_bytes(topic).to_string();
        let partition = u32::from_le_bytes(mark[16..20].try_into().unwrap()).to_string();
        let directory = made.image.directory().join("topics").join(topic).join(partition);
        (directory, number(mark, 24), number(mark, 32))
    });
    Newest { journal_from: number(&bytes, 24), marks: marks.collect(), file }
}

/// Where the journal is kept from.
fn older_from(made: &Made, newest: &Path) -> u64 {
    let all: BTreeMap<_, _> = files(&made.pattern, "checkpoint");
    let older = all.iter().rev().find(|(file, _)| *file != newest);
    number(older.expect("there are two checkpoints").1, 24)
}

fn segments(made: &Made, log: &Path) -> Vec<String> {
    let names = made.disk().list(log).unwrap().into_iter();
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.ends_with(".log")).collect()
}

/// Where the frames of a journal file begin.
fn frames(bytes: &[u8]) -> Vec<u64> {
    let (mut at, mut frames) = (4096, Vec::new());
    while bytes[at..].starts_with(b"\xF7wei") {
        frames.push(at as u64);
        at += u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    }
    frames
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
