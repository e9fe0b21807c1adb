//! The one question of authorization: may this identity do this to that?
//!
//! Every method of `session` asks it with the action it is about to take, so a listener cannot
//! forget to. The gate decides from its policy alone; it reads no request and keeps no count.
//!
//! While no authentication is configured the policy is *open*: everyone may do everything, and
//! what guards the broker is that it then listens on loopback only (`config` refuses other
//! addresses unless told `--insecure`).

use std::fmt;

use thiserror::Error;
use weir_protocol::name::{GroupName, QueueName, TopicName};

use super::identity::Identity;

/// Decides who may do what. Cheap to share: it never changes.
#[derive(Debug)]
pub(crate) struct Gate {
    policy: Policy,
}

#[derive(Debug)]
enum Policy {
    Open,
}

impl Gate {
    /// Lets everyone do everything.
    pub(crate) fn open() -> Self {
        Self { policy: Policy::Open }
    }

    /// Whether `identity` may take `action` on `resource`.
    ///
    /// # Errors
    /// [`Denied`]: it may not, and asking again will not change it.
    pub(crate) fn allows(
        &self,
        _identity: &Identity,
        _action: Action,
        _resource: &Resource<'_>,
    ) -> Result<(), Denied> {
        match self.policy {
            Policy::Open => Ok(()),
        }
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    CreateTopic,
    AlterTopic,
    DeleteTopic,
    /// Delete a topic's oldest records.
    DeleteRecords,
    /// See that a topic exists, its settings and its offsets; a listing holds what one may
    /// describe.
    DescribeTopic,
    Produce,
    Consume,
    /// Be a member of a group, and commit its offsets.
    JoinGroup,
    /// See a group's members and offsets.
    DescribeGroup,
    /// Delete a group or its offsets.
    DeleteGroup,
    /// Make, change and delete a queue, and set how far it is.
    ManageQueue,
    /// Be leased a queue's records, and settle them.
    ConsumeQueue,
    /// See that a queue exists, its settings and how far it is.
    DescribeQueue,
    /// Watch and steer the broker itself: metrics, checkpoints, shutdown.
    Operate,
}

impl Action {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::CreateTopic => "create",
            Self::AlterTopic => "alter",
            Self::DeleteTopic => "delete",
            Self::DeleteRecords => "delete records of",
            Self::DescribeTopic => "describe",
            Self::Produce => "produce to",
            Self::Consume => "consume",
            Self::JoinGroup => "join",
            Self::DescribeGroup => "describe",
            Self::DeleteGroup => "delete",
            Self::ManageQueue => "manage",
            Self::ConsumeQueue => "work on",
            Self::DescribeQueue => "describe",
            Self::Operate => "operate",
        }
    }
}

/// What it would be done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource<'a> {
    Topic(&'a TopicName),
    Group(&'a GroupName),
    Queue(&'a QueueName),
    Broker,
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Queue(name) => write!(f, "queue {name}"),
            Self::Broker => f.write_str("the broker"),
        }
    }
}

/// Somebody may not do what they asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{identity} may not {} {resource}; ask whoever runs the broker", action.as_str())]
pub(crate) struct Denied {
    pub identity: Identity,
    pub action: Action,
    /// The resource, as a person reads it.
    pub resource: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [Action; 14] = [
        Action::CreateTopic,
        Action::AlterTopic,
        Action::DeleteTopic,
        Action::DeleteRecords,
        Action::DescribeTopic,
        Action::Produce,
        Action::Consume,
        Action::JoinGroup,
        Action::DescribeGroup,
        Action::DeleteGroup,
        Action::ManageQueue,
        Action::ConsumeQueue,
        Action::DescribeQueue,
        Action::Operate,
    ];

    #[test]
    fn an_open_gate_lets_everyone_do_everything() {
        let gate = Gate::open();
        let topic = TopicName::parse("flights").unwrap();
        let group = GroupName::parse("billing").unwrap();
        let queue = QueueName::parse("jobs").unwrap();
        let named = [Resource::Topic(&topic), Resource::Group(&group), Resource::Queue(&queue)];
        for action in ACTIONS {
            for resource in named.into_iter().chain([Resource::Broker]) {
                assert_eq!(gate.allows(&Identity::Anonymous, action, &resource), Ok(()));
            }
        }
    }

    #[test]
    fn a_denial_says_who_may_not_do_what_to_what() {
        let topic = TopicName::parse("flights").unwrap();
        let denied = Denied {
            identity: Identity::Anonymous,
            action: Action::Produce,
            resource: Resource::Topic(&topic).to_string(),
        };
        assert_eq!(
            denied.to_string(),
            "anonymous may not produce to topic flights; ask whoever runs the broker"
        );
    }
}
