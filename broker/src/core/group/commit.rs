//! A group's offsets, and the group as those see it who look at it.

use super::classic::State;
use super::coordinator::Step;
use super::entries::Entry;
use super::native::Place;
use super::offsets::{Committed, Row, Table};
use super::refusal::GroupError;
use super::request::{
    Answer, Committer, DescribedGroup, DescribedMember, Each, Listed, NewOffset, Reply, Share,
};
use super::roster::{Around, Group, Members};
use weir_protocol::limits::OFFSET_METADATA_BYTES_MAX;

impl Group {
    /// Commits what may be committed, each partition for itself; answered once it is kept.
    pub(super) fn commit(
        &mut self,
        committer: &Committer,
        offsets: Vec<NewOffset>,
        reply: Reply<Each>,
        around: Around<'_>,
    ) -> Step {
        if let Err(error) = self.check_committer(committer, around) {
            return Step::answer(Answer::Each(reply, Err(error)));
        }
        let (mut each, mut kept, mut forgotten) = (Each::new(), Vec::new(), Vec::new());
        for offset in offsets {
            let checked = self.check_offset(committer, &offset);
            match (&checked, offset.committed) {
                (Ok(()), Some(committed)) => kept.push((offset.place, committed)),
                (Ok(()), None) => forgotten.push(offset.place),
                (Err(_), _) => {}
            }
            each.push(checked);
        }
        let answer = Answer::Each(reply, Ok(each));
        let mut entries = Entry::forget(&self.name, &forgotten);
        if !kept.is_empty() {
            entries.extend(Entry::commit(&self.name, kept));
        }
        if entries.is_empty() {
            return Step::answer(answer);
        }
        self.proposes(entries, answer)
    }

    fn check_committer(
        &mut self,
        committer: &Committer,
        around: Around<'_>,
    ) -> Result<(), GroupError> {
        let has_members = self.has_members();
        match (committer, &mut self.members) {
            (Committer::Nobody, _) if has_members => Err(GroupError::NotEmpty),
            (Committer::Nobody, _) => Ok(()),
            (Committer::Classic(beat), Members::Classic(classic)) => {
                let member = Some((&beat.member, beat.generation));
                classic.check_commit(member, beat.instance.as_ref(), around.at.now)
            }
            (Committer::Native { member, mailbox, .. }, Members::Native(native)) => {
                native.heartbeat(member, around.at.now)?;
                self.check_mailbox(member, mailbox)
            }
            (Committer::Classic(_) | Committer::Native { .. }, _) => Err(GroupError::UnknownMember),
        }
    }

    fn check_offset(&self, committer: &Committer, new: &NewOffset) -> Result<(), GroupError> {
        let bytes = new.committed.as_ref().map_or(0, |committed| committed.metadata.len());
        let bytes_max = OFFSET_METADATA_BYTES_MAX;
        if bytes_max < bytes {
            return Err(GroupError::OffsetMetadata { bytes, bytes_max });
        }
        if let (Committer::Native { member, epoch, .. }, Members::Native(native)) =
            (committer, &self.members)
        {
            native.check_commit(member, *epoch, new.place)?;
        }
        // Marked before the shard ends the topic: what is proposed behind that end is refused.
        match new.partition.is_gone() {
            true => Err(GroupError::TopicGone),
            false => Ok(()),
        }
    }

    /// The offsets of `places`, or all.
    pub(super) fn fetch(
        &self,
        places: Option<Vec<Place>>,
        table: &Table,
    ) -> Vec<(Place, Committed)> {
        let Some(row) = table.row(&self.name) else { return Vec::new() };
        match places {
            None => row.offsets.iter().map(|(place, at)| (*place, at.clone())).collect(),
            Some(places) => {
                let found = |place| Some((place, row.committed(&place)?.clone()));
                places.into_iter().filter_map(found).collect()
            }
        }
    }

    /// What may be forgotten of it although it has members. Where they share out themselves, they
    /// alone know what they read, and all is kept.
    pub(super) fn unread(&self, row: &Row, now_ms: i64, retention_ms: i64) -> Vec<Place> {
        match &self.members {
            Members::Native(native) if native.has_members() && self.unapplied == 0 => {
                row.unread(now_ms, retention_ms, |topic| native.is_read(topic))
            }
            Members::Native(_) | Members::Classic(_) => Vec::new(),
        }
    }

    /// Forgets the group, if nobody is in it.
    pub(super) fn delete(&mut self, reply: Reply<()>, table: &Table) -> Step {
        if self.has_members() {
            return Step::answer(Answer::Done(reply, Err(GroupError::NotEmpty)));
        }
        if table.row(&self.name).is_none() && self.unapplied == 0 {
            return Step::answer(Answer::Done(reply, Err(GroupError::UnknownGroup)));
        }
        let entries = vec![Entry::Gone { group: self.name.clone() }];
        self.proposes(entries, Answer::Done(reply, Ok(())))
    }

    /// Forgets offsets, if nobody is there who reads on from them.
    pub(super) fn delete_offsets(
        &mut self,
        places: &[Place],
        reply: Reply<Each>,
        table: &Table,
    ) -> Step {
        if self.has_members() {
            return Step::answer(Answer::Each(reply, Err(GroupError::NotEmpty)));
        }
        if table.row(&self.name).is_none() && self.unapplied == 0 {
            return Step::answer(Answer::Each(reply, Err(GroupError::UnknownGroup)));
        }
        let each = places.iter().map(|_| Ok(())).collect();
        self.proposes(Entry::forget(&self.name, places), Answer::Each(reply, Ok(each)))
    }

    fn proposes(&mut self, entries: Vec<Entry>, answer: Answer) -> Step {
        self.unapplied += u32::try_from(entries.len()).expect("a commit is limited");
        Step::proposes(entries, vec![answer])
    }

    pub(super) fn listed(&self) -> Listed {
        let (state, members) = match &self.members {
            Members::Classic(classic) => (classic.state(), classic.described().len()),
            Members::Native(native) if !native.has_members() => (State::Empty, 0),
            Members::Native(native) => {
                let state = if native.is_stable() { State::Stable } else { State::Preparing };
                (state, native.described().len())
            }
        };
        let (face, protocol_type) = (self.face(), self.protocol_type().to_owned());
        Listed { group: self.name.clone(), face, state, protocol_type, members }
    }

    pub(super) fn describe(&self, table: &Table) -> Result<DescribedGroup, GroupError> {
        if self.is_idle() && table.row(&self.name).is_none() {
            return Err(GroupError::UnknownGroup);
        }
        let (protocol, members) = match &self.members {
            Members::Classic(classic) => {
                let described = classic.described().into_iter().map(|member| DescribedMember {
                    member: member.member,
                    instance: member.instance,
                    client: member.client,
                    share: Share::Said { metadata: member.metadata, assignment: member.assignment },
                });
                (classic.protocol().unwrap_or_default(), described.collect())
            }
            Members::Native(native) => {
                let described = native.described().into_iter().map(|member| DescribedMember {
                    member: member.member,
                    instance: member.instance,
                    client: member.client,
                    share: Share::Partitions(member.partitions),
                });
                (native.strategy().name(), described.collect())
            }
        };
        Ok(DescribedGroup {
            listed: self.listed(),
            generation: self.kept_generation(table),
            protocol: protocol.to_owned(),
            members,
            offsets: self.fetch(None, table),
        })
    }
}
