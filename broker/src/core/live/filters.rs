//! The filters of one reader: whether it wants a record.

use std::ops::ControlFlow;

use weir_protocol::limits::FILTERS_MAX;

use super::filter::Filter;
use super::index::Index;

/// What a reader wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    filters: Vec<Filter>,
    index: Index,
}

/// More filters than a reader may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {FILTERS_MAX} filters: use wildcards, or another connection")]
pub(crate) struct TooManyFilters;

impl Filters {
    /// Adds a filter; one that is there already changes nothing.
    pub(crate) fn add(&mut self, filter: &Filter) -> Result<(), TooManyFilters> {
        if self.filters.len() == FILTERS_MAX {
            return Err(TooManyFilters);
        }
        self.filters.push(filter.clone());
        self.index.add(filter, 0);
        Ok(())
    }

    /// Whether one of them takes `subject`. A record without a key has none, and none takes it.
    pub(crate) fn take(&self, subject: Option<&[u8]>) -> bool {
        let is_taken =
            |subject| self.index.owners(subject, &mut |_| ControlFlow::Break(())).is_break();
        subject.is_some_and(is_taken)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Filter> {
        self.filters.iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn filters<'a>(of: impl IntoIterator<Item = &'a str>) -> Filters {
        let mut filters = Filters::default();
        for text in of {
            filters.add(&Filter::parse(text).unwrap()).unwrap();
        }
        filters
    }

    /// What a filter means, said as plainly as can be.
    fn takes(filter: &str, subject: &str) -> bool {
        let (filter, subject): (Vec<_>, Vec<_>) =
            (filter.split('.').collect(), subject.split('.').collect());
        let rest = filter.last() == Some(&">");
        let fits = match rest {
            true => filter.len() <= subject.len(),
            false => filter.len() == subject.len(),
        };
        fits && filter.iter().zip(&subject).all(|(of, is)| ["*", ">"].contains(of) || of == is)
    }

    proptest! {
        #[test]
        fn an_index_takes_what_one_of_its_filters_takes(
            wanted in vec("(a|b|\\*)(\\.(a|b|\\*)){0,3}(\\.>)?|>", 0..6),
            subjects in vec("(a|b|c|)(\\.(a|b|c|)){0,4}", 1..20),
        ) {
            let index = filters(wanted.iter().map(String::as_str));
            for subject in &subjects {
                let one_takes = wanted.iter().any(|filter| takes(filter, subject));
                prop_assert_eq!(index.take(Some(subject.as_bytes())), one_takes, "{}", subject);
            }
        }
    }

    #[test]
    fn a_key_of_any_bytes_is_a_subject_and_no_key_is_none() {
        let all = filters([">"]);
        assert!(all.take(Some(b"\xff\xfe.\x00")));
        assert!(all.take(Some(b"")));
        assert!(!all.take(None));
        let deep = vec!["a"; 10_000].join(".");
        assert!(filters(["a.*.>"]).take(Some(deep.as_bytes())));
        assert!(!filters(["a.*.b"]).take(Some(deep.as_bytes())));
        assert!(!filters([]).take(Some(b"a")));
    }

    #[test]
    fn filters_are_limited() {
        let filter = Filter::parse("a").unwrap();
        let mut many = Filters::default();
        for _ in 0..FILTERS_MAX {
            many.add(&filter).unwrap();
        }
        assert_eq!(many.add(&filter), Err(TooManyFilters));
    }
}
