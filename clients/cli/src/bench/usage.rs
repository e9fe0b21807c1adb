//! What the broker used while it was measured, as its `/metrics` say.
//!
//! Knows the few names it asks for. Where the numbers cannot be had, or are of another broker, it
//! says why; it never leaves them out in silence.

use serde::Serialize;

use crate::target::HttpTarget;

/// The broker's counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    cpu_seconds: f64,
    switches_voluntary: f64,
    switches_involuntary: f64,
    resident_peak_bytes: f64,
    anonymous_bytes: f64,
    records_in: f64,
    records_out: f64,
}

impl Sample {
    /// Asks the broker.
    ///
    /// # Errors
    /// Why its numbers are not known.
    pub(crate) async fn take(target: &HttpTarget) -> Result<Self, String> {
        let url = target.url("/metrics");
        let asked = async {
            let response = reqwest::get(&url).await?.error_for_status()?;
            response.text().await
        };
        let text = asked.await.map_err(|error| {
            let error = error.without_url();
            let mut reason: &dyn std::error::Error = &error;
            while let Some(source) = reason.source() {
                reason = source;
            }
            format!("{url}: {reason}; name the broker's HTTP address by --http")
        })?;
        Self::parse(&text).map_err(|name| format!("{url} has no {name}; is it a weir broker?"))
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let number = |name: &'static str| value_of(text, name).ok_or(name);
        Ok(Self {
            cpu_seconds: number("process_cpu_seconds_total")?,
            switches_voluntary: number("process_voluntary_context_switches_total")?,
            switches_involuntary: number("process_involuntary_context_switches_total")?,
            resident_peak_bytes: number("process_resident_memory_peak_bytes")?,
            anonymous_bytes: number("process_anonymous_memory_bytes")?,
            records_in: number("weir_produced_records_total")?,
            records_out: number("weir_delivered_records_total")?,
        })
    }
}

/// The value of a metric without labels.
fn value_of(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// What the broker used between two samples, or why that is not known.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Usage {
    Known(Used),
    Unknown { unknown: String },
}

/// What the broker used between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Used {
    pub(crate) cpu_seconds: f64,
    /// Times one of its threads gave up its CPU to wait.
    pub(crate) voluntary_context_switches: u64,
    /// Times a CPU was taken from one of its threads.
    pub(crate) involuntary_context_switches: u64,
    /// The most that was resident since its start, mapped pages of logs included.
    pub(crate) resident_peak_bytes: u64,
    /// Heaps and stacks, at the end.
    pub(crate) anonymous_bytes: u64,
}

/// Which way the records went that the broker must have counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted {
    In(u64),
    Out(u64),
}

impl Usage {
    /// What was used from `before` to `after`, during which the broker counted these records.
    pub(crate) fn between(
        before: Result<Sample, String>,
        after: Result<Sample, String>,
        counted: Counted,
    ) -> Self {
        let (before, after) = match (before, after) {
            (Ok(before), Ok(after)) => (before, after),
            (Err(unknown), _) | (_, Err(unknown)) => return Self::Unknown { unknown },
        };
        let (records, seen) = match counted {
            Counted::In(records) => (records, after.records_in - before.records_in),
            Counted::Out(records) => (records, after.records_out - before.records_out),
        };
        if seen < records as f64 {
            return Self::Unknown {
                unknown: format!(
                    "the broker behind --http counted {seen} records and not {records}; \
                     is it another one than --server's?"
                ),
            };
        }
        let grown = |after: f64, before: f64| (after - before).max(0.0) as u64;
        Self::Known(Used {
            cpu_seconds: (after.cpu_seconds - before.cpu_seconds).max(0.0),
            voluntary_context_switches: grown(after.switches_voluntary, before.switches_voluntary),
            involuntary_context_switches: grown(
                after.switches_involuntary,
                before.switches_involuntary,
            ),
            resident_peak_bytes: after.resident_peak_bytes as u64,
            anonymous_bytes: after.anonymous_bytes as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cpu_seconds: f64, records: u64) -> String {
        format!(
            "# HELP process_cpu_seconds_total CPU time.\n\
             # TYPE process_cpu_seconds_total counter\n\
             process_cpu_seconds_total {cpu_seconds}\n\
             process_voluntary_context_switches_total 100\n\
             process_involuntary_context_switches_total 7\n\
             process_resident_memory_peak_bytes 20971520\n\
             process_resident_memory_bytes 1\n\
             process_anonymous_memory_bytes 1.048576e6\n\
             weir_produced_records_total {records}\n\
             weir_delivered_records_total {records}\n"
        )
    }

    fn sample(cpu_seconds: f64, records: u64) -> Result<Sample, String> {
        Ok(Sample::parse(&text(cpu_seconds, records)).unwrap())
    }

    #[test]
    fn what_was_used_is_the_difference_and_memory_is_as_it_is() {
        let usage = Usage::between(sample(1.5, 10), sample(2.75, 1_010), Counted::In(1_000));
        let Usage::Known(used) = usage else { panic!("{usage:?}") };
        assert_eq!(used.cpu_seconds, 1.25);
        assert_eq!(used.voluntary_context_switches, 0);
        assert_eq!(used.resident_peak_bytes, 20 << 20);
        assert_eq!(used.anonymous_bytes, 1 << 20);
    }

    #[test]
    fn numbers_of_another_broker_are_not_taken_for_this_one() {
        for counted in [Counted::In(1_000), Counted::Out(1_000)] {
            let usage = Usage::between(sample(1.0, 10), sample(2.0, 10), counted);
            let Usage::Unknown { unknown } = usage else { panic!("{usage:?}") };
            assert!(unknown.contains("another one"), "{unknown}");
        }
    }

    #[test]
    fn numbers_that_cannot_be_had_are_missed_aloud() {
        let missing = || Err(String::from("nobody there"));
        let unknown = Usage::Unknown { unknown: String::from("nobody there") };
        assert_eq!(Usage::between(missing(), sample(1.0, 1), Counted::In(0)), unknown);
        assert_eq!(Usage::between(sample(1.0, 1), missing(), Counted::In(0)), unknown);
        assert_eq!(Sample::parse("# nothing"), Err("process_cpu_seconds_total"));
    }

    #[test]
    fn a_name_is_not_taken_for_the_beginning_of_another() {
        assert_eq!(value_of("a_total 1\na 2\na{x=\"y\"} 3", "a"), Some(2.0));
        assert_eq!(value_of("a{x=\"y\"} 3", "a"), None);
    }
}
