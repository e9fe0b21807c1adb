//! `weir queue receive` and what is said of what was received: over HTTP, whose receipts are text
//! that a shell can keep.

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::place::Place;
use crate::print::{self, Column, Output};
use crate::quantity;
use crate::web::Web;

/// Leases records to whoever runs this, and writes them with their receipts.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir queue receive jobs
  weir queue receive jobs --count 10 --wait-ms 20s --output json
  weir queue receive jobs --output json | jq -r '.[].receipt'")]
pub(super) struct Receive {
    /// The queue
    name: String,
    /// The most records, up to 1,000
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u32,
    /// How long to wait for a first record, up to a minute
    #[arg(long, value_name = "TIME", value_parser = quantity::milliseconds, default_value = "0")]
    wait_ms: u64,
    /// How long the records are yours [default: the queue's]
    #[arg(long, value_name = "TIME", value_parser = quantity::milliseconds)]
    lease_ms: Option<u64>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Says that records are done.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir queue ack jobs RECEIPT RECEIPT")]
pub(super) struct Ack {
    #[command(flatten)]
    said: Said,
}

/// Gives records back: somebody else may do them. Nothing failed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir queue release jobs RECEIPT --delay-ms 10s")]
pub(super) struct Release {
    #[command(flatten)]
    said: Said,
    /// How long they wait
    #[arg(long, value_name = "TIME", value_parser = quantity::milliseconds)]
    delay_ms: Option<u64>,
}

/// Says that records failed: they are tried again, as the queue's backoff says or after a delay.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir queue retry jobs RECEIPT --reason 'no connection'
  weir queue retry jobs RECEIPT --at 2030-01-31T12:00:00Z")]
pub(super) struct Retry {
    #[command(flatten)]
    said: Said,
    /// How long they wait [default: by the queue's backoff]
    #[arg(long, value_name = "TIME", value_parser = quantity::milliseconds)]
    delay_ms: Option<u64>,
    /// The time until which they wait: 2030-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "delay_ms")]
    at: Option<Place>,
    /// Why they failed
    #[arg(long, value_name = "WORDS")]
    reason: Option<String>,
}

/// Says that records can never be done: they go to the dead letter.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir queue reject jobs RECEIPT --reason 'not an order'")]
pub(super) struct Reject {
    #[command(flatten)]
    said: Said,
    /// Why
    #[arg(long, value_name = "WORDS")]
    reason: Option<String>,
}

/// Lets leases begin anew: the work takes longer.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir queue extend jobs RECEIPT --lease-ms 10m")]
pub(super) struct Extend {
    #[command(flatten)]
    said: Said,
    /// How long from now [default: the queue's]
    #[arg(long, value_name = "TIME", value_parser = quantity::milliseconds)]
    lease_ms: Option<u64>,
}

/// Of which records something is said.
#[derive(Debug, Args)]
struct Said {
    /// The queue
    name: String,
    /// The receipts, as `receive` wrote them
    #[arg(required = true, value_name = "RECEIPT")]
    receipts: Vec<String>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Deserialize)]
struct Received {
    records: Vec<Box<RawValue>>,
}

/// What the table shows of a record.
#[derive(Debug, Deserialize)]
struct Shown<'a> {
    receipt: String,
    partition: u32,
    offset: u64,
    deliveries: u64,
    failures: u64,
    key: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Settled {
    results: Vec<Outcome>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    receipt: String,
    status: String,
}

impl Receive {
    pub(super) async fn run(self, web: &Web) -> Result<(), Failure> {
        let Self { name, count, wait_ms, lease_ms, output } = self;
        let mut body = json!({"max": count, "wait_ms": wait_ms});
        if let Some(lease_ms) = lease_ms {
            body["lease_ms"] = lease_ms.into();
        }
        let path = format!("/v1/queues/{name}/receive");
        let received: Received = web.post(&path, &format!("receive of {name}"), &body).await?;
        match output {
            Output::Json => print::result(&print::json(&received.records)),
            Output::Table => print::result(&table(&received.records)?),
        }
    }
}

fn table(records: &[Box<RawValue>]) -> Result<String, Failure> {
    let columns = [
        Column::Number("PARTITION"),
        Column::Number("OFFSET"),
        Column::Number("DELIVERIES"),
        Column::Number("FAILURES"),
        Column::Words("RECEIPT"),
        Column::Words("KEY"),
        Column::Words("VALUE"),
    ];
    let row = |record: &RawValue| {
        let shown: Shown<'_> = serde_json::from_str(record.get()).map_err(|error| {
            Failure::Failed(format!("the broker answered with no leased record: {error}"))
        })?;
        Ok(vec![
            print::number(u64::from(shown.partition)),
            print::number(shown.offset),
            print::number(shown.deliveries),
            print::number(shown.failures),
            shown.receipt,
            shown.key.unwrap_or_else(|| "-".to_owned()),
            shown.value.map_or("-", RawValue::get).to_owned(),
        ])
    };
    let rows: Vec<_> = records.iter().map(|record| row(record)).collect::<Result<_, _>>()?;
    Ok(print::table(&columns, rows))
}

impl Ack {
    pub(super) async fn run(self, web: &Web) -> Result<(), Failure> {
        self.said.say(web, "ack", []).await
    }
}

impl Release {
    pub(super) async fn run(self, web: &Web) -> Result<(), Failure> {
        self.said.say(web, "release", [("delay_ms", self.delay_ms.map(Value::from))]).await
    }
}

impl Retry {
    pub(super) async fn run(self, web: &Web) -> Result<(), Failure> {
        let at_ms = match self.at {
            None => None,
            Some(Place::Time(at_ms)) => Some(at_ms),
            Some(Place::Earliest | Place::Latest | Place::Offset(_)) => {
                let words = "--at is a time: 2030-01-31T12:00:00Z; or give a --delay-ms";
                return Err(Failure::Usage(words.to_owned()));
            }
        };
        let fields = [
            ("delay_ms", self.delay_ms.map(Value::from)),
            ("at_ms", at_ms.map(Value::from)),
            ("reason", self.reason.map(Value::from)),
        ];
        self.said.say(web, "retry", fields).await
    }
}

impl Reject {
    pub(super) async fn run(self, web: &Web) -> Result<(), Failure> {
        self.said.say(web, "reject", [("reason", self.reason.map(Value::from))]).await
    }
}

impl Extend {
    pub(super) async fn run(self, web: &Web) -> Result<(), Failure> {
        self.said.say(web, "extend", [("lease_ms", self.lease_ms.map(Value::from))]).await
    }
}

impl Said {
    /// Says it, writes what became of each, and fails where one does not count.
    async fn say<const N: usize>(
        self,
        web: &Web,
        verb: &str,
        fields: [(&str, Option<Value>); N],
    ) -> Result<(), Failure> {
        let Self { name, receipts, output } = self;
        let mut body = json!({"receipts": receipts});
        for (field, value) in fields {
            if let Some(value) = value {
                body[field] = value;
            }
        }
        let path = format!("/v1/queues/{name}/{verb}");
        let settled: Settled = web.post(&path, &format!("{verb} of {name}"), &body).await?;
        let not_ok = settled.results.iter().filter(|result| result.status != "ok").count();
        print::result(&match output {
            Output::Json => print::json(&outcomes(&settled)),
            Output::Table => outcomes_table(&settled),
        })?;
        match not_ok {
            0 => Ok(()),
            count => Err(Failure::Failed(format!(
                "{verb} does not count for {}",
                print::counted(count as u64, "receipt")
            ))),
        }
    }
}

fn outcomes(settled: &Settled) -> Vec<Value> {
    let outcome = |of: &Outcome| json!({"receipt": of.receipt, "status": of.status});
    settled.results.iter().map(outcome).collect()
}

fn outcomes_table(settled: &Settled) -> String {
    let columns = [Column::Words("STATUS"), Column::Words("RECEIPT")];
    let row = |of: &Outcome| vec![of.status.clone(), of.receipt.clone()];
    print::table(&columns, settled.results.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_records_are_a_line_each_with_their_receipts() {
        let text = r#"{"records": [{"receipt": "AQ", "partition": 1, "offset": 41, "timestamp": 7,
            "key": "JFK", "value": {"n": 1e400}, "headers": {}, "deliveries": 2, "failures": 1}]}"#;
        let received: Received = serde_json::from_str(text).unwrap();
        let shown = table(&received.records).unwrap();
        let line = shown.lines().nth(1).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words, ["1", "41", "2", "1", "AQ", "JFK", "{\"n\":", "1e400}"]);
        let settled = r#"{"results": [{"receipt": "AQ", "status": "expired"}]}"#;
        let settled: Settled = serde_json::from_str(settled).unwrap();
        assert_eq!(outcomes_table(&settled), "STATUS   RECEIPT\nexpired  AQ");
    }
}
