use std::collections::BTreeSet;

use super::*;
use crate::disk::{CrashDisk, RealDisk};

const FRESH: NewIdentity = NewIdentity { cluster: [1; 16], node: [2; 16], directory: [0xAB; 16] };

fn open(disk: &CrashDisk) -> Result<DataDir, OpenError> {
    DataDir::open(Arc::new(disk.clone()), Path::new("/var/weir"), FRESH)
}

fn put(disk: &CrashDisk, path: &str, bytes: &[u8]) {
    let path = Path::new(path);
    let file = disk.open(path, Open::Create).or_else(|_| disk.open(path, Open::Write)).unwrap();
    file.set_len(0).unwrap();
    file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
    file.sync_data().unwrap();
}

#[test]
fn a_new_directory_keeps_the_identity_it_was_given_through_a_power_cut() {
    for seed in 0..16 {
        let disk = CrashDisk::new();
        let made = open(&disk).unwrap();
        assert_eq!(made.identity(), &Identity::fresh(FRESH));
        drop(made);
        let other = NewIdentity { cluster: [9; 16], ..FRESH };
        let disk = disk.cut(seed);
        let found = DataDir::open(Arc::new(disk), Path::new("/var/weir"), other).unwrap();
        assert_eq!(found.identity(), &Identity::fresh(FRESH));
        assert!(found.disk().list(&found.journal_dir()).unwrap().is_empty());
    }
}

#[test]
fn a_start_whose_power_is_cut_anywhere_is_made_good_by_the_next() {
    for operations in 0..24 {
        let disk = CrashDisk::new();
        disk.switch_off_after(operations);
        let _ = open(&disk);
        open(&disk.cut(operations)).unwrap();
    }
}

#[test]
fn a_second_server_is_refused_while_the_first_runs() {
    let disk = CrashDisk::new();
    let first = open(&disk).unwrap();
    let error = open(&disk).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    drop(first);
    open(&disk).unwrap();
}

#[test]
fn a_second_process_would_be_refused_on_the_real_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/weir-data");
    let _first = DataDir::open(Arc::new(RealDisk), &path, FRESH).unwrap();
    let error = DataDir::open(Arc::new(RealDisk), &path, FRESH).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
}

#[test]
fn a_directory_with_foreign_files_is_left_as_it_is() {
    let disk = CrashDisk::new();
    disk.create_dir(Path::new("/var")).unwrap();
    disk.create_dir(Path::new("/var/weir")).unwrap();
    put(&disk, "/var/weir/letters.txt", b"dear all");
    let error = open(&disk).unwrap_err();
    assert!(matches!(&error, OpenError::NotOurs { name, .. } if name == "letters.txt"), "{error}");
    assert_eq!(disk.list(Path::new("/var/weir")).unwrap(), ["letters.txt"]);
}

#[test]
fn a_newer_format_is_refused_unless_it_says_that_we_can_read_it() {
    let disk = CrashDisk::new();
    drop(open(&disk).unwrap());
    let mut newer = Identity::fresh(FRESH);
    newer.format_version = FORMAT_VERSION + 1;
    put(&disk, "/var/weir/identity", newer.to_text().as_bytes());
    assert_eq!(open(&disk).unwrap().identity(), &newer);
    newer.oldest_reader = FORMAT_VERSION + 1;
    put(&disk, "/var/weir/identity", newer.to_text().as_bytes());
    let error = open(&disk).unwrap_err();
    assert!(error.to_string().contains("start the newer one"), "{error}");
}

#[test]
fn an_identity_with_any_bit_flipped_is_damaged() {
    let text = Identity::fresh(FRESH).to_text();
    for index in 0..text.len() {
        let mut damaged = text.clone().into_bytes();
        damaged[index] ^= 1;
        assert_eq!(Identity::from_text(&damaged), Err(IdentityError::Damaged), "byte {index}");
    }
    assert_eq!(Identity::from_text(b""), Err(IdentityError::Damaged));
    assert_eq!(Identity::from_text(text.as_bytes()), Ok(Identity::fresh(FRESH)));
}

#[test]
fn other_shards_are_refused() {
    let text = Identity::fresh(FRESH).to_text();
    let (lines, _) = text.rsplit_once("crc32c").unwrap();
    for (from, to) in [("shards = 17", "shards = 18"), (SHARD_HASH, "murmur2")] {
        let lines = lines.replace(from, to);
        let text = format!("{lines}crc32c = {:08x}\n", crc32c(lines.as_bytes()));
        assert_eq!(Identity::from_text(text.as_bytes()), Err(IdentityError::OtherShards));
    }
}

#[test]
fn a_clean_mark_is_taken_once_and_only_if_it_is_whole() {
    let disk = CrashDisk::new();
    let directory = open(&disk).unwrap();
    assert_eq!(directory.clean_mark().unwrap(), FoundClean::None);
    let mark = CleanMark { journal_end: JournalPos::new(12_345) };
    directory.mark_clean(mark.journal_end).unwrap();
    let disk = disk.cut(1);
    let directory = open(&disk).unwrap();
    assert_eq!(directory.clean_mark().unwrap(), FoundClean::Mark(mark));
    directory.take_clean().unwrap();
    directory.take_clean().unwrap();
    let disk = disk.cut(2);
    let directory = open(&disk).unwrap();
    assert_eq!(directory.clean_mark().unwrap(), FoundClean::None, "taken durably");
    let text = mark.to_text(&FRESH.directory);
    for (damaged, owner) in [
        (text.replace("12345", "12346"), FRESH.directory),
        (text.clone(), [0xAC; 16]),
        ("journal_end = ".to_owned(), FRESH.directory),
    ] {
        put(&disk, "/var/weir/clean", damaged.as_bytes());
        let found = read_clean(&disk, Path::new("/var/weir"), &owner).unwrap();
        assert_eq!(found, FoundClean::Damaged, "{damaged}");
        assert_eq!(found.journal_end(), None);
    }
}

#[test]
fn a_topic_is_removed_some_partitions_at_a_time_and_its_neighbours_stay() {
    let disk = CrashDisk::new();
    let directory = open(&disk).unwrap();
    let (gone, kept) = (TopicId::from_bytes([7; 16]), TopicId::from_bytes([8; 16]));
    for topic in [gone, kept] {
        disk.create_dir(&directory.topic_dir(topic)).unwrap();
        for partition in 0..3 {
            let log_dir = directory.log_dir(topic, partition);
            disk.create_dir(&log_dir).unwrap();
            put(&disk, log_dir.join("00000000000000000000.log").to_str().unwrap(), b"batch");
        }
    }
    assert_eq!(directory.topics().unwrap(), [gone, kept]);
    assert!(!directory.remove_topic(gone, 2).unwrap());
    assert_eq!(disk.list(&directory.topic_dir(gone)).unwrap().len(), 1);
    for _ in 0..2 {
        assert!(directory.remove_topic(gone, 2).unwrap());
    }
    assert_eq!(directory.topics().unwrap(), [kept]);
    assert_eq!(disk.list(&directory.topic_dir(kept)).unwrap().len(), 3);
}

#[test]
fn a_topics_partitions_are_spread_over_all_shards_but_the_catalogue() {
    let topic = TopicId::from_bytes([5; 16]);
    let shards: BTreeSet<u16> = (0..16).map(|index| partition_shard(topic, index)).collect();
    assert_eq!(shards, (1..SHARDS).collect());
    assert!((1..SHARDS).contains(&group_shard("billing")));
    // Part of the format: these never change.
    assert_eq!(
        partition_shard(topic, u32::MAX),
        1 + (crc32c(&[5; 16]).wrapping_sub(1) % 16) as u16
    );
}

#[test]
fn a_disk_that_refuses_to_be_written_is_told_from_one_that_fails() {
    let told = |kind: io::ErrorKind| {
        not_writable(DiskError { doing: "create", path: "/var/weir".into(), source: kind.into() })
    };
    for refused in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
        let error = told(refused);
        assert!(matches!(error, OpenError::NotWritable(_)), "{error:?}");
        assert!(error.to_string().contains("cannot be written: cannot create /var/weir"));
    }
    assert!(matches!(told(io::ErrorKind::NotFound), OpenError::Disk(_)));
}

#[test]
fn a_directory_cannot_lie_below_a_file() {
    let disk = CrashDisk::new();
    put(&disk, "/file", b"a file, where a directory was meant");
    let refused = DataDir::open(Arc::new(disk), Path::new("/file/weir"), FRESH).unwrap_err();
    assert!(refused.to_string().contains("/file/weir"), "{refused}");
}

/// A directory as a broker leaves it, as far as its parts go.
fn with_all_parts() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    drop(open_real(&directory).unwrap());
    for file in ["journal/1.journal", "checkpoint/1", "topics/t"] {
        RealDisk.open(&directory.path().join(file), Open::Create).unwrap();
    }
    open_real(&directory).unwrap();
    directory
}

fn open_real(directory: &tempfile::TempDir) -> Result<DataDir, OpenError> {
    DataDir::open(Arc::new(RealDisk), directory.path(), FRESH)
}

/// All there is, with its kinds and sizes.
fn names(path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for name in RealDisk.list(path).unwrap() {
        let path = path.join(name);
        let facts = RealDisk.facts(&path).unwrap();
        names.push(format!("{} {facts:?}", path.display()));
        if facts.kind == NodeKind::Directory {
            names.extend(self::names(&path));
        }
    }
    names
}

#[test]
fn a_directory_that_was_copied_in_part_is_refused_and_left_as_it_is() {
    for (gone, missing) in [
        (&["identity"][..], "identity"),
        (&["journal/1.journal"], "journal"),
        (&["journal/1.journal", "checkpoint/1"], "journal"),
        (&["journal/1.journal", "topics/t"], "journal"),
        (&["journal/1.journal", "journal"], "journal"),
        (&["checkpoint/1", "checkpoint"], "checkpoint"),
        (&["topics/t", "topics"], "topics"),
    ] {
        let directory = with_all_parts();
        for name in gone {
            let path = directory.path().join(name);
            RealDisk.remove_file(&path).or_else(|_| RealDisk.remove_dir(&path)).unwrap();
        }
        let before = names(directory.path());
        let refused = open_real(&directory).unwrap_err();
        assert!(refused.to_string().contains(&format!("'{missing}' is missing")), "{refused}");
        assert_eq!(names(directory.path()), before, "{gone:?}");
    }
}

#[test]
fn something_else_in_the_place_of_a_part_is_refused_by_its_name() {
    for part in ["identity", "lock", "journal", "checkpoint", "topics"] {
        let directory = with_all_parts();
        let (path, aside) = (directory.path().join(part), directory.path().join("aside"));
        RealDisk.rename(&path, &aside).unwrap();
        std::os::unix::fs::symlink(&aside, &path).unwrap();
        let refused = open_real(&directory).unwrap_err();
        assert!(matches!(refused, OpenError::Misplaced { found: NodeKind::Link, .. }), "{refused}");
        assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
    }
    let directory = with_all_parts();
    let (journal, aside) = (directory.path().join("journal"), directory.path().join("aside"));
    RealDisk.rename(&journal, &aside).unwrap();
    RealDisk.open(&journal, Open::Create).unwrap();
    let refused = open_real(&directory).unwrap_err().to_string();
    assert!(refused.contains("journal is a file, where a directory"), "{refused}");
    let link = directory.path().with_extension("link");
    std::os::unix::fs::symlink(directory.path(), &link).unwrap();
    let refused = DataDir::open(Arc::new(RealDisk), &link, FRESH).unwrap_err();
    RealDisk.remove_file(&link).unwrap();
    assert!(matches!(refused, OpenError::Misplaced { found: NodeKind::Link, .. }), "{refused}");
}

#[test]
fn a_directory_of_another_user_is_refused_and_both_are_named() {
    let directory = with_all_parts();
    if std::os::unix::fs::chown(directory.path().join("identity"), Some(12_345), None).is_err() {
        // Only the superuser may give files away; where tests run as another, there is no case.
        return;
    }
    let refused = open_real(&directory).unwrap_err();
    let other = matches!(refused, OpenError::OtherOwner { owner: 12_345, us: 0, .. });
    assert!(other, "{refused}");
}
