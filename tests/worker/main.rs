//! A worker of a queue as a process of its own, so that a test can kill it or stop it: it tells on
//! standard output, a line each, what it takes and what it says, when it does so.
//!
//! ```text
//!   took NUMBER again|first PARTITION EPOCH OFFSET DELIVERY FAILURES NS
//!   said NUMBER NS      its ack goes out          acked NUMBER EPOCH DELIVERY   and was answered
//!   failed NUMBER NS    its retry goes out        gone NUMBER                   the lease was lost
//! ```
//!
//! `again` is a record that came back from the dead letter, NS a clock that all processes share.
//! A `steady` worker acks, but poison, which it retries as long as it comes for the first time. A
//! `holding` one takes ten records and says nothing of them until it ends.

#![allow(clippy::unwrap_used, reason = "a worker that cannot go on ends, and its test with it")]

use std::env;
use std::io::Write;

use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinSet;
use weir_client::{Client, LeasedRecord, SettleError};

/// One of so many records can never be done, at first.
const POISON: u32 = 251;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [address, queue, manner] = &arguments[..] else {
        panic!("name the broker, the queue and a manner: steady or holding");
    };
    let client = Client::connect(address.as_str()).await.unwrap();
    let worker = client.queue(queue.as_str());
    let mut worker = worker.concurrency(10).prefetch_records(32).build().await.unwrap();
    let (mut working, mut held) = (JoinSet::new(), Vec::new());
    while let Some(leased) = worker.next().await {
        let leased = leased.expect("the broker comes back");
        let number = took(&leased);
        match manner.as_str() {
            "holding" => held.push(leased),
            _ => drop(working.spawn(settle(leased, number))),
        }
        while let Some(done) = working.try_join_next() {
            done.unwrap();
        }
    }
}

fn took(leased: &LeasedRecord) -> u32 {
    let (record, receipt) = (leased.record(), leased.receipt());
    let text = std::str::from_utf8(record.value.as_deref().unwrap()).unwrap();
    let number = text.split(' ').next().unwrap().parse().unwrap();
    let how = if comes_again(leased) { "again" } else { "first" };
    tell(format_args!(
        "took {number} {how} {} {} {} {} {} {}",
        receipt.partition,
        receipt.epoch,
        receipt.offset,
        receipt.delivery,
        leased.failures(),
        now_ns()
    ));
    number
}

async fn settle(leased: LeasedRecord, number: u32) {
    let receipt = leased.receipt();
    let is_poison = number.is_multiple_of(POISON) && !comes_again(&leased);
    let settled = if is_poison {
        tell(format_args!("failed {number} {}", now_ns()));
        leased.retry("poison").await
    } else {
        tell(format_args!("said {number} {}", now_ns()));
        leased.ack().await
    };
    match settled {
        Ok(()) if is_poison => {}
        Ok(()) => tell(format_args!("acked {number} {} {}", receipt.epoch, receipt.delivery)),
        // The lease was lost, or the answer, as the broker was killed.
        Err(SettleError::Expired | SettleError::Unknown) => tell(format_args!("gone {number}")),
        Err(error) => panic!("{number} cannot be settled: {error}"),
    }
}

fn comes_again(leased: &LeasedRecord) -> bool {
    leased.record().headers.iter().any(|(name, _)| &name[..] == b"weir-for-queue")
}

fn now_ns() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn tell(words: std::fmt::Arguments<'_>) {
    writeln!(std::io::stdout(), "{words}").expect("the test listens");
}
