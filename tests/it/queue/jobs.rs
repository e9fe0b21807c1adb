//! A queue under test, and a worker that speaks frames.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::timeout;
use weir_broker::clock::{Clock, FakeClock};
use weir_protocol::batch::{Builder, View, batches};
use weir_protocol::id::QueueId;
use weir_protocol::native::{
    Amount, CreateQueue, DeliverLeases, LEASE_OF_QUEUE, LeaseReceipt, QueuePartition,
    QueueSettings, QueueState, Request, Response, Settings, Settle, SettleOutcome, SettleVerb,
    TopicDescription, Work, Working,
};
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, TestBroker};

use super::{name, topic_name};

pub(super) const PLENTY: Amount = Amount { messages: 1_000, bytes: 1 << 20 };

pub(super) const OK: SettleOutcome = SettleOutcome::Ok;

/// When tests with a clock of their own begin, Unix milliseconds: 2027-01-15T08:00:00Z.
pub(super) const BEGIN_MS: i64 = 1_800_000_000_000;

/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A clock that stands at the beginning until its hand moves it.
pub(super) fn clock() -> (Clock, FakeClock) {
    let (clock, hand) = Clock::fake();
    hand.set_wall_ms(BEGIN_MS);
    (clock, hand)
}

/// A queue `jobs` on a topic of one partition, and two connections: what is asked goes over the
/// second, as events that come before an answer are dropped.
pub(super) struct Jobs {
    pub(super) broker: TestBroker,
    /// The worker's.
    pub(super) wire: Wire,
    pub(super) side: Wire,
    pub(super) topic: TopicDescription,
    pub(super) id: QueueId,
}

impl Jobs {
    pub(super) async fn start(settings: QueueSettings) -> Self {
        Self::at(Place::crashing(), settings).await
    }

    pub(super) async fn at(place: Place, settings: QueueSettings) -> Self {
        let broker = place.start().await;
        let (wire, _) = Wire::greeted(broker.native()).await;
        Self::over(broker, wire, settings).await
    }

    /// The same on a topic with settings of its own.
    pub(super) async fn on(place: Place, topic: Settings, settings: QueueSettings) -> Self {
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        wire.create_with("jobs", 1, topic).await;
        Self::over(broker, wire, settings).await
    }

    async fn over(broker: TestBroker, mut wire: Wire, settings: QueueSettings) -> Self {
        let create = CreateQueue { name: name("jobs"), topic: None, partitions: Some(1), settings };
        let Ok(Response::Queue(queue)) = wire.ask(Request::CreateQueue(create)).await else {
            panic!("a queue is made");
        };
        let topic = topic(&mut wire).await;
        let (side, _) = Wire::greeted(broker.native()).await;
        Self { broker, wire, side, topic, id: queue.id }
    }

    /// The same behind a power cut.
    pub(super) async fn cut_power(self, seed: u64) -> Self {
        let Self { broker, topic, id, .. } = self;
        let broker = broker.cut_power(seed).start().await;
        let (wire, _) = Wire::greeted(broker.native()).await;
        let (side, _) = Wire::greeted(broker.native()).await;
        Self { broker, wire, side, topic, id }
    }

    pub(super) async fn publish(&mut self, values: &[&[u8]]) {
        self.side.produce(&self.topic, 0, batch(values)).await.unwrap();
    }

    pub(super) async fn work(&mut self, subscription: u32, credit: Amount) -> Working {
        work(&mut self.wire, subscription, credit).await
    }

    pub(super) async fn settle(
        &mut self,
        verb: SettleVerb,
        receipts: &[LeaseReceipt],
    ) -> Vec<SettleOutcome> {
        settle(&mut self.side, self.id, verb, receipts).await
    }

    /// Publishes a record of the time when tests with a clock begin.
    pub(super) async fn publish_with(&mut self, value: &[u8], headers: &[(&str, &str)]) {
        let mut builder = Builder::new();
        let headers = headers.iter().map(|(name, text)| (name.as_bytes(), Some(text.as_bytes())));
        builder.push(BEGIN_MS, None, Some(value), headers).unwrap();
        self.side.produce(&self.topic, 0, builder.finish(None)).await.unwrap();
    }

    /// Waits until the queue stands so.
    pub(super) async fn until(&mut self, stands: impl Fn(&QueuePartition) -> bool) {
        let waiting = async {
            while !stands(&self.state().await.partitions[0]) {
                yield_now().await;
            }
        };
        let came = timeout(PATIENCE, waiting).await;
        assert!(came.is_ok(), "the queue stands otherwise: {:?}", self.state().await);
    }

    pub(super) async fn state(&mut self) -> QueueState {
        match self.side.ask(Request::WhyQueue { name: name("jobs") }).await {
            Ok(Response::QueueState(state)) => state,
            other => panic!("why is answered by how it stands, not {other:?}"),
        }
    }
}

pub(super) async fn topic(wire: &mut Wire) -> TopicDescription {
    match wire.ask(Request::DescribeTopic { name: topic_name("jobs") }).await {
        Ok(Response::Topic(topic)) => topic,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn work(wire: &mut Wire, subscription: u32, credit: Amount) -> Working {
    let (queue, lease_ms) = (name("jobs"), LEASE_OF_QUEUE);
    match wire.ask(Request::Work(Work { subscription, queue, lease_ms, credit })).await {
        Ok(Response::Working(working)) => working,
        other => panic!("work is answered by working, not {other:?}"),
    }
}

pub(super) async fn settle(
    wire: &mut Wire,
    queue: QueueId,
    verb: SettleVerb,
    receipts: &[LeaseReceipt],
) -> Vec<SettleOutcome> {
    let settle = Settle { queue, verb, receipts: receipts.to_vec() };
    match wire.ask(Request::Settle(settle)).await {
        Ok(Response::Settled(outcomes)) => outcomes,
        other => panic!("settling is answered by outcomes, not {other:?}"),
    }
}

/// A leased record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leased {
    pub(super) value: Vec<u8>,
    pub(super) failures: u32,
    pub(super) receipt: LeaseReceipt,
}

pub(super) fn leased(deliver: &DeliverLeases) -> Vec<Leased> {
    let values = batches(&deliver.batches).flat_map(|found| {
        let view = View::parse(found.unwrap().1).unwrap();
        let records = view.records().map(|record| {
            let record = record.unwrap();
            (record.offset, record.value.unwrap().to_vec())
        });
        records.collect::<Vec<_>>()
    });
    let values: BTreeMap<_, _> = values.collect();
    let runs = deliver.leases.iter().flat_map(|run| {
        (run.offset..run.offset + u64::from(run.count)).map(move |offset| (offset, *run))
    });
    let leased = runs.map(|(offset, run)| Leased {
        value: values[&offset].clone(),
        failures: run.failures,
        receipt: LeaseReceipt {
            partition: deliver.partition,
            epoch: deliver.epoch,
            offset,
            delivery: run.deliveries,
        },
    });
    leased.collect()
}

/// The records of the next delivery.
pub(super) async fn some(wire: &mut Wire) -> Vec<Leased> {
    match wire.next().await.expect("the broker stays").response {
        Response::DeliverLeases(deliver) => leased(&deliver),
        other => panic!("leases come, not {other:?}"),
    }
}

/// The next so many leased records.
pub(super) async fn take(wire: &mut Wire, count: usize) -> Vec<Leased> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(some(wire).await);
    }
    assert_eq!(all.len(), count, "{all:?}");
    all
}

pub(super) fn receipts(leased: &[Leased]) -> Vec<LeaseReceipt> {
    leased.iter().map(|leased| leased.receipt).collect()
}

pub(super) fn values(leased: &[Leased]) -> Vec<&[u8]> {
    leased.iter().map(|leased| &leased.value[..]).collect()
}
