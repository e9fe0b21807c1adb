//! Every class of bytes that a broker keeps, damaged one at a time: what was acknowledged is served
//! as it was, or its loss is told; nothing damaged is ever served.
//!
//! Each case is one change to an image of a data directory. `weir check` looks at it, then a
//! broker starts on it, and the two must agree. `WEIR_DAMAGE_ROUNDS` repeats all cases with other
//! bits and other places of the same classes (docs/testing.md).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod case;
mod classes;
mod made;
mod recovering;

use self::case::{Case, Expect};
use self::classes::Classes;
use self::made::Made;

/// How often all classes are gone through.
fn rounds() -> u64 {
    let rounds = std::env::var("WEIR_DAMAGE_ROUNDS").ok();
    rounds.map_or(1, |rounds| rounds.parse().expect("WEIR_DAMAGE_ROUNDS is a number"))
}

async fn try_all(made: &Made, cases: impl Fn(&Classes<'_>) -> Vec<Case>) {
    let mut tried = 0;
    for round in 0..rounds() {
        let classes = Classes::of(made, round);
        for case in cases(&classes) {
            made.try_case(&case).await;
            tried += 1;
        }
    }
    println!("{tried} cases, none undetected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_the_journal_stops_the_start_and_is_told() {
    let made = Made::crashed().await;
    try_all(made, |classes| {
        let mut cases = classes.journal_headers();
        cases.extend(classes.frames());
        cases.extend(classes.journal_files());
        assert!(cases.iter().all(|case| case.expect == Expect::Stops));
        cases
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_a_log_takes_its_segment_and_nothing_else() {
    let made = Made::crashed_small().await;
    try_all(made, |classes| {
        let mut cases = classes.sealed_batches();
        cases.extend(classes.active_batches());
        cases.extend(classes.log_files());
        cases
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_indexes_marks_and_identity_loses_nothing() {
    let made = Made::crashed_small().await;
    try_all(made, |classes| {
        let mut cases = classes.indexes();
        cases.extend(classes.checkpoints());
        cases.extend(classes.identity());
        cases
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_behind_a_clean_stop_is_found_as_well() {
    let made = Made::stopped().await;
    try_all(made, |classes| {
        let mut cases = classes.clean_mark();
        cases.extend(classes.checkpoints());
        cases.extend(classes.sealed_batches());
        cases
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_nobody_damaged_is_sound() {
    for made in [Made::crashed().await, Made::stopped().await] {
        made.try_untouched().await;
    }
}
