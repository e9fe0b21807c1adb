//! Who is in a group: the words that both faces use for a member.

use std::fmt;
use std::sync::Arc;

use weir_protocol::limits::MEMBER_ID_BYTES_MAX;

use super::refusal::GroupError;

/// What a group's coordinator calls a member, for as long as it is one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId(Arc<str>);

/// What an operator calls a member, to keep over its restarts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InstanceId(Arc<str>);

/// Who is behind a member, for those who look at the group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientName {
    /// What the client calls itself.
    pub(crate) id: Arc<str>,
    /// Where it connected from.
    pub(crate) host: Arc<str>,
}

impl MemberId {
    /// Takes an id that somebody sent.
    pub(crate) fn parse(id: &str) -> Result<Self, GroupError> {
        Ok(Self(Arc::from(bounded(id, "a member's id")?)))
    }

    /// An id that nobody had before: the name of who it is for, then a fresh UUID.
    pub(crate) fn fresh(named: &str, uuid: [u8; 16]) -> Self {
        let room = MEMBER_ID_BYTES_MAX - UUID_BYTES - 1;
        let named = &named[..named.floor_char_boundary(room)];
        let uuid = weir_protocol::id::TopicId::from_bytes(uuid);
        Self(Arc::from(format!("{named}-{uuid}")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl InstanceId {
    pub(crate) fn parse(id: &str) -> Result<Self, GroupError> {
        Ok(Self(Arc::from(bounded(id, "an instance id")?)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The length of a UUID in text.
const UUID_BYTES: usize = 36;

fn bounded<'a>(id: &'a str, what: &'static str) -> Result<&'a str, GroupError> {
    if id.is_empty() || MEMBER_ID_BYTES_MAX < id.len() {
        return Err(GroupError::Length { what, bytes: id.len(), bytes_max: MEMBER_ID_BYTES_MAX });
    }
    Ok(id)
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemberId({})", self.0)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_id_fits_whatever_its_client_is_called() {
        for named in ["", "billing", &"ü".repeat(400)] {
            let id = MemberId::fresh(named, [7; 16]);
            assert!(id.as_str().len() <= MEMBER_ID_BYTES_MAX);
            assert_eq!(MemberId::parse(id.as_str()), Ok(id));
        }
        assert!(MemberId::parse("").is_err());
        assert!(InstanceId::parse(&"x".repeat(513)).is_err());
    }
}
