//! What a bench found, as a table for people and as JSON for programs: the same numbers in both.
//!
//! No number stands alone: beside each is what it was measured under.

use std::time::Duration;

use serde::Serialize;
use weir_protocol::native::{Ack, Durability};

use super::latencies::Quantiles;
use super::plan::Shape;
use super::replay::Replayed;
use super::usage::Usage;
use crate::print::{self, Column, Output};

/// What a bench found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) bench: &'static str,
    pub(crate) under: Conditions,
    pub(crate) records: u64,
    /// Of values.
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) records_per_second: f64,
    pub(crate) bytes_per_second: f64,
    /// From sending a batch, or from when a record was due, to its acknowledgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ack: Option<Quantiles>,
    /// From when a record was due to a subscriber that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<Quantiles>,
    /// The same before others replayed another topic beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery_alone: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replay: Option<Replayed>,
    /// From when a record was due to its send: the bench's own share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) late_send: Option<Quantiles>,
    pub(crate) broker: Usage,
    pub(crate) verified: bool,
    /// What is wrong, if it is not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) broken: Option<String>,
}

/// How much was done in which time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) records: u64,
    /// Of values.
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
}

/// What numbers were measured under.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Conditions {
    pub(crate) topic: String,
    pub(crate) durability: &'static str,
    pub(crate) partitions: usize,
    /// How many of them are written, where not all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spread: Option<u32>,
    pub(crate) connections: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ack: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) record_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch_records: Option<u32>,
    /// Batches of each connection; not limited where the rate is fixed or nothing acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_flight: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<u32>,
    /// Each gets each record that it follows, and each of these counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) readers: Option<u32>,
    /// Keys that the readers follow one of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subjects: Option<u32>,
}

impl Conditions {
    /// Those of sending by this shape.
    pub(crate) fn of(topic: &str, shape: &Shape) -> Self {
        Self {
            topic: topic.to_owned(),
            durability: shape.durability.name(),
            partitions: shape.partitions as usize,
            spread: (shape.spread < shape.partitions).then_some(shape.spread),
            connections: shape.connections,
            ack: Some(ack_name(shape.ack, shape.durability)),
            record_bytes: Some(shape.record_bytes),
            batch_records: Some(shape.batch_records),
            // Without acknowledgements nothing is waited for.
            in_flight: (shape.ack != Ack::None).then_some(shape.in_flight),
            rate: None,
            readers: None,
            subjects: None,
        }
    }

    /// In words, beside every number.
    fn words(&self) -> String {
        let mut words = vec![format!("durability {}", self.durability)];
        words.extend(self.ack.map(|ack| format!("ack {ack}")));
        words.extend(self.batch_records.map(|records| match records {
            1 => String::from("unbatched"),
            records => format!("batches of {records}"),
        }));
        words.extend(self.spread.map(|spread| format!("{} written", print::number(spread.into()))));
        words.extend(self.in_flight.map(|batches| format!("{batches} in flight")));
        words
            .extend(self.rate.map(|rate| format!("open loop at {}/s", print::number(rate.into()))));
        words.extend(self.readers.map(|readers| print::counted(readers.into(), "SSE reader")));
        words.extend(
            self.subjects.map(|keys| format!("one of {} each", print::counted(keys.into(), "key"))),
        );
        words.join(", ")
    }
}

impl Report {
    /// Without latencies, which not every bench has.
    pub(crate) fn new(
        bench: &'static str,
        under: Conditions,
        Work { records, bytes, took }: Work,
        broker: Usage,
        verdict: Result<(), String>,
    ) -> Self {
        let seconds = took.as_secs_f64();
        // Nothing is done in no time; a bench that did nothing has no rate.
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        Self {
            bench,
            under,
            records,
            bytes,
            seconds,
            records_per_second: per_second(records),
            bytes_per_second: per_second(bytes),
            ack: None,
            delivery: None,
            delivery_alone: None,
            replay: None,
            late_send: None,
            broker,
            verified: verdict.is_ok(),
            broken: verdict.err(),
        }
    }

    pub(crate) fn text(&self, output: Output) -> String {
        match output {
            Output::Json => print::json(self),
            Output::Table => self.table(),
        }
    }

    fn table(&self) -> String {
        let columns = [Column::Words("FIGURE"), Column::Number("VALUE"), Column::Words("UNDER")];
        let under = self.under.words();
        let mut rows: Vec<[String; 3]> = Vec::new();
        let mut row = |figure: &str, value: String, under: &str| {
            rows.push([figure.to_owned(), value, under.to_owned()]);
        };
        row("records/s", print::number(self.records_per_second as u64), &under);
        row("MiB/s", format!("{:.1}", self.bytes_per_second / MIB), &under);
        let latencies = [
            ("ack", self.ack),
            ("delivery", self.delivery),
            ("delivery alone", self.delivery_alone),
            ("late send", self.late_send),
        ];
        for (what, quantiles) in latencies {
            for (name, time) in quantiles.iter().flat_map(Quantiles::rows) {
                row(&format!("{what} {name}"), time, &under);
            }
        }
        if let (Some(alone), Some(beside)) = (self.delivery_alone, self.delivery) {
            let times = format!("{:.2} ×", beside.p99_us / alone.p99_us);
            row("delivery p99, beside to alone", times, &under);
        }
        if let Some(Replayed { consumers, bytes_per_second }) = self.replay {
            let consumers = print::counted(u64::from(consumers), "consumer");
            row("replay MiB/s", format!("{:.1}", bytes_per_second / MIB), &consumers);
        }
        match &self.broker {
            Usage::Known(used) => {
                let records = self.records.max(1) as f64;
                let each = |count: f64| format!("{under}; {count:.3} a record");
                let us_each = used.cpu_seconds * 1e6 / records;
                let cpu = format!("{:.2} s", used.cpu_seconds);
                row("broker CPU", cpu, &format!("{under}; {us_each:.2} µs a record"));
                let (waits, taken) =
                    (used.voluntary_context_switches, used.involuntary_context_switches);
                row("broker waits", print::number(waits), &each(waits as f64 / records));
                row("broker preempted", print::number(taken), &each(taken as f64 / records));
                let since = format!("{under}; since its start, with mapped pages of logs");
                row("broker memory peak", print::bytes(used.resident_peak_bytes), &since);
                let heap = format!("{under}; heaps and stacks at the end");
                row("broker memory", print::bytes(used.anonymous_bytes), &heap);
            }
            Usage::Unknown { unknown } => {
                row("broker CPU", String::from("not known"), unknown);
                row("broker memory", String::from("not known"), unknown);
            }
        }
        match &self.broken {
            None => {
                row("verified", String::from("yes"), "none lost, doubled, changed or reordered")
            }
            Some(broken) => row("verified", String::from("NO"), broken),
        }
        self.heading() + "\n\n" + &print::table(&columns, rows.into_iter().map(Vec::from))
    }

    fn heading(&self) -> String {
        let Conditions { topic, partitions, connections, .. } = &self.under;
        let record_bytes = match self.under.record_bytes {
            Some(bytes) => format!(" of {} bytes", print::number(bytes as u64)),
            None => String::new(),
        };
        format!(
            "bench {}: {}{record_bytes}, {:.2} s, topic {topic}, {}, {}",
            self.bench,
            print::counted(self.records, "record"),
            self.seconds,
            print::counted(*partitions as u64, "partition"),
            print::counted(u64::from(*connections), "connection"),
        )
    }
}

/// The level, by name; that of the topic where it was not named.
fn ack_name(ack: Ack, durability: Durability) -> &'static str {
    match ack {
        Ack::Topic => durability.name(),
        Ack::None | Ack::Written | Ack::Synced => ack.name(),
    }
}

const MIB: f64 = (1 << 20) as f64;

#[cfg(test)]
mod tests {
    use super::super::usage::Used;
    use super::*;

    fn report() -> Report {
        let shape = Shape {
            records: 200_000,
            record_bytes: 1_024,
            batch_records: 100,
            partitions: 1,
            spread: 1,
            warm_up: 0,
            connections: 1,
            in_flight: 64,
            prepared_bytes: 1 << 30,
            ack: Ack::Topic,
            durability: Durability::Synced,
        };
        let broker = Usage::Known(Used {
            cpu_seconds: 0.5,
            voluntary_context_switches: 2_000,
            involuntary_context_switches: 40,
            resident_peak_bytes: 80 << 20,
            anonymous_bytes: 12 << 20,
        });
        let took = Duration::from_millis(250);
        let work = Work { records: 200_000, bytes: 204_800_000, took };
        let under = Conditions::of("weir-bench", &shape);
        Report {
            ack: Some(Quantiles { p50_us: 215.4, p99_us: 900.0, p999_us: 1_250.0, max_us: 9e4 }),
            ..Report::new("produce", under, work, broker, Ok(()))
        }
    }

    #[test]
    fn every_number_stands_beside_what_it_was_measured_under() {
        let table = report().text(Output::Table);
        let under = "durability synced, ack synced, batches of 100, 64 in flight";
        for figure in ["records/s", "MiB/s", "ack p99.9", "broker CPU", "broker memory peak"] {
            let line = table.lines().find(|line| line.starts_with(figure)).unwrap();
            assert!(line.contains(under), "{line}");
        }
        assert!(table.contains("800,000") && table.contains("0.215 ms"), "{table}");
        assert!(table.contains("2.50 µs a record"), "{table}");
        assert!(table.lines().last().unwrap().starts_with("verified"), "{table}");
    }

    #[test]
    fn json_has_the_same_numbers() {
        let json: serde_json::Value = serde_json::from_str(&report().text(Output::Json)).unwrap();
        assert_eq!(json["under"]["ack"], "synced");
        assert_eq!(json["under"]["batch_records"], 100);
        assert_eq!(json["records_per_second"], 800_000.0);
        assert_eq!(json["ack"]["p99_us"], 900.0);
        assert_eq!(json["broker"]["cpu_seconds"], 0.5);
        assert_eq!(json["verified"], true);
        assert!(json.get("delivery").is_none());
    }

    #[test]
    fn what_is_not_known_is_said() {
        let unknown = String::from("http://127.0.0.1:7780/metrics: Connection refused");
        let report = Report { broker: Usage::Unknown { unknown: unknown.clone() }, ..report() };
        let table = report.text(Output::Table);
        let line = table.lines().find(|line| line.starts_with("broker CPU")).unwrap();
        assert!(line.contains("not known") && line.contains(&unknown), "{line}");
        let json: serde_json::Value = serde_json::from_str(&report.text(Output::Json)).unwrap();
        assert_eq!(json["broker"]["unknown"], unknown);
    }

    #[test]
    fn what_is_broken_is_said_in_both() {
        let broken = Some(String::from("record 5 of lane 0 is not what was sent"));
        let report = Report { verified: false, broken, ..report() };
        assert!(report.text(Output::Table).lines().last().unwrap().contains("NO  record 5"));
        assert!(report.text(Output::Json).contains("\"verified\": false"));
    }
}
