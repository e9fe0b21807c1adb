//! All metrics of one broker, and the text Prometheus reads them in.
//!
//! Startup makes one [`Metrics`], clones each group to who counts on it, and gives the whole to
//! whoever answers `/metrics`.

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{
    Counter, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, exponential_buckets,
};
use tracing::debug;

use super::groups::Groups;
use super::meters::{
    Catalog, ColdReads, Connections, Deliver, Disk, Http, Journal, MessageIds, Produce, Retention,
    Scrub,
};
use super::names;
use super::process::Process;
use super::queues::Queues;

/// Everything one broker counts.
#[derive(Debug)]
pub struct Metrics {
    pub produce: Produce,
    pub deliver: Deliver,
    pub cold_reads: ColdReads,
    pub journal: Journal,
    pub scrub: Scrub,
    pub disk: Disk,
    pub catalog: Catalog,
    pub retention: Retention,
    pub message_ids: MessageIds,
    pub queues: Queues,
    pub groups: Groups,
    pub native: Connections,
    pub http_connections: Connections,
    pub kafka: Connections,
    pub http: Http,
    process: Mutex<Process>,
    book: Book,
}

impl Metrics {
    /// All of them at zero.
    #[expect(clippy::new_without_default, reason = "a broker's metrics are made once, by name")]
    pub fn new() -> Self {
        let book = Book(Registry::new());
        let (native, http_connections, kafka) = Connections::enter(&book);
        let build = book.labelled_gauge(&names::BUILD);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Self {
            produce: Produce::enter(&book),
            deliver: Deliver::enter(&book),
            cold_reads: ColdReads::enter(&book),
            journal: Journal::enter(&book),
            scrub: Scrub::enter(&book),
            disk: Disk::enter(&book),
            catalog: Catalog::enter(&book),
            retention: Retention::enter(&book),
            message_ids: MessageIds::enter(&book),
            queues: Queues::enter(&book),
            groups: Groups::enter(&book),
            native,
            http_connections,
            kafka,
            http: Http::enter(&book),
            process: Mutex::new(Process::enter(&book)),
            book,
        }
    }

    /// The media type of what [`render`](Self::render) returns.
    pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

    /// The page `/metrics`. Reads `/proc`, a few hundred microseconds; never a disk.
    pub fn render(&self) -> String {
        if let Err(error) = self.process.lock().read() {
            debug!(%error, "process metrics stay as they were");
        }
        TextEncoder::new()
            .encode_to_string(&self.book.0.gather())
            .expect("what is registered has a name and a kind, and text takes any number")
    }
}

/// Where each name is entered once, and its handle given out.
#[derive(Debug)]
pub(super) struct Book(Registry);

impl Book {
    pub(super) fn counter(&self, entry: &names::Counter) -> IntCounter {
        self.enter(IntCounter::new(entry.name, entry.help))
    }

    pub(super) fn seconds_counter(&self, entry: &names::Counter) -> Counter {
        self.enter(Counter::new(entry.name, entry.help))
    }

    pub(super) fn labelled_counter(&self, entry: &names::LabelledCounter) -> IntCounterVec {
        self.enter(IntCounterVec::new(Opts::new(entry.name, entry.help), entry.labels))
    }

    pub(super) fn gauge(&self, entry: &names::Gauge) -> IntGauge {
        self.enter(IntGauge::new(entry.name, entry.help))
    }

    pub(super) fn labelled_gauge(&self, entry: &names::LabelledGauge) -> IntGaugeVec {
        self.enter(IntGaugeVec::new(Opts::new(entry.name, entry.help), entry.labels))
    }

    pub(super) fn histogram(&self, entry: &names::Histogram) -> Histogram {
        let buckets = exponential_buckets(entry.first_bucket, 2.0, entry.buckets)
            .expect("the first bucket ends above zero and each further one above the last");
        let options = HistogramOpts::new(entry.name, entry.help).buckets(buckets);
        self.enter(Histogram::with_opts(options))
    }

    fn enter<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("names.rs holds valid names and labels");
        self.0
            .register(Box::new(collector.clone()))
            .expect("names.rs holds each name once, and each is entered once");
        collector
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(page: &'a str, start: &str) -> &'a str {
        page.lines()
            .find_map(|line| line.strip_prefix(start))
            .unwrap_or_else(|| panic!("no line begins with '{start}' in:\n{page}"))
            .trim()
    }

    fn number(page: &str, name: &str) -> f64 {
        line(page, &format!("{name} ")).parse().unwrap()
    }

    #[test]
    fn what_is_counted_on_a_handle_is_on_the_page() {
        let metrics = Metrics::new();
        let produce = metrics.produce.clone();
        produce.batches.inc();
        produce.records.inc_by(100);
        produce.refused("DISK_FULL");
        metrics.journal.sync_seconds.observe(0.000_12);
        metrics.native.open.inc();
        let route = metrics.http.route("/v1/topics/{topic}");
        for status in [200, 204, 404, 599, 700] {
            route.answered(status);
        }

        let page = metrics.render();
        assert_eq!(number(&page, "weir_produced_batches_total"), 1.0);
        assert_eq!(number(&page, "weir_produced_records_total"), 100.0);
        assert_eq!(number(&page, "weir_produce_refusals_total{code=\"DISK_FULL\"}"), 1.0);
        assert_eq!(number(&page, "weir_journal_sync_seconds_bucket{le=\"0.0001\"}"), 0.0);
        assert_eq!(number(&page, "weir_journal_sync_seconds_bucket{le=\"0.0002\"}"), 1.0);
        assert_eq!(number(&page, "weir_connections{face=\"native\"}"), 1.0);
        assert_eq!(number(&page, "weir_connections{face=\"http\"}"), 0.0);
        for (class, count) in [("2xx", 2.0), ("3xx", 0.0), ("4xx", 1.0), ("5xx", 2.0)] {
            let name = "weir_http_requests_total{route=\"/v1/topics/{topic}\",status";
            assert_eq!(number(&page, &format!("{name}=\"{class}\"}}")), count);
        }
        assert_eq!(
            number(&page, &format!("weir_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))),
            1.0
        );
    }

    #[test]
    fn two_brokers_of_one_process_count_apart() {
        let (first, second) = (Metrics::new(), Metrics::new());
        first.catalog.topics.set(3);
        assert_eq!(number(&second.render(), "weir_topics"), 0.0);
        assert_eq!(number(&first.render(), "weir_topics"), 3.0);
    }

    #[test]
    fn the_process_is_read_from_the_kernel_in_parts_of_a_second() {
        let metrics = Metrics::new();
        let mut page = metrics.render();
        // Busy until the kernel's tick of 10 ms has been counted twice.
        let start = number(&page, "process_cpu_seconds_total");
        while number(&page, "process_cpu_seconds_total") < start + 0.02 {
            page = metrics.render();
        }
        assert!(number(&page, "process_cpu_seconds_total") < start + 0.9);

        let resident = number(&page, "process_resident_memory_bytes");
        assert!(1e6 < resident);
        assert!(resident <= number(&page, "process_resident_memory_peak_bytes") + 1e6);
        assert!(number(&page, "process_anonymous_memory_bytes") < 1e12);
        assert!(1.0 <= number(&page, "process_threads"));
        assert!(3.0 <= number(&page, "process_open_fds"));
        assert!(3.0 <= number(&page, "process_max_fds"));
        assert!(1.5e9 < number(&page, "process_start_time_seconds"));
        let switches = number(&page, "process_voluntary_context_switches_total")
            + number(&page, "process_involuntary_context_switches_total");
        assert!(1.0 <= switches);
    }

    #[test]
    fn every_name_says_whose_it_is_and_what_only_grows() {
        let metrics = Metrics::new();
        metrics.produce.refused("ANY");
        metrics.http.route("/").answered(200);
        let page = metrics.render();
        let families: Vec<_> =
            page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        for (name, kind) in &families {
            assert!(name.starts_with("weir_") || name.starts_with("process_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == "counter", "{name} is a {kind}");
        }
        let documented = page.lines().filter(|line| line.starts_with("# HELP ")).count();
        assert_eq!(documented, families.len());
    }
}
