//! What a change of the topics would come to, for whoever asks without wanting it done.
//!
//! It is decided again, and for good, when the change is made: others change topics meanwhile.

use weir_protocol::code::Code;
use weir_protocol::name::TopicName;

use super::{Refusal, Session, Settings, Wanted};
use crate::auth::Action;
use crate::core::catalog::actor::{CatalogError, Policy};
use crate::core::catalog::settings::{SettingError, check_partitions};

impl Session {
    /// What a topic is where its creation does not say.
    pub(crate) fn defaults(&self) -> &Policy {
        &self.door.policy
    }

    /// Whether a topic can be made, and what it would be.
    pub(crate) fn check_creation(
        &self,
        name: &TopicName,
        partitions: Option<u32>,
        wanted: &Wanted,
    ) -> Result<(u32, Settings), Refusal> {
        self.allow_name(Action::CreateTopic, name)?;
        if self.topic_named(name).is_ok() {
            return Err(CatalogError::Exists(name.clone()).into());
        }
        let policy = self.defaults();
        let partitions = partitions.unwrap_or(policy.partitions);
        check_partitions(partitions)?;
        let settings = policy.settings.with(wanted)?;
        let (topics, now) = (self.door.topics.count(), self.door.topics.partitions());
        policy.check_topic(topics as u64, now, partitions)?;
        Ok((partitions, settings))
    }

    /// Whether a topic can be altered so.
    pub(crate) fn check_alteration(
        &self,
        name: &TopicName,
        partitions: Option<u32>,
        wanted: &Wanted,
    ) -> Result<(), Refusal> {
        self.allow_name(Action::AlterTopic, name)?;
        let topic = self.topic_named(name)?;
        topic.settings.altered(wanted)?;
        let Some(partitions) = partitions else { return Ok(()) };
        check_partitions(partitions)?;
        let now = u32::try_from(topic.partitions.len()).expect("partitions are limited");
        let Some(more) = partitions.checked_sub(now) else {
            return Err(SettingError::FewerPartitions { now, wanted: partitions }.into());
        };
        let (there, max) = (self.door.topics.partitions(), self.defaults().partitions_max);
        if max < there + u64::from(more) {
            let why = CatalogError::TooMany { what: "partitions", now: there, max };
            return Err(Refusal::new(Code::TooManyPartitions, why.to_string()));
        }
        Ok(())
    }
}
