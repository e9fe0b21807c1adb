//! A report for people: a table of files, what was found, a summary.

use std::path::Path;

use weir_cli::print::{Column, bytes, counted, number, table};
use weir_protocol::id::TopicId;
use weir_storage::verify::{About, CheckedFile, Finding, Severity};

use super::report::Report;

/// The whole text.
pub(super) fn of(report: &Report) -> String {
    let mut text = vec![files(report)];
    if !report.findings.is_empty() {
        let lines = report.findings.iter().map(|finding| line(report, finding));
        text.push(lines.collect::<Vec<_>>().join("\n"));
    }
    text.push(summary(report));
    text.join("\n\n")
}

fn files(report: &Report) -> String {
    let columns = [
        Column::Words("file"),
        Column::Words("topic"),
        Column::Number("bytes"),
        Column::Number("batches"),
        Column::Number("records"),
        Column::Words("state"),
    ];
    let rows = report.files.iter().map(|file| {
        let counts = |count: u64| if count == 0 { String::new() } else { number(count) };
        let state = report.state(&file.path).map_or("ok", Severity::word);
        vec![
            file.path.display().to_string(),
            topic_of(report, file),
            number(file.bytes),
            counts(file.batches),
            counts(file.records),
            state.to_owned(),
        ]
    });
    table(&columns, rows)
}

/// Whose log a file belongs to, as `name/partition`.
fn topic_of(report: &Report, file: &CheckedFile) -> String {
    let Some((topic, partition)) = log_of(&file.path) else { return String::new() };
    format!("{}/{partition}", named(report, topic))
}

/// The log that a file belongs to, by its path.
pub(super) fn log_of(path: &Path) -> Option<(TopicId, u32)> {
    let mut parts = path.strip_prefix("topics").ok()?.iter();
    let topic = parts.next()?.to_str()?.parse().ok()?;
    let partition = parts.next()?.to_str()?.parse().ok()?;
    Some((topic, partition))
}

fn named(report: &Report, topic: TopicId) -> String {
    report.topic_name(topic).map_or_else(|| topic.to_string(), str::to_owned)
}

fn line(report: &Report, finding: &Finding) -> String {
    let Finding { severity, path, position, what, about, effect, code } = finding;
    let at = position.map_or(String::new(), |position| format!(" at byte {position}"));
    let about = about.as_ref().map_or(String::new(), |about| about_words(report, about));
    let code = code.map_or(String::new(), |code| format!(" (code {code})"));
    format!("{}: {}{at}{about}: {what}; {effect}{code}", severity.word(), path.display())
}

fn about_words(report: &Report, about: &About) -> String {
    let About { topic, partition, span } = about;
    let span = span
        .as_ref()
        .map_or(String::new(), |span| format!(", offsets {} to {}", span.start, span.end));
    format!(" ({}/{partition}{span})", named(report, *topic))
}

fn summary(report: &Report) -> String {
    let sum = |of: fn(&CheckedFile) -> u64| report.files.iter().map(of).sum::<u64>();
    let count = |severity| report.count(severity) as u64;
    let verdict = match count(Severity::Damage) {
        0 => "sound".to_owned(),
        damages => format!("{} of damage", counted(damages, "finding")),
    };
    format!(
        "{}, {}, {}, {}, {}; {}, {}, {}: {verdict}",
        counted(report.files.len() as u64, "file"),
        bytes(sum(|file| file.bytes)),
        counted(sum(|file| file.frames), "frame"),
        batches(sum(|file| file.batches)),
        counted(sum(|file| file.records), "record"),
        counted(count(Severity::TornTail), "torn tail"),
        counted(count(Severity::Leftover), "leftover"),
        counted(count(Severity::Note), "note"),
    )
}

fn batches(count: u64) -> String {
    format!("{} {}", number(count), if count == 1 { "batch" } else { "batches" })
}
