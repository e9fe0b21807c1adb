//! `weir queue`: make, show, change, pause and delete work queues.

mod settings;
mod shown;

use clap::{Args, Subcommand};
use weir_client::{Client, QueueDescription, QueueSettings, QueueSource};

use self::settings::{Changeable, OrderName};
use self::shown::QueueJson;
use crate::failure::Failure;
use crate::print::{self, Output};
use crate::target::NativeTarget;

/// Makes, shows, changes, pauses and deletes work queues.
#[derive(Debug, Args)]
pub struct Queue {
    #[command(flatten)]
    target: NativeTarget,
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

/// Shows a queue: what it reads, and its settings.
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
        let client = self.target.connect().await?;
        match self.verb {
            Verb::Create(create) => create.run(&client).await,
            Verb::List(list) => list.run(&client).await,
            Verb::Describe(describe) => describe.run(&client).await,
            Verb::Alter(alter) => alter.run(&client).await,
            Verb::Pause(Pause { name }) => Delivery::Pause.set(&client, &name).await,
            Verb::Resume(Resume { name }) => Delivery::Resume.set(&client, &name).await,
            Verb::Delete(delete) => delete.run(&client).await,
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
        show(&queue, output)
    }
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
