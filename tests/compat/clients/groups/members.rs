//! The members of one group, and what they have said.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use weir_compat::broker::Broker;
use weir_compat::family::Family;
use weir_compat::program::{PATIENCE, Program};

use super::PARTITIONS;

/// Members that are alive, in the order they joined in.
pub(crate) struct Members<'a> {
    broker: &'a Broker,
    group: String,
    topic: &'a str,
    alive: Vec<Member>,
    /// Values that some member has read and committed since this was last asked for.
    read: Vec<String>,
}

struct Member {
    program: Program,
    assigned: Vec<i32>,
}

impl<'a> Members<'a> {
    pub(crate) fn new(broker: &'a Broker, group: &str, topic: &'a str) -> Self {
        Self { broker, group: group.to_owned(), topic, alive: vec![], read: vec![] }
    }

    pub(crate) fn join(&mut self, family: Family) {
        let program = family.member(self.broker.kafka(), &self.group, self.topic);
        self.alive.push(Member { program, assigned: vec![] });
    }

    /// Kills the member that joined first, as `kill -9` does.
    pub(crate) fn kill_first(&mut self) {
        self.alive.remove(0).program.kill();
    }

    pub(crate) fn leave_all(&mut self) {
        for member in self.alive.drain(..) {
            for line in member.program.finish() {
                assert!(line.starts_with("assigned"), "nothing is left to read: {line}");
            }
        }
    }

    /// Waits until the members have so many partitions each, in whatever order, and together all.
    pub(crate) fn until_each_has(&mut self, counts: &[usize]) {
        self.until("partitions are shared out", |members| {
            let mut had: Vec<usize> = members.iter().map(|member| member.assigned.len()).collect();
            had.sort_unstable();
            let all: BTreeSet<i32> =
                members.iter().flat_map(|member| member.assigned.iter().copied()).collect();
            had == counts && all == (0..PARTITIONS).collect()
        });
    }

    /// Waits until just these values were read, each once.
    pub(crate) fn until_read(&mut self, values: &[String]) {
        let mut read: Vec<String> = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while read.len() < values.len() {
            assert!(Instant::now() < deadline, "read so far: {read:?}, {}", self.state());
            self.listen();
            read.append(&mut self.read);
        }
        let (mut read, mut values) = (read, values.to_vec());
        read.sort();
        values.sort();
        assert_eq!(read, values, "{}", self.state());
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&[Member]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&self.alive) {
            assert!(Instant::now() < deadline, "{what}: {}", self.state());
            self.listen();
        }
    }

    /// Hears what each has to say.
    fn listen(&mut self) {
        for member in &mut self.alive {
            let Some(line) = member.program.read_within(TURN) else { continue };
            if let Some(partitions) = line.strip_prefix("assigned") {
                let partitions = partitions.split_whitespace();
                member.assigned =
                    partitions.map(|text| text.parse().expect("a partition is a number")).collect();
            } else {
                let value = line.strip_prefix("read ").and_then(|rest| rest.splitn(3, ' ').nth(2));
                self.read.push(value.expect("a member says no more").to_owned());
            }
        }
    }

    fn state(&self) -> String {
        let mut state = String::new();
        for Member { program, assigned } in &self.alive {
            let (name, complaints) = (program.name(), program.complaints());
            state += &format!("\n{name} has {assigned:?}\n{complaints}");
        }
        state
    }
}

/// How long one member is listened to before the next.
const TURN: Duration = Duration::from_millis(10);
