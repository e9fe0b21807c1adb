//! What topics there must be, may be and must not be.
//!
//! Whoever asks for a change and hears nothing has two histories from there on; a listing says
//! which of them it was.

use std::collections::BTreeMap;

use weir_protocol::id::TopicId;

use super::Broken;

/// A topic as it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Being {
    None,
    Some {
        id: TopicId,
        partitions: u32,
    },
    /// It was asked for, and nobody knows its id yet.
    New {
        partitions: u32,
    },
}

/// The topics, by name: all that each may be.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    may_be: BTreeMap<String, Vec<Being>>,
}

impl Topics {
    /// The broker answered: the topic is this.
    pub(crate) fn is(&mut self, name: &str, being: Being) {
        self.may_be.insert(name.to_owned(), vec![being]);
    }

    /// The broker was asked to make it this, and did not answer.
    pub(crate) fn may_be(&mut self, name: &str, being: Being) {
        self.may_be.entry(name.to_owned()).or_insert_with(|| vec![Being::None]).push(being);
    }

    /// The broker answered that it left the topic as it was, whatever it was.
    pub(crate) fn is_not(&mut self, name: &str, being: Being) {
        if let Some(may_be) = self.may_be.get_mut(name)
            && let Some(place) = may_be.iter().rposition(|may| *may == being)
        {
            may_be.remove(place);
        }
    }

    /// The ids that a name stands for, for all that is known.
    pub(crate) fn ids(&self, name: &str) -> Vec<TopicId> {
        let of = |being: &Being| match being {
            Being::Some { id, .. } => Some(*id),
            Being::None | Being::New { .. } => None,
        };
        self.may_be.get(name).into_iter().flatten().filter_map(of).collect()
    }

    /// The topics there are, as the broker lists them: from here on that is known.
    pub(crate) fn audit(
        &mut self,
        listed: &BTreeMap<String, (TopicId, u32)>,
    ) -> Result<(), Broken> {
        for name in listed.keys() {
            self.may_be.entry(name.clone()).or_insert_with(|| vec![Being::None]);
        }
        for (name, may_be) in &mut self.may_be {
            let found = listed.get(name).copied();
            let agrees = |being: &Being| match (*being, found) {
                (Being::None, None) => true,
                (Being::Some { id, partitions }, Some(found)) => found == (id, partitions),
                (Being::New { partitions }, Some((_, found))) => found == partitions,
                _ => false,
            };
            if !may_be.iter().any(agrees) {
                let what = format!("topic {name} is {found:?}, and may be {may_be:?}");
                return Err(Broken::Topics { what });
            }
            *may_be = vec![match found {
                None => Being::None,
                Some((id, partitions)) => Being::Some { id, partitions },
            }];
        }
        Ok(())
    }
}
