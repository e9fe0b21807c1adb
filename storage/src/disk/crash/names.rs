//! The names in a directory: those there are, and those a power cut leaves.
//!
//! Each unsynced change survives or not on its own, so that no order between two names can be
//! relied on; but changes of one name survive in their order, and a rename as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use super::chance::Chance;

type Entries = BTreeMap<OsString, u64>;

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) live: Entries,
    durable: Entries,
    unsynced: Vec<Change>,
    /// Names whose sync failed: no later one makes them certain, unless they change again.
    lost: BTreeSet<OsString>,
}

impl Names {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        for name in change.names() {
            self.lost.remove(name);
        }
        self.unsynced.push(change);
    }

    pub(super) fn harden(&mut self) {
        let Self { live, durable, unsynced, lost } = self;
        durable.retain(|name, _| lost.contains(name));
        let certain = live.iter().filter(|(name, _)| !lost.contains(*name));
        durable.extend(certain.map(|(name, id)| (name.clone(), *id)));
        unsynced.retain(|change| change.names().any(|name| lost.contains(name)));
    }

    /// A sync failed: what it was to make certain is as uncertain as before, for good.
    pub(super) fn lose_unsynced(&mut self) {
        self.lost.extend(self.unsynced.iter().flat_map(Change::names).cloned());
    }

    /// Whether a name stands for the same behind a power cut, whatever that takes.
    pub(super) fn is_certain(&self, name: &OsStr) -> bool {
        let is_unsynced = self.unsynced.iter().flat_map(Change::names).any(|other| other == name);
        !is_unsynced
            && self.durable.contains_key(name)
            && self.durable.get(name) == self.live.get(name)
    }

    pub(super) fn survive(&self, chance: &mut Chance) -> Self {
        let mut left = self.durable.clone();
        let mut lost = BTreeSet::new();
        for change in &self.unsynced {
            let stands = change.names().all(|name| !lost.contains(name));
            if stands && chance.coin() {
                change.apply(&mut left);
            } else {
                lost.extend(change.names());
            }
        }
        Self { live: left.clone(), durable: left, ..Self::default() }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Link { name: OsString, id: u64 },
    Unlink { name: OsString },
    Rename { source: OsString, target: OsString },
}

impl Change {
    fn apply(&self, entries: &mut Entries) {
        match self {
            Self::Link { name, id } => {
                entries.insert(name.clone(), *id);
            }
            Self::Unlink { name } => {
                entries.remove(name);
            }
            Self::Rename { source, target } => {
                let id = entries.remove(source).expect("a rename stands on its source");
                entries.insert(target.clone(), id);
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &OsString> {
        let (first, second) = match self {
            Self::Link { name, .. } | Self::Unlink { name } => (name, None),
            Self::Rename { source, target } => (source, Some(target)),
        };
        std::iter::once(first).chain(second)
    }
}
