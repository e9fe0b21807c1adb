//! Server-sent events as bytes: the format of `text/event-stream` in the HTML standard.
//!
//! Knows no connection, no record and no bookmark. An [`Event`] is written whole, so that a reader
//! never acts on half of one:
//!
//! ```text
//! event: <name>        if it has one
//! data: <line>         one for each line of the data
//! id: <id>             if it has one; always last
//!                      the empty line that ends it
//! ```
//!
//! Invariants: whatever the data is, it comes back as it was, but that CR and CRLF come back as
//! LF; no name or id ends its line early. The id stands last, as some readers take it over while
//! they parse: cut off behind it, they would resume behind an event they never had.
//!
//! Called by the HTTP face.

/// One event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event<'a> {
    /// What kind it is; a reader calls an event without one `message`.
    pub name: Option<&'a str>,
    pub data: &'a [u8],
    /// What the reader comes back with; without one it keeps the id it has.
    pub id: Option<&'a str>,
}

/// Writes an event.
pub fn push_event(target: &mut Vec<u8>, event: &Event<'_>) {
    push_open(target, event.name, event.data);
    match event.id {
        Some(id) => push_close(target, id),
        None => target.push(b'\n'),
    }
}

/// Writes an event as far as its id: what many readers get alike. [`push_close`] ends it.
pub fn push_open(target: &mut Vec<u8>, name: Option<&str>, data: &[u8]) {
    if let Some(name) = name {
        push_field(target, b"event: ", name);
    }
    push_data(target, data);
}

/// Writes an event's id, and with it its end.
pub fn push_close(target: &mut Vec<u8>, id: &str) {
    push_field(target, b"id: ", id);
    target.push(b'\n');
}

/// Writes how long a reader waits before it connects again.
pub fn push_retry(target: &mut Vec<u8>, retry_ms: u32) {
    push_field(target, b"retry: ", &retry_ms.to_string());
    target.push(b'\n');
}

/// Writes what no reader sees: the connection is alive.
pub fn push_heartbeat(target: &mut Vec<u8>) {
    target.extend_from_slice(b":\n\n");
}

/// A line of `data:` for each line of the data, and one for no data: an event without any is not
/// delivered.
fn push_data(target: &mut Vec<u8>, data: &[u8]) {
    let mut rest = data;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
        let (line, behind) = rest.split_at(end);
        target.extend_from_slice(b"data: ");
        target.extend_from_slice(line);
        target.push(b'\n');
        rest = match behind {
            [] => return,
            [b'\r', b'\n', behind @ ..] | [_, behind @ ..] => behind,
        };
    }
}

/// Writes a field of one line. CR and LF would end it and a NUL makes browsers ignore an id, so
/// neither goes in.
fn push_field(target: &mut Vec<u8>, field: &[u8], value: &str) {
    target.extend_from_slice(field);
    target.extend(value.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)));
    target.push(b'\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(event: &Event<'_>) -> String {
        let mut target = Vec::new();
        push_event(&mut target, event);
        String::from_utf8(target).unwrap()
    }

    /// A reader as the standard has it: the data and the id of the one event in `stream`.
    fn read(stream: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let body = stream.strip_suffix(b"\n\n").expect("an event ends with an empty line");
        let (mut data, mut id) = (Vec::new(), None);
        for line in body.split(|&byte| byte == b'\n') {
            if let Some(line) = line.strip_prefix(b"data: ") {
                assert_eq!(id, None, "the id is last");
                data.push(line);
            } else if let Some(line) = line.strip_prefix(b"id: ") {
                id = Some(line.to_vec());
            } else {
                panic!("a line of no field");
            }
        }
        (data.join(&b'\n'), id)
    }

    #[test]
    fn an_event_is_name_then_data_then_id() {
        let event = Event { name: Some("position"), data: b"{}", id: Some("abc") };
        assert_eq!(written(&event), "event: position\ndata: {}\nid: abc\n\n");
        assert_eq!(written(&Event::default()), "data: \n\n");
    }

    #[test]
    fn every_kind_of_line_end_starts_a_line_of_data() {
        let event = Event { data: b"a\rb\nc\r\nd\n\re\n", ..Event::default() };
        let lines = ["a", "b", "c", "d", "", "e", ""].map(|line| format!("data: {line}\n"));
        assert_eq!(written(&event), lines.concat() + "\n");
    }

    #[test]
    fn names_and_ids_cannot_end_their_line() {
        let event = Event { name: Some("a\nid: x"), data: b"1", id: Some("b\r\n\0c") };
        assert_eq!(written(&event), "event: aid: x\ndata: 1\nid: bc\n\n");
    }

    #[test]
    fn retries_and_heartbeats_are_no_events() {
        let mut target = Vec::new();
        push_retry(&mut target, 2_500);
        push_heartbeat(&mut target);
        assert_eq!(target, b"retry: 2500\n\n:\n\n");
    }

    proptest! {
        #[test]
        fn data_comes_back_with_its_line_ends_made_one(data: Vec<u8>, id in "[ -~]{0,20}") {
            let mut target = Vec::new();
            push_event(&mut target, &Event { name: None, data: &data, id: Some(&id) });
            let (read_data, read_id) = read(&target);
            let mut expected = Vec::new();
            let mut bytes = data.iter().copied().peekable();
            while let Some(byte) = bytes.next() {
                if byte == b'\r' && bytes.peek() == Some(&b'\n') {
                    bytes.next();
                }
                expected.push(if byte == b'\r' { b'\n' } else { byte });
            }
            prop_assert_eq!(read_data, expected);
            prop_assert_eq!(read_id, Some(id.into_bytes()));
        }
    }
}
