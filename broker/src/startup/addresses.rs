//! Where a broker is reached, as it tells people and programs.
//!
//! A Kafka client is told by the broker where to connect for its topics, and hangs where that is
//! an address which only the broker has. So a start says what clients will be told.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;

use weir_storage::directory::DataDir;
use weir_storage::disk::Open;

use super::StartError;
use super::engine::EngineError;
use crate::config::{self, Advertised};
use crate::hands::Hands;

/// The addresses that were bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) native: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) kafka: SocketAddr,
}

impl Addresses {
    /// Says where Kafka clients will be told to connect to.
    pub(super) fn tell_kafka_clients_way(&self, kafka: &config::Kafka) {
        match &kafka.advertised {
            Some(Advertised { host, port }) => tracing::info!(
                "Kafka clients are told to connect to {host}:{port} (kafka.advertised): it has to \
                 lead here from where they run"
            ),
            None => tracing::info!(
                "Kafka clients are told to connect to the address they reached the broker by; \
                 behind a port mapping or a proxy, as with containers, set kafka.advertised to \
                 the host and port that they use"
            ),
        }
    }

    /// Writes them into `listen.json`, for those who start a broker on free ports.
    pub(super) async fn write_down(
        &self,
        data: &Arc<DataDir>,
        hands: &Hands,
    ) -> Result<(), StartError> {
        let bound = serde_json::json!({
            "native": self.native.to_string(),
            "http": self.http.to_string(),
            "kafka": self.kafka.to_string(),
        });
        let text = bound.to_string() + "\n";
        let data = Arc::clone(data);
        let write = move || -> std::io::Result<()> {
            let (disk, path) = (data.disk(), data.path().join("listen.json"));
            match disk.remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            disk.open(&path, Open::Create)?.write_at(&[IoSlice::new(text.as_bytes())], 0)
        };
        let written = hands.errand(write).await.ok_or(EngineError::ShuttingDown)?;
        written.map_err(|source| StartError::System { doing: "write listen.json", source })
    }
}
