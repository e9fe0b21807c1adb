//! Going on past damage of the journal, knowingly: what is lost is told before, nothing else is
//! lost, no offset is given twice, and a crash in the middle changes none of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_broker::clock::Randomness;
use weir_broker::recover::{Failure, Outcome, recover};
use weir_storage::disk::{Disk, NodeKind};
use weir_storage::journal::DamageCode;
use weir_tests::Place;
use weir_tests::wire::{Wire, batch};

use crate::case::{Case, Change, Expect, report};
use crate::classes::Classes;
use crate::made::{Made, bytes};

/// One damage of each kind that a journal can have.
fn damages(classes: &Classes<'_>) -> Vec<Case> {
    let one_frame = |case: &Case| case.name.ends_with("records") || case.name.ends_with("index");
    let one_header = |case: &Case| case.name.ends_with("base");
    let mut cases: Vec<_> = classes.frames().into_iter().filter(one_frame).collect();
    cases.extend(classes.journal_headers().into_iter().filter(one_header));
    cases.extend(classes.journal_files());
    cases
}

fn try_recover(place: &Place, code: Option<DamageCode>) -> Result<Outcome, Failure> {
    let disk: Arc<dyn Disk> = Arc::new(place.crash_disk().clone());
    recover(disk, place.directory(), code, &Randomness::system())
}

fn told(place: &Place, code: Option<DamageCode>) -> (String, DamageCode) {
    match try_recover(place, code) {
        Ok(Outcome::Told { words, code }) => (words, code),
        other => panic!("damage is told, not {other:?}"),
    }
}

/// All files below a directory, with their bytes.
fn contents(disk: &dyn Disk, directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for name in disk.list(directory).unwrap() {
        let path = directory.join(name);
        match disk.facts(&path).unwrap().kind {
            NodeKind::Directory => found.extend(contents(disk, &path)),
            _ => {
                found.insert(path.clone(), bytes(disk, &path));
            }
        }
    }
    found
}

impl Made {
    /// Starts, and sees that all is there but what `words` told, and that offsets go on above all.
    async fn goes_on_without(&self, place: &Place, words: &str, context: &str) {
        let broker = place.start().await;
        let refused = self.judge(&broker, context).await;
        let told = |line: &str| line.starts_with("lost: ") || line.starts_with("in doubt: ");
        let is_told = refused.is_empty() || words.lines().any(told);
        assert!(is_told, "{refused:?} are gone untold: {context}\n{words}");
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        for topic in wire.topics().await {
            for partition in 0..topic.partitions.len() as u32 {
                let key = (topic.name.to_string(), partition);
                let Some(expected) = self.expected.get(&key) else { continue };
                let tail = expected.last().map_or(0, |last| last.0 + 1);
                let given = wire.produce(&topic, partition, batch(&[b"new"])).await.unwrap();
                assert!(tail <= given, "{key:?} gave {given} again: {context}");
            }
        }
        let (place, _) = broker.stop().await;
        let report = report(&place);
        assert!(report.is_sound(), "{:?}: {context}", report.findings);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_journal_is_given_up_with_its_code_alone_and_loses_what_was_told() {
    let made = Made::crashed().await;
    for case in damages(&Classes::of(made, 1)) {
        let place = made.image.cut_power(3);
        case.apply(place.crash_disk());
        let context = format!("{case:?}");
        let before = contents(place.crash_disk(), place.directory());
        let (words, code) = told(&place, None);
        let other: DamageCode = "0BAD-C0DE".parse().unwrap();
        assert_eq!(told(&place, Some(other)), (words.clone(), code), "{context}");
        assert!(before == contents(place.crash_disk(), place.directory()), "changed: {context}");
        let started = place.try_start().await.unwrap_err().to_string();
        assert!(started.contains(&code.to_string()), "{started}: {context}");
        let given_up = try_recover(&place, Some(code));
        assert!(matches!(given_up, Ok(Outcome::GivenUp { .. })), "{given_up:?}: {context}");
        assert_eq!(try_recover(&place, Some(code)), Ok(Outcome::Sound), "{context}");
        made.goes_on_without(&place, &words, &context).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_identity_is_written_again_with_its_code_and_nothing_is_lost() {
    let made = Made::crashed_small().await;
    for case in Classes::of(made, 1).identity() {
        let place = made.image.cut_power(3);
        let sound = bytes(place.crash_disk(), &case.file);
        case.apply(place.crash_disk());
        let context = format!("{case:?}");
        let damaged = bytes(place.crash_disk(), &case.file);
        let before = contents(place.crash_disk(), place.directory());
        let (words, code) = told(&place, None);
        assert!(words.contains("lost: no record"), "{words}");
        let other: DamageCode = "0BAD-C0DE".parse().unwrap();
        assert_eq!(told(&place, Some(other)), (words.clone(), code), "{context}");
        assert!(before == contents(place.crash_disk(), place.directory()), "changed: {context}");
        let started = place.try_start().await.unwrap_err().to_string();
        assert!(started.contains("weir recover"), "{started}: {context}");
        place.crash_disk().switch_off_after(4);
        assert!(try_recover(&place, Some(code)).is_err(), "{context}");
        let place = place.cut_power(5);
        let given_up = try_recover(&place, Some(code));
        assert!(matches!(given_up, Ok(Outcome::GivenUp { .. })), "{given_up:?}: {context}");
        let place = place.cut_power(6);
        let directory = |text: &[u8]| {
            let text = String::from_utf8_lossy(text);
            text.lines().find(|line| line.starts_with("directory = ")).unwrap().to_owned()
        };
        let written = bytes(place.crash_disk(), &case.file);
        assert_eq!(directory(&written), directory(&sound), "{context}");
        let kept = place.directory().join(format!("lost+{code}/identity"));
        assert_eq!(bytes(place.crash_disk(), &kept), damaged, "{context}");
        assert_eq!(try_recover(&place, Some(code)), Ok(Outcome::Sound), "{context}");
        made.goes_on_without(&place, "", &context).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_is_not_guessed_where_no_checkpoint_can_be_read() {
    let made = Made::crashed_small().await;
    let classes = Classes::of(made, 1);
    let place = made.image.cut_power(3);
    classes.identity()[0].apply(place.crash_disk());
    let checkpoints = place.directory().join("checkpoint");
    for name in place.crash_disk().list(&checkpoints).unwrap() {
        let (name, file, expect) = (String::new(), checkpoints.join(name), Expect::Stops);
        let change = Change::Flip { position: 20, bit: 3 };
        Case { name, file, change, expect }.apply(place.crash_disk());
    }
    let before = contents(place.crash_disk(), place.directory());
    let Err(Failure::Failed(words)) = try_recover(&place, None) else {
        panic!("nothing is known and nothing offered");
    };
    assert!(words.contains("from a copy"), "{words}");
    assert!(before == contents(place.crash_disk(), place.directory()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_that_loses_its_power_anywhere_is_done_again_with_the_same_code() {
    let made = Made::crashed().await;
    let classes = Classes::of(made, 1);
    let case = damages(&classes).into_iter().find(|case| case.name == "frame replayed: records");
    let case = case.unwrap();
    for operations in [1, 6, 15, 40, 80, 120, 160, 200] {
        let place = made.image.cut_power(3);
        case.apply(place.crash_disk());
        let (words, code) = told(&place, None);
        place.crash_disk().switch_off_after(operations);
        let interrupted = try_recover(&place, Some(code));
        let place = place.cut_power(operations);
        let again = match try_recover(&place, Some(code)) {
            // Interrupted behind the checkpoint that says it has happened, or not at all.
            Ok(Outcome::Sound) => true,
            Ok(Outcome::GivenUp { .. }) => interrupted.is_err(),
            _ => false,
        };
        assert!(again, "after {operations} operations: {interrupted:?}");
        made.goes_on_without(&place, &words, &format!("{operations} operations")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_without_a_checkpoint_that_can_be_read_is_left_as_it_is() {
    let made = Made::stopped().await;
    let place = made.image.cut_power(3);
    let folder = place.directory().join("checkpoint");
    for name in place.crash_disk().list(&folder).unwrap() {
        let change = Change::Flip { position: 30, bit: 1 };
        let (name, file) = ("checkpoint".to_owned(), folder.join(name));
        Case { name, file, change, expect: Expect::Stops }.apply(place.crash_disk());
    }
    let before = contents(place.crash_disk(), place.directory());
    let refused = try_recover(&place, Some("0BAD-C0DE".parse().unwrap())).unwrap_err();
    assert!(refused.to_string().contains("what topics there are is not known"), "{refused}");
    assert!(!report(&place).is_sound());
    place.try_start().await.unwrap_err();
    assert!(before == contents(place.crash_disk(), place.directory()));
}
