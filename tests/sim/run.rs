//! One seed: life after life on one disk, and what came of it.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use tokio::runtime::Builder;
use weir_broker::clock::{Clock, FakeClock};
use weir_broker::config::{Config, Overrides};
use weir_broker::hands::Hands;
use weir_protocol::id::TopicId;
use weir_storage::disk::CrashDisk;

use crate::book::{BEGINNING_MS, Book};
use crate::checker::{Broken, Checker, Ending, Place};
use crate::clients::consumer::Cursors;
use crate::dice::Dice;
use crate::disk::{Act, SimDisk};
use crate::life::{Life, Off, Plan, watch_panics};
use crate::trace::{Trace, note};
use crate::weather::Weather;

/// Where the broker keeps its data.
const DIRECTORY: &str = "/weir";

/// A journal of a few small segments, so that a simulation goes around in it.
const JOURNAL_SEGMENT_BYTES: u64 = 256 << 10;

/// What a run is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A disk that keeps what it is told to.
    Honest,
    /// A disk whose syncs do nothing.
    Lying,
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    /// How many events there were, and their hash.
    pub(crate) sum: (u64, u64),
    pub(crate) broken: Option<Broken>,
    /// Records acknowledged, and records found by audits.
    pub(crate) acked: u64,
    pub(crate) audited: u64,
    /// Deletions of records that were answered.
    pub(crate) trims: u64,
    /// Partitions that were found to have lost records for their age.
    pub(crate) aged: u64,
    /// Batches that were sent again under their numbers.
    pub(crate) sent_again: u64,
    /// Commits of offsets that count, places that members were told, and commits of what was let
    /// go that were refused.
    pub(crate) commits: u64,
    pub(crate) begins: u64,
    pub(crate) fenced: u64,
    /// Records that workers were given, and given again, ends that were confirmed, and queues that
    /// were drained.
    pub(crate) given: u64,
    pub(crate) again: u64,
    pub(crate) ends: u64,
    pub(crate) drains: u64,
    pub(crate) tail: String,
}

/// A run under way.
pub(crate) struct Run {
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) book: Book,
    pub(crate) clock: Clock,
    pub(crate) hand: FakeClock,
    pub(crate) cursors: Cursors,
    /// Whether the broker has an earlier time on its disk to compare its clock with.
    pub(crate) clock_is_recorded: bool,
    settings: NamedTempFile,
    kind: Kind,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, kind: Kind) -> Outcome {
    watch_panics();
    let trace = Trace::default();
    let (clock, hand) = Clock::fake();
    hand.set_wall_ms(BEGINNING_MS);
    let book = Book::new(trace.clone());
    let (dice, cursors) = (Dice::new(seed), Cursors::new());
    let settings = settings();
    let clock_is_recorded = false;
    let mut run =
        Run { dice, trace, book, clock, hand, cursors, clock_is_recorded, settings, kind };
    let lived = catch_unwind(AssertUnwindSafe(|| run.all_lives()));
    if let Err(panic) = lived {
        let what = panic.downcast_ref::<String>().cloned();
        let what = what.or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()));
        let what = what.unwrap_or_else(|| "a stage panicked".to_owned());
        run.book.judge(Err(Broken::Other { what }));
    }
    let pages = run.book.open();
    let Checker { acked, audited, trims, aged, .. } = pages.checker;
    let (broken, sum, tail) = (pages.broken.clone(), run.trace.sum(), run.trace.tail());
    let (sent_again, crew) = (pages.sent_again, &pages.crew);
    let (commits, begins, fenced) = (crew.commits, crew.begins, crew.fenced);
    let jobs = &pages.jobs;
    let (given, again, ends, drains) = (jobs.deliveries, jobs.again, jobs.acks, jobs.drains);
    Outcome {
        seed,
        sum,
        broken,
        acked,
        audited,
        trims,
        aged,
        sent_again,
        commits,
        begins,
        fenced,
        given,
        again,
        ends,
        drains,
        tail,
    }
}

impl Run {
    fn all_lives(&mut self) {
        let fair = Plan { turns: 200, off: Off::Never, ending: Ending::Clean, weather: false };
        let mut disk = CrashDisk::new();
        // Half of the brokers know the time before anything goes wrong with it.
        let first = if self.dice.percent(50) { 2 } else { 0 };
        let rough = first..first + 3 + self.dice.below(4);
        // Two more in fair weather: what is left must be there, and be there again.
        for number in 0..rough.end + 2 {
            let plan = if rough.contains(&number) { self.plan() } else { fair };
            disk = self.life(disk, plan);
            if self.book.open().broken.is_some() {
                return;
            }
        }
    }

    fn plan(&mut self) -> Plan {
        let dice = &mut self.dice;
        let ending = if dice.percent(65) { Ending::PowerCut } else { Ending::Kill };
        let (off, ending) = match dice.below(100) {
            0..15 => (Off::InStart(dice.below(300)), ending),
            15..70 => (Off::InTheMidst(dice.below(60)), ending),
            70..80 => (Off::Calm, ending),
            _ => (Off::Never, Ending::Clean),
        };
        Plan { turns: 100 + dice.below(1500), off, ending, weather: dice.percent(60) }
    }

    /// A life on a disk; returns the disk as the next life finds it.
    fn life(&mut self, kept: CrashDisk, plan: Plan) -> CrashDisk {
        note!(self.trace, "a life: {plan:?}");
        if self.kind == Kind::Lying {
            kept.lie_about_syncs();
        }
        let (book, on_disk) = (self.book.clone(), kept.clone());
        let witness = move |act, path: &Path| saw(&mut book.open().checker, &on_disk, act, path);
        let disk = SimDisk::new(kept.clone(), self.trace.clone(), witness);
        let (hands, stages) = Hands::held();
        let mut builder = Builder::new_current_thread();
        builder.enable_time().start_paused(true);
        builder.event_interval(1 + self.dice.below(16) as u32);
        let runtime = builder.build().expect("a runtime without sockets needs nothing");
        let (ending, is_bad, has_ages) = runtime.block_on(async {
            let mut life = Life::new(self, disk.clone(), stages.clone(), Weather::default());
            let ending = life.live(plan, hands).await;
            (ending, life.weather.is_bad(&life.disk), life.has_ages)
        });
        // It writes the time down as soon as it finds a topic that is kept for a time.
        self.clock_is_recorded |= !plan.weather && has_ages && ending == Ending::Clean;
        disk.off();
        drop(runtime);
        drop(stages);
        // What a failing disk was given it may not have, whoever ended.
        let owed = if ending == Ending::Kill && is_bad { Ending::PowerCut } else { ending };
        note!(self.trace, "it ended: {ending:?}");
        self.book.open().checker.ended(owed);
        self.book.open().jobs.ended();
        kept.set_capacity(None);
        match ending {
            Ending::PowerCut => kept.cut(self.dice.roll()),
            Ending::Kill | Ending::Clean => kept,
        }
    }

    /// The broker's settings: all as small as a disk in memory likes it.
    pub(crate) fn config(&self) -> Config {
        let overrides = Overrides {
            config: Some(self.settings.path().to_owned()),
            data: Some(PathBuf::from(DIRECTORY)),
            native: None,
            http: None,
            kafka: None,
            insecure: false,
        };
        let mut config = Config::load(overrides).expect("the settings are valid");
        config.journal.segment_bytes = JOURNAL_SEGMENT_BYTES;
        config.journal.bytes_max = 6 * JOURNAL_SEGMENT_BYTES;
        config.journal.checkpoint_bytes = JOURNAL_SEGMENT_BYTES / 2;
        config
    }
}

fn settings() -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file can be made");
    let text = "[log]\npopulate_bytes_max = 1048576\n[limits]\nshutdown_drain_ms = 3000\n\
                [retention]\nsweep_interval_ms = 200\n\
                [groups]\noffsets_retention_ms = 3153600000000\n";
    file.write_all(text.as_bytes()).expect("a file can be written");
    file
}

/// What happened on a disk means this for what is owed.
fn saw(checker: &mut Checker, kept: &CrashDisk, act: Act, path: &Path) {
    let segment = segment(path);
    match (act, segment) {
        (Act::Named, Some((place, base))) => checker.begun(place, base),
        (Act::SyncedFile, Some((place, base))) => checker.synced(place, base),
        (Act::SyncedNames, _) => {}
        (Act::FailedSync, _) => checker.flush_failed(|place| {
            path.starts_with(directory_of(place)) || directory_of(place).starts_with(path)
        }),
        (Act::Named | Act::SyncedFile, None) => return,
    }
    checker
        .named(|place, base| kept.keeps_path(&directory_of(place).join(format!("{base:020}.log"))));
}

/// Where a partition's log lies.
fn directory_of((topic, partition): Place) -> PathBuf {
    Path::new(DIRECTORY).join("topics").join(topic.to_string()).join(partition.to_string())
}

/// The partition and first offset of a log's segment, by its path.
fn segment(path: &Path) -> Option<(Place, u64)> {
    let base = path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()?;
    let mut above = path.iter().rev().skip(1).map(|name| name.to_str());
    let partition = above.next()??.parse().ok()?;
    let topic = uuid(above.next()??)?;
    Some(((topic, partition), base))
}

fn uuid(text: &str) -> Option<TopicId> {
    let digits: String = text.chars().filter(|digit| *digit != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    Some(TopicId::from_bytes(number.to_be_bytes()))
}
