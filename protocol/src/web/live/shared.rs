//! The part of a message that is the same for all who read a topic, and the part that is not.
//!
//! ```text
//!   {"sub":7,"bookmark":"AQ…",   "type":"record","record":{…}}
//!   └ push_envelope, for each    └ push_record or push_gap, once for all
//! ```
//!
//! So a record is written once, however many read it, and each is sent it behind a few bytes of its
//! own. Of a binary message the shared part says how long its own piece of JSON is.

use super::Form;
use super::binary::{self, HEAD_LENGTH_BYTES};

/// Writes what all who get a record share: its JSON, and in the binary form the bytes of its value.
pub fn push_record(
    target: &mut Vec<u8>,
    form: Form,
    json: impl FnOnce(&mut Vec<u8>),
    value: &[u8],
) {
    push(target, form, |target| {
        target.extend_from_slice(RECORD);
        json(target);
    });
    if form == Form::Binary {
        target.extend_from_slice(value);
    }
}

/// Writes what all who are told of a gap share.
pub fn push_gap(target: &mut Vec<u8>, form: Form, json: &[u8]) {
    push(target, form, |target| {
        target.extend_from_slice(br#""type":"gap","gap":"#);
        target.extend_from_slice(json);
    });
}

/// Whether what is shared is a record, and so uses credit.
pub fn is_record(form: Form, shared: &[u8]) -> bool {
    let head = match form {
        Form::Json => Some(shared),
        Form::Binary => shared.get(HEAD_LENGTH_BYTES..),
    };
    head.is_some_and(|head| head.starts_with(RECORD))
}

/// Writes a message: what its reader alone has, and what it shares with others.
pub fn push_envelope(target: &mut Vec<u8>, form: Form, sub: u32, bookmark: &str, shared: &[u8]) {
    let open = format!(r#"{{"sub":{sub},"bookmark":"{bookmark}","#);
    let shared = match form {
        Form::Json => shared,
        Form::Binary => {
            let (length, rest) = shared.split_at_checked(HEAD_LENGTH_BYTES).unwrap_or_default();
            let length = length.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
            target.extend_from_slice(&binary::head_length(length as usize + open.len()));
            rest
        }
    };
    target.extend_from_slice(open.as_bytes());
    target.extend_from_slice(shared);
}

/// Writes a piece of an object and its end, behind its length in the binary form.
fn push(target: &mut Vec<u8>, form: Form, piece: impl FnOnce(&mut Vec<u8>)) {
    let start = target.len();
    if form == Form::Binary {
        target.extend_from_slice(&[0; HEAD_LENGTH_BYTES]);
    }
    let head = target.len();
    piece(target);
    target.push(b'}');
    let head_bytes = target.len() - head;
    if form == Form::Binary
        && let Some(length) = target.get_mut(start..head)
    {
        length.copy_from_slice(&binary::head_length(head_bytes));
    }
}

const RECORD: &[u8] = br#""type":"record","record":"#;

#[cfg(test)]
mod tests {
    use super::super::{Gap, Tell, binary};
    use super::*;

    #[test]
    fn a_record_is_the_same_in_both_forms() {
        let json = br#"{"partition":0,"offset":7}"#;
        for form in [Form::Json, Form::Binary] {
            let (mut shared, mut message) = (Vec::new(), Vec::new());
            push_record(&mut shared, form, |target| target.extend(json), b"\xff\x00");
            assert!(is_record(form, &shared));
            push_envelope(&mut message, form, 9, "AQ", &shared);
            let head = match form {
                Form::Json => std::str::from_utf8(&message).unwrap(),
                Form::Binary => {
                    let (head, value) = binary::split(&message).unwrap();
                    assert_eq!(value, b"\xff\x00");
                    head
                }
            };
            let Ok(Tell::Record { sub: 9, bookmark, record }) = Tell::parse(head) else {
                panic!("{head}");
            };
            assert_eq!((&*bookmark, record.get().as_bytes()), ("AQ", &json[..]));
        }
    }

    #[test]
    fn a_gap_is_told_in_both_forms() {
        let gap = Gap { partition: 1, from: Some(2), to: 5, reason: "expired".into() };
        let json = serde_json::to_vec(&gap).unwrap();
        for form in [Form::Json, Form::Binary] {
            let (mut shared, mut message) = (Vec::new(), Vec::new());
            push_gap(&mut shared, form, &json);
            assert!(!is_record(form, &shared));
            push_envelope(&mut message, form, 9, "AQ", &shared);
            let head = match form {
                Form::Json => std::str::from_utf8(&message).unwrap(),
                Form::Binary => binary::split(&message).unwrap().0,
            };
            let Ok(Tell::Gap { gap: told, .. }) = Tell::parse(head) else { panic!("{head}") };
            assert_eq!(told, gap);
        }
    }
}
