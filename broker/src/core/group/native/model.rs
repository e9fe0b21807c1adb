//! Random members against a group that the server shares out: what each member believes it has,
//! from what it was told, never overlaps, and once all have let go everything has an owner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::{Strategy as Any, *};

use super::tests::{joining, policy, topic};
use super::{Strategy, *};

#[derive(Clone, Copy, Debug)]
enum Deed {
    Join { topics: u8, range: bool },
    ComeBack { who: usize },
    Release { who: usize },
    Heartbeat { who: usize },
    Leave { who: usize },
    Disconnect { who: usize },
    Pass { ms: u64 },
    Grow { topic: u8 },
}

fn deed() -> impl Any<Value = Deed> {
    let who = 0..5_usize;
    prop_oneof![
        3 => (1..4_u8, any::<bool>()).prop_map(|(topics, range)| Deed::Join { topics, range }),
        1 => who.clone().prop_map(|who| Deed::ComeBack { who }),
        6 => who.clone().prop_map(|who| Deed::Release { who }),
        3 => who.clone().prop_map(|who| Deed::Heartbeat { who }),
        1 => who.clone().prop_map(|who| Deed::Leave { who }),
        1 => who.prop_map(|who| Deed::Disconnect { who }),
        2 => (0..8_000_u64).prop_map(|ms| Deed::Pass { ms }),
        1 => (1..3_u8).prop_map(|topic| Deed::Grow { topic }),
    ]
}

/// A member, as it sees itself.
#[derive(Debug, Default)]
struct Seen {
    has: BTreeSet<Place>,
    /// What it is to let go, and with which epoch to say so.
    asked: Option<(u32, Vec<Place>)>,
    topics: u8,
}

struct Model {
    group: Native,
    now: Instant,
    members: BTreeMap<MemberId, Seen>,
    partitions: [u32; 2],
    joined: u32,
}

impl Model {
    #[expect(clippy::disallowed_methods, reason = "a test's time begins somewhere")]
    fn new() -> Self {
        let (group, now) = (Native::new(0), Instant::now());
        Self { group, now, members: BTreeMap::new(), partitions: [4, 3], joined: 0 }
    }

    fn join(&self, id: &str, topics: u8, range: bool) -> NativeJoin {
        let wanted: Vec<_> = [1_u8, 2]
            .into_iter()
            .filter(|number| topics & number != 0)
            .map(|number| (number, self.partitions[usize::from(number) - 1]))
            .collect();
        joining(id, &wanted, if range { Strategy::Range } else { Strategy::Sticky })
    }

    fn nth(&self, who: usize) -> Option<MemberId> {
        let place = who.checked_rem(self.members.len())?;
        self.members.keys().nth(place).cloned()
    }

    fn act(&mut self, deed: Deed) {
        let mut events = Vec::new();
        let now = self.now;
        match deed {
            Deed::Join { topics, range } => {
                self.joined += 1;
                let join = self.join(&format!("m{}", self.joined), topics, range);
                if let Ok(id) = self.group.join(join, &policy(), now, &mut events) {
                    self.members.insert(id, Seen { topics, ..Seen::default() });
                }
            }
            Deed::ComeBack { who } => {
                let Some(id) = self.nth(who) else { return };
                let mut join = self.join("unused", self.members[&id].topics, false);
                join.member = Some(id);
                let _ = self.group.join(join, &policy(), now, &mut events);
            }
            Deed::Release { who } => {
                let Some(id) = self.nth(who) else { return };
                let seen = self.members.get_mut(&id).unwrap();
                let Some((epoch, places)) = seen.asked.take() else { return };
                seen.has.retain(|place| !places.contains(place));
                self.group.release(&id, epoch, now, &mut events).unwrap();
            }
            Deed::Heartbeat { who } => {
                let Some(id) = self.nth(who) else { return };
                self.group.heartbeat(&id, now).unwrap();
            }
            Deed::Leave { who } => {
                let Some(id) = self.nth(who) else { return };
                self.members.remove(&id);
                self.group.leave(&id, now, &mut events).unwrap();
            }
            Deed::Disconnect { who } => {
                let Some(id) = self.nth(who) else { return };
                self.group.disconnected(&id, Duration::from_secs(2), now);
            }
            Deed::Pass { ms } => {
                self.now += Duration::from_millis(ms);
                self.group.expire(self.now, &mut events);
            }
            Deed::Grow { topic: number } => {
                let partitions = &mut self.partitions[usize::from(number) - 1];
                *partitions += 1;
                self.group.topic_has(topic(number), *partitions, now, &mut events);
            }
        }
        self.hear(events);
    }

    /// Those whose membership ended stop first: what they had may be others' at once.
    fn hear(&mut self, events: Vec<ToMember>) {
        for (id, event) in &events {
            if let Event::Ended(_) = event {
                self.members.remove(id);
            }
        }
        for (id, event) in events {
            let Some(seen) = self.members.get_mut(&id) else { continue };
            match event {
                Event::Assigned { partitions, .. } => seen.has.extend(partitions),
                Event::Revoked { epoch, partitions } => seen.asked = Some((epoch, partitions)),
                Event::Ended(_) => {}
            }
        }
    }

    fn check(&self) {
        let mut owners = BTreeMap::new();
        for (id, seen) in &self.members {
            for place in &seen.has {
                let other = owners.insert(*place, id);
                assert_eq!(other, None, "{place:?} has two owners");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_partition_has_two_owners_and_all_have_one_when_members_have_let_go(
        deeds in prop::collection::vec(deed(), 1..60),
    ) {
        let mut model = Model::new();
        for deed in deeds {
            let before = model.group.epoch();
            model.act(deed);
            model.check();
            prop_assert!(before <= model.group.epoch());
        }
        for _ in 0..100 {
            for who in 0..model.members.len() {
                model.act(Deed::Release { who });
                model.check();
            }
        }
        prop_assert!(model.group.is_stable());
        let had: BTreeSet<_> =
            model.members.values().flat_map(|seen| seen.has.iter().copied()).collect();
        let wanted = |number: u8| model.members.values().any(|seen| seen.topics & number != 0);
        let all = [1_u8, 2].into_iter().filter(|number| wanted(*number)).flat_map(|number| {
            let partitions = model.group.topics[&topic(number)];
            (0..partitions).map(move |partition| (topic(number), partition))
        });
        prop_assert_eq!(had, all.collect::<BTreeSet<_>>());
        let (most, least) = model.members.values().fold((0, usize::MAX), |(most, least), seen| {
            let full = seen.topics == 3;
            let count = if full { seen.has.len() } else { return (most, least) };
            (most.max(count), least.min(count))
        });
        let same = model.members.values().all(|seen| seen.topics == 3);
        if same && model.group.strategy() == Strategy::Sticky && !model.members.is_empty() {
            prop_assert!(most - least <= 1, "shares are even: {most} and {least}");
        }
    }
}
