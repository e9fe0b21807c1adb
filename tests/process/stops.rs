//! Stops: early, idle, busy, and asked for more than once.

use tokio::task::yield_now;
use weir_protocol::name::TopicName;
use weir_protocol::native::{Request, Response};
use weir_tests::crashes::{Lives, small};
use weir_tests::dice::Dice;
use weir_tests::history::Crash;
use weir_tests::load::Plan;
use weir_tests::server::{Ended, Launch};
use weir_tests::wire::{Wire, batch};

#[tokio::test]
async fn a_stop_that_comes_while_the_server_starts_is_a_stop_like_any_other() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("data");
    let starting = Launch::at(&directory).spawn();
    while !directory.join("identity").exists() {
        yield_now().await;
    }
    starting.terminate();
    assert_stopped_cleanly(&starting.ended().await);
    assert!(directory.join("clean").exists());
}

#[tokio::test]
async fn an_idle_server_stops_and_knows_it_did() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::at(&home.path().join("data"));
    let server = launch.start().await;
    let (mut wire, _) = Wire::greeted(server.native()).await;
    let topic = wire.create("kept", 1).await;
    assert_eq!(wire.produce(&topic, 0, batch(&[b"a"])).await, Ok(0));
    assert_stopped_cleanly(&server.stop().await);
    let server = launch.start().await;
    let (mut wire, _) = Wire::greeted(server.native()).await;
    let name = TopicName::parse("kept").unwrap();
    let described = wire.ask(Request::DescribeTopic { name }).await;
    let Ok(Response::Topic(topic)) = described else { panic!("{described:?}") };
    assert_eq!(wire.stored(&topic, 0).await, [(0, b"a".to_vec())]);
    let ended = server.stop().await;
    assert!(ended.said.contains("clean=true"), "{}", ended.said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_that_stops_keeps_all_it_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let launch = small(&home.path().join("data"));
    let mut dice = Dice::seeded(7);
    let mut lives = Lives::default();
    let mut server = launch.start().await;
    lives.make_topics(&server).await;
    for life in 0..2 {
        let plan = Plan { producers: 4, in_flight: 16, value_bytes_max: 100_000 };
        let mut load = lives.load(&server, plan, &mut dice);
        assert!(load.acknowledges(500).await);
        assert_stopped_cleanly(&server.stop().await);
        load.end().await;
        server = launch.start().await;
        lives.compare(&server, Crash::Process, &format_args!("life {life}")).await;
    }
    let ended = server.stop().await;
    assert!(ended.said.contains("clean=true"), "{}", ended.said);
}

#[tokio::test]
async fn a_server_that_is_told_twice_stops_once() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("data");
    let server = Launch::at(&directory).start().await;
    server.terminate();
    server.terminate();
    assert_stopped_cleanly(&server.stop().await);
    assert!(directory.join("clean").exists());
}

fn assert_stopped_cleanly(ended: &Ended) {
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.said.contains("stopped=Cleanly"), "{}", ended.said);
}
