//! The first exchange of a connection: who speaks, which version, and what each side takes.
//!
//! Invariant: the layout of [`Hello`] and of an error reply is the same in every version, as both
//! travel before a version is agreed on. What a later version adds is named by a feature bit.

use bytes::{BufMut, BytesMut};

use super::body::{Body, put_text};
use super::error_reply::ErrorReply;
use super::fault::Fault;
use crate::code::Code;
use crate::limits::{CLIENT_NAME_BYTES_MAX, FRAME_BYTES_MAX_LEAST, SERVER_NAME_BYTES_MAX};

/// The newest version this package speaks.
pub const VERSION: u16 = 1;

/// The oldest version this package speaks.
pub const VERSION_OLDEST: u16 = 1;

/// The features this package knows, as bits. Version 1 has none.
pub const FEATURES: u64 = 0;

/// A client's first request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The versions the client speaks, both ends included.
    pub version_min: u16,
    pub version_max: u16,
    /// The features the client would use, as bits.
    pub features: u64,
    /// The largest frame the client takes, at least [`FRAME_BYTES_MAX_LEAST`].
    pub frame_bytes_max: u32,
    /// What logs and listings call the client.
    pub client_name: String,
}

impl Hello {
    /// The newest version that both sides speak.
    ///
    /// # Errors
    /// There is none: the refusal to send before the connection closes.
    pub fn agree(&self) -> Result<u16, ErrorReply> {
        let version = self.version_max.min(VERSION);
        if self.version_min.max(VERSION_OLDEST) <= version {
            return Ok(version);
        }
        let Self { version_min, version_max, .. } = self;
        Err(ErrorReply::new(
            Code::UnsupportedVersion,
            format!(
                "this broker speaks versions {VERSION_OLDEST} to {VERSION} of the protocol, \
                 the client {version_min} to {version_max}; update the older one"
            ),
        ))
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u16_le(self.version_min);
        out.put_u16_le(self.version_max);
        out.put_u64_le(self.features);
        out.put_u32_le(self.frame_bytes_max);
        put_text(&self.client_name, CLIENT_NAME_BYTES_MAX, out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let version_min = body.u16("version_min")?;
        let version_max = body.u16("version_max")?;
        if version_max < version_min {
            return Err(Fault::Value { field: "version_max", value: u64::from(version_max) });
        }
        let features = body.u64("features")?;
        let frame_bytes_max = body.u32("frame_bytes_max")?;
        check_frame_bytes_max(frame_bytes_max)?;
        let client_name = body.text("client_name", CLIENT_NAME_BYTES_MAX)?;
        Ok(Self { version_min, version_max, features, frame_bytes_max, client_name })
    }
}

/// The broker's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloReply {
    /// The version both sides speak from here on.
    pub version: u16,
    /// The features of the client's that are in use, as bits.
    pub features: u64,
    pub limits: Limits,
    pub server_name: String,
    pub server_version: String,
    /// UUIDs of the cluster and of this node of it.
    pub cluster: [u8; 16],
    pub node: [u8; 16],
    /// The bytes of batches a producer may send before the first `Credit`.
    pub producer_credit_bytes: u64,
}

/// What the broker takes from this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest frame, at least [`FRAME_BYTES_MAX_LEAST`].
    pub frame_bytes_max: u32,
    /// The largest batch of any topic; a topic's own setting may be lower.
    pub batch_bytes_max: u32,
    pub subscriptions_max: u32,
    /// Requests that wait for their answer.
    pub in_flight_max: u32,
}

impl HelloReply {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u16_le(self.version);
        out.put_u64_le(self.features);
        out.put_u32_le(self.limits.frame_bytes_max);
        out.put_u32_le(self.limits.batch_bytes_max);
        out.put_u32_le(self.limits.subscriptions_max);
        out.put_u32_le(self.limits.in_flight_max);
        put_text(&self.server_name, SERVER_NAME_BYTES_MAX, out);
        put_text(&self.server_version, SERVER_NAME_BYTES_MAX, out);
        out.put_slice(&self.cluster);
        out.put_slice(&self.node);
        out.put_u64_le(self.producer_credit_bytes);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let version = body.u16("version")?;
        let features = body.u64("features")?;
        let limits = Limits {
            frame_bytes_max: body.u32("frame_bytes_max")?,
            batch_bytes_max: body.u32("batch_bytes_max")?,
            subscriptions_max: body.u32("subscriptions_max")?,
            in_flight_max: body.u32("in_flight_max")?,
        };
        check_frame_bytes_max(limits.frame_bytes_max)?;
        Ok(Self {
            version,
            features,
            limits,
            server_name: body.text("server_name", SERVER_NAME_BYTES_MAX)?,
            server_version: body.text("server_version", SERVER_NAME_BYTES_MAX)?,
            cluster: body.uuid("cluster")?,
            node: body.uuid("node")?,
            producer_credit_bytes: body.u64("producer_credit_bytes")?,
        })
    }
}

fn check_frame_bytes_max(bytes: u32) -> Result<(), Fault> {
    if bytes < FRAME_BYTES_MAX_LEAST as u32 {
        return Err(Fault::Value { field: "frame_bytes_max", value: u64::from(bytes) });
    }
    Ok(())
}
