//! `weir queue`: make, show, change, pause and delete work queues, and work on them.

mod redrive;
mod settings;
mod shown;
mod state;
mod work;

use clap::{Args, Subcommand};
use serde::Serialize;
use weir_client::{Client, QueueDescription, QueueSettings, QueueSource};

use self::settings::{Changeable, OrderName};
use self::shown::QueueJson;
use self::state::StateJson;
use crate::failure::Failure;
use crate::print::{self, Output};
use crate::target::{HttpTarget, NativeTarget};
use crate::web::Web;

/// Makes, shows, changes, pauses and deletes work queues, and works on them.
#[derive(Debug, Args)]
pub struct Queue {
    #[command(flatten)]
    target: NativeTarget,
    #[command(flatten)]
    http: HttpTarget,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(Create),
    List(List),
    Describe(Describe),
    Alter(Alter),
    Pause(Pause),
    Resume(Resume),
    Delete(Delete),
    Receive(work::Receive),
    Ack(work::Ack),
    Release(work::Release),
    Retry(work::Retry),
    Reject(work::Reject),
    Extend(work::Extend),
    Why(state::Why),
    Seek(state::Seek),
    Purge(state::Purge),
    Redrive(redrive::Redrive),
}

/// Makes a queue, and its topic where there is none.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir queue create jobs
  weir queue create jobs --partitions 4 --lease-ms 5m --max-failures 5
  weir queue create billing --topic orders --order key --backoff-ms 1s,10s,5m")]
struct Create {
    /// 1 to 240 of A-Z a-z 0-9 . _ -
    name: String,
    /// The topic it reads, made where it is not there [default: the queue's name]
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Partitions of that topic; one that is there must have as many
    #[arg(long, value_name = "N")]
    partitions: Option<u32>,
    /// In which order records are handed out; fixed at creation [default: none]
    #[arg(long, value_enum)]
    order: Option<OrderName>,
    #[command(flatten)]
    settings: Changeable,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Lists all queues by name.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir queue list
  weir queue list --output json | jq -r '.[].name'")]
struct List {
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Shows a queue: what it reads, its settings, how far it is and why nothing is delivered.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir queue describe jobs
  weir queue describe jobs --output json")]
struct Describe {
    /// The queue
    name: String,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Changes settings; what is not named stays.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir queue alter jobs --lease-ms 2m
  weir queue alter jobs --backoff-min-ms 500 --backoff-max-ms 10m --ttl-ms none")]
struct Alter {
    /// The queue
    name: String,
    #[command(flatten)]
    settings: Changeable,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Hands out nothing from now on; what is leased stays leased.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir queue pause jobs")]
struct Pause {
    /// The queue
    name: String,
}

/// Hands out records again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir queue resume jobs")]
struct Resume {
    /// The queue
    name: String,
}

/// Deletes a queue: how far it was is forgotten, its topic stays.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir queue delete jobs")]
struct Delete {
    /// The queue
    name: String,
}

impl Queue {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        // Receipts that a shell can keep come over HTTP.
        let web = Web::of(self.http);
        match self.verb {
            Verb::Receive(receive) => return receive.run(&web).await,
            Verb::Ack(ack) => return ack.run(&web).await,
            Verb::Release(release) => return release.run(&web).await,
            Verb::Retry(retry) => return retry.run(&web).await,
            Verb::Reject(reject) => return reject.run(&web).await,
            Verb::Extend(extend) => return extend.run(&web).await,
            verb => verb.run(&self.target.connect().await?).await,
        }
    }
}

impl Verb {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(client).await,
            Self::List(list) => list.run(client).await,
            Self::Describe(describe) => describe.run(client).await,
            Self::Alter(alter) => alter.run(client).await,
            Self::Pause(Pause { name }) => Delivery::Pause.set(client, &name).await,
            Self::Resume(Resume { name }) => Delivery::Resume.set(client, &name).await,
            Self::Delete(delete) => delete.run(client).await,
            Self::Why(why) => why.run(client).await,
            Self::Seek(seek) => seek.run(client).await,
            Self::Purge(purge) => purge.run(client).await,
            Self::Redrive(redrive) => redrive.run(client).await,
            Self::Receive(_)
            | Self::Ack(_)
            | Self::Release(_)
            | Self::Retry(_)
            | Self::Reject(_)
            | Self::Extend(_) => unreachable!("what is worked on goes over HTTP"),
        }
    }
}

impl Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name, topic, partitions, order, settings, output } = self;
        if partitions == Some(0) {
            return Err(Failure::Usage(String::from("a topic has at least one partition")));
        }
        let settings = QueueSettings { order: order.map(OrderName::order), ..settings.settings() };
        let source = QueueSource { topic, partitions };
        let created = client.create_queue(&name, source, settings).await;
        let queue = created
            .map_err(|error| Failure::request(format_args!("create queue {name}"), &error))?;
        match output {
            Output::Table => print::result(&format!("created {}", shown::in_short(&queue))),
            Output::Json => print::result(&print::json(&QueueJson::of(&queue))),
        }
    }
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let queues = client.queues().await;
        let queues = queues.map_err(|error| Failure::request("list queues", &error))?;
        match self.output {
            Output::Table => print::result(&shown::listing(&queues)),
            Output::Json => {
                print::result(&print::json(&queues.iter().map(QueueJson::of).collect::<Vec<_>>()))
            }
        }
    }
}

impl Describe {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name, output } = self;
        let queue = client.describe_queue(&name).await;
        let queue = queue
            .map_err(|error| Failure::request(format_args!("describe queue {name}"), &error))?;
        let state = state::asked(client, &name).await?;
        match output {
            Output::Table => {
                let (settings, state) = (shown::description(&queue), state::table(&state));
                print::result(&format!("{settings}\n\n{state}"))
            }
            Output::Json => print::result(&print::json(&DescribedJson {
                queue: QueueJson::of(&queue),
                now: StateJson::of(state),
            })),
        }
    }
}

/// A queue and how it stands.
#[derive(Debug, Serialize)]
struct DescribedJson {
    #[serde(flatten)]
    queue: QueueJson,
    now: StateJson,
}

impl Alter {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name, settings, output } = self;
        let settings = settings.settings();
        if settings == QueueSettings::default() {
            return Err(Failure::Usage(format!(
                "nothing to change in queue {name}; name a setting, see --help"
            )));
        }
        let altered = client.alter_queue(&name, settings).await;
        let queue = altered
            .map_err(|error| Failure::request(format_args!("alter queue {name}"), &error))?;
        show(&queue, output)
    }
}

impl Delete {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name } = self;
        let deleted = client.delete_queue(&name).await;
        deleted.map_err(|error| Failure::request(format_args!("delete queue {name}"), &error))?;
        print::result(&format!("deleted queue {name}; its topic stays"))
    }
}

fn show(queue: &QueueDescription, output: Output) -> Result<(), Failure> {
    match output {
        Output::Table => print::result(&shown::description(queue)),
        Output::Json => print::result(&print::json(&QueueJson::of(queue))),
    }
}

/// What becomes of handing out.
#[derive(Clone, Copy, Debug)]
enum Delivery {
    Pause,
    Resume,
}

impl Delivery {
    async fn set(self, client: &Client, name: &str) -> Result<(), Failure> {
        let (verb, paused) = match self {
            Self::Pause => ("pause", true),
            Self::Resume => ("resume", false),
        };
        let settings = QueueSettings { paused: Some(paused), ..QueueSettings::default() };
        let altered = client.alter_queue(name, settings).await;
        altered.map_err(|error| Failure::request(format_args!("{verb} queue {name}"), &error))?;
        print::result(&format!("{verb}d queue {name}"))
    }
}
