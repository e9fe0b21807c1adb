//! Topics and their settings, between the session's words and the wire's.

use weir_protocol::code::Code;
use weir_protocol::native::{
    Durability as WireDurability, PartitionDescription, QuarantinedSpan, RETENTION_UNLIMITED,
    ResolvedSettings, Settings as WireSettings, TopicDescription,
};

use crate::session::{
    Durability, Limit, QuarantinedFacts, Refusal, Settings, TopicFacts, Wanted, WorkedOff,
};

/// A topic as the wire describes it.
pub(super) fn described(topic: TopicFacts) -> TopicDescription {
    let partitions = topic.partitions.iter().map(|partition| PartitionDescription {
        start: partition.start.get(),
        tail: partition.tail.get(),
        epoch: partition.epoch.get(),
    });
    TopicDescription {
        name: topic.name,
        id: topic.id,
        settings: resolved(&topic.settings),
        partitions: partitions.collect(),
        quarantined: topic.quarantined.into_iter().map(quarantined).collect(),
    }
}

fn quarantined(facts: QuarantinedFacts) -> QuarantinedSpan {
    let QuarantinedFacts { partition, span, file, flaw } = facts;
    let (start, end) = (span.start.get(), span.end.get());
    QuarantinedSpan { partition, start, end, file, flaw }
}

/// The settings that a request wants.
pub(super) fn wanted(settings: &WireSettings) -> Result<Wanted, Refusal> {
    Ok(Wanted {
        durability: settings.durability.map(durability).transpose()?,
        retention_ms: settings.retention_ms.map(limit),
        retention_bytes: settings.retention_bytes.map(limit),
        segment_bytes: settings.segment_bytes,
        batch_bytes_max: settings.batch_bytes_max.map(batch_bytes_max).transpose()?,
        timestamp_type: settings.timestamp_type,
        message_id_window_ms: settings.message_id_window_ms.map(Limit::At),
        message_id_window_records: settings.message_id_window_records.map(Limit::At),
        worked_off: settings.retention_work.map(|goes| match goes {
            true => WorkedOff::Delete,
            false => WorkedOff::Keep,
        }),
    })
}

fn resolved(settings: &Settings) -> ResolvedSettings {
    ResolvedSettings {
        durability: match settings.durability {
            Durability::Synced => WireDurability::Synced,
            Durability::Written => WireDurability::Written,
        },
        retention_ms: settings.retention_ms.unwrap_or(RETENTION_UNLIMITED),
        retention_bytes: settings.retention_bytes.unwrap_or(RETENTION_UNLIMITED),
        segment_bytes: settings.segment_bytes,
        batch_bytes_max: u64::from(settings.batch_bytes_max),
        timestamp_type: settings.timestamp_type,
        message_id_window_ms: settings.message_id_window_ms.unwrap_or(0),
        message_id_window_records: u64::from(settings.message_id_window_records.unwrap_or(0)),
        retention_work: settings.worked_off == WorkedOff::Delete,
    }
}

fn durability(wanted: WireDurability) -> Result<Durability, Refusal> {
    match wanted {
        WireDurability::Synced => Ok(Durability::Synced),
        WireDurability::Written => Ok(Durability::Written),
        WireDurability::Ephemeral => Err(Refusal::new(
            Code::DurabilityNotOffered,
            "this version has no `ephemeral` topics yet: create it as `written`",
        )),
    }
}

fn limit(wanted: u64) -> Limit {
    if wanted == RETENTION_UNLIMITED { Limit::None } else { Limit::At(wanted) }
}

fn batch_bytes_max(wanted: u64) -> Result<u32, Refusal> {
    let too_large = |_| {
        let why = format!("batch_bytes_max is {wanted}: no batch is that large");
        Refusal::new(Code::InvalidSetting, why)
    };
    u32::try_from(wanted).map_err(too_large)
}
