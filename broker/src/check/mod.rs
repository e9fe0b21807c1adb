//! `weir check`: what a data directory holds, and what of it is not as it was written.
//!
//! The command only: its flags, its progress, its exit code. What is found is `storage`'s, what
//! entries and tables mean is the domain's, and [`report::Report`] brings the two together.

mod json;
mod report;
mod words;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use weir_cli::print::{self, Output};
use weir_storage::disk::{Disk, RealDisk};
use weir_storage::verify::VerifyError;

pub use self::report::Report;

/// Verifies a data directory: every file, byte by byte, without changing anything.
///
/// For a directory that no broker uses. Exits with 0 if all is as it was written, with 1 if
/// something is damaged or missing, with 3 if a broker holds the directory.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  weir check /var/lib/weir\n  weir check --output json ./weir-data | \
                  jq .findings"
)]
pub struct Check {
    /// The data directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// How the result is written
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    output: Output,
}

impl Check {
    /// Does it.
    pub fn run(self) -> ExitCode {
        let Self { directory, output } = self;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let bar = print::progress_of_check();
        let report =
            std::path::absolute(&directory).map_err(|error| error.to_string()).and_then(|path| {
                match Report::with_progress(&disk, &path, bar.clone()) {
                    Err(VerifyError::InUse { .. }) => Ok(Err(VerifyError::InUse { path })),
                    Err(error) => Err(error.to_string()),
                    Ok(report) => Ok(Ok(report)),
                }
            });
        bar.finish_and_clear();
        match report {
            Err(words) => failed(&words, FAILED),
            Ok(Err(in_use)) => failed(&in_use.to_string(), IN_USE),
            Ok(Ok(report)) => tell(&report, output),
        }
    }
}

fn tell(report: &Report, output: Output) -> ExitCode {
    let text = match output {
        Output::Table => words::of(report),
        Output::Json => json::of(report),
    };
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            failed(&format!("cannot write to standard output: {error}"), FAILED)
        }
        // Whoever left early has what was asked for.
        _ if report.is_sound() => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    }
}

fn failed(words: &str, code: u8) -> ExitCode {
    print::note(words);
    ExitCode::from(code)
}

/// Damage was found, or the directory cannot be read.
const FAILED: u8 = 1;

/// A broker is in the way; later it may not be.
const IN_USE: u8 = 3;
