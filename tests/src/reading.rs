//! Reading over a [`Wire`]: subscriptions, their credit, and all that a partition holds.

use weir_protocol::batch::{View, batches, verify_crc};
use weir_protocol::native::{
    Amount, Ended, ErrorReply, Flow, Grant, ListTopics, Request, Response, Subscribe,
    SubscribeFrom, Subscribed, TopicDescription,
};

use crate::wire::Wire;

/// More credit than any test uses.
pub const PLENTY: Amount = Amount { messages: 1 << 40, bytes: 1 << 40 };

/// A record's offset and value.
pub type Stored = (u64, Vec<u8>);

/// What a reader got so far, as its next Flow has to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub messages: u64,
    pub bytes: u64,
}

impl Wire {
    pub async fn subscribe(
        &mut self,
        subscription: u32,
        (topic, partition): (&TopicDescription, u32),
        from: SubscribeFrom,
        credit: Amount,
    ) -> Result<Subscribed, ErrorReply> {
        let topic = topic.id;
        let subscribe = Subscribe { subscription, topic, partition, from, credit };
        match self.ask(Request::Subscribe(subscribe)).await? {
            Response::Subscribed(subscribed) => Ok(subscribed),
            other => panic!("a subscription is answered by itself, not {other:?}"),
        }
    }

    /// Grants `credit` beyond `seen`.
    pub async fn flow(&mut self, subscription: u32, seen: Seen, credit: Amount, then: Then) {
        let Seen { messages, bytes } = seen;
        let grant = Grant { seen: Amount { messages, bytes }, credit };
        let (drain, echo) = (then == Then::Drain, then == Then::Echo);
        self.send(&Request::Flow(Flow { subscription, grant, drain, echo })).await;
    }

    /// The next event.
    pub async fn event(&mut self) -> Response {
        let frame = self.next().await.expect("the broker stays");
        assert_eq!(frame.correlation, 0, "nothing was asked: {:?}", frame.response);
        frame.response
    }

    /// The records of the next delivery, counted.
    pub async fn delivered(&mut self, seen: &mut Seen) -> Vec<Stored> {
        match self.event().await {
            Response::Deliver(deliver) => {
                let records = records(&deliver.batches);
                seen.messages += records.len() as u64;
                seen.bytes += deliver.batches.len() as u64;
                records
            }
            other => panic!("records are delivered, not {other:?}"),
        }
    }

    /// Waits for the end of a subscription, and says why.
    pub async fn ended(&mut self, number: u32) -> ErrorReply {
        loop {
            match self.event().await {
                Response::Ended(Ended { subscription, error }) if subscription == number => {
                    return error;
                }
                _ => {}
            }
        }
    }

    /// All records of a partition, by offset, as a subscriber gets them.
    pub async fn stored(&mut self, topic: &TopicDescription, partition: u32) -> Vec<Stored> {
        let (subscription, from) = (1_000_000 + partition, SubscribeFrom::Earliest);
        let subscribed = self.subscribe(subscription, (topic, partition), from, PLENTY).await;
        let subscribed = subscribed.expect("a partition can be read from its beginning");
        let (mut found, mut next) = (Vec::new(), subscribed.from);
        while next < subscribed.tail {
            match self.event().await {
                Response::Deliver(deliver) => {
                    found.extend(records(&deliver.batches));
                    next = found.last().expect("a delivery has records").0 + 1;
                }
                Response::Gap(gap) => next = gap.span.end,
                Response::Credit(_) => {}
                other => panic!("a subscription brings records and gaps, not {other:?}"),
            }
        }
        self.unsubscribe(subscription).await;
        found
    }

    pub async fn unsubscribe(&mut self, subscription: u32) {
        let ended = self.ask(Request::Unsubscribe { subscription }).await;
        assert_eq!(ended, Ok(Response::Unsubscribed));
    }

    /// All topics, up to a page of them.
    pub async fn topics(&mut self) -> Vec<TopicDescription> {
        match self.ask(Request::ListTopics(ListTopics { after: None, limit: 1000 })).await {
            Ok(Response::Topics(page)) => page.topics,
            other => panic!("a listing is answered by topics, not {other:?}"),
        }
    }
}

/// What a Flow asks for besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Nothing,
    Drain,
    Echo,
}

/// The records of a run of batches, whose checksums hold.
pub fn records(run: &[u8]) -> Vec<Stored> {
    let mut records = Vec::new();
    for batch in batches(run) {
        let (_, bytes) = batch.expect("batches are delivered whole");
        verify_crc(bytes).expect("batches are delivered as they were sent");
        for record in View::parse(bytes).expect("batches can be walked").records() {
            let record = record.expect("records can be walked");
            records.push((record.offset, record.value.unwrap_or_default().to_vec()));
        }
    }
    records
}
