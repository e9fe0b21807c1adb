//! Which broker a command talks to, and the connection to it.

use clap::Args;
use weir_client::Client;

use crate::failure::Failure;

/// Where the broker speaks its native protocol.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Broker")]
pub(crate) struct NativeTarget {
    /// The broker's native address
    #[arg(long, env = "WEIR_SERVER", value_name = "HOST:PORT", global = true)]
    #[arg(default_value = "127.0.0.1:7700")]
    server: String,
}

impl NativeTarget {
    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let name = concat!("weir-cli/", env!("CARGO_PKG_VERSION"));
        let connected = Client::builder().name(name).connect(self.server.as_str()).await;
        connected.map_err(|error| Failure::connect(&error))
    }
}

/// Where the broker speaks HTTP.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Broker")]
pub(crate) struct HttpTarget {
    /// The broker's HTTP address
    #[arg(long, env = "WEIR_HTTP", value_name = "HOST:PORT", global = true)]
    #[arg(default_value = "127.0.0.1:7780")]
    http: String,
}

impl HttpTarget {
    /// The URL of a path on the broker.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        let address = self.http.trim_end_matches('/');
        address.strip_prefix("http://").unwrap_or(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_address_may_be_written_as_a_url() {
        for http in ["127.0.0.1:7780", "http://127.0.0.1:7780", "http://127.0.0.1:7780/"] {
            let target = HttpTarget { http: http.to_owned() };
            assert_eq!(target.url("/metrics"), "http://127.0.0.1:7780/metrics");
        }
    }
}
