//! Disks that fail in earnest: the kernel's own EIO.

use weir_tests::crashes::{Lives, seed, small};
use weir_tests::dice::Dice;
use weir_tests::history::Crash;
use weir_tests::load::Plan;

use crate::machine::{FileSystem, Mounted, Tmpfs, is_available};

/// An image in a memory file system that runs full: the loop device's writes fail, syncs fail once
/// and then seem to succeed. Behind it, with room and a start, all that was acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_whose_writes_fail_takes_nothing_that_was_acknowledged() {
    if !is_available() {
        return;
    }
    for kind in FileSystem::ALL {
        let memory = Tmpfs::mount(MEMORY_BYTES);
        let image = memory.path().join("disk");
        kind.format(&image, DISK_BYTES);
        let mut lives = Lives::default();
        let mut dice = Dice::seeded(seed());
        let mounted = Mounted::mount(&image, kind);
        let launch = small(&mounted.directory());
        let server = launch.start().await;
        lives.make_topics(&server).await;
        let plan = Plan { producers: 4, in_flight: 8, value_bytes_max: 200_000 };
        let mut load = lives.load(&server, plan, &mut dice);
        load.stalls().await;
        println!("{kind:?}: {} records acknowledged", load.acknowledged());
        assert_eq!(server.kill().await.signal(), Some(9), "{kind:?}: it died of a failing disk");
        load.end().await;
        drop(mounted);
        memory.grow(4 * DISK_BYTES);
        let mounted = Mounted::mount(&image, kind);
        let server = small(&mounted.directory()).start().await;
        lives.compare(&server, Crash::Machine, &format_args!("{kind:?}")).await;
        println!("{kind:?}: {:?}", lives.tally());
        assert!(server.stop().await.status.success());
    }
}

const DISK_BYTES: u64 = 500 << 20;
const MEMORY_BYTES: u64 = 150 << 20;
