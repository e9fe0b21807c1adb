//! Batches with a producer's stamp: each is stored once, however often it is sent, and in its turn.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use weir_protocol::batch::{Builder, ProducerStamp};
use weir_protocol::code::Code;
use weir_protocol::native::{
    Durability, ErrorReply, ProducerIdentity, Request, Response, Settings, TopicDescription,
};
use weir_tests::dice::Dice;
use weir_tests::gate::Call;
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, TestBroker};

const DURABILITIES: [Durability; 2] = [Durability::Synced, Durability::Written];

const PATIENCE: Duration = Duration::from_secs(20);

/// A producer, as the tests stamp its batches.
#[derive(Clone, Copy, Debug)]
struct Producer {
    id: i64,
    epoch: i16,
}

impl Producer {
    async fn new(wire: &mut Wire) -> Self {
        match wire.ask(Request::InitProducer).await {
            Ok(Response::Producer(ProducerIdentity { producer_id: id, producer_epoch: epoch })) => {
                Self { id, epoch }
            }
            other => panic!("a producer is answered by itself, not {other:?}"),
        }
    }

    fn batch(self, sequence: i32, values: &[&[u8]]) -> Bytes {
        let mut builder = Builder::new();
        for value in values {
            builder.push(1_700_000_000_000, None, Some(value), []).unwrap();
        }
        let Self { id, epoch } = self;
        builder.finish(Some(ProducerStamp { id, epoch, sequence }))
    }
}

async fn make(wire: &mut Wire, durability: Durability) -> TopicDescription {
    let settings = Settings { durability: Some(durability), ..Settings::default() };
    wire.create_with(durability.name(), 1, settings).await
}

fn refused(answer: Result<u64, ErrorReply>) -> Code {
    answer.unwrap_err().code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_sent_again_is_answered_as_before_and_others_keep_their_turn() {
    for durability in DURABILITIES {
        let broker = Place::crashing().start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let topic = make(&mut wire, durability).await;
        let first = Producer::new(&mut wire).await;
        let other = Producer::new(&mut wire).await;
        let ab = first.batch(0, &[b"a", b"b"]);
        assert_eq!(wire.produce(&topic, 0, ab.clone()).await, Ok(0));
        assert_eq!(wire.produce(&topic, 0, other.batch(0, &[b"x"])).await, Ok(2));
        assert_eq!(wire.produce(&topic, 0, first.batch(2, &[b"c"])).await, Ok(3));
        for _ in 0..2 {
            assert_eq!(wire.produce(&topic, 0, ab.clone()).await, Ok(0));
            assert_eq!(wire.produce(&topic, 0, other.batch(0, &[b"x"])).await, Ok(2));
            assert_eq!(wire.produce(&topic, 0, first.batch(2, &[b"c"])).await, Ok(3));
        }
        let gap = wire.produce(&topic, 0, first.batch(4, &[b"e"])).await;
        assert_eq!(refused(gap), Code::OutOfOrderSequence);
        let anew = Producer { epoch: 1, ..first };
        let gap = wire.produce(&topic, 0, anew.batch(3, &[b"d"])).await;
        assert_eq!(refused(gap), Code::OutOfOrderSequence);
        assert_eq!(wire.produce(&topic, 0, anew.batch(0, &[b"d"])).await, Ok(4));
        let late = wire.produce(&topic, 0, first.batch(3, &[b"d"])).await;
        assert_eq!(refused(late), Code::ProducerFenced);
        let values = [&b"a"[..], b"b", b"x", b"c", b"d"];
        let expected: Vec<_> = (0..).zip(values.map(<[u8]>::to_vec)).collect();
        assert_eq!(wire.stored(&topic, 0).await, expected, "{durability:?}");
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_batch_under_way_waits_for_it_and_shares_its_fate() {
    for fails in [false, true] {
        let place = Place::crashing();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let topic = make(&mut wire, Durability::Synced).await;
        let producer = Producer::new(&mut wire).await;
        assert_eq!(wire.produce(&topic, 0, producer.batch(0, &[b"before"])).await, Ok(0));
        place.gate().shut();
        let original = producer.batch(1, &[b"once"]);
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(wire.begin_produce(&topic, 0, original.clone()).await);
        }
        // What may not follow is told when it is certain, too.
        let gap = wire.begin_produce(&topic, 0, producer.batch(5, &[b"gap"])).await;
        for _ in 0..5 {
            let ping = wire.send(&Request::Ping).await;
            let answer = wire.next().await.unwrap();
            assert_eq!((answer.correlation, answer.response), (ping, Response::Pong));
        }
        if fails {
            place.gate().fail_next(Call::Sync);
        }
        place.gate().open();
        let mut answers = BTreeMap::new();
        while answers.len() < 4 {
            let frame = wire.next().await.unwrap();
            answers.insert(frame.correlation, frame.response);
        }
        for correlation in waiting {
            match answers.remove(&correlation).unwrap() {
                Response::Produced { base_offset } if !fails => assert_eq!(base_offset, 1),
                Response::Error(error) if fails => assert_eq!(error.code, Code::OutcomeUnknown),
                other => panic!("{other:?}"),
            }
        }
        let Some(Response::Error(error)) = answers.remove(&gap) else { panic!("it is a gap") };
        assert_eq!(error.code, Code::OutOfOrderSequence);
        broker.stop().await;
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let again = wire.produce(&topic, 0, original).await;
        assert_eq!(again, Ok(1), "{fails}");
        let stored = wire.stored(&topic, 0).await;
        assert_eq!(stored, [(0, b"before".to_vec()), (1, b"once".to_vec())], "{fails}");
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_stored_twice_across_stops_power_cuts_and_checkpoints() {
    for durability in DURABILITIES {
        for seed in 0..3 {
            let mut dice = Dice::seeded(seed);
            let mut place = Place::crashing().configured(EAGER);
            let mut history = History::default();
            for run in 0..4 {
                let broker = place.start().await;
                let (mut wire, _) = Wire::greeted(broker.native()).await;
                let topic = match wire.topics().await.into_iter().next() {
                    Some(topic) => topic,
                    None => make(&mut wire, durability).await,
                };
                history.send_again(&mut wire, &topic).await;
                let what = format!("{durability:?}, seed {seed}, run {run}");
                history.check(&mut wire, &topic, &what).await;
                for _ in 0..2 {
                    history.send(&mut wire, &topic, 1 + dice.below(12)).await;
                    if dice.once_in(2) {
                        history.send_over_checkpoint(&broker, &mut wire, &topic, run).await;
                    }
                }
                history.send(&mut wire, &topic, dice.below(5)).await;
                place = match dice.once_in(3) {
                    true => broker.stop().await.0,
                    false => broker.cut_power(dice.roll()),
                };
            }
        }
    }
}

/// What two producers sent, batch by batch.
#[derive(Debug, Default)]
struct History {
    producers: Vec<Producer>,
    sent: Vec<Sent>,
}

#[derive(Debug)]
struct Sent {
    batch: Bytes,
    value: Vec<u8>,
}

impl History {
    async fn send(&mut self, wire: &mut Wire, topic: &TopicDescription, batches: u64) {
        while self.producers.len() < 2 {
            self.producers.push(Producer::new(wire).await);
        }
        for _ in 0..batches {
            let number = self.sent.len();
            let producer = self.producers[number % 2];
            let value = format!("{number} {}", "x".repeat(2000)).into_bytes();
            let batch = producer.batch((number / 2) as i32, &[&value]);
            wire.produce(topic, 0, batch.clone()).await.unwrap();
            self.sent.push(Sent { batch, value });
        }
    }

    /// Goes on while the journal has so much to do that it is checkpointed: the checkpoint knows
    /// of batches above its marks.
    async fn send_over_checkpoint(
        &mut self,
        broker: &TestBroker,
        wire: &mut Wire,
        topic: &TopicDescription,
        run: usize,
    ) {
        let before = broker.metric(CHECKPOINTS);
        let filler = wire.create(&format!("z-filler-{run}-{before}"), 1).await;
        let filling = async {
            while broker.metric(CHECKPOINTS) == before {
                wire.begin_produce(&filler, 0, batch(&[&vec![1; 100_000]])).await;
                self.send(wire, topic, 4).await;
            }
        };
        timeout(PATIENCE, filling).await.expect("a checkpoint is made");
    }

    /// As a client does that heard nothing of its last batches, and knows what else is lost.
    async fn send_again(&self, wire: &mut Wire, topic: &TopicDescription) {
        let stored = wire.stored(topic, 0).await.len();
        let from = stored.min(self.sent.len().saturating_sub(40));
        for Sent { batch, .. } in &self.sent[from..] {
            wire.produce(topic, 0, batch.clone()).await.unwrap();
        }
    }

    /// Each is there once, at the offset that it is answered with.
    async fn check(&self, wire: &mut Wire, topic: &TopicDescription, what: &str) {
        let mut offsets = BTreeMap::new();
        for (offset, value) in wire.stored(topic, 0).await {
            assert_eq!(offsets.insert(value, offset), None, "stored twice: {what}");
        }
        for Sent { batch, value } in self.sent.iter().rev().take(40) {
            let offset = wire.produce(topic, 0, batch.clone()).await;
            assert_eq!(offset.ok(), offsets.get(value).copied(), "{what}");
        }
        assert_eq!(offsets.len(), self.sent.len(), "{what}");
    }
}

const CHECKPOINTS: &str = "weir_checkpoints_total";

const EAGER: &str = "[journal]\nsegment_bytes = 16777216\nbytes_max = 67108864\n\
                     checkpoint_bytes = 1048576\n[disk]\nlow_bytes = 0\nhard_bytes = 0\n";
