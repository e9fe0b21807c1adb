//! What is told of a directory's names, kinds and owner; what is in its files is tested where a
//! broker wrote them, in tests/damage.

use std::io::IoSlice;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::directory::{DataDir, NewIdentity};
use crate::disk::{Open, RealDisk};
use crate::journal::Replayed;
use crate::journal::checkpoint::Table;

const FRESH: NewIdentity = NewIdentity { cluster: [1; 16], node: [2; 16], directory: [3; 16] };

#[derive(Debug, Default)]
struct Told {
    bytes: u64,
    seen: u64,
    findings: Vec<Finding>,
}

impl Watcher for Told {
    fn begin(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    fn progress(&mut self, bytes: u64) {
        self.seen += bytes;
    }

    fn file(&mut self, _: CheckedFile) {}

    fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn table(&mut self, _: &Table) {}

    fn frame(&mut self, _: &Replayed) {}

    fn logs(&mut self) -> Option<Vec<ExpectedLog>> {
        Some(Vec::new())
    }
}

fn made() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    directory
}

fn open(path: &Path) -> DataDir {
    DataDir::open(Arc::new(RealDisk), path, FRESH).unwrap()
}

fn told(path: &Path) -> Result<Told, VerifyError> {
    let (disk, mut told): (Arc<dyn Disk>, _) = (Arc::new(RealDisk), Told::default());
    verify(&disk, path, &mut told).map(|()| told)
}

/// The findings, as `severity path effect`, without what is said of the directory's own mode.
fn found(path: &Path) -> Vec<String> {
    let findings = told(path).unwrap().findings;
    let words = findings.iter().map(|Finding { severity, path, effect, .. }| {
        format!("{} {} {}", severity.word(), path.display(), effect.word())
    });
    words.collect()
}

#[test]
fn a_directory_as_it_was_made_has_nothing_to_tell() {
    let directory = made();
    let told = told(directory.path()).unwrap();
    assert_eq!(told.findings, []);
    assert_eq!(told.bytes, told.seen);
}

#[test]
fn a_directory_that_a_broker_holds_is_not_looked_at() {
    let directory = made();
    let broker = open(directory.path());
    let error = told(directory.path()).unwrap_err();
    assert!(matches!(error, VerifyError::InUse { .. }), "{error}");
    drop(broker);
    told(directory.path()).unwrap();
}

#[test]
fn what_is_no_directory_of_weir_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    RealDisk.open(&file, Open::Create).unwrap();
    assert!(matches!(told(&file).unwrap_err(), VerifyError::NoDirectory { .. }));
    assert!(matches!(told(&directory.path().join("none")), Err(VerifyError::Disk(_))));
    assert_eq!(found(directory.path()), ["note file ignores", "damage identity stops"]);
}

#[test]
fn foreign_names_links_and_modes_are_told_and_nothing_is_changed() {
    let directory = made();
    let path = directory.path();
    RealDisk.create_dir(&path.join("topics/letters")).unwrap();
    RealDisk.open(&path.join("journal/notes.txt"), Open::Create).unwrap();
    RealDisk.open(&path.join("checkpoint/00000000000000000001.new"), Open::Create).unwrap();
    RealDisk.rename(&path.join("topics"), &path.join("elsewhere")).unwrap();
    symlink(path.join("elsewhere"), path.join("topics")).unwrap();
    std::fs::set_permissions(path.join("identity"), PermissionsExt::from_mode(0o644)).unwrap();
    let before = RealDisk.list(path).unwrap();
    let expected = [
        "leftover checkpoint/00000000000000000001.new removes",
        "note elsewhere ignores",
        "note identity ignores",
        "note journal/notes.txt ignores",
        "damage topics stops",
    ];
    let found = found(path);
    assert_eq!(&found[..expected.len()], expected);
    assert_eq!(RealDisk.list(path).unwrap(), before);
}

#[test]
fn a_damaged_identity_or_clean_mark_is_told() {
    let directory = made();
    let path = directory.path();
    let clean = RealDisk.open(&path.join("clean"), Open::Create).unwrap();
    clean.write_at(&[IoSlice::new(b"journal_end = 12\n")], 0).unwrap();
    assert_eq!(found(path), ["damage clean ignores"]);
    let identity = RealDisk.open(&path.join("identity"), Open::Write).unwrap();
    identity.write_at(&[IoSlice::new(b"F")], 0).unwrap();
    assert_eq!(found(path), ["damage identity stops"]);
}
