//! The auditor: reads all that there is while nobody writes, behind each start.

use std::collections::BTreeMap;

use weir_protocol::code::Code;
use weir_protocol::native::{
    Gap, ListTopics, Request, Response, Subscribe, SubscribeFrom, TopicDescription,
};
use weir_tests::reading::PLENTY;

use super::consumer::records;
use super::employer::JOBS;
use crate::book::{Book, Way};
use crate::checker::{Found, Place};
use crate::dice::Dice;
use crate::disk::SimDisk;
use crate::line::{Line, Lost};
use crate::trace::note;

/// Audits all topics; on return the clients know them.
pub(crate) async fn audit(book: Book, way: Way, mut dice: Dice, disk: SimDisk) {
    let Some(pipe) = way.connect(&mut dice) else { return };
    match audit_over(&book, pipe).await {
        Ok(()) => {}
        // A file that is not open yet cannot be opened any more, and a reader that the broker's end
        // has not reached is told so. It is the truth, and not about what is kept.
        Err(Lost::Unread(place, error)) if disk.is_off() && error.code == Code::Internal => {
            note!(book.trace, "the auditor cannot read {place:?} without power: {error}");
        }
        Err(lost) => book.lost("the auditor", &lost),
    }
}

async fn audit_over(book: &Book, pipe: weir_broker::startup::Pipe) -> Result<(), Lost> {
    let mut line = Line::greet(pipe).await?;
    let mut topics = list(&mut line).await?;
    // Queues' topics are theirs: workers look at what is in them.
    topics.retain(|topic| !is_of_queues(topic.name.as_str()));
    let listed: BTreeMap<_, _> =
        topics.iter().map(|topic| (topic.name.to_string(), (topic.id, count(topic)))).collect();
    note!(book.trace, "the auditor finds {listed:?}");
    let outcome = book.open().topics.audit(&listed);
    book.judge(outcome);
    book.open().known.clear();
    for topic in &topics {
        book.learn(topic);
    }
    for topic in &topics {
        for partition in 0..count(topic) {
            let place = (topic.id, partition);
            let found = match read_all(&mut line, place).await {
                // What is old may go while it is read.
                Err(Lost::Unread(place, error))
                    if error.code == Code::OffsetOutOfRange
                        && book.open().checker.may_be_trimmed(place, 0) =>
                {
                    note!(book.trace, "the auditor finds {place:?} trimmed: {error}");
                    continue;
                }
                found => found?,
            };
            note!(
                book.trace,
                "the auditor reads {place:?}: {}..{}, {} records, gaps {:?}",
                found.start,
                found.tail,
                found.records.len(),
                found.gaps
            );
            let outcome = book.open().checker.audit(place, &found);
            book.judge(outcome);
        }
    }
    Ok(())
}

async fn list(line: &mut Line) -> Result<Vec<TopicDescription>, Lost> {
    let list = Request::ListTopics(ListTopics { after: None, limit: 1000 });
    match line.ask(&list).await? {
        Ok(Response::Topics(page)) => Ok(page.topics),
        other => Err(Lost::Nonsense(format!("a listing is answered by {other:?}"))),
    }
}

async fn read_all(line: &mut Line, place: Place) -> Result<Found, Lost> {
    let ((topic, partition), from, credit) = (place, SubscribeFrom::Earliest, PLENTY);
    let subscribe = Subscribe { subscription: 1, topic, partition, from, credit };
    let subscribed = match line.ask(&Request::Subscribe(subscribe)).await? {
        Ok(Response::Subscribed(subscribed)) => subscribed,
        Ok(other) => return Err(Lost::Nonsense(format!("subscribed by {other:?}"))),
        Err(error) => return Err(Lost::Unread(place, error)),
    };
    let mut found = Found { start: subscribed.from, tail: subscribed.tail, ..Found::default() };
    let mut next = subscribed.from;
    while next < found.tail {
        match line.next().await?.response {
            Response::Deliver(deliver) => {
                let read = records(&deliver.batches).map_err(Lost::Nonsense)?;
                let read = read.into_iter().filter(|(offset, _)| subscribed.from <= *offset);
                found.records.extend(read);
                next = found.records.last().map_or(next, |(offset, _)| offset + 1).max(next);
            }
            Response::Gap(Gap { span, .. }) => {
                next = next.max(span.end);
                found.gaps.push(span);
            }
            Response::Ended(ended) => return Err(Lost::Unread(place, ended.error)),
            _ => {}
        }
    }
    match line.ask(&Request::Unsubscribe { subscription: 1 }).await? {
        Ok(Response::Unsubscribed) => Ok(found),
        other => Err(Lost::Nonsense(format!("unsubscribed by {other:?}"))),
    }
}

fn is_of_queues(name: &str) -> bool {
    name.starts_with(JOBS) || name.starts_with("hasty")
}

fn count(topic: &TopicDescription) -> u32 {
    u32::try_from(topic.partitions.len()).expect("partitions are limited")
}
