//! What a bench of a queue found, as a table for people and as JSON for programs.

use serde::Serialize;

use super::super::latencies::Quantiles;
use super::super::usage::{Usage, Used};
use super::Figures;
use super::plan::{Plan, Shape};
use crate::print::{self, Column, Output};

/// What a bench of a queue found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    bench: &'static str,
    under: Conditions,
    records: u64,
    /// Published and acknowledged.
    published_per_second: f64,
    /// Handed out, acked, and the ack confirmed.
    worked_per_second: f64,
    /// From when a record was due to the worker that has it; only at a rate.
    #[serde(flatten)]
    delivery: Option<Quantiles>,
    /// From sending a record, or from when it was due, to its acknowledgement.
    publish_ack: Option<Quantiles>,
    /// From saying that a record is done to the broker's answer.
    ack: Option<Quantiles>,
    /// From when a record was due to its send: the bench's own share.
    #[serde(skip_serializing_if = "Option::is_none")]
    late_send: Option<Quantiles>,
    /// How often a record came that had come before.
    handed_out_again: u64,
    /// While records were published, where that was for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    broker_publishing: Option<Usage>,
    broker: Usage,
    verified: bool,
    /// What is wrong, if it is not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) broken: Option<String>,
}

/// What numbers were measured under.
#[derive(Clone, Debug, Serialize)]
struct Conditions {
    queue: String,
    durability: &'static str,
    partitions: u32,
    workers: u32,
    record_bytes: usize,
    credit: u32,
    /// Records; not limited where the rate is fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
}

impl Report {
    pub(super) fn new(queue: &str, plan: &Plan, figures: Figures, broker: Usage) -> Self {
        let Figures { published, worked, took } = figures;
        let Shape { partitions, workers, record_bytes, credit, in_flight, rate, .. } = plan.shape;
        let records = plan.records();
        let under = Conditions {
            queue: queue.to_owned(),
            durability: plan.shape.durability.name(),
            partitions,
            workers,
            record_bytes,
            credit,
            in_flight: rate.is_none().then_some(in_flight),
            rate: rate.map(|rate| rate.per_second),
        };
        Self {
            bench: "queue",
            under,
            records,
            published_per_second: records as f64 / published.took.as_secs_f64(),
            worked_per_second: records as f64 / took.as_secs_f64(),
            delivery: worked.deliveries.quantiles(),
            publish_ack: published.acks.quantiles(),
            ack: worked.acks.quantiles(),
            late_send: published.late.quantiles(),
            handed_out_again: worked.again,
            broker_publishing: None,
            broker,
            verified: worked.verdict.is_ok(),
            broken: worked.verdict.err(),
        }
    }

    /// The same with what the broker used while records were published.
    pub(super) fn with_publishing(self, used: Usage) -> Self {
        Self { broker_publishing: Some(used), ..self }
    }

    pub(crate) fn text(&self, output: Output) -> String {
        match output {
            Output::Json => print::json(self),
            Output::Table => self.table(),
        }
    }

    fn table(&self) -> String {
        let columns = [Column::Words("FIGURE"), Column::Number("VALUE"), Column::Words("UNDER")];
        let (publishing, working) = self.under.words();
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut row = |figure: &str, value: String, under: &str| {
            rows.push(vec![figure.to_owned(), value, under.to_owned()]);
        };
        row("published/s", print::number(self.published_per_second as u64), &publishing);
        row("worked/s", print::number(self.worked_per_second as u64), &working);
        let latencies = [
            ("delivery", self.delivery, &working),
            ("publish ack", self.publish_ack, &publishing),
            ("ack", self.ack, &working),
            ("late send", self.late_send, &publishing),
        ];
        for (what, quantiles, under) in latencies {
            for (name, time) in quantiles.iter().flat_map(Quantiles::rows) {
                row(&format!("{what} {name}"), time, under);
            }
        }
        let again = "a lease was lost, or an ack not answered in time";
        row("handed out again", print::number(self.handed_out_again), again);
        if let Some(usage) = &self.broker_publishing {
            self.used("broker CPU, publishing", usage, &mut row);
        }
        self.used("broker CPU", &self.broker, &mut row);
        match &self.broken {
            None => row("verified", String::from("yes"), "none lost or changed"),
            Some(broken) => row("verified", String::from("NO"), broken),
        }
        self.heading() + "\n\n" + &print::table(&columns, rows)
    }

    fn used(&self, figure: &str, usage: &Usage, row: &mut impl FnMut(&str, String, &str)) {
        match usage {
            Usage::Unknown { unknown } => row(figure, String::from("not known"), unknown),
            Usage::Known(Used { cpu_seconds, anonymous_bytes, resident_peak_bytes, .. }) => {
                let us_each = cpu_seconds * 1e6 / self.records.max(1) as f64;
                let memory = format!(
                    "{us_each:.2} µs a record; memory {}, with mapped pages {} at the most",
                    print::bytes(*anonymous_bytes),
                    print::bytes(*resident_peak_bytes)
                );
                row(figure, format!("{cpu_seconds:.2} s"), &memory);
            }
        }
    }

    fn heading(&self) -> String {
        let Conditions { queue, partitions, workers, record_bytes, .. } = &self.under;
        format!(
            "bench queue: {} of {} bytes, queue {queue}, {}, {}",
            print::counted(self.records, "record"),
            print::number(*record_bytes as u64),
            print::counted(u64::from(*partitions), "partition"),
            print::counted(u64::from(*workers), "worker"),
        )
    }
}

impl Conditions {
    /// In words, beside what was published and what was worked.
    fn words(&self) -> (String, String) {
        let Self { durability, credit, in_flight, rate, .. } = self;
        let durability = format!("durability {durability}");
        let pace = match (rate, in_flight) {
            (Some(rate), _) => format!("open loop at {}/s", print::number(u64::from(*rate))),
            (None, Some(records)) => {
                format!("{} in flight", print::counted((*records).into(), "record"))
            }
            (None, None) => String::from("as fast as can be"),
        };
        let working = format!("{durability}, acks confirmed, credit {credit} each");
        (format!("{durability}, {pace}"), working)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weir_protocol::native::Durability;

    use super::super::super::latencies::Latencies;
    use super::super::super::plan::Rate;
    use super::super::{Published, Worked};
    use super::*;

    fn report(rate: Option<Rate>) -> Report {
        let shape = Shape {
            records: 100_000,
            record_bytes: 100,
            partitions: 4,
            workers: 8,
            credit: 256,
            in_flight: 512,
            batches: 1,
            durability: Durability::Synced,
            rate,
        };
        let some = || {
            let mut some = Latencies::new();
            some.note(Duration::from_micros(500));
            some
        };
        let of_rate = || if rate.is_some() { some() } else { Latencies::new() };
        let took = Duration::from_millis(500);
        let published = Published { took: took / 2, acks: some(), late: of_rate() };
        let worked = Worked { acks: some(), deliveries: of_rate(), again: 3, verdict: Ok(()) };
        let broker = Usage::Known(Used {
            cpu_seconds: 0.25,
            voluntary_context_switches: 1,
            involuntary_context_switches: 1,
            resident_peak_bytes: 80 << 20,
            anonymous_bytes: 12 << 20,
        });
        let plan = Plan::new(shape).unwrap();
        Report::new("jobs", &plan, Figures { published, worked, took }, broker)
    }

    #[test]
    fn every_number_stands_beside_what_it_was_measured_under() {
        let table = report(None).text(Output::Table);
        for (figure, value, under) in [
            ("published/s", "400,000", "durability synced, 512 records in flight"),
            ("worked/s", "200,000", "durability synced, acks confirmed, credit 256 each"),
            ("handed out again", "3", "a lease was lost"),
            ("broker CPU", "0.25 s", "2.50 µs a record"),
        ] {
            let line = table.lines().find(|line| line.starts_with(figure)).unwrap();
            assert!(line.contains(value) && line.contains(under), "{line}");
        }
        assert!(!table.contains("delivery"), "{table}");
        assert!(table.lines().last().unwrap().starts_with("verified"), "{table}");
    }

    #[test]
    fn json_has_the_same_numbers_and_times_of_deliveries_at_a_rate_alone() {
        let json = |report: Report| -> serde_json::Value {
            serde_json::from_str(&report.text(Output::Json)).unwrap()
        };
        let flat_out = json(report(None));
        assert_eq!(flat_out["published_per_second"], 400_000.0);
        assert_eq!(flat_out["worked_per_second"], 200_000.0);
        assert_eq!(flat_out["records"], 100_000);
        assert_eq!(flat_out.get("p50_us"), None);
        let (measured, warm_up) = (Duration::from_secs(1), Duration::ZERO);
        let at_rate = json(report(Some(Rate { per_second: 50_000, measured, warm_up })));
        for quantile in ["p50_us", "p99_us", "p999_us"] {
            assert!(at_rate[quantile].as_f64().is_some_and(|us| 499.0 < us && us < 501.0));
        }
        assert_eq!(at_rate["under"]["rate"], 50_000);
        assert_eq!(at_rate["under"].get("in_flight"), None);
    }

    #[test]
    fn what_is_broken_is_said_in_both() {
        let broken = Some(String::from("9 of 10 records came"));
        let report = Report { verified: false, broken, ..report(None) };
        assert!(report.text(Output::Table).lines().last().unwrap().contains("NO  9 of 10"));
        assert!(report.text(Output::Json).contains("\"verified\": false"));
    }
}
