//! One WebSocket from its welcome to its close.
//!
//! ```text
//!   give what there is credit for ─► write ─► wait: a message, an answer, more, a tick, the end ─┐
//!        ▲                                                                                      │
//!        └──────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Subscriptions take turns, and what a client says is heard between two turns, however much
//! there is to give. What does not go out is not read for: a client that takes nothing holds one
//! outbox.
//!
//! The connection runs this when its request has been answered.

use std::ops::Range;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use weir_protocol::code::Code;
use weir_protocol::limits::{
    LIVE_CREDIT_MAX, LIVE_MESSAGE_BYTES_MAX, LIVE_PUBLISHES_MAX, LIVE_SUBSCRIPTIONS_MAX,
};
use weir_protocol::web::live::{SUBPROTOCOL, Tell, Welcome};

use super::super::live::jitter;
use super::super::problem::Problem;
use super::super::shared::{Shared, stopped};
use super::close;
use super::conversation::{Act, Conversation, trouble};
use super::publishing::Publishing;
use super::pulse::{ALIVE_AFTER, TICK};
use super::topic::Topic;
use super::wire::{Heard, Wire};
use crate::session::{Session, Signal, number_of};

/// A client, and what it follows.
#[derive(Debug)]
pub(super) struct Talk<S> {
    wire: Wire<S>,
    conversation: Conversation,
    session: Session,
    topics: Vec<Option<Topic>>,
    /// The topic whose turn it is.
    turn: usize,
    publishing: Publishing,
    shared: Shared,
    stop: watch::Receiver<bool>,
    ticks: Interval,
    /// Until it is as old as a connection gets.
    ticks_left: u32,
    /// Empty; memory for what wakes it.
    signals: Vec<Signal>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    pub(super) fn new(wire: Wire<S>, shared: Shared) -> Self {
        let session = shared.door.enter();
        let publishing = Publishing::new(session.apart(), shared.bodies.clone());
        let mut ticks = interval(TICK);
        // The first comes when one is over.
        ticks.reset();
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ticks_max = (shared.live_lifetime.as_secs() / TICK.as_secs()).max(2) as u32;
        // Connections that began together do not end together.
        let ticks_left = jitter(&shared.randomness, ticks_max / 2..ticks_max);
        Self {
            wire,
            conversation: Conversation::default(),
            session,
            topics: Vec::new(),
            turn: 0,
            publishing,
            stop: shared.stop.clone(),
            shared,
            ticks,
            ticks_left,
            signals: Vec::new(),
        }
    }

    /// Talks until one of them ends it.
    pub(super) async fn run(mut self) {
        self.wire.outbox().say(&welcome());
        let end = loop {
            match self.turn().await {
                Ok(()) => {}
                Err(end) => break end,
            }
        };
        self.topics.clear();
        let end = match end {
            End::Stopped => {
                let detail = "the broker is shutting down: connect again in a moment";
                self.drain(detail, RECONNECT_MS).await;
                Some(close::for_code(Code::ShuttingDown))
            }
            End::Aged => {
                let detail = "the connection is as old as one gets: connect again";
                self.drain(detail, RECONNECT_MS_AGED).await;
                Some(close::for_age())
            }
            End::Close(frame) => frame,
        };
        self.wire.close(end).await;
    }

    /// For a client that there is no room for.
    pub(super) async fn turn_away(mut self, problem: Problem) {
        self.wire.outbox().say(&Tell::Error(problem.into_trouble(None, None)));
        self.wire.close(Some(close::for_code(Code::Overloaded))).await;
    }

    async fn turn(&mut self) -> Result<(), End> {
        self.signalled();
        self.give().await;
        self.write().await?;
        let has_more = (0..self.topics.len()).any(|slot| self.is_due(slot));
        let Self { wire, publishing, session, stop, ticks, .. } = self;
        select! {
            biased;
            () = stopped(stop) => Err(End::Stopped),
            _ = ticks.tick() => self.tick(),
            heard = wire.hear() => self.heard(heard).await,
            answer = publishing.answer() => {
                self.conversation.published(answer.bytes);
                self.wire.outbox().say(&answer.say);
                Ok(())
            }
            () = session.signals().wait(), if !has_more => Ok(()),
            () = yield_now(), if has_more => Ok(()),
        }
    }

    /// Whether a topic may have more that its reader has credit for.
    fn is_due(&mut self, slot: usize) -> bool {
        let is_ready = matches!(self.topics.get(slot), Some(Some(topic)) if topic.is_ready());
        let slot = self.conversation.slot(slot as u16);
        is_ready && slot.is_some_and(|slot| !slot.allowance.is_used_up())
    }

    /// Lets each topic give what there is, in turns.
    async fn give(&mut self) {
        let count = self.topics.len();
        for _ in 0..count {
            if self.wire.outbox().is_full() {
                break;
            }
            let slot = self.turn % count;
            self.turn = slot + 1;
            if !self.is_due(slot) {
                continue;
            }
            let standing = self.conversation.slot(slot as u16);
            let (Some(Some(topic)), Some(standing)) = (self.topics.get_mut(slot), standing) else {
                continue;
            };
            if let Err(refusal) = topic.fill(standing, self.wire.outbox()).await {
                self.lost(slot as u16, refusal.into());
            }
        }
    }

    /// A subscription cannot go on, or never began.
    fn lost(&mut self, slot: u16, problem: Problem) {
        if let Some(topic) = self.topics.get_mut(usize::from(slot)) {
            *topic = None;
        }
        let sub = self.conversation.ended(slot);
        self.wire.outbox().say(&Tell::Error(problem.into_trouble(sub, None)));
    }

    /// Writes what goes out. What is published goes on meanwhile.
    async fn write(&mut self) -> Result<(), End> {
        while !self.wire.outbox().is_empty() {
            let Self { wire, publishing, stop, .. } = self;
            select! {
                biased;
                written = wire.flush() => written.map_err(|_| End::Close(None))?,
                () = stopped(stop) => return Err(End::Stopped),
                answer = publishing.answer() => {
                    self.conversation.published(answer.bytes);
                    self.wire.outbox().say(&answer.say);
                }
            }
        }
        Ok(())
    }

    fn signalled(&mut self) {
        self.session.signals().take(&mut self.signals);
        for signal in self.signals.drain(..) {
            let Signal::Ready(token) = signal else { continue };
            let topic = self.topics.get_mut(usize::from(number_of(token)));
            if let Some(Some(topic)) = topic {
                topic.signalled(token);
            }
        }
    }

    fn tick(&mut self) -> Result<(), End> {
        self.ticks_left = self.ticks_left.saturating_sub(1);
        if self.ticks_left == 0 {
            return Err(End::Aged);
        }
        let Self { wire, topics, conversation, .. } = self;
        let is_silent = wire.is_silent();
        for (slot, topic) in (0..).zip(topics.iter_mut()).filter(|_| is_silent) {
            if let (Some(topic), Some(standing)) = (topic, conversation.slot(slot)) {
                topic.pass_over(standing, wire.outbox());
            }
        }
        wire.tick().map_err(|frame| End::Close(Some(frame)))
    }

    async fn heard(&mut self, heard: Heard) -> Result<(), End> {
        let act = match &heard {
            Heard::Text(text) => self.conversation.hear(text),
            Heard::Binary(bytes) => self.conversation.hear_binary(bytes),
            Heard::End(frame) => return Err(End::Close(frame.clone())),
        };
        match act {
            Act::GoOn => {}
            Act::Say(tell) => self.wire.outbox().say(&tell),
            Act::Begin { slot, subscribe } => {
                let outbox = self.wire.outbox();
                match Topic::begin(&self.session, subscribe, slot, outbox).await {
                    Ok(topic) => self.seat(slot, topic),
                    Err(problem) => self.lost(slot, problem),
                }
            }
            Act::End { slot, say } => {
                if let Some(topic) = self.topics.get_mut(usize::from(slot)) {
                    *topic = None;
                }
                self.wire.outbox().say(&say);
            }
            Act::Publish { publish, value, bytes } => {
                if let Err(problem) = self.publishing.take(&publish, value, bytes) {
                    self.conversation.published(bytes);
                    let trouble = problem.into_trouble(None, Some(publish.id));
                    self.wire.outbox().say(&Tell::Error(trouble));
                }
            }
            Act::Close(refused) => {
                let frame = close::for_code(refused.code);
                self.wire.outbox().say(&trouble(refused));
                return Err(End::Close(Some(frame)));
            }
        }
        Ok(())
    }

    fn seat(&mut self, slot: u16, topic: Topic) {
        let slot = usize::from(slot);
        if self.topics.len() <= slot {
            self.topics.resize_with(slot + 1, || None);
        }
        self.topics[slot] = Some(topic);
    }

    /// What is published is answered, and the client told when to come back.
    async fn drain(&mut self, detail: &'static str, reconnect_ms: Range<u32>) {
        while !self.publishing.is_idle() {
            let answer = self.publishing.answer().await;
            self.wire.outbox().say(&answer.say);
        }
        let reconnect_ms = jitter(&self.shared.randomness, reconnect_ms);
        self.wire.outbox().say(&Tell::Drain { reconnect_ms, detail: detail.into() });
    }
}

/// Why a talk is over.
#[derive(Debug)]
enum End {
    Stopped,
    /// It lasted as long as one does.
    Aged,
    /// Closed so; without a word where nobody is there any more.
    Close(Option<CloseFrame>),
}

fn welcome() -> Tell<'static> {
    Tell::Welcome(Welcome {
        protocol: SUBPROTOCOL.into(),
        alive_ms: TICK.as_millis() as u32 * ALIVE_AFTER,
        message_bytes_max: LIVE_MESSAGE_BYTES_MAX as u32,
        subscriptions_max: LIVE_SUBSCRIPTIONS_MAX as u32,
        credit_max: LIVE_CREDIT_MAX,
        publishes_max: LIVE_PUBLISHES_MAX as u32,
    })
}

/// Somewhere in here a client of a broker that stops comes back.
const RECONNECT_MS: Range<u32> = 1_000..4_000;

/// The same of a connection that is as old as one gets: the broker is there.
const RECONNECT_MS_AGED: Range<u32> = 0..1_000;
