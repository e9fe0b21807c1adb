//! Which pages may ask the broker, checked.

use super::errors::ConfigError;
use super::file::HttpSection;

/// What the HTTP face lets browsers do.
#[derive(Clone, Debug, Default)]
pub struct Http {
    /// Origins of pages that may read what they ask for, as browsers write them.
    pub allowed_origins: Vec<String>,
}

impl Http {
    pub(super) fn check(file: HttpSection) -> Result<Self, ConfigError> {
        let origins = file.allowed_origins;
        if ORIGINS_MAX < origins.len() {
            return Err(ConfigError::Range {
                key: "http.allowed_origins",
                value: origins.len() as u64,
                min: 0,
                max: ORIGINS_MAX as u64,
            });
        }
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(value) => Err(ConfigError::Origin { value: value.clone() }),
            None => Ok(Self { allowed_origins: origins }),
        }
    }
}

/// Whether a browser could send this as `Origin`: a scheme, a host and maybe a port, in lower case,
/// and nothing behind them. What it never sends would silently allow nobody.
fn is_origin(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or(text.strip_prefix("http://")) else {
        return false;
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    let is_host = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_name),
    };
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| 0 < port))
}

/// Each is compared with, at each request of a page.
const ORIGINS_MAX: usize = 64;
