//! The trace that a request belongs to, as its records carry it on (W3C Trace Context).
//!
//! Whoever consumes a record goes on with the trace of whoever published it. A `traceparent` that
//! is none is passed over, as the recommendation wants it: a trace is no reason to refuse a record.

use axum::http::HeaderMap;

use crate::session::Record;

/// A trace, and what tracing systems keep beside it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trace {
    parent: Vec<u8>,
    state: Option<Vec<u8>>,
}

impl Trace {
    /// The trace that these headers name.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(PARENT).iter();
        let parent = parents.next().map(axum::http::HeaderValue::as_bytes);
        let parent = parent.filter(|parent| is_parent(parent))?.to_vec();
        if parents.next().is_some() {
            return None;
        }
        let states: Vec<_> = headers.get_all(STATE).iter().map(|of| of.as_bytes()).collect();
        let state = states.join(&b","[..]);
        let is_kept = !state.is_empty() && state.len() <= STATE_BYTES_MAX;
        Some(Self { parent, state: is_kept.then_some(state) })
    }

    /// Gives it to a record that has none of its own.
    pub(super) fn join(&self, record: &mut Record) {
        if record.headers.iter().any(|(name, _)| name == PARENT.as_bytes()) {
            return;
        }
        record.headers.push((PARENT.into(), Some(self.parent.clone())));
        if let Some(state) = &self.state {
            record.headers.push((STATE.into(), Some(state.clone())));
        }
    }
}

/// `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`; later versions may add to it.
fn is_parent(text: &[u8]) -> bool {
    let Some((known, later)) = text.split_at_checked(PARENT_BYTES) else {
        return false;
    };
    let is_like = |(at, &byte): (usize, &u8)| match at {
        2 | 35 | 52 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    let is_one = known.iter().enumerate().all(is_like);
    let is_longer = later.first() == Some(&b'-') && later.len() <= LATER_BYTES_MAX;
    is_one
        && match known.get(..2) {
            Some(b"00") => later.is_empty(),
            Some(b"ff") | None => false,
            Some(_) => later.is_empty() || is_longer,
        }
}

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

const PARENT_BYTES: usize = 55;

/// What a later version may add to a parent.
const LATER_BYTES_MAX: usize = 128;

/// What the recommendation wants carried on at least.
const STATE_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT_00: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_parent_has_a_version_two_ids_and_flags() {
        assert!(is_parent(PARENT_00.as_bytes()));
        assert!(is_parent(PARENT_00.replacen("00", "cc", 1).as_bytes()));
        assert!(is_parent(format!("01{}-more", &PARENT_00[2..]).as_bytes()));
        for wrong in [
            "",
            "00",
            &PARENT_00[1..],
            &format!("{PARENT_00}-more"),
            &format!("01{}more", &PARENT_00[2..]),
            &format!("01{}-{}", &PARENT_00[2..], "x".repeat(200)),
            &PARENT_00.replacen("00", "ff", 1),
            &PARENT_00.to_uppercase(),
            &PARENT_00.replace('-', "_"),
        ] {
            assert!(!is_parent(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_state_is_joined_and_goes_with_its_parent_alone() {
        let mut headers = HeaderMap::new();
        headers.append(STATE, "a=1".parse().unwrap());
        headers.append(STATE, "b=2".parse().unwrap());
        assert_eq!(Trace::of(&headers), None);
        headers.append(PARENT, PARENT_00.parse().unwrap());
        let trace = Trace::of(&headers).unwrap();
        assert_eq!(trace.state.as_deref(), Some(&b"a=1,b=2"[..]));
        headers.append(STATE, "c".repeat(STATE_BYTES_MAX).parse().unwrap());
        assert_eq!(Trace::of(&headers).unwrap().state, None);
        headers.append(PARENT, PARENT_00.parse().unwrap());
        assert_eq!(Trace::of(&headers), None);
    }
}
