//! A message of a WebSocket, a client's or a broker's, as text or in the binary form: never a
//! panic; and what was understood, said again, is understood the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_protocol::web::live::{Ask, Tell, binary};

fuzz_target!(|bytes: &[u8]| {
    hear(bytes);
    if let Ok((head, value)) = binary::split(bytes) {
        assert!(value.len() + head.len() < bytes.len());
        hear(head.as_bytes());
    }
});

fn hear(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(ask) = Ask::parse(text) {
        let (mut said, mut again) = (Vec::new(), Vec::new());
        ask.push_to(&mut said);
        let text = std::str::from_utf8(&said).expect("JSON is text");
        Ask::parse(text).expect("what was understood is said well").push_to(&mut again);
        assert_eq!(said, again);
    }
    if let Ok(tell) = Tell::parse(text) {
        if matches!(tell, Tell::Unknown) {
            return;
        }
        let (mut said, mut again) = (Vec::new(), Vec::new());
        tell.push_to(&mut said);
        let text = std::str::from_utf8(&said).expect("JSON is text");
        Tell::parse(text).expect("what was understood is said well").push_to(&mut again);
        assert_eq!(said, again);
    }
}
