//! A connection that commits offsets for a group, and what must be there of them behind a crash.
//!
//! Each commit of a partition is higher than all before it: behind a restart the offset is one that
//! was tried, and none below the last that was confirmed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use weir_protocol::native::{
    CommitBy, CommitOffsets, FetchOffsets, NewOffset, Request, Response, TopicDescription,
};

use crate::history::{History, Partition};
use crate::wire::Wire;

/// The commits of a group, over all lives of a broker.
#[derive(Clone, Debug)]
pub(super) struct Offsets {
    history: History,
    group: &'static str,
    all: Arc<Mutex<BTreeMap<Partition, Offset>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Offset {
    tried: u64,
    confirmed: u64,
}

impl Offsets {
    pub(super) fn of(history: &History, group: &'static str) -> Self {
        Self { history: history.clone(), group, all: Arc::default() }
    }

    /// The next to commit.
    pub(super) fn try_next(&self, partition: Partition) -> u64 {
        let mut all = self.all.lock();
        let offset = all.entry(partition).or_default();
        offset.tried += 1;
        offset.tried
    }

    /// This one was confirmed. Behind a cut nobody promises anything.
    pub(super) fn confirm(&self, partition: Partition, offset: u64) {
        if !self.history.is_cut() {
            self.all.lock().entry(partition).or_default().confirmed = offset;
        }
    }

    /// Compares what is there behind a restart with what was said.
    ///
    /// # Panics
    /// If an offset went back, or is one that nobody committed.
    pub(super) async fn found(&self, address: SocketAddr, topics: &[TopicDescription]) {
        let (mut wire, _) = Wire::greeted(address).await;
        for topic in topics {
            let fetch = FetchOffsets { group: self.group.to_owned(), topic: topic.id };
            let fetched = wire.ask(Request::FetchOffsets(fetch)).await;
            let Ok(Response::Offsets(there)) = fetched else {
                panic!("offsets are fetched, not {fetched:?}");
            };
            for number in (0..).take(topic.partitions.len()) {
                let there = there.iter().find(|offset| offset.partition == number);
                let there = there.map_or(0, |offset| offset.offset);
                let mut all = self.all.lock();
                let offset = all.entry(Partition { topic: topic.id, number }).or_default();
                let Offset { confirmed, tried } = *offset;
                assert!(
                    confirmed <= there && there <= tried,
                    "{} {}/{number} at {there}: {confirmed} was confirmed, {tried} tried",
                    self.group,
                    topic.name
                );
                offset.confirmed = there;
            }
        }
    }
}

/// Who commits for a group without members.
#[derive(Clone, Debug)]
pub struct Commits {
    offsets: Offsets,
}

impl Commits {
    pub fn new(history: &History) -> Self {
        Self { offsets: Offsets::of(history, GROUP) }
    }

    /// Compares what is there behind a restart with what was said.
    ///
    /// # Panics
    /// If an offset went back, or is one that nobody committed.
    pub async fn found(&self, address: SocketAddr, topics: &[TopicDescription]) {
        self.offsets.found(address, topics).await;
    }

    /// Commits until the broker is gone, or takes no more.
    pub(super) async fn run(self, address: SocketAddr, topics: Vec<TopicDescription>) {
        let Ok((mut wire, _)) = Wire::try_greeted(address).await else { return };
        while self.commit(&mut wire, &topics).await.is_some() {}
    }

    async fn commit(&self, wire: &mut Wire, topics: &[TopicDescription]) -> Option<()> {
        let offsets: Vec<NewOffset> = topics.iter().flat_map(|topic| self.next_of(topic)).collect();
        let by = CommitBy::Group(GROUP.to_owned());
        let commit = CommitOffsets { by, offsets: offsets.clone() };
        let Ok(Response::Committed(each)) =
            wire.try_ask(Request::CommitOffsets(commit)).await.ok()?
        else {
            return None;
        };
        assert!(each.iter().all(|code| *code == 0), "commits of a group without members count");
        for NewOffset { topic, partition, offset, .. } in offsets {
            self.offsets.confirm(Partition { topic, number: partition }, offset);
        }
        Some(())
    }

    fn next_of(&self, topic: &TopicDescription) -> Vec<NewOffset> {
        let next = |number| NewOffset {
            topic: topic.id,
            partition: number,
            offset: self.offsets.try_next(Partition { topic: topic.id, number }),
            leader_epoch: -1,
            metadata: String::new(),
        };
        (0..).take(topic.partitions.len()).map(next).collect()
    }
}

const GROUP: &str = "load";
