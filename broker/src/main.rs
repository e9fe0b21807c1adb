//! The `weir` binary: the broker, and the commands that talk to it.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};
use weir_broker::check::Check;
use weir_broker::clock::{Clock, Randomness};
use weir_broker::config::{Config, Overrides};
use weir_broker::hands::Hands;
use weir_broker::recover::Recover;
use weir_broker::startup::{Broker, World};
use weir_storage::disk::{RealDisk, raise_descriptor_limit};

/// Queues, streams and pub/sub in one binary.
#[derive(Debug, Parser)]
#[command(name = "weir", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Server(Server),
    Check(Check),
    Recover(Recover),
    #[command(flatten)]
    Client(weir_cli::Command),
}

/// Runs the broker until it is told to stop (Ctrl-C, SIGTERM).
///
/// Without any options it keeps its data in ./weir-data and listens on this machine only.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  weir server\n  weir server --data /var/lib/weir --native 127.0.0.1:0"
)]
struct Server {
    /// Reads settings from this file; options given here go over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keeps everything in this directory; made where it is missing [default: ./weir-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Speaks the native protocol here; port 0 takes a free one [default: 127.0.0.1:7700]
    #[arg(long, value_name = "ADDR")]
    native: Option<String>,
    /// Serves HTTP here; port 0 takes a free one [default: 127.0.0.1:7780]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Speaks the Kafka protocol here; port 0 takes a free one [default: 127.0.0.1:9092]
    #[arg(long, value_name = "ADDR")]
    kafka: Option<String>,
    /// Listens on addresses that other machines reach, though nobody is asked who they are
    #[arg(long)]
    insecure: bool,
}

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    match command {
        Command::Server(server) => server.run(),
        Command::Check(check) => check.run(),
        Command::Recover(recover) => recover.run(),
        Command::Client(command) => command.run(),
    }
}

impl Server {
    fn run(self) -> ExitCode {
        let Self { config, data, native, http, kafka, insecure } = self;
        let overrides = Overrides { config, data, native, http, kafka, insecure };
        let config = match Config::load(overrides) {
            Ok(config) => config,
            Err(error) => return fail(&error, USAGE),
        };
        tracing_subscriber::fmt()
            .with_max_level(config.log_output.level)
            .with_target(false)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr)
            .init();
        allow_descriptors(config.descriptors_max());
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return fail(&error, FAILURE),
        };
        runtime.block_on(serve(config))
    }
}

/// Sees to it that all partitions and connections can be open at once, or says that they cannot.
fn allow_descriptors(wanted: u64) {
    match raise_descriptor_limit(wanted) {
        Ok(allowed) if allowed < wanted => tracing::warn!(
            allowed,
            wanted,
            "fewer files may be open than the limits allow partitions and connections: \
             raise `ulimit -n`, or lower topics.partitions_max and limits.connections_max"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}

async fn serve(config: Config) -> ExitCode {
    let world = World {
        disk: Arc::new(RealDisk),
        clock: Clock::system(),
        randomness: Randomness::system(),
        hands: Hands::threads(),
    };
    // Heard from here on, so that a stop that comes early is a stop like any other.
    let stop = match StopSignals::listen() {
        Ok(stop) => stop,
        Err(error) => return fail(&error, FAILURE),
    };
    let broker = match Broker::start(config, world).await {
        Ok(broker) => broker,
        Err(error) => return fail(&error, FAILURE),
    };
    let (native, http, kafka) = (broker.native(), broker.http(), broker.kafka());
    tracing::info!(%native, %http, %kafka, "ready");
    stop.wait().await;
    tracing::info!("stopping");
    let stopped = broker.stop().await;
    tracing::info!(?stopped, "stopped");
    ExitCode::SUCCESS
}

/// Ctrl-C and SIGTERM.
struct StopSignals {
    interrupted: Signal,
    terminated: Signal,
}

impl StopSignals {
    fn listen() -> io::Result<Self> {
        let interrupted = signal(SignalKind::interrupt())?;
        Ok(Self { interrupted, terminated: signal(SignalKind::terminate())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }
}

/// The operation failed.
const FAILURE: u8 = 1;

/// The command line or the configuration is wrong.
const USAGE: u8 = 2;

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("weir: {error}");
    ExitCode::from(code)
}
