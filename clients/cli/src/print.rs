//! What commands write for people and for programs: tables, JSON, one-line summaries, progress.
//!
//! Results go to standard output, everything else to standard error; progress is drawn only where
//! standard error is a terminal.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;

/// How a listing is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns, for people.
    #[default]
    Table,
    /// JSON, for programs.
    Json,
}

/// How a column lies.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    Words(&'static str),
    Number(&'static str),
}

/// Lays out rows under their headings. Never wraps: lines stay lines for `grep` and `cut`.
pub fn table(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| match column {
        Column::Words(heading) | Column::Number(heading) => *heading,
    }));
    table.add_rows(rows);
    for (index, column) in columns.iter().enumerate() {
        let Some(laid) = table.column_mut(index) else { continue };
        laid.set_padding((0, 2));
        if let Column::Number(_) = column {
            laid.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// The JSON of a listing, indented for whoever looks at it all the same.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("listings have text for keys")
}

/// Writes a result and a line end to standard output.
pub(crate) fn result(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n"));
    written.and_then(|()| stdout.flush()).map_err(|error| Failure::output(&error))
}

/// Tells the person something beside the result. Nothing is done if nobody can be told.
pub fn note(words: &str) {
    drop(writeln!(io::stderr().lock(), "weir: {words}"));
}

/// `1 record`, `20,000 records`.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", HumanCount(count))
}

/// `20,000`.
pub fn number(count: u64) -> String {
    HumanCount(count).to_string()
}

/// `1.74 MiB`.
pub fn bytes(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// Whole units a second; 0 if no time passed.
pub(crate) fn per_second(count: u64, seconds: f64) -> u64 {
    if seconds <= 0.0 { 0 } else { (count as f64 / seconds) as u64 }
}

/// A bar over `bytes` of input, or a count of what went by where the end is not known.
pub(crate) fn progress_of_input(bytes: Option<u64>) -> ProgressBar {
    let template = match bytes {
        Some(_) => "{bar:30} {percent:>3}%  {msg} records  {bytes_per_sec}  {eta} left",
        None => "{spinner} {msg} records  {bytes}  {bytes_per_sec}",
    };
    progress(bytes, template)
}

/// A bar over a known number of things.
pub(crate) fn progress_of(count: u64, doing: &'static str, nouns: &'static str) -> ProgressBar {
    let bar = progress(Some(count), "{prefix} {bar:30} {percent:>3}%  {human_pos} {msg}");
    bar.set_prefix(format!("{doing:<12}"));
    bar.set_message(nouns);
    bar
}

/// A bar over bytes that are read to be checked.
pub fn progress_of_check() -> ProgressBar {
    progress(Some(0), "checking {bar:30} {percent:>3}%  {bytes_per_sec}  {eta} left")
}

fn progress(length: Option<u64>, template: &str) -> ProgressBar {
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr_with_hz(10),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template(template).expect("the template is well formed");
    let bar = ProgressBar::with_draw_target(length, target);
    bar.set_style(style.progress_chars("=> "));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_row_and_no_ragged_ends() {
        let columns = [Column::Words("name"), Column::Number("records")];
        let row = |name: &str, records: &str| vec![name.to_owned(), records.to_owned()];
        let text = table(&columns, [row("flights", "20,000"), row("a", "1")]);
        assert_eq!(text, "name     records\nflights   20,000\na              1");
    }

    #[test]
    fn a_table_without_rows_keeps_its_headings() {
        assert_eq!(table(&[Column::Words("name"), Column::Words("id")], []), "name  id");
    }

    #[test]
    fn long_cells_are_not_wrapped() {
        let long = "x".repeat(500);
        let text = table(&[Column::Words("name")], [vec![long.clone()]]);
        assert_eq!(text.lines().last().unwrap(), long);
    }

    #[test]
    fn numbers_are_grouped_and_nouns_agree() {
        assert_eq!(counted(1, "record"), "1 record");
        assert_eq!(counted(20_000, "record"), "20,000 records");
        assert_eq!(bytes(3 << 19), "1.50 MiB");
        assert_eq!(per_second(1_000, 0.5), 2_000);
        assert_eq!(per_second(1_000, 0.0), 0);
    }
}
