//! A topic as a client follows it over a WebSocket: what it is given, and where it is.
//!
//! Invariant: the bookmark is where the reader is behind the last message that was written.

use std::ops::ControlFlow;
use std::sync::Arc;

use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::web::live::{
    Form, PartitionPlace, Subscribe, Tell, is_record, push_envelope, push_gap,
};

use super::super::asked::Beginning;
use super::super::bookmark::{Bookmark, Marked, PARTITIONS_MAX, Word};
use super::super::problem::Problem;
use super::super::resumed::Was;
use super::super::skipped::Unmarked;
use super::super::wants::wanted;
use super::allowance::Allowance;
use super::conversation::Slot;
use super::forms;
use super::wire::Outbox;
use crate::session::{Following, Refusal, Session, Sink, TopicFacts};

/// One subscription.
#[derive(Debug)]
pub(super) struct Topic {
    sub: u32,
    form: Form,
    following: Following,
    bookmark: Bookmark,
    word: Word,
    /// Whether the bookmark is ahead of the one that the reader was told last.
    is_ahead: bool,
}

impl Topic {
    /// Begins where `subscribe` says, as number so many of the session, and says that it did.
    pub(super) async fn begin(
        session: &Session,
        subscribe: Subscribe,
        slot: u16,
        outbox: &mut Outbox,
    ) -> Result<Self, Problem> {
        let Subscribe { sub, topic, matching, from, bookmark, credit: _, form } = subscribe;
        let name = TopicName::parse(&topic);
        let name =
            name.map_err(|error| Problem::new(Code::InvalidName, format!("the topic: {error}")))?;
        let wanted = wanted(name, &matching)?;
        let facts = session.topic_to_follow(&wanted.topic)?;
        check_count(&facts)?;
        let from = from.as_deref().map(str::parse::<Beginning>).transpose()?;
        let last = bookmark.as_deref().filter(|text| !text.is_empty()).map(Bookmark::decode);
        let is_foreign = |marked: &Marked| marked.topic != facts.id;
        let has_foreign = matches!(&last, Some(Ok(last)) if last.topics.iter().any(is_foreign));
        let was = Was::by(&last, &facts, has_foreign);
        let begin = was.begin(&facts, from.as_ref())?;
        let filters = wanted.filters.map(Arc::new);
        let following = session.follow_live(&facts, begin, filters, forms::of(form), slot).await?;
        let places = following.places().to_vec();
        let gaps: Vec<_> = was.gaps(&facts, &places).iter().map(Unmarked::to_json).collect();
        let bookmark = Bookmark { topics: vec![Marked { topic: facts.id, places }] };
        let (word, is_ahead) = (Word::default(), false);
        let mut begun = Self { sub, form, following, bookmark, word, is_ahead };
        begun.subscribed(outbox);
        for gap in gaps {
            begun.gap(&gap, outbox);
        }
        Ok(begun)
    }

    /// Whether there may be more at once; else a signal comes when there is.
    pub(super) fn is_ready(&self) -> bool {
        self.following.is_ready()
    }

    /// `Ready(token)` came, of this one's number.
    pub(super) fn signalled(&mut self, token: u64) {
        self.following.signalled(token);
    }

    /// Writes what there is and the reader has credit for.
    pub(super) async fn fill(
        &mut self,
        slot: &mut Slot,
        outbox: &mut Outbox,
    ) -> Result<(), Refusal> {
        let was = outbox.len();
        let Self { sub, form, following, bookmark, word, is_ahead } = self;
        let allowance = &mut slot.allowance;
        let mut given =
            Given { sub: *sub, form: *form, bookmark, word, is_ahead, allowance, outbox };
        following.fill(&mut given).await?;
        if outbox.len() == was && self.is_ahead && self.following.is_ready() {
            // Much was passed over: the reader has a newer bookmark.
            self.position(outbox);
        }
        Ok(())
    }

    /// The connection was silent: what came for others meanwhile moves the bookmark.
    pub(super) fn pass_over(&mut self, slot: &mut Slot, outbox: &mut Outbox) {
        if !slot.allowance.is_used_up() {
            let Self { sub, form, following, bookmark, word, is_ahead } = self;
            let allowance = &mut slot.allowance;
            let (sub, form) = (*sub, *form);
            following.pass_over(&mut Given {
                sub,
                form,
                bookmark,
                word,
                is_ahead,
                allowance,
                outbox,
            });
        }
        if self.is_ahead {
            self.position(outbox);
        }
    }

    fn subscribed(&mut self, outbox: &mut Outbox) {
        let partitions = self.partitions();
        let bookmark = self.bookmark.write(&mut self.word).into();
        outbox.say(&Tell::Subscribed { sub: self.sub, bookmark, partitions });
    }

    fn position(&mut self, outbox: &mut Outbox) {
        let partitions = self.partitions();
        let bookmark = self.bookmark.write(&mut self.word).into();
        outbox.say(&Tell::Position { sub: self.sub, bookmark, partitions });
        self.is_ahead = false;
    }

    fn gap(&mut self, json: &[u8], outbox: &mut Outbox) {
        let mut shared = Vec::new();
        push_gap(&mut shared, self.form, json);
        let word = self.bookmark.write(&mut self.word);
        outbox.message(self.form, |target| {
            push_envelope(target, self.form, self.sub, word, &shared);
        });
    }

    fn partitions(&self) -> Vec<PartitionPlace> {
        let places = self.following.places().iter();
        let of = |(partition, place): (u32, &crate::session::Place)| PartitionPlace {
            partition,
            next_offset: place.next,
        };
        (0..).zip(places).map(of).collect()
    }
}

/// What is given to a reader, written into what goes out.
struct Given<'a> {
    sub: u32,
    form: Form,
    bookmark: &'a mut Bookmark,
    word: &'a mut Word,
    is_ahead: &'a mut bool,
    allowance: &'a mut Allowance,
    outbox: &'a mut Outbox,
}

impl Given<'_> {
    fn is_at(&mut self, partition: usize, to: u64) {
        for marked in &mut self.bookmark.topics {
            marked.places[partition].next = to;
        }
    }
}

impl Sink for Given<'_> {
    fn event(&mut self, partition: usize, to: u64, event: &[u8]) -> ControlFlow<()> {
        self.is_at(partition, to);
        let word = self.bookmark.write(self.word);
        let (sub, form) = (self.sub, self.form);
        self.outbox.message(form, |target| push_envelope(target, form, sub, word, event));
        *self.is_ahead = false;
        if is_record(form, event) {
            self.allowance.use_one();
        }
        match self.allowance.is_used_up() || self.outbox.is_full() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn pass(&mut self, partition: usize, to: u64) {
        self.is_at(partition, to);
        *self.is_ahead = true;
    }
}

fn check_count(facts: &TopicFacts) -> Result<(), Problem> {
    let count = facts.partitions.len();
    if count <= PARTITIONS_MAX {
        return Ok(());
    }
    let detail = format!(
        "topic {} has {count} partitions, and live events cover {PARTITIONS_MAX} at most: read \
         its records, or use fewer partitions",
        facts.name
    );
    Err(Problem::new(Code::TooManyPartitions, detail))
}
