//! Runs of batches: whole, cut and damaged.

use proptest::prelude::*;

use super::batch_of;
use crate::batch::*;

#[test]
fn a_run_is_walked_batch_by_batch() {
    let (first, second) = (batch_of(&["a"]), batch_of(&["b", "c"]));
    let run = [&first[..], &second].concat();
    let walked: Vec<_> = batches(&run).map(|batch| batch.unwrap()).collect();
    let header = |batch: &[u8]| Header::parse(batch).unwrap();
    assert_eq!(walked, [(header(&first), &first[..]), (header(&second), &second[..])]);
    assert_eq!(batches(&[]).next(), None);
}

#[test]
fn a_run_ends_with_the_place_where_it_is_damaged() {
    let first = batch_of(&["a"]);
    let mut run = [&first[..], &batch_of(&["b"]), &batch_of(&["c"])].concat();
    run[first.len() + 16] = 1;
    let walked: Vec<_> = batches(&run).collect();
    assert_eq!(walked.len(), 2);
    let source = HeaderError::Magic { magic: 1 };
    assert_eq!(walked[1], Err(RunError::Header { position: first.len(), source }));
}

proptest! {
    #[test]
    fn a_run_cut_anywhere_yields_what_is_whole_and_says_where_to_read_on(cut: prop::sample::Index) {
        let parts = [batch_of(&["a"]), batch_of(&["b", "c"]), batch_of(&["d"])];
        let run = parts.concat();
        let cut = cut.index(run.len() + 1);
        let mut position = 0;
        let mut walk = batches(&run[..cut]);
        for part in &parts {
            if cut < position + part.len() {
                break;
            }
            prop_assert_eq!(walk.next().unwrap().unwrap().1, &part[..]);
            position += part.len();
        }
        let bytes = cut - position;
        let end = (0 < bytes).then_some(Err(RunError::Cut { position, bytes }));
        prop_assert_eq!(walk.next(), end);
        prop_assert_eq!(walk.next(), None);
    }

    #[test]
    fn any_bytes_are_a_run_or_refused(bytes: Vec<u8>) {
        prop_assert!(batches(&bytes).count() <= 1 + bytes.len() / HEADER_BYTES);
    }
}
