//! What is counted of consumer groups. How far each is behind is asked of the broker by its name
//! (`GET /v1/groups/{group}`): there may be more groups than a page of metrics should have lines.

use prometheus::{IntCounter, IntGauge};

use super::names;
use super::render::Book;

/// Of all groups.
#[derive(Clone, Debug)]
pub struct Groups {
    with_members: IntGauge,
    members: IntGauge,
    generations: IntCounter,
}

/// What was counted of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub members: u32,
    pub generation: u32,
}

impl Groups {
    pub(super) fn enter(book: &Book) -> Self {
        Self {
            with_members: book.gauge(&names::GROUPS),
            members: book.gauge(&names::GROUP_MEMBERS),
            generations: book.counter(&names::GROUP_GENERATIONS),
        }
    }

    /// Counts what changed of a group.
    pub fn changed(&self, was: Group, now: Group) {
        self.members.add(i64::from(now.members) - i64::from(was.members));
        let one_if = |has: bool| i64::from(has);
        self.with_members.add(one_if(now.members != 0) - one_if(was.members != 0));
        self.generations.inc_by(u64::from(now.generation.saturating_sub(was.generation)));
    }
}
