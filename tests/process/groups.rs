//! The commands about groups, against a real server: what an operator does and sees.

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use weir_client::{Client, Rebalance, Start};
use weir_tests::binary;
use weir_tests::server::{Launch, Server};
use weir_tests::wire::{Wire, batch};

/// A server with ten records in each of two partitions of `flights`.
async fn served() -> (tempfile::TempDir, Server) {
    let home = tempfile::tempdir().unwrap();
    let server = Launch::at(&home.path().join("data")).start().await;
    let (mut wire, _) = Wire::greeted(server.native()).await;
    let topic = wire.create("flights", 2).await;
    for partition in 0..2 {
        wire.produce(&topic, partition, batch(&[b"a" as &[u8]; 10])).await.unwrap();
    }
    (home, server)
}

/// What a command did; the server is another process, so nothing waits for this one.
fn weir(native: SocketAddr, arguments: &[&str]) -> Output {
    let command = Command::new(binary::weir())
        .args(arguments)
        .env("WEIR_SERVER", native.to_string())
        .stdin(Stdio::null())
        .output();
    command.unwrap()
}

fn said(native: SocketAddr, arguments: &[&str]) -> String {
    let output = weir(native, arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(native: SocketAddr, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--output", "json"]].concat();
    serde_json::from_str(&said(native, &arguments)).unwrap()
}

/// The offset and the lag of each partition.
fn places(native: SocketAddr) -> Vec<(Option<u64>, Option<u64>)> {
    let described = json(native, &["group", "describe", "billing"]);
    let partitions = described["partitions"].as_array().unwrap().iter();
    partitions.map(|of| (of["offset"].as_u64(), of["lag"].as_u64())).collect()
}

#[tokio::test]
async fn a_group_is_read_listed_described_sought_and_deleted_by_its_commands() {
    let (_home, server) = served().await;
    let native = server.native();
    let read = said(native, &["consume", "flights", "--group", "billing", "--count", "15"]);
    assert_eq!(read.lines().count(), 15);
    let listed = json(native, &["group", "list"]);
    let group = &listed[0];
    assert_eq!((&group["name"], &group["members"]), (&"billing".into(), &0.into()));
    let read_to = places(native);
    let lag: u64 = read_to.iter().filter_map(|(_, lag)| *lag).sum();
    assert_eq!(lag, 5, "{read_to:?}");
    assert!(said(native, &["group", "describe", "billing"]).contains("flights"));
    let rest = said(native, &["consume", "flights", "--group", "billing"]);
    assert_eq!(rest.lines().count(), 5, "it goes on where it was");

    let seek = ["group", "seek", "billing", "--topic", "flights", "--to"];
    said(native, &[&seek[..], &["earliest"]].concat());
    assert_eq!(places(native), [(Some(0), Some(10)); 2]);
    said(native, &[&seek[..], &["7", "--partition", "1"]].concat());
    assert_eq!(places(native), [(Some(0), Some(10)), (Some(7), Some(3))]);
    let beyond = weir(native, &[&seek[..], &["11", "--partition", "1"]].concat());
    assert_eq!(beyond.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&beyond.stderr).contains("ends at 10"));
    assert_eq!(places(native)[1], (Some(7), Some(3)), "it stays where it was");

    said(native, &["group", "delete", "billing"]);
    assert_eq!(json(native, &["group", "list"]), Value::Array(Vec::new()));
    let gone = weir(native, &["group", "describe", "billing"]);
    assert_eq!(gone.status.code(), Some(1));
    server.stop().await;
}

#[tokio::test]
async fn a_member_of_several_topics_writes_all_of_each_and_says_which_is_which() {
    let (_home, server) = served().await;
    let native = server.native();
    let (mut wire, _) = Wire::greeted(native).await;
    let topic = wire.create("hotels", 1).await;
    wire.produce(&topic, 0, batch(&[b"b" as &[u8]; 5])).await.unwrap();
    let both = ["consume", "flights", "hotels"];
    let group = ["--group", "billing", "--output", "json"];
    let read = said(native, &[&both[..], &group].concat());
    let lines = read.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of = |wanted: &str| lines.clone().filter(|record| record["topic"] == wanted).count();
    assert_eq!((of("flights"), of("hotels"), read.lines().count()), (20, 5, 25));
    let rest = said(native, &[&both[..], &group].concat());
    assert_eq!(rest, "", "it goes on where it was in both");
    let alone = weir(native, &both);
    assert_eq!(alone.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&alone.stderr).contains("--group"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_for_which_nothing_is_left_ends_and_one_that_reads_is_not_deleted_or_moved() {
    let (_home, server) = served().await;
    let native = server.native();
    let client = Client::builder().connect(native.to_string()).await.unwrap();
    let mut members = Vec::new();
    for _ in 0..2 {
        let (told, mut heard) = tokio::sync::mpsc::channel(4);
        let builder = client.consumer("flights").group("billing").from(Start::Earliest);
        let builder = builder.on_rebalance(move |rebalance| {
            if matches!(rebalance, Rebalance::Assigned(_)) {
                let _ = told.try_send(());
            }
        });
        let mut member = builder.build().await.unwrap();
        // All that it is told it does while it asks for the next record.
        let reading = tokio::spawn(async move { while let Some(Ok(_)) = member.next().await {} });
        heard.recv().await.unwrap();
        members.push(reading);
    }
    let third = tokio::task::spawn_blocking(move || {
        said(native, &["consume", "flights", "--group", "billing"])
    });
    assert_eq!(third.await.unwrap(), "", "the others have all partitions");
    for refused in [
        &["group", "delete", "billing"] as &[&str],
        &["group", "seek", "billing", "--topic", "flights", "--to", "latest"],
    ] {
        assert_eq!(weir(native, refused).status.code(), Some(1), "{refused:?}");
    }
    for reading in members {
        reading.abort();
    }
    server.stop().await;
}
