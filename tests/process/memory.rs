//! What strangers may cost.

use weir_protocol::limits::FRAME_BYTES_MAX;
use weir_tests::server::Launch;
use weir_tests::wire::Wire;

#[tokio::test]
async fn a_frame_that_is_only_announced_takes_no_memory() {
    let home = tempfile::tempdir().unwrap();
    let server = Launch::at(&home.path().join("data")).start().await;
    Wire::greeted(server.native()).await.0.ping().await;
    let before = server.resident_bytes();
    let mut kept = Vec::new();
    for _ in 0..CONNECTIONS {
        // Before hello, beyond any limit.
        let mut stranger = Wire::connect(server.native()).await;
        let _ = stranger.try_send_raw(&announced(256 << 20)).await;
        kept.push(stranger);
        // Behind it, as large as may be.
        let (mut guest, _) = Wire::greeted(server.native()).await;
        guest.send_raw(&announced(FRAME_BYTES_MAX - 4)).await;
        kept.push(guest);
    }
    Wire::greeted(server.native()).await.0.ping().await;
    let grown = server.resident_bytes().saturating_sub(before);
    let each = grown / (2 * CONNECTIONS);
    println!("{each} bytes of memory for each connection");
    assert!(grown < 2 * CONNECTIONS * BYTES_EACH_MAX, "{grown} bytes for {CONNECTIONS} twice");
    drop(kept);
    assert!(server.stop().await.status.success());
}

/// A frame's length, and the first bytes of what should follow.
fn announced(bytes: usize) -> Vec<u8> {
    let mut start = u32::try_from(bytes).unwrap().to_le_bytes().to_vec();
    start.extend([0x21, 0, 0, 0, 1, 0]);
    start
}

const CONNECTIONS: u64 = 300;

/// What docs/configuration.md says of an idle connection is less.
const BYTES_EACH_MAX: u64 = 64 << 10;
