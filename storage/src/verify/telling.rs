//! A watcher, and the directory below which it is told paths.

use std::path::Path;

use super::finding::Finding;
use super::watcher::{CheckedFile, ExpectedLog, Watcher};
use crate::journal::Replayed;
use crate::journal::checkpoint::Table;

/// Tells a watcher.
pub(crate) struct Telling<'a> {
    root: &'a Path,
    watcher: &'a mut dyn Watcher,
}

impl<'a> Telling<'a> {
    pub(super) fn new(root: &'a Path, watcher: &'a mut dyn Watcher) -> Self {
        Self { root, watcher }
    }

    pub(super) fn begin(&mut self, bytes: u64) {
        self.watcher.begin(bytes);
    }

    pub(crate) fn progress(&mut self, bytes: u64) {
        self.watcher.progress(bytes);
    }

    pub(crate) fn file(&mut self, mut file: CheckedFile) {
        file.path = self.below_root(&file.path).to_owned();
        self.watcher.file(file);
    }

    pub(crate) fn finding(&mut self, path: &Path, mut finding: Finding) {
        finding.path = self.below_root(path).to_owned();
        self.watcher.finding(finding);
    }

    pub(crate) fn table(&mut self, table: &Table) {
        self.watcher.table(table);
    }

    pub(crate) fn frame(&mut self, frame: &Replayed) {
        self.watcher.frame(frame);
    }

    pub(super) fn logs(&mut self) -> Option<Vec<ExpectedLog>> {
        self.watcher.logs()
    }

    fn below_root<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(self.root).unwrap_or(path)
    }
}
