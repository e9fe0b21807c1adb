//! `kill -9` at random moments, life after life.

use std::time::Duration;

use weir_tests::crashes::{Lives, rounds, seed, small};
use weir_tests::dice::Dice;
use weir_tests::history::{Crash, Tally};
use weir_tests::load::Plan;

/// The long form: `WEIR_KILL_ROUNDS=200`, with another `WEIR_SEED` for other moments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_kill_is_there_behind_it() {
    let (rounds, seed) = (rounds("WEIR_KILL_ROUNDS", 6), seed());
    let mut done = 0;
    while done < rounds {
        let lives = LIVES_PER_DIRECTORY.min(rounds - done);
        let tally = live_and_die(seed + done, lives).await;
        done += lives;
        println!("{done} kills; of the last {lives}: {tally:?}");
    }
}

/// So many lives of one directory, each ended by a kill.
async fn live_and_die(seed: u64, count: u64) -> Tally {
    let home = tempfile::tempdir().unwrap();
    let launch = small(&home.path().join("data"));
    let mut dice = Dice::seeded(seed);
    let mut lives = Lives::default();
    let mut server = launch.start().await;
    lives.make_topics(&server).await;
    for life in 0..count {
        let plan = Plan {
            producers: 4,
            in_flight: 1 + dice.below(24) as usize,
            value_bytes_max: *dice.pick(&[2_000, 100_000, 200_000]),
        };
        let mut load = lives.load(&server, plan, &mut dice);
        assert!(load.acknowledges(dice.below(2_000)).await, "seed {seed}, life {life}");
        let moment = Duration::from_micros(dice.below(20_000));
        assert!(!server.ends_within(moment).await, "it ended by itself: {seed}, life {life}");
        assert_eq!(server.kill().await.signal(), Some(9));
        load.end().await;
        server = launch.start().await;
        lives.compare(&server, Crash::Process, &format_args!("seed {seed}, life {life}")).await;
    }
    assert!(server.stop().await.status.success());
    println!("{} generations of a group of Kafka's", lives.generations());
    lives.tally()
}

/// All of a directory is read behind each kill, so it may not grow for ever.
const LIVES_PER_DIRECTORY: u64 = 20;
