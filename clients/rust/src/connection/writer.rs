//! The task that writes: all that waits, in one vectored write.
//!
//! Before it writes it lets every task that is ready go first: a hundred callers woken by one read
//! of answers then share one write instead of making a hundred.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::yield_now;

use super::Shared;
use crate::errors::Disconnected;

/// Writes until the connection is lost.
pub(super) async fn run(shared: Arc<Shared>, mut outgoing: OwnedWriteHalf) {
    let mut lost = shared.lost.subscribe();
    let reason = tokio::select! {
        _ = lost.wait_for(|lost| *lost) => return,
        reason = write(&shared, &mut outgoing) => reason,
    };
    shared.lose(&reason);
}

/// Writes, forever; yields why it stopped.
async fn write(shared: &Shared, outgoing: &mut OwnedWriteHalf) -> Disconnected {
    loop {
        shared.outbound.notified().await;
        yield_now().await;
        loop {
            let frames = shared.state.lock().take_outbound();
            let Some(mut frames) = frames else { break };
            shared.room.notify_one();
            if let Err(source) = outgoing.write_all_buf(&mut frames).await {
                let (address, source) = (shared.address.clone(), Arc::new(source));
                return Disconnected::Io { address, operation: "write", source };
            }
        }
    }
}
