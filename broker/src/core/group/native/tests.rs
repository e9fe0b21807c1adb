use std::time::{Duration, Instant};

use super::*;
use crate::core::group::policy::Policy;

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn policy() -> Policy {
    Policy {
        groups_max: 10,
        members_max: 5,
        session_timeout_min: SECOND,
        session_timeout_max: 60 * SECOND,
        initial_rebalance_delay: Duration::ZERO,
        reconnect_grace: 2 * SECOND,
        offsets_retention: 3600 * SECOND,
    }
}

pub(super) fn topic(byte: u8) -> TopicId {
    TopicId::from_bytes([byte; 16])
}

pub(super) fn member(id: &str) -> MemberId {
    MemberId::parse(id).unwrap()
}

pub(super) fn joining(id: &str, topics: &[(u8, u32)], strategy: Strategy) -> NativeJoin {
    NativeJoin {
        member: None,
        fresh: member(id),
        instance: None,
        client: ClientName::default(),
        topics: topics.iter().map(|(byte, partitions)| (topic(*byte), *partitions)).collect(),
        strategy,
        session_timeout: 10 * SECOND,
        rebalance_timeout: 30 * SECOND,
    }
}

struct Bench {
    group: Native,
    now: Instant,
    events: Vec<ToMember>,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "a test's time begins somewhere")]
    fn new() -> Self {
        Self { group: Native::new(0), now: Instant::now(), events: Vec::new() }
    }

    fn join(&mut self, id: &str, partitions: u32) -> MemberId {
        let join = joining(id, &[(1, partitions)], Strategy::Sticky);
        self.group.join(join, &policy(), self.now, &mut self.events).unwrap()
    }

    fn owned(&self, id: &str) -> Vec<u32> {
        self.group.members[&member(id)].owned.keys().map(|(_, partition)| *partition).collect()
    }

    /// What a member was asked to let go of since this was last asked, and in which epoch.
    fn revoked(&mut self, id: &str) -> Option<(u32, usize)> {
        let events = std::mem::take(&mut self.events);
        events.into_iter().find_map(|(to, event)| match event {
            Event::Revoked { epoch, partitions } if to == member(id) => {
                Some((epoch, partitions.len()))
            }
            _ => None,
        })
    }

    /// The oldest revocation that was not looked at.
    fn next_revoked(&mut self) -> Option<(MemberId, u32)> {
        while !self.events.is_empty() {
            if let (to, Event::Revoked { epoch, .. }) = self.events.remove(0) {
                return Some((to, epoch));
            }
        }
        None
    }

    fn release(&mut self, id: &str, epoch: u32) -> Result<(), GroupError> {
        self.group.release(&member(id), epoch, self.now, &mut self.events)
    }
}

#[test]
fn a_partition_is_handed_on_only_when_its_owner_has_let_go() {
    let mut bench = Bench::new();
    bench.join("a", 4);
    assert_eq!(bench.owned("a"), [0, 1, 2, 3]);
    bench.join("b", 4);
    assert_eq!((bench.owned("a").len(), bench.owned("b").len()), (4, 0));
    let (epoch, count) = bench.revoked("a").unwrap();
    assert_eq!(count, 2);
    assert!(!bench.group.is_stable());
    assert_eq!(bench.release("a", epoch), Ok(()));
    assert_eq!((bench.owned("a").len(), bench.owned("b").len()), (2, 2));
    assert!(bench.group.is_stable());
    // Said twice, it changes nothing; said of what is still to come, it is refused.
    assert_eq!(bench.release("a", epoch), Ok(()));
    let early = Err(GroupError::IllegalGeneration { now: epoch });
    assert_eq!(bench.release("a", epoch + 1), early);
    assert_eq!(bench.owned("a").len(), 2);
}

#[test]
fn who_is_silent_or_holds_on_for_too_long_is_out() {
    let mut bench = Bench::new();
    bench.join("a", 4);
    bench.join("b", 4);
    for _ in 0..4 {
        bench.now += 9 * SECOND;
        for id in ["a", "b"] {
            let _ = bench.group.heartbeat(&member(id), bench.now);
        }
        bench.group.expire(bench.now, &mut bench.events);
    }
    // `a` gave signs of life all the time, and held on to what it was to let go.
    let ended = (member("a"), Event::Ended(GroupError::UnknownMember));
    assert!(bench.events.contains(&ended));
    assert_eq!(bench.owned("b").len(), 4);
    bench.now += 10 * SECOND;
    assert!(bench.group.next_deadline().unwrap() <= bench.now);
    bench.group.expire(bench.now, &mut bench.events);
    assert!(!bench.group.has_members());
    assert_eq!(bench.group.next_deadline(), None);
}

#[test]
fn a_member_whose_connection_ended_has_a_moment_to_come_back_to_what_it_had() {
    let mut bench = Bench::new();
    let a = bench.join("a", 2);
    bench.group.disconnected(&a, 2 * SECOND, bench.now);
    bench.now += SECOND;
    bench.group.expire(bench.now, &mut bench.events);
    bench.events.clear();
    let back =
        NativeJoin { member: Some(a.clone()), ..joining("unused", &[(1, 2)], Strategy::Sticky) };
    let epoch = bench.group.epoch();
    assert_eq!(
        bench.group.join(back.clone(), &policy(), bench.now, &mut bench.events),
        Ok(a.clone())
    );
    let all = vec![(topic(1), 0), (topic(1), 1)];
    assert_eq!(bench.events, [(a.clone(), Event::Assigned { epoch, partitions: all })]);
    bench.group.disconnected(&a, 2 * SECOND, bench.now);
    bench.now += 2 * SECOND;
    bench.group.expire(bench.now, &mut bench.events);
    let late = bench.group.join(back, &policy(), bench.now, &mut bench.events);
    assert_eq!(late, Err(GroupError::UnknownMember));
}

#[test]
fn an_instance_takes_over_what_its_old_self_had() {
    let mut bench = Bench::new();
    let named = |id: &str| NativeJoin {
        instance: Some(InstanceId::parse("i").unwrap()),
        ..joining(id, &[(1, 2)], Strategy::Sticky)
    };
    bench.group.join(named("old"), &policy(), bench.now, &mut bench.events).unwrap();
    let epoch = bench.group.epoch();
    bench.group.join(named("new"), &policy(), bench.now, &mut bench.events).unwrap();
    assert!(bench.events.contains(&(member("old"), Event::Ended(GroupError::Fenced))));
    assert_eq!(bench.owned("new"), [0, 1]);
    let commit = |id, epoch| bench.group.check_commit(&member(id), epoch, (topic(1), 0));
    assert_eq!(commit("old", epoch), Err(GroupError::UnknownMember));
    assert_eq!(commit("new", bench.group.epoch()), Ok(()));
}

#[test]
fn commits_are_taken_of_partitions_that_are_the_members_since_before_it_read_them() {
    let mut bench = Bench::new();
    bench.join("a", 2);
    let first = bench.group.epoch();
    bench.join("b", 2);
    let (epoch, _) = bench.revoked("a").unwrap();
    let commit = |group: &Native, id, epoch, partition| {
        group.check_commit(&member(id), epoch, (topic(1), partition))
    };
    // While it is being revoked it is still the member's.
    for partition in 0..2 {
        assert_eq!(commit(&bench.group, "a", first, partition), Ok(()));
    }
    bench.release("a", epoch).unwrap();
    let theirs = bench.owned("b")[0];
    let now = bench.group.epoch();
    let lost = Err(GroupError::NotOwned { now });
    assert_eq!(commit(&bench.group, "a", now, theirs), lost);
    assert_eq!(commit(&bench.group, "b", now, theirs), Ok(()));
    assert_eq!(
        commit(&bench.group, "b", first, theirs),
        lost,
        "an epoch in which it was another's"
    );
    let ahead = Err(GroupError::IllegalGeneration { now });
    assert_eq!(commit(&bench.group, "b", now + 1, theirs), ahead);
}

#[test]
fn new_partitions_are_shared_out_and_deleted_topics_are_nobodys() {
    let mut bench = Bench::new();
    bench.join("a", 2);
    bench.group.topic_has(topic(1), 5, bench.now, &mut bench.events);
    assert_eq!(bench.owned("a").len(), 5);
    let epoch = bench.group.epoch();
    bench.group.topic_has(topic(9), 5, bench.now, &mut bench.events);
    assert_eq!(bench.group.epoch(), epoch, "nobody reads that");
    bench.group.topic_has(topic(1), 0, bench.now, &mut bench.events);
    assert!(bench.owned("a").is_empty() && bench.group.is_stable());
}

#[test]
fn range_gives_runs_in_the_order_members_came_and_the_same_ones_of_each_topic() {
    let mut bench = Bench::new();
    for id in ["b", "a"] {
        let join = joining(id, &[(1, 5), (2, 5)], Strategy::Range);
        bench.group.join(join, &policy(), bench.now, &mut bench.events).unwrap();
    }
    let target = |id| -> Vec<_> {
        bench.group.members[&member(id)].target.iter().map(|(_, number)| *number).collect()
    };
    assert_eq!(target("b"), [0, 1, 2, 0, 1, 2]);
    assert_eq!(target("a"), [3, 4, 3, 4]);
}

#[test]
fn sticky_moves_no_more_than_it_takes() {
    let mut bench = Bench::new();
    bench.join("a", 9);
    for id in ["b", "c"] {
        bench.join(id, 9);
        while let Some((to, epoch)) = bench.next_revoked() {
            bench.group.release(&to, epoch, bench.now, &mut bench.events).unwrap();
        }
    }
    let before = ["a", "b", "c"].map(|id| bench.owned(id));
    assert!(before.iter().all(|owned| owned.len() == 3));
    bench.group.leave(&member("b"), bench.now, &mut bench.events).unwrap();
    for (id, before) in [("a", &before[0]), ("c", &before[2])] {
        let after = bench.owned(id);
        assert!(before.iter().all(|partition| after.contains(partition)));
        assert!(matches!(after.len(), 4 | 5));
    }
}
