//! Groups, for those who look at them and decide over them.
//!
//! Nothing here is retried, as for topics; doing it twice does no harm, except that a group that
//! is deleted twice is unknown the second time.

use weir_protocol::id::TopicId;
use weir_protocol::native::{
    CommitBy, CommitOffsets, FetchOffsets, GroupDescription, GroupListing, GroupOffset, ListGroups,
    NewOffset, Request, Response,
};

use crate::client::Client;
use crate::connection::Asked;
use crate::errors::{Refusal, RequestError};

/// Groups asked for at once.
const PAGE_GROUPS: u32 = 1_000;

impl Client {
    /// Every group, by name: those with members, and those that have committed offsets.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn groups(&self) -> Result<Vec<GroupListing>, RequestError> {
        let mut groups = Vec::<GroupListing>::new();
        loop {
            let after = groups.last().map(|group| group.name.clone()).unwrap_or_default();
            let request = Request::ListGroups(ListGroups { after, limit: PAGE_GROUPS });
            let page = match self.request(&request).await? {
                Response::Groups(page) => page,
                other => return Err(Asked::unexpected(request.kind(), &other)),
            };
            let more = page.more && !page.groups.is_empty();
            groups.extend(page.groups);
            if !more {
                return Ok(groups);
            }
        }
    }

    /// A group as it is now: its members, and how far it is in each partition.
    ///
    /// # Errors
    /// `UNKNOWN_GROUP`: nobody joined it and nothing was committed for it; see [`RequestError`]
    /// for the others.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription, RequestError> {
        let request = Request::DescribeGroup { group: group.to_owned() };
        match self.request(&request).await? {
            Response::Group(group) => Ok(group),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }

    /// Forgets a group without members, and its offsets.
    ///
    /// # Errors
    /// `UNKNOWN_GROUP`, `GROUP_NOT_EMPTY`; see [`RequestError`] for the others.
    pub async fn delete_group(&self, group: &str) -> Result<(), RequestError> {
        let request = Request::DeleteGroup { group: group.to_owned() };
        match self.request(&request).await? {
            Response::GroupDeleted => Ok(()),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }

    /// What a group has committed of a topic.
    ///
    /// # Errors
    /// See [`RequestError`]. A group that nobody knows has committed nothing.
    pub async fn group_offsets(
        &self,
        group: &str,
        topic: TopicId,
    ) -> Result<Vec<GroupOffset>, RequestError> {
        let request = Request::FetchOffsets(FetchOffsets { group: group.to_owned(), topic });
        match self.request(&request).await? {
            Response::Offsets(offsets) => Ok(offsets),
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }

    /// Tells a group without members where to go on: each pair is a partition and what is read
    /// there next. On return it is durable.
    ///
    /// # Errors
    /// `GROUP_NOT_EMPTY`: stop its members first. Where one partition is refused, the others may
    /// be set; see [`RequestError`] for the others.
    pub async fn seek_group(
        &self,
        group: &str,
        topic: TopicId,
        offsets: impl IntoIterator<Item = (u32, u64)>,
    ) -> Result<(), RequestError> {
        let offset = |(partition, offset)| NewOffset {
            topic,
            partition,
            offset,
            leader_epoch: -1,
            metadata: String::new(),
        };
        let offsets = offsets.into_iter().map(offset).collect();
        let by = CommitBy::Group(group.to_owned());
        let request = Request::CommitOffsets(CommitOffsets { by, offsets });
        match self.request(&request).await? {
            Response::Committed(each) => match each.into_iter().find(|code| *code != 0) {
                None => Ok(()),
                Some(code) => Err(RequestError::Refused(Refusal::of_number(code))),
            },
            other => Err(Asked::unexpected(request.kind(), &other)),
        }
    }
}
