//! Apache Kafka as a child of the test: one node that is broker and controller in one.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::installed;
use crate::program::Program;

/// Starts it with its data below this directory, which it formats the first time.
pub(super) fn start(directory: &Path, address: SocketAddr, controller: SocketAddr) -> Program {
    let data = directory.join("data");
    let settings = directory.join("server.properties");
    fs::write(&settings, properties(&data, address, controller)).expect("a file can be written");
    let settings = settings.to_str().expect("a temporary directory has a plain name");
    if !data.exists() {
        let mut format = java("kafka.tools.StorageTool");
        format.args(["format", "--cluster-id", "AAAAAAAAAAAAAAAAAAAAAQ", "--config", settings]);
        Program::run("kafka format", &mut format, &[]);
    }
    let mut process = Program::serve("kafka", java("kafka.Kafka").arg(settings));
    while !process.read().contains("Kafka Server started") {}
    process
}

fn java(class: &str) -> Command {
    let mut command = Command::new("java");
    let classpath = installed::classpath().expect("Apache Kafka is installed");
    command.args(["-Xmx512m", "-cp", &classpath, class]);
    command
}

fn properties(data: &Path, address: SocketAddr, controller: SocketAddr) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{address},CONTROLLER://{controller}
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
",
        data.display()
    )
}
