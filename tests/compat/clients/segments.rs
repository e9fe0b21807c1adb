//! The sealed files of a broker that was stopped, as Apache Kafka's own tool reads them.

use std::fs;
use std::path::{Path, PathBuf};

use weir_compat::broker::Broker;
use weir_compat::family::{Family, Mode};
use weir_compat::tool::Tool;
use weir_compat::{installed, samples, topic};

/// Each has a record of 900 kB: of four, three fill segments of a megabyte.
const ROUNDS: usize = 4;

#[test]
fn the_dump_tool_reads_every_record_that_families_wrote_in_any_codec() {
    if installed::classpath().is_none() {
        return;
    }
    let mut broker = Broker::start();
    for (family, codec) in Family::installed().into_iter().zip(samples::CODECS.iter().cycle()) {
        let topic = family.to_string();
        let settings = [("segment.bytes", "1048576"), ("max.message.bytes", "1048576")];
        topic::create_with(broker.kafka(), &topic, samples::PARTITIONS, &settings);
        let mut records = samples::records();
        records.retain(|record| family.can_send(record));
        let targets = vec![format!("{topic}={codec}"); ROUNDS];
        family.produce(broker.kafka(), Mode::All, &targets, &records);
    }
    let data = broker.stop();
    let mut sealed = 0;
    for partition in partitions(&data) {
        let mut next = 0;
        for segments in partition.windows(2) {
            assert_eq!(base(&segments[0]), next);
            next = dump(&segments[0], next);
            sealed += 1;
        }
        let active = partition.last().expect("a partition has a segment");
        assert_eq!(base(active), next, "{}", active.display());
    }
    assert!(Family::installed().len() <= sealed, "{sealed} segments are sealed");
}

/// Has the tool look at every record of a segment, of which `next` is the first; what is behind
/// the last.
fn dump(segment: &Path, mut next: u64) -> u64 {
    let path = segment.to_str().expect("a temporary directory has a plain name");
    let said = Tool::DumpLog.run_alone(&["--deep-iteration", "--files", path], &[]);
    for line in said {
        if line.starts_with("baseOffset: ") {
            assert!(line.contains("isvalid: true"), "{path}: {line}");
        } else if let Some(record) = line.strip_prefix("| offset: ") {
            assert_eq!(record.split(' ').next(), Some(&*next.to_string()), "{path}");
            next += 1;
        }
    }
    next
}

/// The segments below a directory, in their order, by partition.
fn partitions(directory: &Path) -> Vec<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).expect("a directory can be listed");
    let paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a directory can be listed").path()).collect();
    let mut found: Vec<Vec<PathBuf>> =
        paths.iter().filter(|path| path.is_dir()).flat_map(|path| partitions(path)).collect();
    let is_log = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "log");
    let mut segments: Vec<PathBuf> = paths.iter().filter(is_log).cloned().collect();
    segments.sort();
    // Apache Kafka's own topics are none of these.
    if !segments.is_empty() && !directory.to_string_lossy().contains("/__") {
        found.push(segments);
    }
    found
}

/// The offset that a segment begins with, by its name.
fn base(segment: &Path) -> u64 {
    let name = segment.file_stem().and_then(|name| name.to_str()).expect("a segment has a name");
    name.parse().expect("it is an offset")
}
