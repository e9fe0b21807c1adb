//! What was found in a data directory, with the names that its catalogue gives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::ProgressBar;
use weir_protocol::id::TopicId;
use weir_storage::disk::Disk;
use weir_storage::journal::checkpoint::Table;
use weir_storage::journal::{Kind, Replayed};
use weir_storage::log;
use weir_storage::offset::Index;
use weir_storage::verify::{
    CheckedFile, Effect, ExpectedLog, Finding, LogSource, Severity, VerifyError, Watcher, verify,
};

use crate::core::catalog::rebuild::Rebuilding;
use crate::core::commit::replay::{PathKind, Rebuild};

/// What a data directory holds.
#[derive(Debug)]
pub struct Report {
    pub directory: PathBuf,
    pub files: Vec<CheckedFile>,
    pub findings: Vec<Finding>,
    tables: Rebuilding,
    applied: BTreeMap<u16, Index>,
    /// Set where a table or an entry is not one that this version knows.
    not_understood: bool,
    bar: ProgressBar,
}

impl Report {
    /// Looks at all of `directory`.
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub fn of(disk: &Arc<dyn Disk>, directory: &Path) -> Result<Self, VerifyError> {
        Self::with_progress(disk, directory, ProgressBar::hidden())
    }

    /// The same, and shows how far it is.
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub(super) fn with_progress(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        bar: ProgressBar,
    ) -> Result<Self, VerifyError> {
        let mut report = Self {
            directory: directory.to_owned(),
            files: Vec::new(),
            findings: Vec::new(),
            tables: Rebuilding::new(log::Options::default()),
            applied: BTreeMap::new(),
            not_understood: false,
            bar,
        };
        verify(disk, directory, &mut report)?;
        report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Ok(report)
    }

    /// Whether everything is as it was written.
    pub fn is_sound(&self) -> bool {
        self.count(Severity::Damage) == 0
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The name of a topic, if the catalogue says it.
    pub fn topic_name(&self, topic: TopicId) -> Option<&str> {
        Some(self.tables.catalog.topic(topic)?.name.as_str())
    }

    /// The worst that was found in a file.
    pub(super) fn state(&self, path: &Path) -> Option<Severity> {
        let of_file = self.findings.iter().filter(|finding| finding.path == path);
        of_file.map(|finding| finding.severity).max()
    }

    fn misunderstood(&mut self, what: String) {
        if !std::mem::replace(&mut self.not_understood, true) {
            self.findings.push(Finding {
                severity: Severity::Damage,
                path: PathBuf::from("journal"),
                position: None,
                what,
                about: None,
                effect: Effect::Stops,
                code: None,
            });
        }
    }
}

impl Watcher for Report {
    fn begin(&mut self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    fn progress(&mut self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn file(&mut self, file: CheckedFile) {
        self.files.push(file);
    }

    fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn table(&mut self, table: &Table) {
        self.applied.insert(table.shard, table.index);
        if let Err(error) = self.tables.restore(table) {
            self.misunderstood(format!("the table of shard {}: {error}", table.shard));
        }
    }

    fn frame(&mut self, frame: &Replayed) {
        let (shard, index) = (frame.head.shard, frame.head.index);
        let applied = self.applied.entry(shard).or_default();
        if index <= *applied {
            return;
        }
        *applied = index;
        for (kind, body) in frame.entries.iter().filter(|(kind, _)| *kind != Kind::Append) {
            if let Err(error) = self.tables.apply(shard, *kind, body) {
                self.misunderstood(format!("entry {index} of shard {shard}: {error}"));
            }
        }
    }

    fn logs(&mut self) -> Option<Vec<ExpectedLog>> {
        if self.not_understood {
            return None;
        }
        let partitions = self.tables.partitions().into_iter();
        let logs = partitions.map(|facts| ExpectedLog {
            topic: facts.topic,
            partition: facts.partition,
            source: match facts.path {
                PathKind::Journal => LogSource::Journal,
                PathKind::Log => LogSource::ItselfAlone,
            },
        });
        Some(logs.collect())
    }
}
