//! `weir queue` as a shell uses it: what it says of a queue, and of receipts and times that are
//! none.

use std::process::{Command, Output};

use serde_json::Value;
use weir_tests::binary::weir;
use weir_tests::crashes::small;
use weir_tests::server::Server;

fn run(server: &Server, words: &[&str]) -> Output {
    Command::new(weir())
        .args(words)
        .env("WEIR_SERVER", server.native().to_string())
        .env("WEIR_HTTP", server.http().to_string())
        .output()
        .unwrap()
}

/// What a command that succeeds writes.
fn said(server: &Server, words: &[&str]) -> String {
    let output = run(server, words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a command writes that is refused or does not count: its result, and why.
fn refused(server: &Server, words: &[&str]) -> String {
    let output = run(server, words);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

fn receipts(server: &Server, queue: &str) -> Vec<String> {
    let words = ["queue", "receive", queue, "--count", "2", "--wait-ms", "20s", "--output", "json"];
    let records: Vec<Value> = serde_json::from_str(&said(server, &words)).unwrap();
    records.iter().map(|record| record["receipt"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_and_times_that_are_none_are_refused_and_the_queue_says_how_it_stands() {
    let home = tempfile::tempdir().unwrap();
    let server = small(&home.path().join("data")).start().await;
    let file = home.path().join("lines");
    std::fs::write(&file, "{\"n\": 1}\n{\"n\": 2}\n").unwrap();
    for queue in ["jobs", "mail"] {
        said(&server, &["queue", "create", queue]);
        said(&server, &["produce", queue, file.to_str().unwrap()]);
    }
    let (own, foreign) = (receipts(&server, "jobs"), receipts(&server, "mail"));
    let [first, second] = &own[..] else { panic!("two were published: {own:?}") };
    let mut forged = first.clone();
    forged.replace_range(..1, if first.starts_with('A') { "B" } else { "A" });
    for receipt in [forged.as_str(), &foreign[0], "AQ", "no receipt"] {
        assert!(refused(&server, &["queue", "ack", "jobs", receipt]).contains("unknown"));
    }
    let state = said(&server, &["queue", "describe", "jobs"]);
    assert!(state.contains("all 2 records that are left are leased"), "{state}");
    for (words, code) in [
        (vec!["receive", "jobs", "--lease-ms", "0"], "INVALID_LEASE"),
        (vec!["receive", "jobs", "--lease-ms", "365d"], "INVALID_LEASE"),
        (vec!["extend", "jobs", first, "--lease-ms", "0"], "INVALID_LEASE"),
        (vec!["retry", "jobs", first, "--at", "2020-01-31T12:00:00Z"], "INVALID_DELAY"),
        (vec!["release", "jobs", first, "--delay-ms", "9999999d"], "INVALID_DELAY"),
    ] {
        let words: Vec<_> = std::iter::once("queue").chain(words).collect();
        let why = refused(&server, &words);
        assert!(why.contains(code), "{words:?}: {why}");
    }
    said(&server, &["queue", "retry", "jobs", second, "--at", "2030-01-31T12:00:00Z"]);
    said(&server, &["queue", "ack", "jobs", first]);
    assert!(refused(&server, &["queue", "ack", "jobs", first]).contains("expired"));
    let state = said(&server, &["queue", "describe", "jobs", "--output", "json"]);
    let state: Value = serde_json::from_str(&state).unwrap();
    let now = &state["now"]["partitions"][0];
    assert_eq!((&now["delayed"], &now["acks"], &now["leased"]), (&1.into(), &1.into(), &0.into()));
    assert_eq!(state["max_failures"], 20);
    assert!(server.stop().await.status.success());
}
