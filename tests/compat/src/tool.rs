//! Apache Kafka's own tools, each a class in its jars.

use std::net::SocketAddr;
use std::process::Command;

use crate::installed;
use crate::program::Program;

/// A tool, by the name of its script in Apache Kafka's distribution.
#[derive(Clone, Copy, Debug)]
pub enum Tool {
    Configs,
    ConsoleConsumer,
    ConsoleProducer,
    ConsumerGroups,
    ConsumerPerf,
    DeleteRecords,
    DumpLog,
    GetOffsets,
    ProducerPerf,
    Topics,
    VerifiableConsumer,
    VerifiableProducer,
}

impl Tool {
    /// Runs it to its end against this broker, and gives the lines it printed.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(self, broker: SocketAddr, arguments: &[&str], input: &[String]) -> Vec<String> {
        let address = broker.to_string();
        self.run_alone(&[&["--bootstrap-server", &address], arguments].concat(), input)
    }

    /// The same without a broker.
    ///
    /// # Panics
    /// If it fails.
    pub fn run_alone(self, arguments: &[&str], input: &[String]) -> Vec<String> {
        Program::run(&format!("{self:?}"), self.command().args(arguments), input)
    }

    fn command(self) -> Command {
        let classpath = installed::classpath().expect("Apache Kafka is installed");
        let mut command = Command::new("java");
        command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.args(["-cp", &classpath, self.class()]);
        command
    }

    fn class(self) -> &'static str {
        match self {
            Self::Configs => "kafka.admin.ConfigCommand",
            Self::ConsoleConsumer => "org.apache.kafka.tools.consumer.ConsoleConsumer",
            Self::ConsoleProducer => "org.apache.kafka.tools.ConsoleProducer",
            Self::ConsumerGroups => "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
            Self::DeleteRecords => "org.apache.kafka.tools.DeleteRecordsCommand",
            Self::DumpLog => "org.apache.kafka.tools.DumpLogSegments",
            Self::GetOffsets => "org.apache.kafka.tools.GetOffsetShell",
            Self::ConsumerPerf => "org.apache.kafka.tools.ConsumerPerformance",
            Self::ProducerPerf => "org.apache.kafka.tools.ProducerPerformance",
            Self::Topics => "org.apache.kafka.tools.TopicCommand",
            Self::VerifiableConsumer => "org.apache.kafka.tools.VerifiableConsumer",
            Self::VerifiableProducer => "org.apache.kafka.tools.VerifiableProducer",
        }
    }
}
