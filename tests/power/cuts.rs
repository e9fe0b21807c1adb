//! Power cuts: the machine is gone from one moment to the next, and what its disk kept is mounted.

use std::fmt::Display;
use std::time::Duration;

use weir_tests::crashes::{Lives, rounds, seed, small};
use weir_tests::dice::Dice;
use weir_tests::history::{Crash, History};
use weir_tests::load::Plan;

use crate::machine::{Farm, FileSystem, Mounted, VolatileDisk, is_available};

/// A disk that keeps all it was given, cloned while the machine runs. The long form:
/// `WEIR_POWER_ROUNDS=200`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_power_cut() {
    if !is_available() {
        return;
    }
    let (rounds, seed) = (rounds("WEIR_POWER_ROUNDS", 3), seed());
    for number in 0..rounds.div_ceil(LIVES_PER_DISK) {
        let count = LIVES_PER_DISK.min(rounds - number * LIVES_PER_DISK);
        let (farm, mut lives) = (Farm::new(), Lives::default());
        let mut dice = Dice::seeded(seed + number);
        let kind = FileSystem::ALL[number as usize % 2];
        kind.format(&farm.image(0), DISK_BYTES);
        for life in 0..count {
            let context = format!("{kind:?}, seed {}, life {life}", seed + number);
            let mounted = Mounted::mount(&farm.image(life), kind);
            let cut = Cutting::Cloning(&farm, life);
            live(&mounted, &mut lives, &mut dice, &[], cut, &context).await;
            drop(mounted);
            farm.remove(life);
        }
        let mounted = Mounted::mount(&farm.image(count), kind);
        revive(&mounted, &lives, &format!("{kind:?}, seed {}, end", seed + number)).await;
        println!("{count} cuts on {kind:?}: {:?}", lives.tally());
    }
}

/// A disk with a cache that forgets. The long form: `WEIR_POWER_ROUNDS=200`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_disk_that_forgets_what_was_not_flushed() {
    if !is_available() {
        return;
    }
    let (rounds, seed) = (rounds("WEIR_POWER_ROUNDS", 4), seed());
    for number in 0..rounds.div_ceil(LIVES_PER_DISK / 2) {
        let count = (LIVES_PER_DISK / 2).min(rounds - number * LIVES_PER_DISK / 2);
        let (home, mut lives) = (tempfile::tempdir().unwrap(), Lives::default());
        let mut dice = Dice::seeded(seed + number);
        let kind = FileSystem::ALL[number as usize % 2];
        let image = home.path().join("disk");
        kind.format(&image, DISK_BYTES);
        for life in 0..count {
            let context = format!("{kind:?}, seed {}, life {life}", seed + number);
            let disk = VolatileDisk::over(&image);
            let mounted = Mounted::mount(&disk.path(), kind);
            let cut = Cutting::Forgetting(&disk);
            live(&mounted, &mut lives, &mut dice, &[], cut, &context).await;
        }
        let mounted = Mounted::mount(&image, kind);
        revive(&mounted, &lives, &format!("{kind:?}, seed {}, end", seed + number)).await;
        println!("{count} cuts on {kind:?}: {:?}", lives.tally());
    }
}

/// The teeth of the two tests above: where syncs do nothing, they find that records are lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_takes_what_was_only_said_to_be_synced() {
    if !is_available() || !weir_tests::tools::has_strace() {
        return;
    }
    let unsynced = ["fdatasync:retval=0", "fsync:retval=0"];
    let (farm, mut lives) = (Farm::new(), Lives::default());
    let mut dice = Dice::seeded(seed());
    FileSystem::Ext4.format(&farm.image(0), DISK_BYTES);
    let mounted = Mounted::mount(&farm.image(0), FileSystem::Ext4);
    let cut = Cutting::Cloning(&farm, 0);
    live(&mounted, &mut lives, &mut dice, &unsynced, cut, &"a clone").await;
    drop(mounted);
    let mounted = Mounted::mount(&farm.image(1), FileSystem::Ext4);
    assert!(is_lossy(&mounted, &lives).await, "a clone has what was never synced");
    drop(mounted);

    let (home, mut lives) = (tempfile::tempdir().unwrap(), Lives::default());
    let image = home.path().join("disk");
    FileSystem::Ext4.format(&image, DISK_BYTES);
    let disk = VolatileDisk::over(&image);
    let mounted = Mounted::mount(&disk.path(), FileSystem::Ext4);
    let cut = Cutting::Forgetting(&disk);
    live(&mounted, &mut lives, &mut dice, &unsynced, cut, &"a disk that forgets").await;
    drop((mounted, disk));
    let mounted = Mounted::mount(&image, FileSystem::Ext4);
    assert!(is_lossy(&mounted, &lives).await, "a disk that forgets has what was never synced");
}

/// Where one sync fails, what was acknowledged until then survives a power cut, and nothing is
/// acknowledged behind it that does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_failed_before_a_power_cut_acknowledged_nothing() {
    if !is_available() || !weir_tests::tools::has_strace() {
        return;
    }
    let (rounds, seed) = (rounds("WEIR_POWER_ROUNDS", 3), seed());
    let farm = Farm::new();
    let mut dice = Dice::seeded(seed);
    for round in 0..rounds {
        let mut lives = Lives::default();
        FileSystem::Ext4.format(&farm.image(0), DISK_BYTES);
        let mounted = Mounted::mount(&farm.image(0), FileSystem::Ext4);
        let fault = format!("fdatasync:error=EIO:when={}", 20 + dice.below(60));
        let context = format!("seed {seed}, round {round}, {fault}");
        let cut = Cutting::Cloning(&farm, 0);
        live(&mounted, &mut lives, &mut dice, &[&fault], cut, &context).await;
        drop(mounted);
        revive(&Mounted::mount(&farm.image(1), FileSystem::Ext4), &lives, &context).await;
        println!("{context}: {:?}", lives.tally());
        farm.remove(0);
        farm.remove(1);
    }
}

/// How the power goes.
enum Cutting<'a> {
    /// The image of this number is cloned into the next.
    Cloning(&'a Farm, u64),
    Forgetting(&'a VolatileDisk),
}

impl Cutting<'_> {
    async fn cut(self, history: &History, dice: &mut Dice, context: &dyn Display) {
        match self {
            Self::Cloning(farm, number) => {
                history.cut();
                farm.clone_image(number, number + 1);
            }
            Self::Forgetting(disk) => {
                let history = history.clone();
                disk.cut_behind(1 + dice.below(12), dice.fork(), move || history.cut());
                assert!(disk.is_cut_within(PATIENCE).await, "{context}: nothing is written");
                println!("{context}: {:?}", disk.cut());
            }
        }
    }
}

/// One life of a broker on this disk, from what the last one left to the next power cut.
async fn live(
    mounted: &Mounted,
    lives: &mut Lives,
    dice: &mut Dice,
    faults: &[&str],
    cutting: Cutting<'_>,
    context: &dyn Display,
) {
    let launch = small(&mounted.directory());
    let launch = if faults.is_empty() { launch } else { launch.traced(faults) };
    let mut server = launch.start().await;
    if lives.topics().is_empty() {
        lives.make_topics(&server).await;
    } else {
        lives.compare(&server, Crash::Machine, context).await;
    }
    let plan = Plan {
        producers: 4,
        in_flight: 1 + dice.below(24) as usize,
        value_bytes_max: *dice.pick(&[2_000, 50_000, 200_000]),
    };
    let mut load = lives.load(&server, plan, dice);
    // A broker whose sync failed acknowledges no more.
    let records = if faults.is_empty() { 50 + dice.below(1_500) } else { 50 };
    assert!(load.acknowledges(records).await, "{context}: it went away");
    let moment =
        Duration::from_micros(dice.below(if faults.is_empty() { 30_000 } else { 900_000 }));
    assert!(!server.ends_within(moment).await, "{context}: it ended by itself");
    cutting.cut(lives.history(), dice, context).await;
    assert_eq!(server.kill().await.signal(), Some(9));
    load.end().await;
}

/// Starts a broker on what is left and compares.
async fn revive(mounted: &Mounted, lives: &Lives, context: &dyn Display) {
    let server = small(&mounted.directory()).start().await;
    lives.compare(&server, Crash::Machine, context).await;
    assert!(server.stop().await.status.success(), "{context}");
}

/// Whether what is left is less than what was acknowledged, or nothing that starts.
async fn is_lossy(mounted: &Mounted, lives: &Lives) -> bool {
    match small(&mounted.directory()).spawn().ready().await {
        Ok(server) => lives.has_lost(&server).await,
        Err(ended) => {
            println!("it does not start: {}", ended.said);
            true
        }
    }
}

/// All of a disk is read behind each cut, and has to fit it.
const LIVES_PER_DISK: u64 = 8;

/// How long a busy broker may write nothing.
const PATIENCE: Duration = Duration::from_secs(20);

const DISK_BYTES: u64 = 500 << 20;
