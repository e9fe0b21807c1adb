//! The task that owns a shard: everything that can wake it stands in [`run`].
//!
//! It takes requests while the threads behind the seam take proposals; otherwise requests wait in
//! its inbox, and their senders behind it. It never touches a disk and never waits for one.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::state::Shard;
use crate::clock::Clock;
use crate::core::group::Call;
use crate::core::partition::request::Request;
use crate::core::queue;
use crate::core::wake::AppendError;

/// Requests decided in one turn, so that other tasks have theirs.
const TURN_REQUESTS_MAX: usize = 512;

/// How often batches that wait for room are looked at, while there are any.
const EXPIRY_EVERY: Duration = Duration::from_millis(250);

/// How long a stop lets batches wait for room whose producers want no answer.
const ROOM_GRACE: Duration = Duration::from_secs(1);

/// The task's ends.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) shard: Shard,
    pub(crate) inbox: mpsc::Receiver<Request>,
    /// What is asked of groups: never behind batches.
    pub(crate) calls: mpsc::Receiver<Call>,
    /// What is asked of queues: never behind batches either.
    pub(crate) queue_calls: mpsc::Receiver<queue::Call>,
    pub(crate) bell: Arc<Notify>,
    pub(crate) clock: Clock,
    /// What producers are silent for is counted in these.
    pub(crate) producer_period: Duration,
}

impl Actor {
    /// Runs until nobody is left to ask. Once asked to stop it finishes what it was asked before,
    /// says so, and from then on only tells what it knows.
    pub(crate) async fn run(mut self) {
        let Some(asker) = self.take_requests().await else { return };
        self.drain().await;
        self.shard.end_queues();
        let _ = asker.send(());
        while let Some(request) = self.inbox.recv().await {
            self.shard.take_stopped(request);
        }
    }

    async fn take_requests(&mut self) -> Option<oneshot::Sender<()>> {
        let mut expiry = interval(EXPIRY_EVERY);
        expiry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut period = interval(self.producer_period);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.shard.groups_deadline();
            let queues_due = self.shard.queues_deadline();
            tokio::select! {
                biased;
                () = self.bell.notified() => self.shard.settle(self.clock.wall_ms()),
                Some(call) = self.calls.recv(), if self.shard.takes_calls() => {
                    self.take_calls(call);
                }
                Some(call) = self.queue_calls.recv(), if self.shard.takes_calls() => {
                    self.take_queue_calls(call);
                }
                () = until(due, &self.clock) => self.expire_groups(),
                () = until(queues_due, &self.clock) => {
                    self.shard.expire_queues(self.clock.moment());
                }
                _ = expiry.tick(), if self.shard.has_parked() => {
                    self.shard.expire(self.clock.now());
                }
                _ = period.tick(), if self.shard.has_producers() => self.shard.age_producers(),
                request = self.inbox.recv(), if self.shard.is_open() => {
                    match request? {
                        Request::Stop(asker) => return Some(asker),
                        request => self.shard.take(request, self.clock.moment()),
                    }
                    if let Some(asker) = self.take_waiting() {
                        return Some(asker);
                    }
                }
            }
            self.shard.propose(self.clock.wall_ms());
            if self.shard.is_behind() {
                self.bell.notify_one();
            }
        }
    }

    /// Waits for the room of batches of which nobody would hear that they were refused.
    async fn place_unheard(&mut self) {
        while self.shard.has_unheard_parked() && !self.shard.is_stopped() {
            self.shard.propose(self.clock.wall_ms());
            if !self.shard.is_behind() {
                self.bell.notified().await;
            }
            self.shard.settle(self.clock.wall_ms());
        }
    }

    /// Takes what is asked of groups.
    fn take_calls(&mut self, first: Call) {
        let at = self.clock.moment();
        self.shard.take_call(first, at);
        for _ in 1..TURN_REQUESTS_MAX {
            if !self.shard.takes_calls() {
                return;
            }
            let Ok(call) = self.calls.try_recv() else { return };
            self.shard.take_call(call, at);
        }
    }

    /// Takes what is asked of queues.
    fn take_queue_calls(&mut self, first: queue::Call) {
        let at = self.clock.moment();
        self.shard.take_queue_call(first, at);
        for _ in 1..TURN_REQUESTS_MAX {
            if !self.shard.takes_calls() {
                return;
            }
            let Ok(call) = self.queue_calls.try_recv() else { return };
            self.shard.take_queue_call(call, at);
        }
    }

    /// Does what is due in groups; heartbeats that wait come first, so that no member is taken for
    /// silent whom only this task has not heard.
    fn expire_groups(&mut self) {
        if let Ok(call) = self.calls.try_recv() {
            self.take_calls(call);
        }
        self.shard.expire_groups(self.clock.moment());
    }

    /// Takes what waits, as far as the shard is open.
    fn take_waiting(&mut self) -> Option<oneshot::Sender<()>> {
        let at = self.clock.moment();
        for _ in 1..TURN_REQUESTS_MAX {
            if !self.shard.is_open() {
                return None;
            }
            match self.inbox.try_recv() {
                Ok(Request::Stop(asker)) => return Some(asker),
                Ok(request) => self.shard.take(request, at),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
            }
        }
        None
    }

    /// Finishes what was taken: requests still in the inbox are decided too, what cannot be
    /// placed at once is refused. Where nobody would hear of that, it has a moment to get its room:
    /// the log of a new topic is made ready with its first batch.
    async fn drain(&mut self) {
        while let Ok(request) = self.inbox.try_recv() {
            self.shard.take(request, self.clock.moment());
        }
        self.calls.close();
        while let Ok(call) = self.calls.try_recv() {
            self.shard.take_call(call, self.clock.moment());
        }
        self.queue_calls.close();
        while let Ok(call) = self.queue_calls.try_recv() {
            self.shard.take_queue_call(call, self.clock.moment());
        }
        self.shard.refuse_joining();
        self.shard.settle(self.clock.wall_ms());
        let _ = timeout(ROOM_GRACE, self.place_unheard()).await;
        self.shard.refuse_parked(AppendError::ShuttingDown);
        loop {
            self.shard.propose(self.clock.wall_ms());
            self.shard.want();
            if self.shard.is_idle() || self.shard.is_stopped() {
                return self.shard.settle(self.clock.wall_ms());
            }
            // What came while the bell was being asked for rings nobody.
            if !self.shard.is_behind() {
                self.bell.notified().await;
            }
            self.shard.settle(self.clock.wall_ms());
        }
    }
}

/// Waits until something is due; for ever, where nothing is.
async fn until(due: Option<Instant>, clock: &Clock) {
    match due {
        Some(due) => sleep(due.saturating_duration_since(clock.now())).await,
        None => pending().await,
    }
}
