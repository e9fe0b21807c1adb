//! The topic of a bench: made for it, and deleted behind it unless it is to be kept.

use std::time::{Duration, Instant};

use weir_client::{Client, RequestError};
use weir_protocol::code::Code;
use weir_protocol::native::{Settings, TopicDescription};

use crate::failure::Failure;
use crate::print;
use crate::stop;

/// What becomes of the topic at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    Delete,
    Keep,
}

/// Makes the topic, does `work` with it and deletes it, whether the work succeeds, fails or is
/// stopped.
pub(crate) async fn with_new<T>(
    client: &Client,
    name: &str,
    partitions: u32,
    settings: Settings,
    at_end: AtEnd,
    work: impl AsyncFnOnce(&TopicDescription) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let created = client.create_topic(name, partitions, settings).await;
    let topic = created.map_err(|error| not_created(name, &error))?;
    let done = tokio::select! {
        done = work(&topic) => done,
        () = stop::asked() => Err(Failure::Interrupted),
    };
    if at_end == AtEnd::Delete
        && let Err(error) = client.delete_topic(name).await
    {
        print::note(&format!("topic {name} is still there and can be deleted: {error}"));
    }
    done
}

fn not_created(name: &str, error: &RequestError) -> Failure {
    let failure = Failure::request(format_args!("create topic {name}"), error);
    match (failure, error.code()) {
        (Failure::Failed(words), Some(Code::TopicExists)) => Failure::Failed(format!(
            "{words}; a bench makes its own: name another by --topic, or delete this one by \
             'weir topic delete {name}'"
        )),
        (failure, _) => failure,
    }
}

/// Waits until readers see `records` records.
///
/// # Errors
/// They do not come, as without acknowledgements nobody says why.
pub(crate) async fn until_visible(
    client: &Client,
    name: &str,
    records: u64,
) -> Result<(), Failure> {
    let mut seen = 0;
    let mut moved = Instant::now();
    loop {
        let topic = client.describe_topic(name).await;
        let topic = topic
            .map_err(|error| Failure::request(format_args!("describe topic {name}"), &error))?;
        let visible = topic.partitions.iter().map(|partition| partition.tail).sum();
        if records <= visible {
            return Ok(());
        }
        if seen < visible {
            (seen, moved) = (visible, Instant::now());
        }
        if STALL_MAX < moved.elapsed() {
            return Err(Failure::Failed(format!(
                "{visible} of {records} records are there and no more come; without \
                 acknowledgements nobody says why: try --ack written"
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

const STALL_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(1);
