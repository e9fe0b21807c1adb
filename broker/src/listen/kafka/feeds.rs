//! What a connection's fetches read from: a subscription for each partition, kept from one fetch
//! to the next.
//!
//! A consumer asks for the same partitions again and again, each from where it was left. So what
//! one fetch found out serves the next: where in the log it stands, what was brought into memory
//! for it, and that the tail is watched. What the last fetch did not name is let go.
//!
//! Invariant: a place has one subscription at most, and a token never comes again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use weir_protocol::id::TopicId;

use crate::session::{From, Offset, Refusal, Session, Signal, Start, Subscription};
use crate::tracks::{Track, Wish};

/// A partition of a topic.
pub(super) type Place = (TopicId, u32);

/// The subscriptions of a connection's fetches.
#[derive(Debug)]
pub(super) struct Feeds {
    /// Hears of these subscriptions and of nothing else.
    pub(super) session: Session,
    feeds: BTreeMap<Place, Feed>,
    places: BTreeMap<u64, Place>,
    wish: Wish,
    /// Bytes that fetches gave since all that one named was at its tail.
    behind_bytes: u64,
    begun: u64,
    fetches: u64,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) subscription: Subscription,
    token: u64,
    /// The last fetch that named it, and as which of its partitions.
    fetch: u64,
    at: usize,
}

impl Feeds {
    pub(super) fn new(session: Session, wish: Wish) -> Self {
        let (feeds, places) = (BTreeMap::new(), BTreeMap::new());
        Self { session, feeds, places, wish, behind_bytes: 0, begun: 0, fetches: 0 }
    }

    /// Begins a fetch; its number.
    pub(super) fn begin(&mut self) -> u64 {
        self.fetches += 1;
        self.fetches
    }

    /// A fetch gave so much and left something behind it.
    pub(super) fn gave(&mut self, bytes: u64) {
        self.behind_bytes += bytes;
        self.wish.set(if REPLAY_BYTES <= self.behind_bytes {
            Track::Replay
        } else {
            Track::Common
        });
    }

    /// A fetch found everything at its tail.
    pub(super) fn at_tail(&mut self) {
        self.behind_bytes = 0;
        self.wish.set(Track::Common);
    }

    /// Lets go what the fetch that began last did not name.
    pub(super) fn forget_others(&mut self) {
        let (fetch, places) = (self.fetches, &mut self.places);
        self.feeds.retain(|_, feed| {
            let is_named = feed.fetch == fetch;
            if !is_named {
                places.remove(&feed.token);
            }
            is_named
        });
    }

    /// Has a place read from `offset` on, for partition `at` of the fetch; false where another
    /// partition of the fetch reads it.
    pub(super) async fn name(
        &mut self,
        place: Place,
        offset: Offset,
        at: usize,
    ) -> Result<bool, Refusal> {
        let fetch = self.fetches;
        if let Some(feed) = self.feeds.get_mut(&place) {
            if feed.fetch == fetch {
                return Ok(false);
            }
            if feed.subscription.offset() == offset {
                (feed.fetch, feed.at) = (fetch, at);
                return Ok(true);
            }
            self.drop(place);
        }
        self.begun += 1;
        let (token, (topic, partition)) = (self.begun, place);
        let start = Start { partition, from: From::Offset(offset), token };
        let subscription = self.session.subscribe(topic, start).await?;
        self.places.insert(token, place);
        self.feeds.insert(place, Feed { subscription, token, fetch, at });
        Ok(true)
    }

    /// The subscription of a place that was named.
    pub(super) fn subscription(&mut self, place: Place) -> &mut Subscription {
        &mut self.feeds.get_mut(&place).expect("a named place has a feed").subscription
    }

    /// Lets a place go.
    pub(super) fn drop(&mut self, place: Place) {
        if let Entry::Occupied(entry) = self.feeds.entry(place) {
            self.places.remove(&entry.remove().token);
        }
    }

    /// Waits until one of them may go on.
    pub(super) async fn wait(&self) {
        self.session.signals().wait().await;
    }

    /// Adds the partitions of the fetch that may go on to the end of `ready`.
    pub(super) fn heard(&mut self, ready: &mut Vec<usize>) {
        let mut signals = Vec::new();
        self.session.signals().take(&mut signals);
        for signal in signals {
            // Of one that was let go a signal may still come.
            if let Signal::Ready(token) = signal
                && let Some(place) = self.places.get(&token)
                && let Some(feed) = self.feeds.get_mut(place)
            {
                feed.subscription.signalled();
                if feed.fetch == self.fetches {
                    ready.push(feed.at);
                }
            }
        }
    }
}

/// Who was given so much without reaching its tails replays: no reader at a tail, and no small
/// catch up, which moving to other threads would cost more than it takes.
const REPLAY_BYTES: u64 = 2 << 20;
