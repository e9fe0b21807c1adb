//! The numbers of batches: how a broker knows one that it has already.

use weir_client::{Ack, Code, ProducerBuilder};

use crate::fake::{FakeBroker, within};

#[tokio::test]
async fn what_is_sent_again_has_the_number_that_it_had() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) = broker.producer(1, |options| options).await;
    let mut deliveries = vec![producer.send("a").await.unwrap()];
    let first = peer.produced().await;
    drop(peer);
    let mut peer = broker.accept().await;
    let again = peer.produced().await;
    assert_eq!(again.batch, first.batch);
    peer.stored(&again, 0).await;
    deliveries.push(producer.send("b").await.unwrap());
    let second = peer.produced().await;
    assert_eq!((second.sequence(), second.epoch()), (1, 0));
    // The broker has lost the first, and both know that the second is not there either.
    peer.refuse(second.correlation, Code::OutOfOrderSequence).await;
    let second = peer.produced().await;
    assert_eq!((second.values(), second.sequence()), (vec![String::from("b")], 0));
    assert_eq!(second.epoch(), 1);
    peer.stored(&second, 1).await;
    for delivery in deliveries {
        within(delivery).await.unwrap();
    }
}

#[tokio::test]
async fn who_allows_duplicates_or_wants_no_answer_numbers_nothing() {
    let broker = FakeBroker::start().await;
    for options in
        [ProducerBuilder::allow_duplicates, |options: ProducerBuilder| options.ack(Ack::None)]
    {
        let (_client, producer, mut peer) = broker.producer(1, options).await;
        let _delivery = producer.send("a").await.unwrap();
        assert_eq!(peer.produced().await.sequence(), -1);
    }
}
