//! Topics that end: their partitions take nothing any more, and the journal says so.

use tokio::sync::oneshot;
use weir_protocol::id::TopicId;

use super::appends::turn_away;
use super::entries::{Change, GONE_BYTES};
use super::state::{Asker, Shard, promised};
use crate::clock::Moment;
use crate::core::wake::AppendError;

impl Shard {
    /// Ends a topic; every shard is asked, as each may have offsets that groups committed of it.
    pub(super) fn close(&mut self, topic: TopicId, closed: oneshot::Sender<()>, at: Moment) {
        self.forget_topic(topic, at);
        for mut partition in self.seats.remove_topic(topic) {
            self.id_room.changed(partition.message_ids.len(), 0);
            for batch in partition.parked.drain(..) {
                turn_away(batch, AppendError::TopicGone, &self.journal, &mut self.wakes);
            }
        }
        if !self.is_stopped() {
            self.ending.push_back((topic, closed));
            self.end_topics();
        }
    }

    /// Proposes the ends of topics, as far as the journal's reserve has room for them.
    pub(super) fn end_topics(&mut self) {
        while let Some((topic, closed)) = self.ending.pop_front() {
            let promise = || self.journal.promise_from_reserve(GONE_BYTES);
            if !promised(&self.room_bell, promise) {
                self.ending.push_front((topic, closed));
                return self.keeper.want_checkpoint();
            }
            self.change(Change::Gone { topic }, Asker::Closes(closed));
        }
    }
}
