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
use super::tell::Gap;

/// Writes what all who get a record share: its JSON, and in the binary form the bytes of its value.
pub fn push_record(target: &mut Vec<u8>, form: Form, json: &[u8], value: &[u8]) {
    push(target, form, |target| {
        target.extend_from_slice(br#""type":"record","record":"#);
        target.extend_from_slice(json);
        target.push(b'}');
    });
    if form == Form::Binary {
        target.extend_from_slice(value);
    }
}

/// Writes what all who are told of a gap share.
pub fn push_gap(target: &mut Vec<u8>, form: Form, gap: &Gap<'_>) {
    push(target, form, |target| {
        target.extend_from_slice(br#""type":"gap","gap":"#);
        serde_json::to_writer(&mut *target, gap).expect("a vector takes what is written to it");
        target.push(b'}');
    });
}

/// Writes a message: what its reader alone has, and what it shares with others.
pub fn push_envelope(target: &mut Vec<u8>, form: Form, sub: u32, bookmark: &str, shared: &[u8]) {
    let open = format!(r#"{{"sub":{sub},"bookmark":"{bookmark}","#);
    let shared = match form {
        Form::Json => shared,
        Form::Binary => {
            let (length, rest) = shared.split_at_checked(HEAD_LENGTH_BYTES).unwrap_or_default();
            let length = length.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
            binary::push_head_length(target, length as usize + open.len());
            rest
        }
    };
    target.extend_from_slice(open.as_bytes());
    target.extend_from_slice(shared);
}

fn push(target: &mut Vec<u8>, form: Form, head: impl FnOnce(&mut Vec<u8>)) {
    if form == Form::Json {
        return head(target);
    }
    let mut json = Vec::new();
    head(&mut json);
    binary::push_head_length(target, json.len());
    target.extend_from_slice(&json);
}

#[cfg(test)]
mod tests {
    use super::super::{Tell, binary};
    use super::*;

    #[test]
    fn a_record_is_the_same_in_both_forms() {
        let json = br#"{"partition":0,"offset":7}"#;
        for form in [Form::Json, Form::Binary] {
            let (mut shared, mut message) = (Vec::new(), Vec::new());
            push_record(&mut shared, form, json, b"\xff\x00");
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
        let gap = Gap { partition: 1, from: 2, to: 5, reason: "expired".into() };
        for form in [Form::Json, Form::Binary] {
            let (mut shared, mut message) = (Vec::new(), Vec::new());
            push_gap(&mut shared, form, &gap);
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
