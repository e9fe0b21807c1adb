//! A report for programs; `docs/cli.md` says its shape.

use serde::Serialize;
use weir_cli::print;
use weir_storage::verify::{CheckedFile, Finding, Severity};

use super::report::Report;
use super::words::log_of;

/// The report as one JSON object.
pub(super) fn of(report: &Report) -> String {
    let sum = |of: fn(&CheckedFile) -> u64| report.files.iter().map(of).sum();
    let summary = Summary {
        files: report.files.len(),
        bytes: sum(|file| file.bytes),
        frames: sum(|file| file.frames),
        batches: sum(|file| file.batches),
        records: sum(|file| file.records),
        damage: report.count(Severity::Damage),
        torn_tails: report.count(Severity::TornTail),
        leftovers: report.count(Severity::Leftover),
        notes: report.count(Severity::Note),
    };
    print::json(&Shape {
        directory: report.directory.display().to_string(),
        sound: report.is_sound(),
        summary,
        findings: report.findings.iter().map(|finding| found(report, finding)).collect(),
        files: report.files.iter().map(|file| checked(report, file)).collect(),
    })
}

#[derive(Debug, Serialize)]
struct Shape {
    directory: String,
    sound: bool,
    summary: Summary,
    findings: Vec<Found>,
    files: Vec<Checked>,
}

#[derive(Debug, Serialize)]
struct Summary {
    files: usize,
    bytes: u64,
    frames: u64,
    batches: u64,
    records: u64,
    damage: usize,
    torn_tails: usize,
    leftovers: usize,
    notes: usize,
}

#[derive(Debug, Serialize)]
struct Found {
    severity: &'static str,
    path: String,
    position: Option<u64>,
    topic: Option<String>,
    topic_id: Option<String>,
    partition: Option<u32>,
    span: Option<Span>,
    what: String,
    effect: &'static str,
    code: Option<String>,
}

#[derive(Debug, Serialize)]
struct Span {
    start: u64,
    end: u64,
}

#[derive(Debug, Serialize)]
struct Checked {
    path: String,
    part: &'static str,
    topic: Option<String>,
    partition: Option<u32>,
    bytes: u64,
    frames: u64,
    batches: u64,
    records: u64,
    state: &'static str,
}

fn found(report: &Report, finding: &Finding) -> Found {
    let about = finding.about.as_ref();
    let topic = about.map(|about| about.topic);
    let span = about.and_then(|about| about.span.as_ref());
    Found {
        severity: finding.severity.word(),
        path: finding.path.display().to_string(),
        position: finding.position,
        topic: topic.and_then(|topic| report.topic_name(topic)).map(str::to_owned),
        topic_id: topic.map(|topic| topic.to_string()),
        partition: about.map(|about| about.partition),
        span: span.map(|span| Span { start: span.start.get(), end: span.end.get() }),
        what: finding.what.clone(),
        effect: finding.effect.word(),
        code: finding.code.map(|code| code.to_string()),
    }
}

fn checked(report: &Report, file: &CheckedFile) -> Checked {
    let log = log_of(&file.path);
    Checked {
        path: file.path.display().to_string(),
        part: file.part.word(),
        topic: log.and_then(|(topic, _)| report.topic_name(topic)).map(str::to_owned),
        partition: log.map(|(_, partition)| partition),
        bytes: file.bytes,
        frames: file.frames,
        batches: file.batches,
        records: file.records,
        state: report.state(&file.path).map_or("ok", Severity::word),
    }
}
