//! One file for each verb: its flags, and what it does.

mod bench;
mod consume;
mod delete_records;
mod group;
mod group_consume;
mod live;
mod produce;
mod queue;
mod topic;

use std::process::ExitCode;

use clap::Subcommand;
use tokio::runtime::{self, Runtime};

use crate::failure::Failure;
use crate::print;

/// A command of the `weir` binary that talks to a broker.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Topic(topic::Topic),
    Produce(produce::Produce),
    Consume(consume::Consume),
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Group(group::Group),
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Queue(queue::Queue),
    Live(live::Live),
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Bench(bench::Bench),
}

impl Command {
    /// Does it. Writes the result to standard output and a failure, in one line, to standard error.
    pub fn run(self) -> ExitCode {
        match self.done() {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                if let Some(line) = failure.line() {
                    print::note(&line);
                }
                ExitCode::from(failure.exit_code())
            }
        }
    }

    fn done(self) -> Result<(), Failure> {
        // What bench measures is the broker, and each thread more is one that the broker shares
        // the machine with.
        let threads = if let Self::Bench(_) = self { Threads::One } else { Threads::Several };
        threads.runtime()?.block_on(async {
            match self {
                Self::Topic(topic) => topic.run().await,
                Self::Produce(produce) => produce.run().await,
                Self::Consume(consume) => consume.run().await,
                Self::Group(group) => group.run().await,
                Self::Queue(queue) => queue.run().await,
                Self::Live(live) => live.run().await,
                Self::Bench(bench) => bench.run().await,
            }
        })
    }
}

/// How many threads a command runs on.
#[derive(Clone, Copy, Debug)]
enum Threads {
    One,
    /// The connection goes on while standard output or a file blocks.
    Several,
}

impl Threads {
    fn runtime(self) -> Result<Runtime, Failure> {
        let built = match self {
            Self::One => runtime::Builder::new_current_thread().enable_all().build(),
            Self::Several => {
                runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
            }
        };
        built.map_err(|error| Failure::Failed(format!("cannot start threads: {error}")))
    }
}

#[cfg(test)]
mod tests;
