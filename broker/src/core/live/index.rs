//! Filters and whose they are, as an index: what a subject costs does not grow with their number.
//!
//! ```text
//!   orders.*.eu                      ┌─ * ── eu ●
//!   orders.42         ──►   orders ──┤
//!   rooms.>                          └─ 42 ●
//!                           rooms ── > ●
//! ```
//!
//! Each node is visited once at most for a subject, and none below the filters' deepest level.
//! Nothing is allocated to match. An owner is a number that means something to who asks.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::filter::{Filter, Level};

/// What the filters with one beginning have behind it; the index is the one of no beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Whose filters end here.
    ends: Vec<u32>,
    /// Whose filters take all that follows.
    rest: Vec<u32>,
    any: Option<Box<Index>>,
    is: HashMap<Box<[u8]>, Index>,
}

impl Index {
    pub(super) fn add(&mut self, filter: &Filter, owner: u32) {
        let mut node = self;
        for level in &filter.levels {
            node = match level {
                Level::Is(text) => node.is.entry(text.clone()).or_default(),
                Level::Any => node.any.get_or_insert_default(),
                Level::Rest => {
                    node.rest.push(owner);
                    return;
                }
            };
        }
        node.ends.push(owner);
    }

    /// Takes away all that this owner has of a filter.
    pub(super) fn remove(&mut self, filter: &Filter, owner: u32) {
        self.remove_below(&filter.levels, owner);
    }

    fn remove_below(&mut self, levels: &[Level], owner: u32) {
        let Some((level, behind)) = levels.split_first() else {
            self.ends.retain(|of| *of != owner);
            return;
        };
        match level {
            Level::Rest => self.rest.retain(|of| *of != owner),
            Level::Any => {
                self.any = self.any.take().and_then(|mut node| {
                    node.remove_below(behind, owner);
                    (!node.is_empty()).then_some(node)
                });
            }
            Level::Is(text) => {
                let Some(node) = self.is.get_mut(text) else { return };
                node.remove_below(behind, owner);
                if node.is_empty() {
                    self.is.remove(text);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { ends, rest, any, is } = self;
        ends.is_empty() && rest.is_empty() && any.is_none() && is.is_empty()
    }

    /// Names the owners whose filters take `subject`, until one says that it is enough. One that
    /// has several such filters is named as often.
    pub(super) fn owners(
        &self,
        subject: &[u8],
        named: &mut impl FnMut(u32) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.below(Some(subject), named)
    }

    /// The same of what is left of a subject: `None` behind its last level.
    fn below(
        &self,
        left: Option<&[u8]>,
        named: &mut impl FnMut(u32) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(left) = left else { return self.ends.iter().copied().try_for_each(named) };
        let (level, behind) = match left.iter().position(|byte| *byte == b'.') {
            Some(dot) => (&left[..dot], Some(&left[dot + 1..])),
            None => (left, None),
        };
        self.rest.iter().copied().try_for_each(&mut *named)?;
        if let Some(node) = self.is.get(level) {
            node.below(behind, named)?;
        }
        match &self.any {
            Some(node) => node.below(behind, named),
            None => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn owners(index: &Index, subject: &str) -> Vec<u32> {
        let mut owners = Vec::new();
        let _ = index.owners(subject.as_bytes(), &mut |owner| {
            owners.push(owner);
            ControlFlow::Continue(())
        });
        owners.sort_unstable();
        owners
    }

    proptest! {
        #[test]
        fn who_left_is_not_named_and_leaves_nothing(
            wanted in vec("(a|b|\\*)(\\.(a|b|\\*)){0,2}(\\.>)?|>", 1..8),
            subject in "(a|b)(\\.(a|b)){0,3}",
            stays in 0_u32..8,
        ) {
            let filters: Vec<_> = wanted.iter().map(|text| Filter::parse(text).unwrap()).collect();
            let (mut all, mut alone) = (Index::default(), Index::default());
            for (owner, filter) in (0..).zip(&filters) {
                all.add(filter, owner);
                if owner == stays {
                    alone.add(filter, owner);
                }
            }
            for (owner, filter) in (0..).zip(&filters) {
                if owner != stays {
                    all.remove(filter, owner);
                }
            }
            prop_assert_eq!(owners(&all, &subject), owners(&alone, &subject));
            if let Some(filter) = filters.get(stays as usize) {
                all.remove(filter, stays);
            }
            prop_assert!(all.is_empty());
        }
    }
}
