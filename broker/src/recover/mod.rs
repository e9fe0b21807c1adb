//! `weir recover`: goes on without what a damaged journal has lost, if the person says so.
//!
//! The command only: its flags, its words, its exit code. What is lost and how to go on is
//! `core::commit`'s.
//!
//! Invariant: without the code that names exactly the damage that is there, nothing is changed.

mod identity;
mod offline;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use weir_cli::print;
use weir_storage::disk::{Disk, RealDisk};
use weir_storage::journal::DamageCode;

pub use self::offline::{Failure, Outcome, recover};
use crate::clock::Randomness;

/// Goes on without what a damaged journal has lost.
///
/// Without --accept-loss, says what is damaged, what would be lost and the code that names it, and
/// changes nothing. With it, completes every log from what can still be read, passes over all
/// offsets that may have been given out, and begins a new journal. The damaged files are kept in
/// lost+CODE/. For a directory that no broker uses.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  weir recover /var/lib/weir\n  weir recover /var/lib/weir \
                  --accept-loss 8F03-61AC")]
pub struct Recover {
    /// The data directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Goes on without what this damage took; the code says which
    #[arg(long, value_name = "CODE")]
    accept_loss: Option<DamageCode>,
}

impl Recover {
    /// Does it.
    pub fn run(self) -> ExitCode {
        let Self { directory, accept_loss } = self;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let path = match std::path::absolute(&directory) {
            Ok(path) => path,
            Err(error) => return failed(&error.to_string(), FAILED),
        };
        match recover(disk, &path, accept_loss, &Randomness::system()) {
            Ok(Outcome::Sound) => {
                print::note("the journal is not damaged: there is nothing to give up");
                ExitCode::SUCCESS
            }
            Ok(Outcome::Told { words, code }) => {
                println!("{words}");
                let refused = match accept_loss {
                    Some(other) => format!("{other} names other damage than this, {code}; "),
                    None => String::new(),
                };
                let path = directory.display();
                let how = format!("weir recover {path} --accept-loss {code}");
                failed(&format!("{refused}nothing was changed. To go on without it: {how}"), FAILED)
            }
            Ok(Outcome::GivenUp { words }) => {
                println!("{words}");
                ExitCode::SUCCESS
            }
            Err(Failure::InUse(words)) => failed(&words, IN_USE),
            Err(Failure::Failed(words)) => failed(&words, FAILED),
        }
    }
}

fn failed(words: &str, code: u8) -> ExitCode {
    print::note(words);
    ExitCode::from(code)
}

/// Something is damaged and was left so, or the directory cannot be read or written.
const FAILED: u8 = 1;

/// A broker is in the way; later it may not be.
const IN_USE: u8 = 3;
