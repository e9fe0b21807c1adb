//! `kill -9` in the very moment of a system call that matters.

use std::ops::Range;
use std::time::Duration;

use weir_tests::crashes::{Lives, rounds, seed, small};
use weir_tests::dice::Dice;
use weir_tests::history::Crash;
use weir_tests::load::Plan;
use weir_tests::tools::has_strace;

/// Calls by which something becomes durable, gets room or goes away, as strace's expressions, and
/// as their how-many-th of one thread the last to be chosen.
const CALLS: &[(&str, u64)] = &[
    ("fdatasync", 30),
    ("pwritev", 40),
    ("pwrite64", 5),
    ("fallocate", 8),
    ("fsync", 8),
    ("/^rename", 4),
    ("ftruncate", 2),
    ("/^unlink", 4),
    ("sync_file_range", 3),
    ("mmap", 30),
];

/// The long form: `WEIR_KILL_ROUNDS=200`, with another `WEIR_SEED` for other moments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_kill_in_a_system_call_is_there_behind_it() {
    if !has_strace() {
        return;
    }
    let (rounds, seed) = (rounds("WEIR_KILL_ROUNDS", CALLS.len() as u64), seed());
    let (mut done, mut met) = (0, 0);
    while done < rounds {
        let lives = LIVES_PER_DIRECTORY.min(rounds - done);
        met += live_and_die(seed + done, done..done + lives).await;
        done += lives;
    }
    println!("{met} of {rounds} kills in a call");
    assert!(rounds <= 2 * met, "{met} of {rounds} kills met their call");
}

/// One directory, a life for each round; how many of them ended in their call.
async fn live_and_die(seed: u64, rounds: Range<u64>) -> u64 {
    let home = tempfile::tempdir().unwrap();
    let launch = small(&home.path().join("data"));
    let mut dice = Dice::seeded(seed);
    let mut lives = Lives::default();
    let first = launch.start().await;
    lives.make_topics(&first).await;
    assert!(first.stop().await.status.success());
    let mut met_calls = 0;
    for round in rounds {
        let (call, last) = CALLS[round as usize % CALLS.len()];
        let fault = format!("{call}:signal=SIGKILL:when={}", 1 + dice.below(last));
        let context = format!("seed {seed}, round {round}, {fault}");
        let met = match launch.clone().traced(&[&fault]).spawn().ready().await {
            // It died while it started.
            Err(ended) => ended.signal() == Some(9),
            Ok(mut server) => {
                let plan = Plan { producers: 4, in_flight: 16, value_bytes_max: 200_000 };
                let mut load = lives.load(&server, plan, &mut dice);
                let met = !load.acknowledges(RECORDS).await || server.ends_within(MOMENT).await;
                server.strike();
                assert_eq!(server.ended().await.signal(), Some(9), "{context}");
                load.end().await;
                met
            }
        };
        let server = launch.start().await;
        lives.compare(&server, Crash::Process, &context).await;
        assert_eq!(server.kill().await.signal(), Some(9));
        let end = if met { "in the call" } else { "behind the load" };
        println!("{context}: killed {end}; {:?}", lives.tally());
        met_calls += u64::from(met);
    }
    met_calls
}

/// All of a directory is read behind each kill, so it may not grow for ever.
const LIVES_PER_DIRECTORY: u64 = 20;

/// Records that are acknowledged before a server is killed that did not meet its call.
const RECORDS: u64 = 1_500;

const MOMENT: Duration = Duration::from_millis(50);
