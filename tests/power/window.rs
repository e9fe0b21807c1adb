//! What a power cut may take of a `written` topic: what was acknowledged since its last flush, and
//! nothing older.

use std::time::{Duration, Instant};

use weir_protocol::native::{Durability, Settings};
use weir_tests::crashes::small;
use weir_tests::wire::{Wire, batch};

use crate::machine::{Farm, FileSystem, Mounted, is_available};

/// One producer writes all the time; the moment of each ack is compared with that of the cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_takes_no_more_of_a_written_topic_than_its_window() {
    if !is_available() {
        return;
    }
    for kind in FileSystem::ALL {
        let farm = Farm::new();
        kind.format(&farm.image(0), DISK_BYTES);
        let mounted = Mounted::mount(&farm.image(0), kind);
        let server = small(&mounted.directory()).start().await;
        let (mut wire, _) = Wire::greeted(server.native()).await;
        let durability = Some(Durability::Written);
        let settings = Settings { durability, ..Settings::default() };
        let topic = wire.create_with("fast", 1, settings).await;
        let (began, mut acknowledged) = (Instant::now(), Vec::new());
        while began.elapsed() < LOAD {
            let number = acknowledged.len() as u64;
            wire.produce(&topic, 0, batch(&[&number.to_le_bytes()])).await.unwrap();
            acknowledged.push(Instant::now());
        }
        let cut = Instant::now();
        farm.clone_image(0, 1);
        assert_eq!(server.kill().await.signal(), Some(9));
        drop((wire, mounted));

        let mounted = Mounted::mount(&farm.image(1), kind);
        let server = small(&mounted.directory()).start().await;
        let (mut wire, _) = Wire::greeted(server.native()).await;
        let kept = wire.stored(&topic, 0).await.len();
        let lost = &acknowledged[kept..];
        let window = lost.first().map_or(Duration::ZERO, |oldest| cut - *oldest);
        println!("{kind:?}: {kept} kept, {} lost, the oldest {window:?} old", lost.len());
        assert!(window < FLUSH_MAX + FLUSH_TAKES_MAX, "{kind:?}: {window:?}");
        assert!(server.stop().await.status.success());
    }
}

/// Far longer than the window, so that what is never flushed is told from what waits for it.
const LOAD: Duration = Duration::from_secs(3);

/// `log.written_flush_ms_max`, as [`small`] has it.
const FLUSH_MAX: Duration = Duration::from_millis(100);

/// How long the flush itself may take on a busy machine.
const FLUSH_TAKES_MAX: Duration = Duration::from_millis(1400);

const DISK_BYTES: u64 = 500 << 20;
