//! Says what became of records: what waits goes in one request, and leases that are held are
//! extended in time.
//!
//! A request whose connection was lost is sent again on the next one. An ack that had counted is
//! then told as expired, as the broker does not remember every record that is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use weir_protocol::code::Retry;
use weir_protocol::limits::RECEIPTS_PER_SETTLE_MAX;
use weir_protocol::native::{
    LEASE_OF_QUEUE, LeaseReceipt, Request, RequestKind, Response, Settle, SettleOutcome, SettleVerb,
};

use super::desk::Desk;
use crate::connection::Asked;
use crate::errors::{RequestError, SettleError};
use crate::link::Link;
use crate::retry::{Backoff, Pauses, random};

/// Words that wait to be sent; beyond, who settles waits.
const WORDS_MAX: usize = 64 << 10;

/// Requests under way at a time.
const REQUESTS_MAX: usize = 8;

/// Pauses between attempts to send a request.
const PAUSES: Pauses = Pauses::of_ms(20, 1_000);

/// The settler, for who has something to say. Cheap to clone; the last one that is dropped ends it,
/// behind what was said.
#[derive(Clone, Debug)]
pub(super) struct Settler {
    words: mpsc::Sender<Word>,
}

#[derive(Debug)]
struct Word {
    receipt: LeaseReceipt,
    verb: SettleVerb,
    reply: Option<oneshot::Sender<Result<SettleOutcome, RequestError>>>,
}

impl Settler {
    pub(super) fn start(desk: &Arc<Desk>, link: &Arc<Link>, patience: Duration) -> Self {
        let (words, heard) = mpsc::channel(WORDS_MAX);
        let task = Task { desk: Arc::clone(desk), link: Arc::clone(link), patience };
        tokio::spawn(Arc::new(task).run(heard));
        Self { words }
    }

    /// Says something of a record, and waits for what became of it.
    pub(super) async fn settle(
        &self,
        receipt: LeaseReceipt,
        verb: SettleVerb,
    ) -> Result<(), SettleError> {
        let (reply, answer) = oneshot::channel();
        let word = Word { receipt, verb, reply: Some(reply) };
        self.words.send(word).await.map_err(|_| SettleError::Stopped)?;
        match answer.await.map_err(|_| SettleError::Stopped)?? {
            SettleOutcome::Ok => Ok(()),
            SettleOutcome::Expired => Err(SettleError::Expired),
            SettleOutcome::Unknown => Err(SettleError::Unknown),
            SettleOutcome::NoDeadLetter => Err(SettleError::NoDeadLetter),
        }
    }

    /// Says something without waiting; where too much waits, nothing is said.
    pub(super) fn tell(&self, receipt: LeaseReceipt, verb: SettleVerb) {
        let _ = self.words.try_send(Word { receipt, verb, reply: None });
    }
}

struct Task {
    desk: Arc<Desk>,
    link: Arc<Link>,
    patience: Duration,
}

impl Task {
    async fn run(self: Arc<Self>, mut heard: mpsc::Receiver<Word>) {
        let mut under_way = JoinSet::new();
        let mut words = Vec::new();
        let mut extend_at = Instant::now() + EXTEND_LOOK;
        loop {
            let has_room = under_way.len() < REQUESTS_MAX;
            tokio::select! {
                biased;
                Some(_) = under_way.join_next() => {}
                () = sleep_until(extend_at), if has_room => {
                    under_way.spawn(Arc::clone(&self).send(self.extensions()));
                    extend_at = Instant::now() + self.extend_interval();
                }
                count = heard.recv_many(&mut words, RECEIPTS_PER_SETTLE_MAX), if has_room => {
                    if count == 0 {
                        break;
                    }
                    for same in by_verb(std::mem::take(&mut words)) {
                        under_way.spawn(Arc::clone(&self).send(same));
                    }
                }
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Leases go on three times before they would end.
    fn extend_interval(&self) -> Duration {
        match self.desk.queue() {
            Some((_, lease)) => (lease / 3).max(EXTEND_MIN),
            None => EXTEND_LOOK,
        }
    }

    fn extensions(&self) -> Vec<Word> {
        let verb = SettleVerb::Extend { lease_ms: self.lease_ms() };
        let word = |receipt| Word { receipt, verb: verb.clone(), reply: None };
        self.desk.held().into_iter().map(word).collect()
    }

    fn lease_ms(&self) -> u64 {
        let lease = self.desk.queue().map(|(_, lease)| lease.as_millis());
        lease.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(LEASE_OF_QUEUE)
    }

    /// Sends words of one verb, and tells who waits what became of each.
    async fn send(self: Arc<Self>, words: Vec<Word>) {
        for chunk in chunks(words) {
            let Some(verb) = chunk.first().map(|word| word.verb.clone()) else { return };
            let receipts: Vec<_> = chunk.iter().map(|word| word.receipt).collect();
            let outcomes = self.settled(verb, receipts).await;
            for (at, word) in chunk.into_iter().enumerate() {
                let Some(reply) = word.reply else { continue };
                let outcome = match &outcomes {
                    Ok(all) => Ok(all.get(at).copied().unwrap_or(SettleOutcome::Unknown)),
                    Err(error) => Err(error.clone()),
                };
                let _ = reply.send(outcome);
            }
        }
    }

    async fn settled(
        &self,
        verb: SettleVerb,
        receipts: Vec<LeaseReceipt>,
    ) -> Result<Vec<SettleOutcome>, RequestError> {
        let Some((queue, _)) = self.desk.queue() else { return Ok(Vec::new()) };
        let may_be_again = !matches!(verb, SettleVerb::Extend { .. });
        let request = Request::Settle(Settle { queue, verb, receipts });
        let (since, mut backoff) = (Instant::now(), Backoff::eager(PAUSES));
        loop {
            let error = match self.ask(&request).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(error) => error,
            };
            let is_over = self.patience <= since.elapsed();
            if error.retry() == Retry::Never || is_over || !may_be_again {
                return Err(error);
            }
            sleep(backoff.pause(random())).await;
        }
    }

    async fn ask(&self, request: &Request) -> Result<Vec<SettleOutcome>, RequestError> {
        match self.link.connection().await?.ask(request).await.answer().await? {
            Response::Settled(outcomes) => Ok(outcomes),
            other => Err(Asked::unexpected(RequestKind::Settle, &other)),
        }
    }
}

/// Words of one verb each, in the order in which their first came.
fn by_verb(words: Vec<Word>) -> Vec<Vec<Word>> {
    let (mut acks, mut others) = (Vec::new(), BTreeMap::<String, Vec<Word>>::new());
    for word in words {
        match &word.verb {
            SettleVerb::Ack => acks.push(word),
            verb => others.entry(format!("{verb:?}")).or_default().push(word),
        }
    }
    let mut all = vec![acks];
    all.extend(others.into_values());
    all.retain(|words| !words.is_empty());
    all
}

fn chunks(mut words: Vec<Word>) -> Vec<Vec<Word>> {
    let mut chunks = Vec::new();
    while RECEIPTS_PER_SETTLE_MAX < words.len() {
        let rest = words.split_off(RECEIPTS_PER_SETTLE_MAX);
        chunks.push(std::mem::replace(&mut words, rest));
    }
    chunks.push(words);
    chunks
}

/// How soon a worker that does not stand yet is looked at again.
const EXTEND_LOOK: Duration = Duration::from_millis(100);

/// How often leases are extended at most.
const EXTEND_MIN: Duration = Duration::from_millis(20);
