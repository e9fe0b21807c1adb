//! Apache Kafka's own dump tool reads our sealed segments, and verifies their indexes.
//!
//! Needs Java and Maven; says so and tests nothing where they are missing, but fails there under
//! CI.
#![allow(clippy::unwrap_used, reason = "all of it is a test, most of it outside `#[test]`")]

mod segments;
mod tool;

use segments::Segments;
use tool::Tool;

#[test]
fn every_batch_and_record_of_a_segment_is_dumped_as_it_was_written() {
    let Some(tool) = Tool::find() else { return };
    let segments = Segments::write();
    for segment in &segments.sealed {
        let dumped = tool.run(&["--deep-iteration", "--print-data-log"], &segment.log);
        let lines: Vec<_> = dumped.lines().skip(2).map(str::trim_end).collect();
        assert_eq!(lines, segment.lines, "{}", segment.log.display());
    }
}

#[test]
fn indexes_pass_the_check_of_a_starting_broker() {
    let Some(tool) = Tool::find() else { return };
    let segments = Segments::write();
    for segment in &segments.sealed {
        for index in [&segment.index, &segment.timeindex] {
            let said = tool.run(&["--index-sanity-check"], index);
            assert!(said.contains("passed sanity check."), "{said}");
        }
    }
}

#[test]
fn index_entries_lead_to_the_batches_they_name() {
    let Some(tool) = Tool::find() else { return };
    let segments = Segments::write();
    for segment in &segments.sealed {
        for index in [&segment.index, &segment.timeindex] {
            let said = tool.run(&["--verify-index-only"], index);
            assert_eq!(said.trim(), format!("Dumping {}", index.display()));
        }
    }
}

#[test]
fn index_entries_that_lead_elsewhere_are_noticed() {
    let Some(tool) = Tool::find() else { return };
    let segments = Segments::write();
    let segment = &segments.sealed[0];
    // An offset, and a timestamp, one too large.
    for (index, at) in [(&segment.index, 11), (&segment.timeindex, 19)] {
        let mut bytes = std::fs::read(index).unwrap();
        bytes[at] += 1;
        std::fs::write(index, bytes).unwrap();
        let said = tool.run(&["--verify-index-only"], index);
        assert!(said.contains("ismatch"), "{said}");
    }
}
