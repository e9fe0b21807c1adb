use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::core::group::policy::Policy;

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn policy() -> Policy {
    Policy {
        groups_max: 10,
        members_max: 3,
        session_timeout_min: SECOND,
        session_timeout_max: 60 * SECOND,
        initial_rebalance_delay: Duration::ZERO,
        reconnect_grace: 2 * SECOND,
        offsets_retention: 3600 * SECOND,
    }
}

/// A group under test, at a time of its own.
struct Bench {
    group: Classic,
    policy: Policy,
    now: Instant,
    tickets: u64,
    told: Vec<Told>,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "a test's time begins somewhere")]
    fn new() -> Self {
        let (group, now) = (Classic::new(0, None), Instant::now());
        Self { group, policy: policy(), now, tickets: 0, told: Vec::new() }
    }

    /// Three members, `a` to `c`, in a stable generation; `a` leads.
    fn stable() -> Self {
        let mut bench = Self::new();
        for id in ["a", "b", "c"] {
            bench.join(id, |_| {});
        }
        for id in ["a", "b"] {
            bench.join_known(id);
        }
        for id in ["b", "c", "a"] {
            bench.sync(id);
        }
        bench.told.clear();
        assert_eq!(bench.group.state(), State::Stable);
        bench
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn join(&mut self, id: &str, change: impl FnOnce(&mut Join)) -> Ticket {
        let mut join = Join {
            member: None,
            fresh: member(id),
            instance: None,
            client: ClientName::default(),
            session_timeout: 10 * SECOND,
            rebalance_timeout: 30 * SECOND,
            protocol_type: "consumer".to_owned(),
            protocols: vec![("range".to_owned(), Bytes::from_static(b"topics"))],
            joins_twice: false,
            may_skip: true,
        };
        change(&mut join);
        let ticket = self.ticket();
        self.group.join(join, ticket, &self.policy, self.now, &mut self.told);
        ticket
    }

    fn join_known(&mut self, id: &str) -> Ticket {
        self.join("unused", |join| join.member = Some(member(id)))
    }

    /// Asks for a share; `a` gives each its own name.
    fn sync(&mut self, id: &str) -> Ticket {
        let named = |id: &MemberId| (id.clone(), Bytes::copy_from_slice(id.as_str().as_bytes()));
        let assignments = self.group.members.keys().map(named).collect();
        let claim = Claim {
            member: member(id),
            instance: None,
            generation: self.group.generation(),
            protocol_type: Some("consumer".to_owned()),
            protocol: None,
            assignments,
        };
        let ticket = self.ticket();
        self.group.sync(claim, ticket, self.now, &mut self.told);
        ticket
    }

    fn beat(&mut self, id: &str, generation: u32) -> Result<(), GroupError> {
        self.group.heartbeat(&member(id), None, generation, self.now)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.expire(&self.policy, self.now, &mut self.told);
    }

    fn joined(&mut self, ticket: Ticket) -> Result<Joined, GroupError> {
        let told = |told: &Told| match told {
            Told::Joined(of, said) if *of == ticket => Some(said.clone()),
            Told::Joined(..) | Told::Synced(..) => None,
        };
        self.told.iter().find_map(told).expect("the ticket was told")
    }

    fn synced(&mut self, ticket: Ticket) -> Result<Synced, GroupError> {
        let told = |told: &Told| match told {
            Told::Synced(of, said) if *of == ticket => Some(said.clone()),
            Told::Joined(..) | Told::Synced(..) => None,
        };
        self.told.iter().find_map(told).expect("the ticket was told")
    }
}

fn member(id: &str) -> MemberId {
    MemberId::parse(id).unwrap()
}

fn instance(id: &str) -> InstanceId {
    InstanceId::parse(id).unwrap()
}

#[test]
fn a_first_member_leads_and_gets_what_it_shares_out() {
    let mut bench = Bench::new();
    let ticket = bench.join("a", |_| {});
    let joined = bench.joined(ticket).unwrap();
    assert_eq!((joined.generation, joined.leader.as_str()), (1, "a"));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.protocol.as_deref(), Some("range"));
    assert_eq!(bench.beat("a", 1), Ok(()));
    let ticket = bench.sync("a");
    assert_eq!(bench.synced(ticket).unwrap().assignment, "a");
    assert_eq!(bench.group.state(), State::Stable);
}

#[test]
fn followers_get_their_share_once_the_leader_has_shared_out() {
    let mut bench = Bench::new();
    bench.join("a", |_| {});
    let b = bench.join("b", |_| {});
    assert_eq!(bench.beat("a", 1), Err(GroupError::RebalanceInProgress));
    let a = bench.join_known("a");
    assert_eq!(bench.joined(a).unwrap().members.len(), 2);
    assert!(bench.joined(b).unwrap().members.is_empty());
    let share = bench.sync("b");
    assert!(!bench.told.iter().any(|told| matches!(told, Told::Synced(..))));
    bench.sync("a");
    assert_eq!(bench.synced(share).unwrap().assignment, "b");
    // One that asks again gets the same again.
    let again = bench.sync("b");
    assert_eq!(bench.synced(again).unwrap().assignment, "b");
}

#[test]
fn a_silent_member_is_out_and_the_others_join_the_next_generation() {
    let mut bench = Bench::stable();
    let generation = bench.group.generation();
    bench.pass(9 * SECOND);
    for id in ["a", "b"] {
        assert_eq!(bench.beat(id, generation), Ok(()));
    }
    bench.pass(SECOND);
    assert_eq!(bench.group.state(), State::Preparing);
    assert_eq!(bench.beat("c", generation), Err(GroupError::UnknownMember));
    let a = bench.join_known("a");
    bench.join_known("b");
    assert_eq!(bench.joined(a).unwrap().members.len(), 2);
    assert_eq!(bench.joined(a).unwrap().generation, generation + 1);
    let dead = GroupError::IllegalGeneration { now: generation + 1 };
    assert_eq!(bench.beat("b", generation), Err(dead));
}

#[test]
fn who_does_not_join_in_time_is_left_behind() {
    let mut bench = Bench::stable();
    let generation = bench.group.generation();
    bench.join_known("a");
    bench.join_known("b");
    for _ in 0..3 {
        bench.pass(9 * SECOND);
        let _ = bench.beat("c", generation);
    }
    assert_eq!(bench.group.state(), State::Preparing);
    bench.pass(3 * SECOND);
    assert_eq!(bench.group.state(), State::Completing);
    assert_eq!(bench.group.described().len(), 2);
}

#[test]
fn who_does_not_ask_for_its_share_is_out() {
    let mut bench = Bench::new();
    bench.join("a", |_| {});
    bench.join("b", |_| {});
    bench.join_known("a");
    let share = bench.sync("a");
    assert_eq!(bench.synced(share).unwrap().assignment, "a");
    for _ in 0..4 {
        bench.pass(8 * SECOND);
        let generation = bench.group.generation();
        let _ = (bench.beat("a", generation), bench.beat("b", generation));
    }
    let described = bench.group.described();
    assert_eq!(described.len(), 1);
    assert_eq!(described[0].member, member("a"));
}

#[test]
fn those_who_leave_are_not_waited_for_and_the_last_one_empties_the_group() {
    let mut bench = Bench::stable();
    let leave = |id: &str| Leave { member: Some(member(id)), instance: None };
    let leaving = [leave("a"), leave("x"), leave("b")];
    let left = bench.group.leave(&leaving, &bench.policy, bench.now, &mut bench.told);
    assert_eq!(left, [Ok(()), Err(GroupError::UnknownMember), Ok(())]);
    let c = bench.join_known("c");
    assert_eq!(bench.joined(c).unwrap().leader, member("c"));
    let generation = bench.group.generation();
    let left = bench.group.leave(&[leave("c")], &bench.policy, bench.now, &mut bench.told);
    assert_eq!(left, [Ok(())]);
    assert_eq!((bench.group.state(), bench.group.generation()), (State::Empty, generation + 1));
    assert_eq!(bench.group.next_deadline(), None);
}

#[test]
fn a_member_that_knows_how_joins_twice_and_one_that_does_not_come_back_holds_nobody_up_for_long() {
    let mut bench = Bench::new();
    let first = bench.join("a", |join| join.joins_twice = true);
    assert_eq!(bench.joined(first), Err(GroupError::MemberIdRequired(member("a"))));
    bench.join("b", |join| join.joins_twice = true);
    let a = bench.join_known("a");
    // `b` was given an id and is waited for, as it is about to join.
    assert!(!bench.told.iter().any(|told| matches!(told, Told::Joined(of, _) if *of == a)));
    bench.pass(10 * SECOND);
    assert_eq!(bench.joined(a).unwrap().members.len(), 1);
    let late = bench.join_known("b");
    assert_eq!(bench.joined(late), Err(GroupError::UnknownMember));
}

#[test]
fn the_first_rebalance_waits_while_members_come() {
    let mut bench = Bench::new();
    bench.policy.initial_rebalance_delay = SECOND;
    let a = bench.join("a", |_| {});
    bench.pass(SECOND / 2);
    bench.join("b", |_| {});
    bench.pass(SECOND / 2);
    assert_eq!(bench.group.state(), State::Preparing);
    bench.pass(SECOND);
    assert_eq!(bench.joined(a).unwrap().members.len(), 2);
}

#[test]
fn an_instance_comes_back_without_a_rebalance_and_its_old_self_is_fenced() {
    let mut bench = Bench::new();
    let named = |join: &mut Join| join.instance = Some(instance("i"));
    bench.join("old", named);
    bench.sync("old");
    let generation = bench.group.generation();
    let back = bench.join("new", named);
    let joined = bench.joined(back).unwrap();
    assert_eq!((joined.generation, joined.skip_assignment), (generation, true));
    assert_eq!(joined.leader, member("new"));
    let beat = |bench: &mut Bench, id| {
        bench.group.heartbeat(&member(id), Some(&instance("i")), generation, bench.now)
    };
    assert_eq!(beat(&mut bench, "old"), Err(GroupError::Fenced));
    assert_eq!(beat(&mut bench, "new"), Ok(()));
    // An older client must not share out, so it does not hear that it leads.
    let older = bench.join("newer", |join| {
        named(join);
        join.may_skip = false;
    });
    let joined = bench.joined(older).unwrap();
    assert_eq!((joined.leader, joined.members.len()), (member("new"), 0));
}

#[test]
fn an_instance_is_waited_for_until_its_session_ends() {
    let mut bench = Bench::new();
    bench.join("s", |join| join.instance = Some(instance("i")));
    bench.sync("s");
    let a = bench.join("a", |_| {});
    bench.pass(9 * SECOND);
    let generation = bench.group.generation();
    assert!(!bench.told.iter().any(|told| matches!(told, Told::Joined(of, _) if *of == a)));
    bench.pass(SECOND);
    assert_eq!(bench.joined(a).unwrap().generation, generation + 1);
}

#[test]
fn what_members_speak_decides_the_protocol_and_strangers_are_refused() {
    let mut bench = Bench::new();
    let speaks = |names: &[&str]| -> Vec<(String, Bytes)> {
        names.iter().map(|name| ((*name).to_owned(), Bytes::new())).collect()
    };
    bench.join("a", |join| join.protocols = speaks(&["range", "sticky"]));
    let b = bench.join("b", |join| join.protocols = speaks(&["sticky"]));
    bench.join("unused", |join| {
        join.member = Some(member("a"));
        join.protocols = speaks(&["range", "sticky"]);
    });
    assert_eq!(bench.joined(b).unwrap().protocol.as_deref(), Some("sticky"));
    for change in [
        (|join: &mut Join| join.protocols = vec![("range".to_owned(), Bytes::new())]) as fn(&mut _),
        |join| join.protocols = Vec::new(),
        |join| join.protocol_type = "connect".to_owned(),
        |join| join.protocol_type = String::new(),
    ] {
        let refused = bench.join("x", change);
        assert_eq!(bench.joined(refused), Err(GroupError::InconsistentProtocol));
    }
}

#[test]
fn a_full_group_takes_nobody_more() {
    let mut bench = Bench::stable();
    let fourth = bench.join("d", |_| {});
    assert_eq!(bench.joined(fourth), Err(GroupError::Full { max: 3 }));
    // Neither does one whose places are given out and not taken.
    let mut bench = Bench::new();
    let promised = |join: &mut Join| join.joins_twice = true;
    for id in ["a", "b", "c"] {
        bench.join(id, promised);
    }
    let fourth = bench.join("d", promised);
    assert_eq!(bench.joined(fourth), Err(GroupError::Full { max: 3 }));
}

#[test]
fn commits_are_taken_from_members_of_the_generation_and_from_nobody_where_it_is_empty() {
    let mut bench = Bench::stable();
    let generation = bench.group.generation();
    let mut commit =
        |member: Option<(&MemberId, u32)>| bench.group.check_commit(member, None, bench.now);
    let a = member("a");
    assert_eq!(commit(Some((&a, generation))), Ok(()));
    let dead = GroupError::IllegalGeneration { now: generation };
    assert_eq!(commit(Some((&a, generation - 1))), Err(dead));
    assert_eq!(commit(Some((&member("x"), generation))), Err(GroupError::UnknownMember));
    assert_eq!(commit(None), Err(GroupError::UnknownMember));
    bench.join_known("a");
    let rebalancing = bench.group.check_commit(Some((&a, generation)), None, bench.now);
    assert_eq!(rebalancing, Ok(()), "what was worked off may be committed before the next begins");
    assert_eq!(Classic::new(7, None).check_commit(None, None, bench.now), Ok(()));
}

#[test]
fn a_commit_counts_as_a_sign_of_life() {
    let mut bench = Bench::stable();
    let generation = bench.group.generation();
    for _ in 0..3 {
        bench.pass(6 * SECOND);
        for id in ["a", "b", "c"] {
            let id = member(id);
            assert_eq!(bench.group.check_commit(Some((&id, generation)), None, bench.now), Ok(()));
        }
    }
    assert_eq!(bench.group.state(), State::Stable);
}
