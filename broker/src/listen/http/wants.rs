//! What a live reader says that it wants: topics, and filters over the keys of their records.
//!
//! Knows no stream; every face that sends records as they come reads its wishes here.

use weir_protocol::limits::FILTERS_MAX;
use weir_protocol::name::TopicName;

use super::problem::Problem;
use crate::session::{Filter, Filters};

/// What is wanted of one topic.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) topic: TopicName,
    /// All records, where there are none.
    pub(super) filters: Option<Filters>,
}

/// The records of a topic that one of these filters takes; all, where none is given.
pub(super) fn wanted<T: AsRef<str>>(topic: TopicName, texts: &[T]) -> Result<Wanted, Problem> {
    let mut filters = Filters::default();
    for text in texts {
        add(&mut filters, text.as_ref()).map_err(|why| wrong("match", &why))?;
    }
    Ok(Wanted { topic, filters: (!texts.is_empty()).then_some(filters) })
}

/// Topics as `topic` or `topic:filter`, in the order of their first mention. Who wants a topic and
/// some of it wants all of it.
pub(super) fn wanted_of_topics(subs: &[String]) -> Result<Vec<Wanted>, Problem> {
    if subs.is_empty() {
        return Err(Problem::malformed(
            "sub is not given: say which topics to follow, as sub=topic or sub=topic:filter",
        ));
    }
    if FILTERS_MAX < subs.len() {
        let count = subs.len();
        let detail = format!("sub is given {count} times; it may be given {FILTERS_MAX} times");
        return Err(Problem::malformed(detail));
    }
    let mut all: Vec<Wanted> = Vec::new();
    for sub in subs {
        let (topic, filter) = match sub.split_once(':') {
            Some((topic, filter)) => (topic, Some(filter)),
            None => (sub.as_str(), None),
        };
        let topic = TopicName::parse(topic).map_err(|error| wrong("sub", &error.to_string()))?;
        let is_new = all.iter().all(|wanted| wanted.topic != topic);
        if is_new {
            all.push(Wanted { topic: topic.clone(), filters: Some(Filters::default()) });
        }
        let Some(wanted) = all.iter_mut().find(|wanted| wanted.topic == topic) else { continue };
        match filter {
            None => wanted.filters = None,
            Some(filter) => {
                let mut ignored = Filters::default();
                let filters = wanted.filters.as_mut().unwrap_or(&mut ignored);
                add(filters, filter).map_err(|why| wrong("sub", &why))?;
            }
        }
    }
    Ok(all)
}

fn add(filters: &mut Filters, text: &str) -> Result<(), String> {
    let filter = Filter::parse(text).map_err(|error| error.to_string())?;
    filters.add(&filter).map_err(|error| error.to_string())
}

fn wrong(parameter: &str, why: &str) -> Problem {
    Problem::malformed(format!("{parameter}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subs(texts: &[&str]) -> Result<Vec<Wanted>, Problem> {
        wanted_of_topics(&texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn takes(wanted: &Wanted, key: &str) -> bool {
        wanted.filters.as_ref().is_none_or(|filters| filters.take(Some(key.as_bytes())))
    }

    #[test]
    fn a_topic_is_wanted_whole_or_by_all_filters_that_are_given_for_it() {
        let wanted = subs(&["a:x.*", "b", "a:y", "c:z", "c", "c:no.matter"]).unwrap();
        let names: Vec<_> = wanted.iter().map(|wanted| wanted.topic.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(["x.1", "y", "z"].map(|key| takes(&wanted[0], key)), [true, true, false]);
        assert!(wanted[1].filters.is_none() && wanted[2].filters.is_none());
    }

    #[test]
    fn what_is_no_topic_or_no_filter_is_refused_and_so_is_too_much() {
        let many = vec!["a:b"; FILTERS_MAX + 1];
        let deep = format!("a:{}", vec!["x"; 10_000].join("."));
        for bad in [&[][..], &[""], &["a b"], &[":x"], &["a:"], &["a:x..y"], &[&deep], &many] {
            assert!(subs(bad).is_err(), "{bad:?}");
        }
        assert_eq!(subs(&vec!["a:b"; FILTERS_MAX]).unwrap().len(), 1);
    }
}
