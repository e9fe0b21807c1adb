//! A log at rest: nobody writes it now, so it holds no descriptor, no map and no index.
//!
//! Its owner takes its hands off when everything is on the disk ([`Log::rest`](crate::log::Log));
//! what it held is closed by a helper, which also gives back the room that was allocated ahead.
//! Readers read its last segment as they read sealed ones. The next batch asks for room, as a log
//! does that has none, and the helper that grows the log wakes it.
//!
//! ```text
//!   Log::rest ─► Left ─► Upkeep::lay_down       owner, then helper: closed, cut to its batches
//!   Room ─ Growing ─► Upkeep::grow ─► wake ─► Log::apply       shard, helper, owner
//! ```
//!
//! Invariant: a file is closed only when a sync behind its last write succeeded, since the kernel
//! tells an error to those alone who have the file open.

use std::sync::Arc;

use super::{Upkeep, synced};
use crate::errors::{DiskError, Naming};
use crate::log::errors::FlushError;
use crate::log::last_segment;
use crate::log::live::{Active, Fresh, Live};
use crate::log::manifest::{IndexFacts, SealedFacts};
use crate::log::published::End;
use crate::log::sealed::{Sealed, Until};
use crate::log::segments::Segment;
use crate::log::shared::Shared;

/// What a log held that went to rest; for [`Upkeep::lay_down`], as closing it takes its time.
#[derive(Debug)]
pub struct Left {
    pub(in crate::log) active: Active,
    pub(in crate::log) prepared: Option<Fresh>,
}

impl Upkeep {
    /// Closes what a log held that went to rest.
    ///
    /// # Errors
    /// The log rests all the same. [`FlushError::Sync`] as with [`flush`](Self::flush).
    pub fn lay_down(&self, left: Left) -> Result<(), FlushError> {
        let Left { active, prepared } = left;
        self.keep(|keeping| {
            let Shared { disk, options, ahead, segments, .. } = &*self.shared;
            let mut growth = self.shared.growth.lock();
            if let Some(prepared) = prepared {
                let path = prepared.ground.path();
                disk.remove_file(&path).naming("remove", &path)?;
            }
            // It may have been woken meanwhile.
            if !ahead.is_resting() {
                return Ok(());
            }
            let (live, end) = (&active.live, self.shared.published.load());
            segments.rest(Arc::new(at_rest(live, &end)));
            growth.begin_again(options);
            let path = live.ground.path();
            // A file that somebody cut shorter is not made to look whole.
            if end.position < live.ground.file.len().naming("measure", &path)? {
                live.ground.file.set_len(end.position).naming("cut", &path)?;
            }
            synced(live.ground.file.sync_data(), &path)?;
            self.write_indexes_aside(keeping, live)
        })
    }

    /// Whether the log holds a file; one that never had a batch, or rests, does not.
    pub fn is_awake(&self) -> bool {
        self.shared.ahead.is_awake()
    }

    /// Opens the last segment of a log at rest again, for the log's owner to find.
    pub(in crate::log) fn wake(&self) -> Result<(), DiskError> {
        let Shared { disk, directory, ahead, segments, .. } = &*self.shared;
        let options = &self.shared.measures();
        if ahead.is_resting() {
            let end = self.shared.published.load();
            let (withheld, trust) = match segments.at(end.segment) {
                Some(Segment::Sealed(sealed)) => (sealed.withheld.clone(), sealed.trust.again()),
                Some(Segment::Live(live)) => live.known(),
                None => unreachable!("a log at rest has a last segment"),
            };
            let active = last_segment::open(&**disk, directory, options, &end, withheld)?;
            if active.live.withheld().is_some() {
                options.alarm.ring();
            }
            ahead.wake(active.trusted(trust), end.position);
        }
        Ok(())
    }
}

/// A log's last segment as readers see it while the log rests.
pub(in crate::log) fn at_rest(live: &Live, end: &End) -> Sealed {
    let facts = SealedFacts {
        base: live.base,
        next: end.offset,
        bytes: end.position,
        digest: 0,
        newest_timestamp: live.newest_timestamp(),
        offset_index: IndexFacts::of(&[]),
        time_index: IndexFacts::of(&[]),
    };
    let (withheld, trust) = live.known();
    Sealed { facts, trust, withheld, suspected: None, until: Until::Woken }
}
