//! The whole broker on one thread: one seed decides what its clients do, who runs when, what the
//! disk fails at and when the power goes. The same seed twice is the same to the last byte.
//!
//! ```sh
//! cargo test -p weir-tests --test sim                                  # twenty seeds, twice each
//! WEIR_SIM_SEEDS=5000 cargo test --profile quick -p weir-tests --test sim long
//! WEIR_SIM_SEED=17 WEIR_SIM_TRACE=1 cargo test -p weir-tests --test sim long -- --nocapture
//! ```

mod book;
mod checker;
mod clients;
mod dice;
mod disk;
mod life;
mod line;
mod run;
mod trace;
mod weather;

use self::run::{Kind, Outcome, run};

/// Seeds run where nobody asks for more.
const SEEDS: u64 = 20;

#[test]
fn twenty_seeds_keep_every_promise_and_each_is_the_same_twice() {
    let (mut acked, mut audited, mut trims, mut aged) = (0, 0, 0, 0);
    let (mut sent_again, mut commits, mut begins, mut fenced) = (0, 0, 0, 0);
    let (mut given, mut again, mut ends, mut drains) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let first = kept(run(seed, Kind::Honest));
        let second = kept(run(seed, Kind::Honest));
        assert_eq!(first.sum, second.sum, "seed {seed} is not the same twice");
        (acked, audited) = (acked + first.acked, audited + first.audited);
        (trims, aged) = (trims + first.trims, aged + first.aged);
        (sent_again, commits) = (sent_again + first.sent_again, commits + first.commits);
        (begins, fenced) = (begins + first.begins, fenced + first.fenced);
        (given, again) = (given + first.given, again + first.again);
        (ends, drains) = (ends + first.ends, drains + first.drains);
    }
    assert!(1000 < acked && 1000 < audited, "{acked} acknowledged, {audited} audited");
    assert!(20 < trims, "{trims} deletions of records");
    assert!(20 < aged, "{aged} partitions lost records for their age");
    assert!(50 < sent_again, "{sent_again} batches were sent again under their numbers");
    assert!(100 < commits && 100 < begins, "{commits} commits count, {begins} places were told");
    assert!(5 < fenced, "{fenced} commits of what was let go were refused");
    assert!(1000 < given && 300 < again, "{given} records were given, {again} again");
    assert!(500 < ends && 20 < drains, "{ends} records ended, {drains} queues were drained");
}

#[test]
fn a_long_run_keeps_every_promise() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seeds: Vec<u64> = match (number("WEIR_SIM_SEED"), number("WEIR_SIM_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(seeds)) => (0..seeds).collect(),
        (None, None) => vec![SEEDS],
    };
    let (mut acked, mut audited, mut failed) = (0, 0, 0);
    for seed in &seeds {
        let outcome = run(*seed, Kind::Honest);
        (acked, audited) = (acked + outcome.acked, audited + outcome.audited);
        if let Some(report) = report(&outcome) {
            failed += 1;
            println!("{report}");
        }
    }
    println!("{} seeds, {acked} acknowledged, {audited} audited, {failed} failed", seeds.len());
    assert_eq!(failed, 0);
}

#[test]
fn a_disk_that_keeps_nothing_is_found_out() {
    let found = (0..SEEDS).filter(|seed| run(*seed, Kind::Lying).broken.is_some()).count();
    assert!(SEEDS as usize / 2 <= found, "found by {found} of {SEEDS} seeds");
}

/// An outcome in which no promise was broken.
fn kept(outcome: Outcome) -> Outcome {
    if let Some(report) = report(&outcome) {
        panic!("{report}");
    }
    outcome
}

/// What there is to say of a broken promise.
fn report(outcome: &Outcome) -> Option<String> {
    let Outcome { seed, sum, broken, tail, .. } = outcome;
    let broken = broken.as_ref()?;
    Some(format!(
        "{tail}\n\nseed {seed}, event {}: {broken}\nagain: WEIR_SIM_SEED={seed} WEIR_SIM_TRACE=1 \
         cargo test -p weir-tests --test sim long -- --nocapture",
        sum.0
    ))
}
