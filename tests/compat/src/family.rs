//! The families: client libraries, each with one small program around it.
//!
//! The programs take the same verbs, and print the same lines whichever they are:
//!
//! | verb | input | output |
//! |---|---|---|
//! | `produce ADDRESS MODE TOPIC=CODEC…` | records, for each target | `produced TOPIC COUNT` |
//! | `consume ADDRESS TOPIC…` | | all records the topics have now |
//! | `stream ADDRESS TOPIC` | values | `acknowledged VALUE`, each when it is |
//! | `topics ADDRESS` | | the names of all topics, of one metadata answer |
//! | `group ADDRESS GROUP TOPIC` | ends when it shall leave | what it is assigned, what it read |
//!
//! A member of a group says `assigned PARTITION…`, and `read PARTITION OFFSET VALUE` once that is
//! committed.
//! A mode is the acknowledgement that a producer waits for: `none`, `leader`, `all`, or
//! `idempotent`. A record is a line as in [`crate::record`].

use std::env;
use std::fmt;
use std::net::SocketAddr;
use std::process::Command;

use crate::installed;
use crate::program::Program;
use crate::record::Record;

/// A client library.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    Librdkafka,
    KafkaPython,
    Kafkajs,
    FranzGo,
    Java,
}

impl Family {
    const ALL: [Self; 5] =
        [Self::Librdkafka, Self::KafkaPython, Self::Kafkajs, Self::FranzGo, Self::Java];

    /// Those that are installed, of those that `WEIR_FAMILIES` names if it is set.
    ///
    /// # Panics
    /// If one is not installed, under CI.
    pub fn installed() -> Vec<Self> {
        let wanted = env::var("WEIR_FAMILIES");
        let is_wanted = |family: &Self| {
            let names = wanted.as_deref().unwrap_or_default();
            names.is_empty() || names.split(',').any(|name| name == family.to_string())
        };
        Self::ALL.into_iter().filter(is_wanted).filter(|family| family.is_installed()).collect()
    }

    fn is_installed(self) -> bool {
        match self {
            Self::Librdkafka => true,
            Self::KafkaPython => self.finds("python/bin/python"),
            Self::Kafkajs => self.finds("node/node_modules/kafkajs"),
            Self::FranzGo => self.finds("franz-go"),
            Self::Java => self.finds("java/Client.class") && self.finds("java.classpath"),
        }
    }

    fn finds(self, name: &str) -> bool {
        installed::is_there(&self.to_string(), name)
    }

    /// Whether its producer takes such a record; what it does not take is no fault of the broker.
    pub fn can_send(self, record: &Record) -> bool {
        let has_header_without_value = record.headers.iter().any(|(_, value)| value.is_none());
        match self {
            Self::Librdkafka | Self::FranzGo | Self::Java => true,
            // "Need at least one: key or value", "headers items must be (str, bytes)".
            Self::KafkaPython => {
                (record.key.is_some() || record.value.is_some()) && !has_header_without_value
            }
            // Asks for the length of a value that is not there.
            Self::Kafkajs => !has_header_without_value,
        }
    }

    /// Sends the records to each target, `TOPIC=CODEC`, and waits until they are acknowledged.
    pub fn produce(self, address: SocketAddr, mode: Mode, targets: &[String], records: &[Record]) {
        let mut command = self.command("produce", address);
        command.arg(mode.to_string()).args(targets);
        let lines: Vec<String> = records.iter().map(Record::line).collect();
        let said = Program::run(&format!("{self} produce"), &mut command, &lines);
        assert_eq!(said.len(), targets.len(), "{self} says what it produced: {said:?}");
    }

    /// All records of the topics, in the order of their places.
    pub fn consume(self, address: SocketAddr, topics: &[String]) -> Vec<Record> {
        let mut command = self.command("consume", address);
        let said = Program::run(&format!("{self} consume"), command.args(topics), &[]);
        let mut records: Vec<Record> = said.iter().map(|line| Record::parse(line)).collect();
        records.sort();
        records
    }

    /// The names of all topics, sorted.
    pub fn topics(self, address: SocketAddr) -> Vec<String> {
        let said =
            Program::run(&format!("{self} topics"), &mut self.command("topics", address), &[]);
        let mut names: Vec<String> = said.into_iter().filter(|name| !name.is_empty()).collect();
        names.sort();
        names
    }

    /// Starts to send each value written to it, idempotently.
    pub fn stream(self, address: SocketAddr, topic: &str) -> Program {
        let mut command = self.command("stream", address);
        Program::start(&format!("{self} stream"), command.arg(topic))
    }

    /// Starts a member of a group.
    pub fn member(self, address: SocketAddr, group: &str, topic: &str) -> Program {
        let mut command = self.command("group", address);
        Program::start(&format!("{self} member"), command.args([group, topic]))
    }

    fn command(self, verb: &str, address: SocketAddr) -> Command {
        let source = |name: &str| installed::repository().join("tests/compat").join(name);
        let mut command = match self {
            Self::Librdkafka => Command::new(
                env::var_os("CARGO_BIN_EXE_librdkafka").expect("cargo says where it is"),
            ),
            Self::KafkaPython => {
                let mut command = Command::new(installed::path("python/bin/python"));
                command.arg(source("python/client.py"));
                command
            }
            Self::Kafkajs => {
                let mut command = Command::new("node");
                command.env("NODE_PATH", installed::path("node/node_modules"));
                command.arg(source("node/client.js"));
                command
            }
            Self::FranzGo => Command::new(installed::path("franz-go")),
            Self::Java => {
                let mut command = Command::new("java");
                let classpath = installed::classpath().expect("Java is installed");
                command.args(["-Xmx256m", "-XX:+UseSerialGC", "-cp", &classpath, "Client"]);
                command
            }
        };
        command.arg(verb).arg(address.to_string());
        command
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Librdkafka => "librdkafka",
            Self::KafkaPython => "kafka-python",
            Self::Kafkajs => "kafkajs",
            Self::FranzGo => "franz-go",
            Self::Java => "java",
        })
    }
}

/// The acknowledgement that a producer waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    None,
    Leader,
    All,
    Idempotent,
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "none",
            Self::Leader => "leader",
            Self::All => "all",
            Self::Idempotent => "idempotent",
        })
    }
}
