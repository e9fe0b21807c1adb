//! Being told to stop: Ctrl-C, or the SIGTERM of `kill` and `timeout`.
//!
//! A command that waits for it ends in order: what was read is written out whole, what was sent is
//! acknowledged, what was made for the time being is deleted.

use tokio::signal::unix::{SignalKind, signal};

/// Waits until the command is told to stop; for ever, where signals cannot be heard.
pub(crate) async fn asked() {
    tokio::select! {
        () = heard(SignalKind::interrupt()) => {}
        () = heard(SignalKind::terminate()) => {}
    }
}

async fn heard(kind: SignalKind) {
    match signal(kind) {
        Ok(mut heard) => {
            heard.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}
