//! System calls that fail, or take their time.

use std::fmt::Display;

use weir_protocol::code::Code;
use weir_tests::crashes::{Lives, rounds, seed, small};
use weir_tests::dice::Dice;
use weir_tests::history::{Crash, Partition};
use weir_tests::load::{Outcome, Plan, Producer};
use weir_tests::server::Server;
use weir_tests::tools::has_strace;
use weir_tests::wire::Wire;

/// Calls, as strace's expressions, and as their how-many-th of one thread the last that fails.
const CALLS: &[(&str, u64)] = &[("fdatasync", 40), ("pwritev", 40), ("fsync", 8)];

/// Each N of a short workload. The long form: `WEIR_FAULT_ROUNDS=80`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_call_that_failed_nothing_is_acknowledged_and_a_restart_has_all_that_was() {
    if !has_strace() {
        return;
    }
    let (rounds, seed) = (rounds("WEIR_FAULT_ROUNDS", 9), seed());
    let mut dice = Dice::seeded(seed);
    for round in 0..rounds {
        let (call, last) = CALLS[round as usize % CALLS.len()];
        // In the long form each N in turn.
        let turn = round / CALLS.len() as u64;
        let which = if last <= rounds { turn % last } else { dice.below(last) } + 1;
        let fault = format!("{call}:error=EIO:when={which}");
        fail(&fault, &format_args!("seed {seed}, round {round}, {fault}")).await;
    }
}

async fn fail(fault: &str, context: &dyn Display) {
    let home = tempfile::tempdir().unwrap();
    let launch = small(&home.path().join("data"));
    let mut lives = Lives::default();
    let first = launch.start().await;
    lives.make_topics(&first).await;
    assert!(first.stop().await.status.success());
    match launch.clone().traced(&[fault]).spawn().ready().await {
        // It fails while it starts, and says so.
        Err(ended) => assert_eq!(ended.status.code(), Some(1), "{context}: {}", ended.said),
        Ok(server) => {
            let stopped = write_until_refused(&server, &lives, context).await;
            let ended = server.stop().await;
            assert!(ended.status.success(), "{context}: {ended:?}");
            println!("{context}: refused {stopped:?}");
        }
    }
    let server = launch.start().await;
    lives.compare(&server, Crash::Process, context).await;
    assert!(server.stop().await.status.success());
}

/// Writes to each partition in turn, and reads what one has; the codes by which it was refused.
async fn write_until_refused(server: &Server, lives: &Lives, context: &dyn Display) -> Vec<Code> {
    let mut producer = Producer::connect(server.native(), lives.history()).await.unwrap();
    let synced = &lives.topics()[0];
    let certain = Partition { topic: synced.id, number: 0 };
    let partitions: Vec<Partition> = lives.history().partitions();
    let (mut codes, mut acknowledged) = (Vec::new(), 0);
    for turn in 0..BATCHES {
        let partition = partitions[turn % partitions.len()];
        match producer.produce(partition, &[500, 9_000]).await {
            Some(Outcome::Acknowledged { batch, .. }) => {
                assert!(codes.is_empty(), "{context}: acknowledged behind {codes:?}");
                if batch.partition == certain {
                    acknowledged += batch.tokens.len();
                }
            }
            // One that could not be opened is closed, and all others go on.
            Some(Outcome::Refused { code: Code::Quarantined, .. }) => {}
            Some(Outcome::Refused { code, .. } | Outcome::Unknown { code, .. }) => {
                let is_expected = matches!(code, Code::OutcomeUnknown | Code::WritesStopped);
                assert!(is_expected, "{context}: {code}");
                codes.push(code);
            }
            None => panic!("{context}: the broker is gone"),
        }
        if REFUSALS <= codes.len() {
            break;
        }
    }
    // What is committed is read on, whatever fails.
    let (mut wire, _) = Wire::greeted(server.native()).await;
    assert!(acknowledged <= wire.stored(synced, 0).await.len(), "{context}");
    codes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_whose_syncs_are_slow_loses_nothing_and_still_answers() {
    if !has_strace() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let launch = small(&home.path().join("data"));
    let mut lives = Lives::default();
    let mut dice = Dice::seeded(seed());
    let first = launch.start().await;
    lives.make_topics(&first).await;
    assert!(first.stop().await.status.success());
    let server = launch.clone().traced(&["fdatasync:delay_enter=50000"]).start().await;
    let plan = Plan { producers: 4, in_flight: 16, value_bytes_max: 100_000 };
    let mut load = lives.load(&server, plan, &mut dice);
    assert!(load.acknowledges(1_000).await);
    assert_eq!(server.kill().await.signal(), Some(9));
    load.end().await;
    let server = launch.start().await;
    lives.compare(&server, Crash::Process, &"slow syncs").await;
    assert!(server.stop().await.status.success());
}

const BATCHES: usize = 80;

/// So many refusals show that writes have stopped.
const REFUSALS: usize = 6;
