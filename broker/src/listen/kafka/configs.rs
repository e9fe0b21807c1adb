//! Settings told and altered: of topics, and the broker's own, which are read alone.

use weir_protocol::kafka::api::describe_configs::{self, kind, source};
use weir_protocol::kafka::api::incremental_alter_configs::{DELETE, SET};
use weir_protocol::kafka::api::{alter_configs, incremental_alter_configs, resource};
use weir_protocol::kafka::{ErrorCode, Text};

use super::NODE_ID;
use super::connection::Connection;
use super::names::topic_name;
use super::settings::{self, ALTERABLE, Refused, Setting};
use super::topics::told;
use crate::session::Wanted;

impl Connection {
    pub(super) fn describe_configs(
        &self,
        request: describe_configs::Request,
    ) -> describe_configs::Response {
        let with_synonyms = request.include_synonyms;
        let results = request.resources.into_iter().map(|asked| {
            let (error_code, error_message, settings) = match self.settings_of(&asked) {
                Ok(settings) => (ErrorCode::None, None, settings),
                Err(Refused { code, message }) => (code, Some(message.into()), Vec::new()),
            };
            let keys = asked.configuration_keys;
            let is_asked = |setting: &Setting| {
                keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key == setting.name))
            };
            let configs = settings.into_iter().filter(is_asked);
            describe_configs::Described {
                error_code,
                error_message,
                resource_type: asked.resource_type,
                resource_name: asked.resource_name,
                configs: configs.map(|setting| described(setting, with_synonyms)).collect(),
                ..Default::default()
            }
        });
        let results = results.collect();
        describe_configs::Response { results, ..Default::default() }
    }

    fn settings_of(&self, asked: &describe_configs::Resource) -> Result<Vec<Setting>, Refused> {
        match asked.resource_type {
            resource::TOPIC => {
                let facts = self.session.describe_topic(&topic_name(&asked.resource_name)?)?;
                let defaults = settings::of_topic(&self.session.defaults().settings);
                let mut all = settings::of_topic(&facts.settings);
                for (setting, default) in all.iter_mut().zip(defaults) {
                    if setting.value == default.value {
                        setting.source = source::DEFAULT;
                    }
                }
                Ok(all)
            }
            resource::BROKER if names_this_broker(asked.resource_name.as_str()) => {
                Ok(self.of_broker())
            }
            resource::BROKER => Err(other_broker()),
            _ => Err(no_settings()),
        }
    }

    /// The broker's own settings, by Kafka's names for them.
    fn of_broker(&self) -> Vec<Setting> {
        let defaults = self.session.defaults();
        let setting = |name, kind, value: String| {
            let (is_read_only, source) = (true, source::BROKER_FILE);
            Setting { name, value, is_read_only, source, kind }
        };
        let limits = self.limits();
        let address = format!("PLAINTEXT://{}:{}", self.endpoint.host, self.endpoint.port);
        let mut all = vec![
            setting("advertised.listeners", kind::STRING, address),
            setting(
                "auto.create.topics.enable",
                kind::BOOLEAN,
                self.face.auto_create_topics.to_string(),
            ),
            setting("broker.id", kind::INT, NODE_ID.to_string()),
            setting("compression.type", kind::STRING, "producer".to_owned()),
            setting("connections.max.idle.ms", kind::LONG, limits.idle_max.as_millis().to_string()),
            setting("default.replication.factor", kind::INT, "1".to_owned()),
            setting("delete.topic.enable", kind::BOOLEAN, "true".to_owned()),
            setting("log.cleanup.policy", kind::LIST, "delete".to_owned()),
            setting("log.message.timestamp.type", kind::STRING, "CreateTime".to_owned()),
            setting("min.insync.replicas", kind::INT, "1".to_owned()),
            setting("node.id", kind::INT, NODE_ID.to_string()),
            setting("num.partitions", kind::INT, defaults.partitions.to_string()),
            setting("socket.request.max.bytes", kind::INT, limits.request_bytes_max.to_string()),
        ];
        for topic in settings::of_topic(&defaults.settings) {
            let name = match topic.name {
                "max.message.bytes" => "message.max.bytes",
                "retention.bytes" => "log.retention.bytes",
                "retention.ms" => "log.retention.ms",
                "segment.bytes" => "log.segment.bytes",
                _ => continue,
            };
            all.push(setting(name, topic.kind, topic.value));
        }
        all.sort_by_key(|setting| setting.name);
        all
    }

    /// The settings become those that are given, and the broker's own in all others.
    pub(super) async fn alter_configs(
        &self,
        request: alter_configs::Request,
    ) -> alter_configs::Response {
        let mut responses = Vec::with_capacity(request.resources.len());
        for asked in request.resources {
            let altered = match self.replaced(&asked) {
                Ok(wanted) => {
                    let (kind, name) = (asked.resource_type, &asked.resource_name);
                    self.alter(kind, name, wanted, request.validate_only).await
                }
                Err(refused) => Err(refused),
            };
            let (error_code, error_message) = told(altered);
            responses.push(alter_configs::Altered {
                error_code,
                error_message,
                resource_type: asked.resource_type,
                resource_name: asked.resource_name,
                ..Default::default()
            });
        }
        alter_configs::Response { responses, ..Default::default() }
    }

    fn replaced(&self, asked: &alter_configs::Resource) -> Result<Wanted, Refused> {
        let mut wanted = Wanted::default();
        for name in ALTERABLE {
            settings::want_default(&mut wanted, name, &self.session.defaults().settings)?;
        }
        for config in &asked.configs {
            match &config.value {
                Some(value) => settings::want(&mut wanted, config.name.as_str(), value.as_str())?,
                None => settings::want_default(
                    &mut wanted,
                    config.name.as_str(),
                    &self.session.defaults().settings,
                )?,
            }
        }
        Ok(wanted)
    }

    /// The settings that are given change, and no others.
    pub(super) async fn incremental_alter_configs(
        &self,
        request: incremental_alter_configs::Request,
    ) -> incremental_alter_configs::Response {
        let mut responses = Vec::with_capacity(request.resources.len());
        for asked in request.resources {
            let altered = match self.changed(&asked) {
                Ok(wanted) => {
                    let (kind, name) = (asked.resource_type, &asked.resource_name);
                    self.alter(kind, name, wanted, request.validate_only).await
                }
                Err(refused) => Err(refused),
            };
            let (error_code, error_message) = told(altered);
            responses.push(incremental_alter_configs::Altered {
                error_code,
                error_message,
                resource_type: asked.resource_type,
                resource_name: asked.resource_name,
                ..Default::default()
            });
        }
        incremental_alter_configs::Response { responses, ..Default::default() }
    }

    fn changed(&self, asked: &incremental_alter_configs::Resource) -> Result<Wanted, Refused> {
        let mut wanted = Wanted::default();
        for config in &asked.configs {
            match (config.config_operation, &config.value) {
                (SET, Some(value)) => {
                    settings::want(&mut wanted, config.name.as_str(), value.as_str())?
                }
                (DELETE, _) => settings::want_default(
                    &mut wanted,
                    config.name.as_str(),
                    &self.session.defaults().settings,
                )?,
                _ => {
                    let message = format!(
                        "{} is set to a value, or deleted to have the broker's own: no list can be \
                         added to or taken from",
                        config.name
                    );
                    return Err(Refused { code: ErrorCode::InvalidConfig, message });
                }
            }
        }
        Ok(wanted)
    }

    async fn alter(
        &self,
        resource_type: i8,
        name: &Text,
        wanted: Wanted,
        validate_only: bool,
    ) -> Result<(), Refused> {
        match resource_type {
            resource::TOPIC => {}
            resource::BROKER => {
                let message = "the broker's settings are those of its file, read when it starts";
                let code = ErrorCode::PolicyViolation;
                return Err(Refused { code, message: message.to_owned() });
            }
            _ => return Err(no_settings()),
        }
        let name = topic_name(name)?;
        if validate_only {
            return Ok(self.session.check_alteration(&name, None, &wanted)?);
        }
        self.session.alter_topic(name, None, wanted).await?;
        Ok(())
    }
}

fn described(setting: Setting, with_synonyms: bool) -> describe_configs::Config {
    let Setting { name, value, is_read_only, source, kind } = setting;
    let value = Some(Text::from(value));
    let synonym = |value: &Option<Text>| describe_configs::Synonym {
        name: name.into(),
        value: value.clone(),
        source,
        ..Default::default()
    };
    describe_configs::Config {
        synonyms: if with_synonyms { vec![synonym(&value)] } else { Vec::new() },
        name: name.into(),
        value,
        read_only: is_read_only,
        config_source: source,
        config_type: kind,
        ..Default::default()
    }
}

/// Whether a resource's name means this broker, or all brokers' own values.
fn names_this_broker(name: &str) -> bool {
    name.is_empty() || name == NODE_ID.to_string()
}

fn other_broker() -> Refused {
    let message = format!("there is one broker, {NODE_ID}");
    Refused { code: ErrorCode::InvalidRequest, message }
}

fn no_settings() -> Refused {
    let message = "topics have settings, and the broker; nothing else has".to_owned();
    Refused { code: ErrorCode::InvalidRequest, message }
}
