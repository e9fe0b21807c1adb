//! ApiVersions: what is served, told to whoever asks first.

use weir_protocol::kafka::ErrorCode;
use weir_protocol::kafka::api::api_versions::{Request, Response};

/// The version from which a client says what it is.
const SOFTWARE_FROM: i16 = 3;

pub(super) fn answer(version: i16, request: &Request) -> Response {
    let names = [&request.client_software_name, &request.client_software_version];
    if SOFTWARE_FROM <= version && !names.into_iter().all(|name| is_word(name.as_str())) {
        return Response { error_code: ErrorCode::InvalidRequest, ..Response::default() };
    }
    Response::of_all_apis()
}

/// Kafka's rule for what a client calls itself (KIP-511).
fn is_word(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.chars().all(is_inner) && ends(name.chars().next()) && ends(name.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_calls_itself_by_a_word() {
        for name in ["librdkafka", "apache-kafka-java", "4.2.0", "x"] {
            assert!(is_word(name), "{name}");
        }
        for name in ["", "-x", "x.", "a b", "ä"] {
            assert!(!is_word(name), "{name}");
        }
    }
}
