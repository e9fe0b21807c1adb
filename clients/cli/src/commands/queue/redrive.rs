//! Dead letters back into the topic they died of.

use clap::Args;
use serde::Serialize;
use weir_client::{Client, Letters, Redriven};

use crate::failure::Failure;
use crate::place::Place;
use crate::print::{self, Output};

/// Moves dead letters back into the queue's topic, for this queue alone, each once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir queue redrive jobs
  weir queue redrive jobs --max 100 --reason 'timed out' --since '1h ago'
  weir queue redrive jobs --key order-17")]
pub(super) struct Redrive {
    /// The queue that they died in
    name: String,
    /// So many at the most: 1 to 10,000 [default: 1,000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max: Option<u32>,
    /// Those of this key alone
    #[arg(long)]
    key: Option<String>,
    /// Those with these words in the reason
    #[arg(long, value_name = "WORDS", default_value = "")]
    reason: String,
    /// Those that died at this time or later: 2026-01-31T12:00:00Z, or '15m ago'
    #[arg(long, value_name = "TIME")]
    since: Option<Place>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct RedrivenJson {
    moved: u64,
    passed_over: u64,
}

impl Redrive {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name, max, key, reason, since, output } = self;
        let since_ms = match since {
            None => None,
            Some(Place::Time(ms)) => Some(ms),
            Some(Place::Earliest | Place::Latest | Place::Offset(_)) => {
                let why = "--since takes a time: 2026-01-31T12:00:00Z, or '15m ago'";
                return Err(Failure::Usage(why.to_owned()));
            }
        };
        let key = key.map(|key| key.into_bytes().into());
        let letters = Letters { max, key, reason, since_ms };
        let redriven = client.redrive(&name, letters).await;
        let failed = |error| Failure::request(format_args!("redrive queue {name}"), &error);
        let Redriven { moved, passed_over } = redriven.map_err(failed)?;
        match output {
            Output::Table => {
                let moved = print::counted(moved, "letter");
                let left = print::counted(passed_over, "other");
                print::result(&format!("moved {moved} back; looked at {left}"))
            }
            Output::Json => print::result(&print::json(&RedrivenJson { moved, passed_over })),
        }
    }
}
