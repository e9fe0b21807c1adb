//! Keeping what a closed log cannot take, and letting go of it once the log has it for good.

use super::{Keeping, Upkeep};
use crate::log::errors::FlushError;
use crate::log::published::End;
use crate::log::shared::Shared;
use crate::log::untaken;

impl Upkeep {
    /// Removes what was kept while the log was closed, if that lies below `kept`, the end that the
    /// oldest checkpoint names which a start may still go back to.
    ///
    /// # Errors
    /// [`FlushError::Disk`]: some of it may be there still, for another call.
    pub fn remove_taken(&self, kept: &End) -> Result<(), FlushError> {
        let taken_below = self.shared.keeping.lock().taken_below;
        if taken_below.is_none_or(|below| kept.offset < below) {
            return Ok(());
        }
        self.keep(|keeping| {
            let Shared { disk, directory, .. } = &*self.shared;
            untaken::remove_all(&**disk, directory)?;
            keeping.taken_below = None;
            Ok(())
        })
    }

    /// Makes certain what this run kept. Where that fails, the journal must keep it.
    pub(super) fn finish_untaken(&self, keeping: &mut Keeping) -> Result<(), FlushError> {
        let Some(untaken) = &mut keeping.untaken else { return Ok(()) };
        untaken.finish(&*self.shared.disk).map_err(|_| {
            keeping.stopped = true;
            self.why_stopped()
        })
    }
}
