//! A connection's workers: each a task that leases records within its credit, and what it has
//! leased on its way to the outbox.
//!
//! ```text
//!   credit, rings ─► task: session::Worker ─► deliveries ─► Ready(token) ─► outbox, in turn
//! ```
//!
//! A worker ends with its connection or with Unsubscribe: what it holds then is tried again, as its
//! queue has it.
//!
//! Invariant: what a task leased is within the credit that it had when it began to, which may be
//! taken back meanwhile. An echo stands behind all that was leased before it: behind the echo of a
//! credit of nothing no lease comes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::select;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use weir_protocol::code::Code;
use weir_protocol::native::{
    Amount, DeliverLeases, Ended, ErrorReply, Flow, FlowEcho, LeaseRun, Response, SenderCredit,
};

use super::outbox::Outbox;
use crate::session::{
    Delivery, FirstBatch, Leased, LeasedBatches, Refusal, Session, TakeLimits, Taking, Worker,
};

/// Records leased at a time, so that workers share what comes.
const TAKE_RECORDS_MAX: u64 = 512;

/// Bytes leased at a time; a larger batch goes whole.
const TAKE_BYTES_MAX: u64 = 512 << 10;

/// The workers.
#[derive(Debug, Default)]
pub(super) struct Works {
    all: BTreeMap<u32, Held>,
    /// How many there were, so that no two have the same token.
    begun: u32,
}

#[derive(Debug)]
struct Held {
    desk: Arc<Desk>,
    token: u64,
    task: JoinHandle<()>,
}

/// What a worker's task and its connection share.
#[derive(Debug)]
struct Desk {
    state: Mutex<State>,
    /// Rung when there is credit.
    bell: Notify,
    /// The connection, and what it knows the worker by.
    connection: Session,
    token: u64,
}

#[derive(Debug)]
struct State {
    credit: SenderCredit,
    drains: bool,
    /// Whether the task has an echo to say.
    echoes: bool,
    said: VecDeque<Said>,
}

/// What a task has for its connection.
#[derive(Debug)]
enum Said {
    Leases { partition: u32, epoch: u32, lease_ms: u64, part: LeasedBatches },
    Echo(FlowEcho),
    Ended(ErrorReply),
}

/// Set in the tokens of workers, both bits; a membership has the higher alone.
const OF_WORK: u64 = 3 << 62;

/// Whether a signal's token is a worker's.
pub(super) fn is_work(token: u64) -> bool {
    token & OF_WORK == OF_WORK
}

impl Works {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.all.contains_key(&number)
    }

    /// Starts a worker, for the connection whose session this is.
    pub(super) fn insert(
        &mut self,
        number: u32,
        worker: Worker,
        credit: Amount,
        connection: Session,
    ) {
        let token = OF_WORK | u64::from(self.begun & (u32::MAX >> 2)) << 32 | u64::from(number);
        self.begun = self.begun.wrapping_add(1);
        let state = State::new(credit);
        let (state, bell) = (Mutex::new(state), Notify::new());
        let desk = Arc::new(Desk { state, bell, connection, token });
        let task = tokio::spawn(run(worker, Arc::clone(&desk), number));
        self.all.insert(number, Held { desk, token, task });
    }

    /// Ends a worker; false where there was none.
    pub(super) fn remove(&mut self, number: u32) -> bool {
        self.all.remove(&number).is_some()
    }

    /// Sets a worker's credit; false where there is none of this number.
    pub(super) fn flow(&mut self, flow: &Flow, outbox: &mut Outbox) -> bool {
        let Some(held) = self.all.get(&flow.subscription) else { return false };
        let mut state = held.desk.state.lock();
        if let Err(error) = state.credit.grant(flow.grant) {
            drop(state);
            self.all.remove(&flow.subscription);
            let error = ErrorReply::new(Code::CreditOverflow, error.to_string());
            outbox.push(0, &Response::Ended(Ended { subscription: flow.subscription, error }));
            return true;
        }
        state.drains |= flow.drain;
        state.echoes |= flow.echo;
        drop(state);
        held.desk.bell.notify_one();
        true
    }

    /// A worker has something for its connection.
    pub(super) fn signalled(&mut self, token: u64, outbox: &mut Outbox) {
        let number = u32::try_from(token & u64::from(u32::MAX)).expect("32 bits were kept");
        let Some(held) = self.all.get(&number).filter(|held| held.token == token) else { return };
        let said = std::mem::take(&mut held.desk.state.lock().said);
        for said in said {
            match said {
                Said::Leases { partition, epoch, lease_ms, part } => {
                    let (leases, batches) = (runs(&part.leases), part.batches);
                    let subscription = number;
                    outbox.lease(DeliverLeases {
                        subscription,
                        partition,
                        epoch,
                        lease_ms,
                        leases,
                        batches,
                    });
                }
                Said::Echo(echo) => outbox.push(0, &Response::Flow(echo)),
                Said::Ended(error) => {
                    self.all.remove(&number);
                    outbox.push(0, &Response::Ended(Ended { subscription: number, error }));
                    return;
                }
            }
        }
    }

    /// Ends all of them, for one reason.
    pub(super) fn end_all(&mut self, error: &ErrorReply, outbox: &mut Outbox) {
        for subscription in std::mem::take(&mut self.all).into_keys() {
            let error = error.clone();
            outbox.push(0, &Response::Ended(Ended { subscription, error }));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Leases while there is credit, until the queue ends or the task is told to.
async fn run(mut worker: Worker, desk: Arc<Desk>, number: u32) {
    loop {
        desk.echo(number);
        let Some(limits) = desk.limits() else {
            select! {
                biased;
                () = desk.bell.notified() => {}
                () = worker.rest() => {}
            }
            continue;
        };
        match worker.take(limits).await {
            Ok(Taking::Leased(delivery)) => desk.deliver(delivery),
            Ok(Taking::NoRoom) => select! {
                biased;
                () = desk.bell.notified() => {}
                () = worker.rest() => {}
            },
            Ok(Taking::Nothing) => {
                desk.drained(number);
                select! {
                    biased;
                    () = desk.bell.notified() => {}
                    () = worker.wait() => {}
                }
            }
            Err(Refusal { code, message }) => {
                return desk.say(Said::Ended(ErrorReply::new(code, message)));
            }
        }
    }
}

impl Desk {
    /// What may be leased within the credit; `None` without any.
    fn limits(&self) -> Option<TakeLimits> {
        let state = self.state.lock();
        let left = state.credit.left();
        if left.messages == 0 || left.bytes == 0 {
            return None;
        }
        let records_max = u32::try_from(left.messages.min(TAKE_RECORDS_MAX));
        let first = match state.credit.is_settled() {
            true => FirstBatch::Always,
            false => FirstBatch::IfItFits,
        };
        Some(TakeLimits {
            records_max: records_max.expect("it is limited"),
            bytes_max: left.bytes.min(TAKE_BYTES_MAX),
            first,
        })
    }

    fn deliver(&self, delivery: Delivery) {
        let Delivery { partition, epoch, lease, parts } = delivery;
        let lease_ms = u64::try_from(lease.as_millis()).expect("leases are limited");
        let mut state = self.state.lock();
        for part in parts {
            let (messages, bytes) = (part.leases.len() as u64, part.batches.len() as u64);
            state.credit.spend_promised(Amount { messages, bytes });
            state.said.push_back(Said::Leases { partition, epoch, lease_ms, part });
        }
        drop(state);
        self.connection.ring(self.token);
    }

    /// Says how the credit stands, where that was asked for. Nothing is being leased meanwhile.
    fn echo(&self, number: u32) {
        let mut state = self.state.lock();
        if !std::mem::take(&mut state.echoes) {
            return;
        }
        let echo = state.echo(number, false);
        state.said.push_back(Said::Echo(echo));
        drop(state);
        self.connection.ring(self.token);
    }

    /// All that was there is leased: who asked to hear of that does.
    fn drained(&self, number: u32) {
        let mut state = self.state.lock();
        if !std::mem::take(&mut state.drains) {
            return;
        }
        state.credit.give_up();
        let echo = state.echo(number, true);
        state.said.push_back(Said::Echo(echo));
        drop(state);
        self.connection.ring(self.token);
    }

    fn say(&self, said: Said) {
        self.state.lock().said.push_back(said);
        self.connection.ring(self.token);
    }
}

impl State {
    fn new(credit: Amount) -> Self {
        let (credit, said) = (SenderCredit::new(credit), VecDeque::new());
        Self { credit, drains: false, echoes: false, said }
    }

    fn echo(&self, subscription: u32, drained: bool) -> FlowEcho {
        let (sent, left) = (self.credit.sent(), self.credit.left());
        FlowEcho { subscription, sent, left, drained }
    }
}

/// Leases one behind the other that came the same way, as runs.
fn runs(leases: &[Leased]) -> Vec<LeaseRun> {
    let mut runs: Vec<LeaseRun> = Vec::new();
    for lease in leases {
        let (offset, deliveries, failures) = (lease.offset.get(), lease.deliveries, lease.failures);
        match runs.last_mut() {
            Some(run)
                if run.offset + u64::from(run.count) == offset
                    && (run.deliveries, run.failures) == (deliveries, failures) =>
            {
                run.count += 1;
            }
            _ => runs.push(LeaseRun { offset, count: 1, deliveries, failures }),
        }
    }
    runs
}
