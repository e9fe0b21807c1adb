//! Order by key: of the records of one key only the first that is not resolved may be handed out.
//!
//! ```text
//!   key a:  17 ─► 21 ─► 40        17 may be handed out, wait, or be worked on; 21 and 40 wait here
//!   key b:  18                    18 may go whatever becomes of 17
//! ```
//!
//! It is made of what scouts see and never kept: behind a restart they look again from the floor.
//! Keys are known by their hash; two keys of one hash wait for each other and lose nothing.
//!
//! Invariant: a key's records rise along its chain, and its first is the chain's head.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;

use super::leases::OffsetHasher;

/// The chains.
#[derive(Debug, Default)]
pub(super) struct Keys {
    chains: HashMap<u64, Chain>,
    records: HashMap<u64, Link, BuildHasherDefault<OffsetHasher>>,
    /// Records behind the head of their chain.
    waiting: u64,
    /// Chains of more than one.
    blocked: u64,
}

#[derive(Debug)]
struct Chain {
    head: u64,
    last: u64,
}

#[derive(Debug)]
struct Link {
    key: u64,
    next: Option<u64>,
    before: Option<u64>,
}

impl Keys {
    /// Records that wait for another one of their key.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Keys that some records wait for.
    pub(super) fn blocked(&self) -> u64 {
        self.blocked
    }

    /// A record behind all that are known; whether it is its key's first.
    pub(super) fn push(&mut self, offset: u64, key: u64) -> bool {
        let link = |before| Link { key, next: None, before };
        let Some(chain) = self.chains.get_mut(&key) else {
            self.chains.insert(key, Chain { head: offset, last: offset });
            self.records.insert(offset, link(None));
            return true;
        };
        assert!(chain.last < offset, "a key's records are found in their order");
        if chain.head == chain.last {
            self.blocked += 1;
        }
        self.waiting += 1;
        let before = std::mem::replace(&mut chain.last, offset);
        if let Some(link) = self.records.get_mut(&before) {
            link.next = Some(offset);
        }
        self.records.insert(offset, link(Some(before)));
        false
    }

    /// A record's key, where it has one.
    pub(super) fn of(&self, offset: u64) -> Option<u64> {
        self.records.get(&offset).map(|link| link.key)
    }

    /// Whether a record has to wait for another one.
    pub(super) fn is_waiting(&self, offset: u64) -> bool {
        self.records.get(&offset).is_some_and(|link| link.before.is_some())
    }

    /// Those of a run, rising, of which there may be more than of records here.
    pub(super) fn of_run(&self, run: Range<u64>, found: &mut Vec<u64>) {
        if run.end - run.start <= self.records.len() as u64 {
            return found.extend(run.filter(|offset| self.records.contains_key(offset)));
        }
        found.extend(self.records.keys().filter(|offset| run.contains(offset)));
        found.sort_unstable();
    }

    /// A record is resolved: the one that may go now, if it held one up.
    pub(super) fn remove(&mut self, offset: u64) -> Option<u64> {
        let Link { key, next, before } = self.records.remove(&offset)?;
        let chain = self.chains.get_mut(&key).expect("a record's key has a chain");
        if before.is_some() || next.is_some() {
            self.waiting -= 1;
        }
        match (before, next) {
            (None, None) => {
                self.chains.remove(&key);
                return None;
            }
            (None, Some(next)) => chain.head = next,
            (Some(before), None) => chain.last = before,
            (Some(_), Some(_)) => {}
        }
        if chain.head == chain.last {
            self.blocked -= 1;
        }
        if let Some(link) = next.and_then(|next| self.records.get_mut(&next)) {
            link.before = before;
        }
        if let Some(link) = before.and_then(|before| self.records.get_mut(&before)) {
            link.next = next;
        }
        next.filter(|_| before.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_key_goes_and_the_next_behind_it() {
        let mut keys = Keys::default();
        assert!(keys.push(1, 7));
        assert!(keys.push(2, 8));
        assert!(!keys.push(3, 7));
        assert!(!keys.push(4, 7));
        assert!(!keys.push(5, 7));
        assert_eq!((keys.waiting(), keys.blocked()), (3, 1));
        // One in the middle, and the last, may be resolved before their turn.
        assert_eq!(keys.remove(4), None);
        assert_eq!(keys.remove(5), None);
        assert!(keys.is_waiting(3) && !keys.is_waiting(2));
        assert_eq!(keys.remove(1), Some(3));
        assert_eq!((keys.waiting(), keys.blocked()), (0, 0));
        assert_eq!(keys.remove(3), None);
        assert_eq!(keys.remove(9), None);
        assert!(keys.push(6, 7));
    }
}
