//! The coordinator as its shard sees it: what is told before its entry is in the table.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use weir_protocol::id::TopicId;
use weir_protocol::name::GroupName;

use super::request::Request;
use super::*;
use crate::clock::{Clock, Moment};
use crate::core::wake::{Signals, WakeList};
use crate::metrics::Metrics;

/// A shard with one group, whose entries are applied when the test says so.
struct Bench {
    coordinator: Coordinator,
    table: Table,
    at: Moment,
    mailbox: Mailbox,
    under_way: Vec<Step>,
}

impl Bench {
    fn new() -> Self {
        let at = Moment { now: Clock::fake().0.now(), wall_ms: 0 };
        Self {
            coordinator: Coordinator::new(policy(), at, Metrics::new().groups),
            table: Table::default(),
            at,
            mailbox: Mailbox::new(Signals::default(), 0),
            under_way: Vec::new(),
        }
    }

    fn ask<T>(&mut self, wish: impl FnOnce(Reply<T>) -> Wish) -> oneshot::Receiver<Answered<T>> {
        let (reply, answer) = oneshot::channel();
        let request = Request { group: GroupName::parse("g").unwrap(), wish: wish(reply) };
        self.coordinator.take(Call::Of(request), &self.table, self.at, &mut self.under_way);
        answer
    }

    fn join(&mut self, number: u8) -> oneshot::Receiver<Answered<NativeJoined>> {
        let join = NativeJoin {
            member: None,
            fresh: MemberId::fresh("m", [number; 16]),
            instance: None,
            client: ClientName::default(),
            topics: BTreeMap::from([(TopicId::from_bytes([1; 16]), 4)]),
            strategy: Strategy::Sticky,
            session_timeout: Duration::from_secs(10),
            rebalance_timeout: Duration::from_secs(10),
        };
        let mailbox = self.mailbox.clone();
        self.ask(|reply| Wish::JoinNative(Box::new(join), mailbox, reply))
    }

    /// The epoch that a member's sign of life is answered with, which waits for nothing.
    fn epoch_told(&mut self, member: &MemberId) -> u32 {
        let (member, mailbox) = (member.clone(), self.mailbox.clone());
        let mut answer =
            self.ask(|reply| Wish::Native(member, mailbox, NativeWish::Heartbeat(reply)));
        answer.try_recv().unwrap().unwrap()
    }

    /// The epoch that whoever looks at the group is told.
    fn epoch_described(&mut self) -> u32 {
        self.ask(Wish::Describe).try_recv().unwrap().unwrap().generation
    }

    /// All that was proposed is committed, and told of.
    fn commit(&mut self) {
        let mut wakes = WakeList::default();
        for step in std::mem::take(&mut self.under_way) {
            for entry in &step.entries {
                self.table.apply(entry);
                self.coordinator.applied(entry, &self.table);
            }
            step.answers.into_iter().for_each(|answer| answer.tell(&mut wakes));
        }
    }
}

type Answered<T> = Result<T, GroupError>;

fn policy() -> Policy {
    Policy {
        groups_max: 10,
        members_max: 10,
        session_timeout_min: Duration::from_secs(1),
        session_timeout_max: Duration::from_secs(100),
        initial_rebalance_delay: Duration::ZERO,
        reconnect_grace: Duration::from_secs(1),
        offsets_retention: Duration::from_secs(1_000),
    }
}

#[test]
fn nobody_is_told_of_an_epoch_that_a_restart_could_forget() {
    let mut bench = Bench::new();
    let mut first = bench.join(1);
    assert!(first.try_recv().is_err(), "a member waits until its epoch is kept");
    bench.commit();
    let NativeJoined { member, epoch } = first.try_recv().unwrap().unwrap();
    assert_eq!((bench.epoch_told(&member), bench.epoch_described()), (epoch, epoch));
    let mut second = bench.join(2);
    assert_eq!((bench.epoch_told(&member), bench.epoch_described()), (epoch, epoch));
    bench.commit();
    let raised = second.try_recv().unwrap().unwrap().epoch;
    assert!(epoch < raised, "another member makes another epoch");
    assert_eq!((bench.epoch_told(&member), bench.epoch_described()), (raised, raised));
}
