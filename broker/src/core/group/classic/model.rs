//! Random members against a classic group: whatever they do, and however late, what the file
//! beside this one promises holds.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;

use super::tests::policy;
use super::*;

/// What one of a few members does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Join { who: u8, twice: bool, instance: bool },
    JoinAgain { who: u8 },
    Sync { who: u8, generations_back: u32 },
    Heartbeat { who: u8 },
    Leave { who: u8 },
    Pass { ms: u64 },
}

fn deed() -> impl Strategy<Value = Deed> {
    let who = 0..5_u8;
    prop_oneof![
        3 => (who.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(who, twice, instance)| Deed::Join { who, twice, instance }),
        4 => who.clone().prop_map(|who| Deed::JoinAgain { who }),
        4 => (who.clone(), 0..2_u32)
            .prop_map(|(who, generations_back)| Deed::Sync { who, generations_back }),
        2 => who.clone().prop_map(|who| Deed::Heartbeat { who }),
        1 => who.prop_map(|who| Deed::Leave { who }),
        2 => (0..40_000_u64).prop_map(|ms| Deed::Pass { ms }),
    ]
}

/// The group, and what its members were told.
struct Model {
    group: Classic,
    policy: crate::core::group::policy::Policy,
    now: Instant,
    /// The ids that each of the members was given, the last one last.
    ids: Vec<Vec<MemberId>>,
    tickets: Vec<(u8, bool)>,
    open: BTreeSet<u64>,
    given: u64,
}

impl Model {
    #[expect(clippy::disallowed_methods, reason = "a test's time begins somewhere")]
    fn new(delay_ms: u64) -> Self {
        let mut policy = policy();
        policy.initial_rebalance_delay = Duration::from_millis(delay_ms);
        Self {
            group: Classic::new(0, None),
            policy,
            now: Instant::now(),
            ids: vec![Vec::new(); 5],
            tickets: Vec::new(),
            open: BTreeSet::new(),
            given: 0,
        }
    }

    fn ticket(&mut self, who: u8) -> Ticket {
        self.tickets.push((who, true));
        let ticket = self.tickets.len() as u64 - 1;
        self.open.insert(ticket);
        Ticket(ticket)
    }

    fn last_id(&self, who: u8) -> Option<MemberId> {
        self.ids[usize::from(who)].last().cloned()
    }

    fn join(&mut self, who: u8, known: Option<MemberId>, twice: bool, instance: bool) {
        self.given += 1;
        let instance = instance.then(|| InstanceId::parse(&format!("i{who}")).unwrap());
        let join = Join {
            member: known,
            fresh: MemberId::parse(&format!("m{who}-{}", self.given)).unwrap(),
            instance,
            client: ClientName::default(),
            session_timeout: Duration::from_secs(10),
            rebalance_timeout: Duration::from_secs(20),
            protocol_type: "consumer".to_owned(),
            protocols: vec![("range".to_owned(), Bytes::new())],
            joins_twice: twice,
            may_skip: true,
        };
        let ticket = self.ticket(who);
        let mut told = Vec::new();
        self.group.join(join, ticket, &self.policy, self.now, &mut told);
        self.hear(told);
    }

    /// Each ticket is told once; who joined knows its id from then on.
    fn hear(&mut self, told: Vec<Told>) {
        for told in told {
            let (Told::Joined(ticket, _) | Told::Synced(ticket, _)) = &told;
            assert!(self.open.remove(&ticket.0), "{ticket:?} is told once");
            let who = usize::from(self.tickets[ticket.0 as usize].0);
            match told {
                Told::Joined(_, Ok(joined)) => {
                    let group = &self.group;
                    assert!(joined.generation <= group.generation());
                    self.ids[who].push(joined.member);
                }
                Told::Joined(_, Err(GroupError::MemberIdRequired(id))) => self.ids[who].push(id),
                Told::Joined(..) | Told::Synced(..) => {}
            }
        }
    }

    fn act(&mut self, deed: Deed) {
        let mut told = Vec::new();
        match deed {
            Deed::Join { who, twice, instance } => self.join(who, None, twice, instance),
            Deed::JoinAgain { who } => {
                if let Some(id) = self.last_id(who) {
                    self.join(who, Some(id), true, false);
                }
            }
            Deed::Sync { who, generations_back } => {
                let Some(member) = self.last_id(who) else { return };
                let generation = self.group.generation().saturating_sub(generations_back);
                let assignments = self.group.members.keys().map(|id| (id.clone(), Bytes::new()));
                let claim = Claim {
                    member,
                    instance: None,
                    generation,
                    protocol_type: None,
                    protocol: None,
                    assignments: assignments.collect(),
                };
                let ticket = self.ticket(who);
                self.group.sync(claim, ticket, self.now, &mut told);
            }
            Deed::Heartbeat { who } => {
                if let Some(id) = self.last_id(who) {
                    let generation = self.group.generation();
                    let _ = self.group.heartbeat(&id, None, generation, self.now);
                }
            }
            Deed::Leave { who } => {
                let leave = [Leave { member: self.last_id(who), instance: None }];
                self.group.leave(&leave, &self.policy, self.now, &mut told);
            }
            Deed::Pass { ms } => {
                let until = self.now + Duration::from_millis(ms);
                while let Some(due) = self.group.next_deadline().filter(|due| *due <= until) {
                    self.now = self.now.max(due);
                    self.group.expire(&self.policy, self.now, &mut told);
                }
                self.now = until;
            }
        }
        self.hear(told);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn generations_only_rise_tickets_are_told_once_and_silence_empties_the_group(
        delay_ms in prop_oneof![Just(0), Just(500)],
        deeds in prop::collection::vec(deed(), 1..60),
    ) {
        let mut model = Model::new(delay_ms);
        for deed in deeds {
            let before = model.group.generation();
            model.act(deed);
            prop_assert!(before <= model.group.generation());
            prop_assert!(model.group.members.len() <= 5);
        }
        // Nobody says anything any more: nobody is left, and nobody waits.
        model.act(Deed::Pass { ms: 3_600_000 });
        prop_assert_eq!(model.group.state(), State::Empty);
        prop_assert!(!model.group.has_members());
        prop_assert_eq!(model.group.next_deadline(), None);
        prop_assert!(model.open.is_empty(), "somebody waits for ever");
    }
}
