//! Commits of offsets: each waits for a sync, and its connection reads on meanwhile.
//!
//! They are carried out one behind the other, in the order they came. What asks about a group, or
//! changes who is in it, waits for those that came before; batches, flow and heartbeats do not.
//!
//! ```text
//!   reader ─► waiting ─► under way ─► answered
//!      └─ of the same connection: Leave waits until there is none
//! ```

use std::collections::VecDeque;
use std::convert::Infallible;

use parking_lot::Mutex;
use tokio::sync::Notify;
use weir_protocol::native::{CommitOffsets, Request};

use super::connection::Connection;

/// Commits of a connection that are not answered; the reader waits beyond.
const COMMITS_MAX: usize = 8;

/// A connection's commits.
#[derive(Debug, Default)]
pub(super) struct Commits {
    line: Mutex<Line>,
    /// Rung by the reader.
    came: Notify,
    /// Rung when one was answered.
    answered: Notify,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<(u32, CommitOffsets)>,
    under_way: usize,
}

impl Line {
    fn take(&mut self) -> Option<(u32, CommitOffsets)> {
        let next = self.waiting.pop_front()?;
        self.under_way = 1;
        Some(next)
    }
}

impl Commits {
    fn unanswered(&self) -> usize {
        let line = self.line.lock();
        line.waiting.len() + line.under_way
    }

    async fn until_fewer_than(&self, count: usize) {
        while count <= self.unanswered() {
            self.answered.notified().await;
        }
    }

    async fn next(&self) -> (u32, CommitOffsets) {
        loop {
            if let Some(next) = self.line.lock().take() {
                return next;
            }
            self.came.notified().await;
        }
    }

    fn done(&self) {
        self.line.lock().under_way = 0;
        self.answered.notify_one();
    }
}

impl Connection {
    /// Has a commit carried out in its turn.
    pub(super) async fn commit_in_turn(&self, correlation: u32, commit: CommitOffsets) {
        self.commits.until_fewer_than(COMMITS_MAX).await;
        self.commits.line.lock().waiting.push_back((correlation, commit));
        self.commits.came.notify_one();
    }

    /// Waits for the commits that came before a request, where it minds.
    pub(super) async fn commits_before(&self, request: &Request) {
        let minds = matches!(
            request,
            Request::JoinGroup(_)
                | Request::ReleasePartitions(_)
                | Request::LeaveGroup { .. }
                | Request::FetchOffsets(_)
                | Request::DescribeGroup { .. }
                | Request::DeleteGroup { .. }
        );
        if minds {
            self.commits.until_fewer_than(1).await;
        }
    }

    /// Carries commits out for as long as the connection lasts.
    pub(super) async fn carry_out_commits(&self) -> Infallible {
        loop {
            let (correlation, commit) = self.commits.next().await;
            self.answer_request(correlation, Request::CommitOffsets(commit)).await;
            self.commits.done();
        }
    }
}
