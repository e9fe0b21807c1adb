//! Members of a classic group, on Kafka's face: they join, share out, commit, and leave again.
//!
//! ```text
//!   join ─► sync ─► commit … ─► leave
//!     ▲               └─ another joined or left: the generation is over
//!     └───────────────┘
//! ```
//!
//! Each member commits offsets of a partition of its own, each higher than all before it. A
//! generation that a member was told of in one life of the broker is given to nobody in another.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use weir_protocol::kafka::api::{join_group, leave_group, offset_commit, sync_group};
use weir_protocol::kafka::{ErrorCode, Response};
use weir_protocol::native::TopicDescription;

use super::commits::Offsets;
use crate::history::{History, Partition};
use crate::kafka::KafkaWire;

/// What the members were told, over all lives of a broker.
#[derive(Clone, Debug)]
pub struct Crew {
    history: History,
    offsets: Offsets,
    /// The highest generation that one of them was told of.
    generation: Arc<Mutex<i32>>,
}

/// One of them, on its connection.
struct Member {
    crew: Crew,
    kafka: KafkaWire,
    topic: String,
    partition: Partition,
    id: String,
    generation: i32,
}

/// What a member does next.
enum Next {
    GoOn,
    /// Its generation is over.
    JoinAgain,
}

impl Crew {
    pub fn new(history: &History) -> Self {
        let offsets = Offsets::of(history, GROUP);
        Self { history: history.clone(), offsets, generation: Arc::default() }
    }

    /// The highest generation that a member was told of.
    pub fn generation(&self) -> i32 {
        *self.generation.lock()
    }

    /// Compares what is there behind a restart with what was said.
    ///
    /// # Panics
    /// If an offset went back, or is one that nobody committed.
    pub async fn found(&self, address: SocketAddr, topics: &[TopicDescription]) {
        self.offsets.found(address, topics).await;
    }

    /// Is the member that commits offsets of this partition until the broker is gone, or takes no
    /// more.
    pub(super) async fn run(self, address: SocketAddr, topic: TopicDescription, number: u32) {
        let Some(kafka) = KafkaWire::try_connect(address).await else { return };
        let before = self.generation();
        let partition = Partition { topic: topic.id, number };
        let (topic, id) = (topic.name.to_string(), String::new());
        let mut member = Member { crew: self, kafka, topic, partition, id, generation: 0 };
        while member.belong(before).await.is_some() {}
    }
}

impl Member {
    /// Is in the group for a while; `before` is the last generation of an earlier life.
    async fn belong(&mut self, before: i32) -> Option<()> {
        loop {
            let Some(leads) = self.join(before).await? else { continue };
            if let Next::JoinAgain = self.sync(leads).await? {
                continue;
            }
            let mut committed = 0;
            while let Next::GoOn = self.commit().await? {
                committed += 1;
                if committed == COMMITS {
                    return self.leave().await;
                }
            }
        }
    }

    /// Joins; the members, where it shares out among them, and `None` where it is to join again.
    async fn join(&mut self, before: i32) -> Option<Option<Vec<String>>> {
        let protocol = join_group::Protocol { name: "range".into(), ..Default::default() };
        let request = join_group::Request {
            group_id: GROUP.into(),
            session_timeout_ms: TIMEOUT_MS,
            rebalance_timeout_ms: TIMEOUT_MS,
            member_id: self.id.as_str().into(),
            protocol_type: "consumer".into(),
            protocols: vec![protocol],
            ..Default::default()
        };
        let Response::JoinGroup(joined) = self.kafka.try_ask(5, request).await? else {
            panic!("a join is answered by itself");
        };
        match joined.error_code {
            ErrorCode::None => {}
            ErrorCode::MemberIdRequired => {
                self.id = joined.member_id.to_string();
                return Some(None);
            }
            ErrorCode::UnknownMemberId => {
                self.id.clear();
                return Some(None);
            }
            _ => return None,
        }
        self.generation = joined.generation_id;
        assert!(before < self.generation, "generation {} again", self.generation);
        // Behind a cut nobody promises anything.
        if !self.crew.history.is_cut() {
            let mut highest = self.crew.generation.lock();
            *highest = self.generation.max(*highest);
        }
        Some(Some(joined.members.iter().map(|member| member.member_id.to_string()).collect()))
    }

    /// Takes its share; the leader gives one to each of `members`.
    async fn sync(&mut self, members: Vec<String>) -> Option<Next> {
        let share = |member: String| sync_group::Assignment {
            member_id: member.into(),
            assignment: Bytes::from_static(b"what it has always had"),
            ..Default::default()
        };
        let request = sync_group::Request {
            group_id: GROUP.into(),
            generation_id: self.generation,
            member_id: self.id.as_str().into(),
            assignments: members.into_iter().map(share).collect(),
            ..Default::default()
        };
        match self.kafka.try_ask(3, request).await? {
            Response::SyncGroup(synced) => self.follow(synced.error_code),
            other => panic!("a sync is answered by itself, not {other:?}"),
        }
    }

    async fn commit(&mut self) -> Option<Next> {
        let offset = self.crew.offsets.try_next(self.partition);
        let partition = offset_commit::RequestPartition {
            partition_index: self.partition.number as i32,
            committed_offset: offset as i64,
            committed_leader_epoch: -1,
            ..Default::default()
        };
        let topic = offset_commit::RequestTopic {
            name: self.topic.as_str().into(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = offset_commit::Request {
            group_id: GROUP.into(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.id.as_str().into(),
            topics: vec![topic],
            ..Default::default()
        };
        let Response::OffsetCommit(told) = self.kafka.try_ask(8, request).await? else {
            panic!("a commit is answered by itself");
        };
        let code = told.topics[0].partitions[0].error_code;
        if code == ErrorCode::None {
            self.crew.offsets.confirm(self.partition, offset);
        }
        self.follow(code)
    }

    async fn leave(&mut self) -> Option<()> {
        let member_id = std::mem::take(&mut self.id);
        let leaving =
            leave_group::RequestMember { member_id: member_id.into(), ..Default::default() };
        let request = leave_group::Request {
            group_id: GROUP.into(),
            members: vec![leaving],
            ..Default::default()
        };
        self.kafka.try_ask(3, request).await.map(drop)
    }

    /// What follows an answer; nothing where the broker takes no more.
    fn follow(&mut self, code: ErrorCode) -> Option<Next> {
        match code {
            ErrorCode::None => Some(Next::GoOn),
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => Some(Next::JoinAgain),
            ErrorCode::UnknownMemberId => {
                self.id.clear();
                Some(Next::JoinAgain)
            }
            _ => None,
        }
    }
}

const GROUP: &str = "crew";

/// Commits of a member until it leaves: few, so that the others meet many generations.
const COMMITS: u32 = 20;

/// What a member may be silent for: longer than a disk stalls.
const TIMEOUT_MS: i32 = 10_000;
