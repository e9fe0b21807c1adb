//! What configurations are taken and refused, and that `docs/configuration.md` tells the truth.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::{Table, Value};
use tracing::Level;

use super::file::{ConfigFile, DiskSection, KafkaSection, TopicsSection};
use super::*;

fn load(text: &str, overrides: Overrides) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.toml");
    write(&path, text);
    Config::load(Overrides { config: Some(path), ..overrides })
}

#[expect(clippy::disallowed_methods, reason = "writes what an operator would")]
fn write(path: &std::path::Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

fn refusal(text: &str) -> String {
    load(text, Overrides::default()).unwrap_err().to_string()
}

#[test]
fn without_a_file_the_defaults_hold() {
    let config = Config::load(Overrides::default()).unwrap();
    assert_eq!(config.data, PathBuf::from("./weir-data"));
    assert_eq!(config.listen.native.to_string(), "127.0.0.1:7700");
    assert_eq!(config.listen.http.to_string(), "127.0.0.1:7780");
    assert_eq!(config.listen.kafka.to_string(), "127.0.0.1:9092");
    assert!(!config.listen.is_exposed());
    assert_eq!(config.journal.bytes_max, 1 << 30);
    assert_eq!(config.journal.on_torn_tail, OnTornTail::Truncate);
    assert_eq!(config.log.written_flush_max, Duration::from_secs(1));
    assert_eq!(config.log.reader_threads, 2);
    assert_eq!(config.log.scrub_bytes_per_second, 8 << 20);
    assert_eq!(config.topics.durability, Durability::Synced);
    assert_eq!(config.topics.retention_ms, None);
    assert_eq!(config.log_output.level, Level::INFO);
    assert_eq!(config.descriptors_max(), 19_000);
}

#[test]
fn the_command_line_goes_before_the_file_and_the_file_before_the_defaults() {
    let text = "data = '/one'\n[listen]\nnative = '127.0.0.2:1'\nhttp = '[::1]:2'";
    let overrides = Overrides {
        data: Some(PathBuf::from("/two")),
        native: Some(String::from("127.0.0.3:0")),
        ..Overrides::default()
    };
    let config = load(text, overrides).unwrap();
    assert_eq!(config.data, PathBuf::from("/two"));
    assert_eq!(config.listen.native.to_string(), "127.0.0.3:0");
    assert_eq!(config.listen.http.to_string(), "[::1]:2");
    assert_eq!(config.topics.partitions, 1);
}

#[test]
fn an_address_others_can_reach_is_refused_unless_told_insecure() {
    for address in ["0.0.0.0:7700", "[::]:0", "192.168.1.7:7700", "[::ffff:10.0.0.1]:1"] {
        let overrides = |insecure| Overrides {
            http: Some(address.to_owned()),
            insecure,
            ..Overrides::default()
        };
        let refused = Config::load(overrides(false)).unwrap_err();
        assert!(matches!(refused, ConfigError::Exposed { key: "listen.http", .. }));
        assert!(refused.to_string().contains("--insecure"), "{refused}");
        assert!(Config::load(overrides(true)).unwrap().listen.is_exposed());
    }
    for address in ["127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        let text = format!("listen.native = '{address}'");
        assert!(!load(&text, Overrides::default()).unwrap().listen.is_exposed());
    }
    let text = "[listen]\ninsecure = true\nnative = '0.0.0.0:7700'";
    assert!(load(text, Overrides::default()).unwrap().listen.is_exposed());
}

#[test]
fn a_refusal_names_the_key_the_value_and_what_is_allowed() {
    assert_eq!(
        refusal("[log]\nsegment_bytes = 5"),
        "log.segment_bytes is 5; it takes 16777216 to 1073741824"
    );
    assert_eq!(
        refusal("[listen]\nhttp = 'localhost'"),
        "listen.http is 'localhost'; it takes an IP address and a port, such as 127.0.0.1:7700"
    );
    assert_eq!(
        refusal("[journal]\nbytes_max = 134217728"),
        "journal.segment_bytes is 67108864; it takes at most 33554432, \
         a quarter of journal.bytes_max"
    );
    assert_eq!(
        refusal("[topics]\npartitions = 9\npartitions_max = 8"),
        "topics.partitions is 9; it takes at most 8, which is topics.partitions_max"
    );
    assert_eq!(
        refusal("[limits]\nin_flight_bytes_max = 16777216\nhttp_body_bytes_max = 16777217"),
        "limits.http_body_bytes_max is 16777217; it takes at most 16777216, \
         which is limits.in_flight_bytes_max"
    );
    assert!(refusal("data = ''").starts_with("data is empty"));
    assert_eq!(
        refusal("[kafka]\nadvertised = 'broker'"),
        "kafka.advertised is 'broker'; it takes the host and the port by which Kafka clients reach \
         the broker, such as broker.example.com:9092"
    );
}

#[test]
fn what_is_advertised_is_a_host_and_a_port() {
    for (value, host, port) in [
        ("broker.example.com:9092", "broker.example.com", 9092),
        ("10.0.0.7:1", "10.0.0.7", 1),
        ("[::1]:65535", "::1", 65535),
    ] {
        let text = format!("kafka.advertised = '{value}'");
        let advertised = load(&text, Overrides::default()).unwrap().kafka.advertised;
        assert_eq!(advertised, Some(Advertised { host: host.to_owned(), port }));
    }
    for value in ["", ":9092", "broker:", "broker:0", "broker:65536", "::1:9092", "a b:1", "[x]:1"]
    {
        assert!(refusal(&format!("kafka.advertised = '{value}'")).contains("kafka.advertised"));
    }
}

#[test]
fn text_that_is_not_understood_is_refused_with_its_place_and_what_would_be() {
    for (text, said) in [
        ("[journal]\nsegment_size = 1", ["segment_size", "segment_bytes"]),
        ("[diary]", ["diary", "journal"]),
        ("[topics]\ndurability = 'ephemeral'", ["ephemeral", "`synced`"]),
        ("[limits]\nconnections_max = -1", ["connections_max = -1", "u64"]),
        ("[limits]\nconnections_max = '9'", ["connections_max = '9'", "expected u64"]),
        ("data = ", ["weir.toml", "line 1"]),
    ] {
        let refused = refusal(text);
        for said in said {
            assert!(refused.contains(said), "'{said}' is not in: {refused}");
        }
    }
}

#[test]
fn an_origin_is_one_that_a_browser_could_send() {
    let list = |origin: &str| format!("http.allowed_origins = ['{origin}']");
    for origin in ["https://a.example", "http://localhost:3000", "http://[::1]:8080"] {
        let allowed = load(&list(origin), Overrides::default()).unwrap().http.allowed_origins;
        assert_eq!(allowed, [origin]);
    }
    for origin in [
        "",
        "*",
        "null",
        "a.example",
        "https://",
        "https://a.example/",
        "https://A.example",
        "https://a.example:0",
        "https://a.example:https",
        "ftp://a.example",
        "https://a b",
    ] {
        assert!(refusal(&list(origin)).contains(&format!("has '{origin}'")), "{origin}");
    }
    let many = "'http://a', ".repeat(65);
    let many = refusal(&format!("http.allowed_origins = [{many}]"));
    assert_eq!(many, "http.allowed_origins is 65; it takes 0 to 64");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let overrides =
        Overrides { config: Some(PathBuf::from("/no/weir.toml")), ..Overrides::default() };
    let refused = Config::load(overrides).unwrap_err();
    assert!(matches!(refused, ConfigError::Read { .. }));
    assert!(refused.to_string().contains("/no/weir.toml"), "{refused}");
}

#[test]
fn the_journal_takes_a_tenth_of_a_disk_and_four_segments_at_least() {
    let journal = Config::load(Overrides::default()).unwrap().journal;
    let gib = 1 << 30;
    assert_eq!(journal.fitted_to(1_000 * gib), journal);

    let fitted = journal.fitted_to(5 * gib);
    assert_eq!(fitted.bytes_max, gib / 2);
    assert_eq!(fitted.checkpoint_bytes, gib / 8);

    let least = journal.fitted_to(gib / 4);
    assert_eq!(least.bytes_max, 4 * journal.segment_bytes);
    assert_eq!(least.checkpoint_bytes, journal.segment_bytes);
}

#[test]
fn the_documentation_lists_every_key_with_its_default() {
    let documented: BTreeMap<_, _> = rows().into_iter().map(|row| (row.key, row.default)).collect();
    let mut defaults = flat(&ConfigFile::default());
    for key in flat(&with_every_key()).into_keys() {
        defaults.entry(key).or_insert(Cell::None);
    }
    assert_eq!(documented, defaults);
}

#[test]
fn the_documentation_says_where_every_number_ends() {
    for row in rows() {
        let Cell::Range(min, max) = row.allowed else { continue };
        for value in [min, max] {
            let taken = check(&row.key, value);
            assert!(
                !matches!(taken, Err(ConfigError::Range { .. } | ConfigError::Syntax { .. })),
                "{} = {value}: {taken:?}",
                row.key
            );
        }
        for value in min.checked_sub(1).into_iter().chain([max + 1]) {
            let refused = check(&row.key, value).unwrap_err();
            let named = matches!(
                refused,
                ConfigError::Range { key, min: least, max: most, .. }
                    if key == row.key && (least, most) == (min, max)
            );
            assert!(named, "{} = {value}: {refused}", row.key);
        }
    }
}

fn check(key: &str, value: u64) -> Result<Config, ConfigError> {
    Config::check(toml::from_str(&format!("{key} = {value}")).unwrap(), Overrides::default())
}

/// A row of a table of `docs/configuration.md`.
struct Row {
    key: String,
    default: Cell,
    allowed: Cell,
}

#[derive(Debug, PartialEq)]
enum Cell {
    None,
    Number(u64),
    Range(u64, u64),
    Word(String),
}

fn rows() -> Vec<Row> {
    let page = include_str!("../../../docs/configuration.md");
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, key, default, allowed, ..] = cells[..] else { return None };
        let key = key.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        Some(Row { key, default: cell(default), allowed: cell(allowed) })
    };
    page.lines().filter_map(row).collect()
}

fn cell(text: &str) -> Cell {
    if text == "none" {
        return Cell::None;
    }
    if let Some(number) = number(text) {
        return Cell::Number(number);
    }
    match text.split_once(" to ").map(|(min, max)| (number(min), number(max))) {
        Some((Some(min), Some(max))) => Cell::Range(min, max),
        _ => Cell::Word(text.trim_matches('`').to_owned()),
    }
}

/// `64 MiB`, `1,000`.
fn number(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let shift = match unit {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    digits.replace(',', "").parse::<u64>().ok().map(|number| number << shift)
}

/// Keys with dots, and values.
fn flat(file: &ConfigFile) -> BTreeMap<String, Cell> {
    let mut cells = BTreeMap::new();
    for (key, value) in Table::try_from(file).unwrap() {
        match value {
            Value::Table(section) => {
                let named = section.into_iter().map(|(name, value)| (name, to_cell(value)));
                cells.extend(named.map(|(name, value)| (format!("{key}.{name}"), value)));
            }
            value => drop(cells.insert(key, to_cell(value))),
        }
    }
    cells
}

fn to_cell(value: Value) -> Cell {
    match value {
        Value::Integer(number) => Cell::Number(number.try_into().unwrap()),
        Value::Boolean(word) => Cell::Word(word.to_string()),
        Value::String(word) => Cell::Word(word),
        Value::Array(list) => Cell::Word(format!("{list:?}")),
        other => panic!("no option is written as {other}"),
    }
}

/// Keys without a default are written too.
fn with_every_key() -> ConfigFile {
    let topics = TopicsSection {
        retention_ms: Some(1),
        retention_bytes: Some(1),
        ..TopicsSection::default()
    };
    let disk = DiskSection { low_bytes: Some(1), hard_bytes: Some(1) };
    let kafka = KafkaSection { advertised: Some(String::new()), ..KafkaSection::default() };
    ConfigFile { topics, disk, kafka, ..ConfigFile::default() }
}
