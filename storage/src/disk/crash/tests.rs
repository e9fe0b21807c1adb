use std::io::IoSlice;

use super::*;
use crate::disk::read_exact_at;
use crate::map::map_pair;

const SEEDS: Range<u64> = 0..64;

fn path(text: &str) -> &Path {
    Path::new(text)
}

/// A disk with a file whose name is durable.
fn disk_with_file() -> (CrashDisk, Arc<dyn File>) {
    let disk = CrashDisk::new();
    let file = disk.open(path("/file"), Open::Create).unwrap();
    disk.sync_dir(path("/")).unwrap();
    (disk, file)
}

fn write(file: &Arc<dyn File>, bytes: &[u8], position: u64) {
    file.write_at(&[IoSlice::new(bytes)], position).unwrap();
}

fn contents(disk: &CrashDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(path(name), Open::Read).ok()?;
    let mut bytes = vec![0; file.len().unwrap() as usize];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    Some(bytes)
}

/// What the disk holds, past the page cache.
fn direct_contents(disk: &CrashDisk, name: &str) -> Vec<u8> {
    let file = disk.open(path(name), Open::ReadDirect).unwrap();
    let bytes = file.len().unwrap() as usize;
    let mut room = vec![0; bytes + 2 * 4096];
    let start = room.as_ptr().align_offset(4096);
    let count = file.read_at(&mut room[start..start + bytes.next_multiple_of(4096)], 0).unwrap();
    room[start..start + count].to_vec()
}

/// So many that a failed sync brings some to the disk and loses some.
const PAGES: usize = 16;

#[test]
fn synced_bytes_survive_and_unsynced_ones_may_not() {
    let mut lengths = BTreeSet::new();
    let mut mixtures = BTreeSet::new();
    for seed in SEEDS {
        let (disk, file) = disk_with_file();
        write(&file, &[1; 8192], 0);
        file.sync_data().unwrap();
        write(&file, &[2; 8192], 4096);
        let bytes = contents(&disk.cut(seed), "/file").unwrap();
        assert!(bytes[..4096].iter().all(|byte| *byte == 1));
        assert!(bytes[4096..8192].iter().all(|byte| [1, 2].contains(byte)));
        lengths.insert(bytes.len());
        mixtures.insert(bytes[4096..8192].to_vec());
    }
    assert_eq!(lengths, BTreeSet::from([8192, 12288]));
    assert!(8 < mixtures.len(), "old, new and torn pages");
}

#[test]
fn the_same_seed_leaves_the_same_bytes() {
    let left = |seed| {
        let (disk, file) = disk_with_file();
        write(&file, &[7; 40_000], 100);
        contents(&disk.cut(seed), "/file")
    };
    assert_eq!(left(3), left(3));
    assert_ne!(left(3), left(4));
}

#[test]
fn unsynced_names_survive_or_not_each_on_its_own() {
    let mut seen = BTreeSet::new();
    for seed in SEEDS {
        let (disk, _) = disk_with_file();
        disk.open(path("/a"), Open::Create).unwrap();
        disk.create_dir(path("/b")).unwrap();
        disk.remove_file(path("/file")).unwrap();
        seen.insert(disk.cut(seed).list(path("/")).unwrap());
    }
    assert_eq!(seen.len(), 8);
}

#[test]
fn a_rename_happens_whole_or_not_at_all() {
    for seed in SEEDS {
        let (disk, file) = disk_with_file();
        write(&file, b"old", 0);
        file.sync_data().unwrap();
        let next = disk.open(path("/next"), Open::Create).unwrap();
        write(&next, b"new", 0);
        next.sync_data().unwrap();
        disk.rename(path("/next"), path("/file")).unwrap();
        let left = disk.cut(seed);
        let bytes = contents(&left, "/file").unwrap();
        assert!([b"old", b"new"].contains(&bytes.as_slice().try_into().unwrap()));
        assert!(bytes == b"old" || left.open(path("/next"), Open::Read).is_err());
    }
}

#[test]
fn bytes_written_through_a_map_count_as_unsynced_until_a_sync() {
    let mut survived = BTreeSet::new();
    for seed in SEEDS {
        let (disk, file) = disk_with_file();
        file.allocate(0..4096).unwrap();
        let (mut writer, _reader) = map_pair(&*file, 8192, 0).unwrap();
        writer.write(0, b"certain").unwrap();
        file.sync_data().unwrap();
        writer.write(7, &[b'?'; 3000]).unwrap();
        let bytes = contents(&disk.cut(seed), "/file").unwrap();
        assert_eq!(&bytes[..7], b"certain");
        survived.insert(bytes[7..3007].to_vec());
    }
    assert!(2 < survived.len(), "all of it, none and a part");
}

#[test]
#[should_panic(expected = "allocated pages only")]
fn a_map_written_where_the_file_has_a_hole_is_caught() {
    let (_disk, file) = disk_with_file();
    file.set_len(4096).unwrap();
    let (mut writer, _reader) = map_pair(&*file, 4096, 0).unwrap();
    writer.write(0, b"SIGBUS on a full disk").unwrap();
    file.sync_data().unwrap();
}

#[test]
fn a_failed_sync_is_not_made_good_by_the_next() {
    let (disk, file) = disk_with_file();
    write(&file, &[0; PAGES * 4096], 0);
    file.sync_data().unwrap();
    disk.fail_sync_after(0);
    write(&file, &[1; PAGES * 4096], 0);
    file.sync_data().unwrap_err();
    assert_eq!(disk.failed_calls(), 1);
    file.sync_data().unwrap();
    let cached = contents(&disk, "/file").unwrap();
    assert!(cached.iter().all(|byte| *byte == 1), "the page cache has it all");
    let device = direct_contents(&disk, "/file");
    let lost = |bytes: &[u8]| bytes.chunks(4096).filter(|page| page[0] == 0).count();
    assert!((1..PAGES).contains(&lost(&device)), "some pages came to the disk, some did not");
    for seed in SEEDS {
        assert_eq!(contents(&disk.cut(seed), "/file").unwrap(), device, "no cut changes that");
    }
}

#[test]
fn a_lost_page_that_is_written_again_is_synced_as_any_other() {
    let (disk, file) = disk_with_file();
    write(&file, &[1; PAGES * 4096], 0);
    disk.fail_sync_after(0);
    file.sync_data().unwrap_err();
    for page in 0..PAGES as u64 {
        write(&file, b"again", page * 4096);
    }
    file.sync_data().unwrap();
    let whole = contents(&disk, "/file").unwrap();
    assert_eq!(direct_contents(&disk, "/file"), whole);
    assert_eq!(contents(&disk.cut(1), "/file").unwrap(), whole);
}

#[test]
fn a_failed_sync_of_names_is_not_made_good_by_the_next() {
    let lost = SEEDS.filter(|seed| {
        let (disk, _) = disk_with_file();
        disk.open(path("/new"), Open::Create).unwrap();
        disk.fail_after(Call::SyncDirectory, "/", 0);
        disk.sync_dir(path("/")).unwrap_err();
        disk.open(path("/later"), Open::Create).unwrap();
        disk.sync_dir(path("/")).unwrap();
        let names = disk.cut(*seed).list(path("/")).unwrap();
        assert!(names.contains(&"file".into()) && names.contains(&"later".into()));
        !names.contains(&"new".into())
    });
    assert!((1..SEEDS.count()).contains(&lost.count()));
}

#[test]
fn a_path_is_kept_once_each_of_its_names_is_synced_and_until_one_changes() {
    let disk = CrashDisk::new();
    disk.create_dir(path("/topic")).unwrap();
    disk.open(path("/topic/new"), Open::Create).unwrap();
    let kept = |name| disk.keeps_path(path(name));
    assert!(!kept("/topic/new") && !kept("/topic"));
    disk.sync_dir(path("/topic")).unwrap();
    assert!(!kept("/topic/new"), "the directory's own name is in the one above it");
    disk.sync_dir(path("/")).unwrap();
    assert!(kept("/topic/new"));
    disk.rename(path("/topic/new"), path("/topic/old")).unwrap();
    assert!(!kept("/topic/new") && !kept("/topic/old"));
    disk.fail_after(Call::SyncDirectory, "/topic", 0);
    disk.sync_dir(path("/topic")).unwrap_err();
    disk.sync_dir(path("/topic")).unwrap();
    assert!(!kept("/topic/old"), "a failed sync is not made good by the next");
    disk.remove_file(path("/topic/old")).unwrap();
    assert!(!kept("/topic/old") && kept("/topic"));
    for seed in 0..8 {
        assert!(disk.cut(seed).keeps_path(path("/topic")), "what survived is certain");
    }
}

#[test]
fn a_call_fails_on_the_paths_it_was_planned_for_and_once() {
    let (disk, file) = disk_with_file();
    let other = disk.open(path("/other"), Open::Create).unwrap();
    disk.fail_after(Call::Allocate, "oth", 1);
    for _ in 0..3 {
        file.allocate(0..4096).unwrap();
    }
    other.allocate(0..4096).unwrap();
    assert_eq!(other.allocate(0..8192).unwrap_err().raw_os_error(), Some(Errno::IO.raw_os_error()));
    other.allocate(0..8192).unwrap();
    write(&file, b"a", 0);
    disk.fail_after(Call::Read, "/file", 0);
    file.read_at(&mut [0], 0).unwrap_err();
    assert_eq!(file.read_at(&mut [0], 0).unwrap(), 1);
}

#[test]
fn a_disk_that_lies_loses_what_it_called_synced() {
    let lost = SEEDS.filter(|seed| {
        let (disk, file) = disk_with_file();
        disk.lie_about_syncs();
        write(&file, &[1; 4096], 0);
        file.sync_data().unwrap();
        contents(&disk.cut(*seed), "/file").unwrap() != [1; 4096]
    });
    assert_ne!(lost.count(), 0);
}

#[test]
fn a_failed_write_leaves_a_part() {
    let (disk, file) = disk_with_file();
    disk.fail_write_after(1);
    write(&file, b"whole", 0);
    file.write_at(&[IoSlice::new(b"halves")], 5).unwrap_err();
    assert_eq!(contents(&disk, "/file").unwrap(), b"wholehal");
    write(&file, b"again", 0);
    let counts = Counts { writes: 3, written_bytes: 16, ..Counts::default() };
    assert_eq!(disk.counts(), counts);
}

#[test]
fn a_full_disk_refuses_and_room_freed_is_room_again() {
    let (disk, file) = disk_with_file();
    disk.set_capacity(Some(8192));
    file.allocate(0..8192).unwrap();
    write(&file, &[1; 8192], 0);
    let other = disk.open(path("/other"), Open::Create).unwrap();
    let full = other.write_at(&[IoSlice::new(b"x")], 0).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.volume(path("/")).unwrap().free_bytes, 0);
    // What has its room already needs none, even where the disk was made smaller than that.
    disk.set_capacity(Some(4096));
    write(&file, &[2; 8192], 0);
    disk.set_capacity(Some(8192));
    disk.remove_file(path("/file")).unwrap();
    write(&other, b"x", 0);
    assert_eq!(disk.volume(path("/")).unwrap().free_bytes, 4096);
}

#[test]
fn a_disk_without_power_answers_nothing() {
    let (disk, file) = disk_with_file();
    disk.switch_off_after(1);
    write(&file, b"last", 0);
    assert!(file.sync_data().is_err());
    assert!(file.read_at(&mut [0], 0).is_err());
    assert!(disk.list(path("/")).is_err());
    assert_eq!(disk.cut(0).list(path("/")).unwrap(), ["file"]);
}

#[test]
fn an_unreadable_range_fails_to_read_and_nothing_else_does() {
    let (disk, file) = disk_with_file();
    write(&file, &[1; 8192], 0);
    disk.make_unreadable(path("/file"), 5000..5001).unwrap();
    assert_eq!(file.read_at(&mut [0; 4096], 0).unwrap(), 4096);
    assert!(file.read_at(&mut [0; 4096], 4096).is_err());
}

#[test]
fn a_lock_is_one_holders_and_gone_after_a_cut() {
    let disk = CrashDisk::new();
    let lock = disk.lock(path("/lock")).unwrap();
    assert_eq!(disk.lock(path("/lock")).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(lock);
    let _lock = disk.lock(path("/lock")).unwrap();
    disk.sync_dir(path("/")).unwrap();
    disk.cut(0).lock(path("/lock")).unwrap();
}

#[test]
fn a_read_past_the_cache_asks_for_alignment() {
    let (disk, file) = disk_with_file();
    write(&file, &[1; 4096], 0);
    let direct = disk.open(path("/file"), Open::ReadDirect).unwrap();
    assert!(direct.read_at(&mut [0; 100], 0).is_err());
    assert!(direct.write_at(&[IoSlice::new(b"x")], 0).is_err());
}

#[test]
fn directories_come_and_go_and_hold_files() {
    let disk = CrashDisk::new();
    disk.create_dir(path("/topics")).unwrap();
    disk.open(path("/topics/file"), Open::Create).unwrap();
    assert!(disk.remove_dir(path("/topics")).is_err());
    assert!(disk.open(path("/topics"), Open::Read).is_err());
    assert!(disk.rename(path("/topics/file"), path("/file")).is_err());
    disk.remove_file(path("/topics/file")).unwrap();
    disk.remove_dir(path("/topics")).unwrap();
    assert_eq!(disk.list(path("/")).unwrap(), Vec::<OsString>::new());
}
