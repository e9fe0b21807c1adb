use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use memmap2::MmapOptions;

use super::*;
use crate::disk::{CrashDisk, Disk, File, Open};
use crate::map;

const PAGES: usize = 8;

fn file() -> Arc<dyn File> {
    let file = CrashDisk::new().open(Path::new("/file"), Open::Create).unwrap();
    file.allocate(0..(PAGES * PAGE_BYTES) as u64).unwrap();
    file
}

#[test]
fn a_page_that_a_map_loses_reads_as_zeros_and_is_told() {
    let (file, other) = (file(), file());
    let ones = [1; PAGES * PAGE_BYTES];
    file.write_at(&[io::IoSlice::new(&ones)], 0).unwrap();
    let (lost, kept) =
        [&file, &other].map(|file| map::map_sealed(&**file, PAGES * PAGE_BYTES).unwrap()).into();
    file.set_len(PAGE_BYTES as u64).unwrap();
    assert_eq!(lost.bytes(0..PAGE_BYTES as u64), &ones[..PAGE_BYTES]);
    lost.check().unwrap();
    for page in 1..PAGES as u64 {
        let position = page * PAGE_BYTES as u64;
        assert_eq!(lost.bytes(position..position + 1), [0]);
        lost.check().unwrap_err();
    }
    assert_eq!(lost.bytes(0..1), [1], "what is there stays");
    assert_eq!(kept.bytes(0..1), [0]);
    kept.check().unwrap();
}

#[test]
fn a_write_into_a_lost_page_is_an_error_now_and_later() {
    let file = file();
    let (mut writer, reader) = map::map_pair(&*file, PAGES * PAGE_BYTES, 0).unwrap();
    writer.write(0, b"there").unwrap();
    file.set_len(0).unwrap();
    writer.write(5, b"nowhere").unwrap_err();
    writer.write(PAGE_BYTES as u64, b"nowhere").unwrap_err();
    reader.check().unwrap();
    drop((writer, reader));
    // The next in its place in the table begins anew.
    let file = self::file();
    let (mut writer, _) = map::map_pair(&*file, PAGES * PAGE_BYTES, 0).unwrap();
    writer.write(0, b"there").unwrap();
}

#[test]
fn maps_of_others_end_the_process_as_ever() {
    const NAME: &str = "map::guard::tests::maps_of_others_end_the_process_as_ever";
    if env::var_os(CHILD).is_none() {
        let mut child = Command::new(env::current_exe().unwrap());
        let ended = child.args(["--exact", NAME]).env(CHILD, "1").output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert_eq!(ended.status.signal(), Some(libc::SIGBUS), "{said}");
        return;
    }
    let (ours, others) = (file(), file());
    let guarded = map::map_sealed(&*ours, PAGES * PAGE_BYTES).unwrap();
    ours.set_len(0).unwrap();
    assert_eq!(guarded.bytes(0..1), [0], "the guard stands");
    let foreign = MmapOptions::new().len(PAGE_BYTES).map_raw(&others.as_fd()).unwrap();
    others.set_len(0).unwrap();
    // SAFETY: there is no such page, which is the point.
    let byte = unsafe { foreign.as_ptr().read_volatile() };
    panic!("a page that is not there was read: {byte}");
}

/// Set for the process that is to die.
const CHILD: &str = "WEIR_TEST_SIGBUS_CHILD";
