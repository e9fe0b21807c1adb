//! Bytes that say they are record batches: never a panic, and no walk that goes on for longer than
//! the bytes do.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_protocol::batch::{self, Header, View};

fuzz_target!(|bytes: &[u8]| {
    for batch in batch::batches(bytes) {
        let Ok((_, batch)) = batch else { break };
        walk(batch);
    }
    walk(bytes);
    // What the door lets in is what its header says.
    if let Ok(header) = batch::check(bytes, 1 << 20) {
        assert_eq!(header.batch_bytes, bytes.len());
        assert_eq!(Header::parse(bytes), Ok(header));
        assert_eq!(header.to_bytes()[..], bytes[..header.to_bytes().len()]);
    }
});

fn walk(batch: &[u8]) {
    let Ok(view) = View::parse(batch) else { return };
    let mut records = 0;
    for record in view.records() {
        let Ok(record) = record else { break };
        let _headers = record.headers().count();
        records += 1;
    }
    assert!(records <= batch.len());
}
