//! What the kernel knows of this process: its CPU, memory, descriptors, threads and switches.
//!
//! Read from `/proc/self` when somebody asks for the metrics, never in between. The collector
//! that comes with `prometheus` counts CPU in whole seconds, too coarse for a measurement, and
//! knows neither the peak of memory nor context switches.
//!
//! A number that cannot be read, as without `/proc`, keeps what it said last.

use procfs::process::{LimitValue, Process as Entry};
use procfs::{ProcResult, boot_time_secs, page_size, ticks_per_second};
use prometheus::{Counter, IntCounter, IntGauge};

use super::names;
use super::render::Book;

/// The numbers of this process, as last read.
#[derive(Debug)]
pub(super) struct Process {
    cpu_seconds: Counter,
    voluntary_switches: IntCounter,
    involuntary_switches: IntCounter,
    resident_bytes: IntGauge,
    resident_peak_bytes: IntGauge,
    anonymous_bytes: IntGauge,
    virtual_bytes: IntGauge,
    open_descriptors: IntGauge,
    descriptors_max: IntGauge,
    threads: IntGauge,
    start_seconds: IntGauge,
}

impl Process {
    pub(super) fn enter(book: &Book) -> Self {
        Self {
            cpu_seconds: book.seconds_counter(&names::PROCESS_CPU_SECONDS),
            voluntary_switches: book.counter(&names::PROCESS_VOLUNTARY_SWITCHES),
            involuntary_switches: book.counter(&names::PROCESS_INVOLUNTARY_SWITCHES),
            resident_bytes: book.gauge(&names::PROCESS_RESIDENT_BYTES),
            resident_peak_bytes: book.gauge(&names::PROCESS_RESIDENT_PEAK_BYTES),
            anonymous_bytes: book.gauge(&names::PROCESS_ANONYMOUS_BYTES),
            virtual_bytes: book.gauge(&names::PROCESS_VIRTUAL_BYTES),
            open_descriptors: book.gauge(&names::PROCESS_OPEN_DESCRIPTORS),
            descriptors_max: book.gauge(&names::PROCESS_DESCRIPTORS_MAX),
            threads: book.gauge(&names::PROCESS_THREADS),
            start_seconds: book.gauge(&names::PROCESS_START_SECONDS),
        }
    }

    /// Reads everything anew. One caller at a time: counters move by what was read last.
    pub(super) fn read(&mut self) -> ProcResult<()> {
        let entry = Entry::myself()?;
        self.read_stat(&entry)?;
        self.read_memory(&entry)?;
        self.read_descriptors(&entry)?;
        self.read_switches(&entry)
    }

    fn read_stat(&self, entry: &Entry) -> ProcResult<()> {
        let stat = entry.stat()?;
        let cpu_seconds = seconds(stat.utime + stat.stime);
        self.cpu_seconds.inc_by((cpu_seconds - self.cpu_seconds.get()).max(0.0));
        self.resident_bytes.set(shown(stat.rss * page_size()));
        self.virtual_bytes.set(shown(stat.vsize));
        self.threads.set(stat.num_threads);
        self.start_seconds.set(shown(boot_time_secs()? + stat.starttime / ticks_per_second()));
        Ok(())
    }

    fn read_memory(&self, entry: &Entry) -> ProcResult<()> {
        let status = entry.status()?;
        if let Some(peak_kib) = status.vmhwm {
            self.resident_peak_bytes.set(shown(peak_kib << 10));
        }
        if let Some(anonymous_kib) = status.rssanon {
            self.anonymous_bytes.set(shown(anonymous_kib << 10));
        }
        Ok(())
    }

    fn read_descriptors(&self, entry: &Entry) -> ProcResult<()> {
        self.open_descriptors.set(shown(entry.fd_count()? as u64));
        if let LimitValue::Value(max) = entry.limits()?.max_open_files.soft_limit {
            self.descriptors_max.set(shown(max));
        }
        Ok(())
    }

    /// The kernel counts switches by thread, so the sum shrinks when one ends; ours stands still.
    fn read_switches(&self, entry: &Entry) -> ProcResult<()> {
        let (mut voluntary, mut involuntary) = (0, 0);
        for task in entry.tasks()? {
            // A thread may end between its listing and its reading.
            let Ok(status) = task.and_then(|task| task.status()) else { continue };
            voluntary += status.voluntary_ctxt_switches.unwrap_or(0);
            involuntary += status.nonvoluntary_ctxt_switches.unwrap_or(0);
        }
        advance(&self.voluntary_switches, voluntary);
        advance(&self.involuntary_switches, involuntary);
        Ok(())
    }
}

fn advance(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / ticks_per_second() as f64
}

/// What a gauge can show of a number of the kernel.
fn shown(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
