//! What happened, in order: a hash over all of it, and the last lines for whoever looks into it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use weir_protocol::checksum::crc32c;

/// Lines kept for a report.
const LINES_MAX: usize = 60;

/// A trace; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Trace {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    hash: u64,
    events: u64,
    lines: VecDeque<String>,
}

impl Trace {
    pub(crate) fn note(&self, event: fmt::Arguments<'_>) {
        let line = event.to_string();
        let mut kept = self.kept.lock();
        let sum = u64::from(crc32c(line.as_bytes()));
        kept.hash = (kept.hash.rotate_left(5) ^ sum).wrapping_mul(0x0100_0000_01b3);
        kept.events += 1;
        if kept.lines.len() == LINES_MAX {
            kept.lines.pop_front();
        }
        let numbered = format!("{:>6} {line}", kept.events);
        if std::env::var_os("WEIR_SIM_TRACE").is_some() {
            eprintln!("{numbered}");
        }
        kept.lines.push_back(numbered);
    }

    /// How many events there were, and their hash.
    pub(crate) fn sum(&self) -> (u64, u64) {
        let kept = self.kept.lock();
        (kept.events, kept.hash)
    }

    pub(crate) fn tail(&self) -> String {
        let lines: Vec<_> = self.kept.lock().lines.iter().cloned().collect();
        lines.join("\n")
    }
}

/// Notes an event, written as for `format!`.
macro_rules! note {
    ($trace:expr, $($event:tt)*) => { $trace.note(format_args!($($event)*)) };
}
pub(crate) use note;
