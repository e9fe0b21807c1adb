//! Frames and headers: what stands before every body.
//!
//! ```text
//! request   length i32 | api key i16 | version i16 | correlation i32 | client id | tags | body
//! response  length i32 | correlation i32 | tags | body
//! ```
//!
//! Both have tags where the body is a flexible one, save that an ApiVersions response never has: a
//! client reads it before it knows what its broker understands (KIP-511). The client id keeps its
//! two bytes of length in every version.
//!
//! Cutting frames, reading a header and reading a body are three steps, so that a connection can
//! bound, refuse or delay in between. There is no state here: one call, one frame.

use bytes::{Buf, Bytes, BytesMut};

use super::api::{Api, Request, Response};
use super::fault::{DecodeError, Fault, FrameError};
use super::reader::Reader;
use super::tags::UnknownTags;
use super::text::Text;
use super::wire::{Form, Wire};
use super::writer::{Frame, LENGTH_BYTES, Writer};

/// The bytes of the frame that `buffer` begins with, its length included; `None` while that is
/// incomplete.
///
/// # Errors
/// The length is none that this side takes: nothing behind it can be found, close the connection.
pub fn frame_bytes(mut buffer: &[u8], frame_bytes_max: usize) -> Result<Option<usize>, FrameError> {
    let Ok(length) = buffer.try_get_i32() else { return Ok(None) };
    let length = usize::try_from(length).map_err(|_| FrameError::Negative { length })?;
    match length.saturating_add(LENGTH_BYTES) {
        bytes if frame_bytes_max < bytes => {
            Err(FrameError::TooLarge { bytes, bytes_max: frame_bytes_max })
        }
        bytes => Ok(Some(bytes)),
    }
}

/// Takes a frame off the front of `buffer`, without its length and without a copy; `None` while it
/// is incomplete.
///
/// # Errors
/// As [`frame_bytes`].
pub fn take_frame(
    buffer: &mut BytesMut,
    frame_bytes_max: usize,
) -> Result<Option<Bytes>, FrameError> {
    match frame_bytes(buffer, frame_bytes_max)? {
        Some(bytes) if bytes <= buffer.len() => {
            let mut frame = buffer.split_to(bytes).freeze();
            frame.advance(LENGTH_BYTES);
            Ok(Some(frame))
        }
        _ => Ok(None),
    }
}

/// What stands before a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    pub api: Api,
    pub version: i16,
    /// Returned with the answer.
    pub correlation: i32,
    /// The name that the client gives itself.
    pub client_id: Option<Text>,
    pub unknown_tags: UnknownTags,
}

/// A request whose header was read and whose body was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFrame {
    pub header: RequestHeader,
    pub body: Bytes,
}

impl RequestFrame {
    /// Reads the header of a frame that [`take_frame`] took.
    ///
    /// # Errors
    /// - [`DecodeError::UnsupportedVersion`] of ApiVersions: answer it, in version 0.
    /// - All others: close the connection.
    pub fn read(mut frame: Bytes) -> Result<Self, DecodeError> {
        let bytes = frame.len();
        let short = |_| DecodeError::Short { bytes };
        let key = frame.try_get_i16().map_err(short)?;
        let version = frame.try_get_i16().map_err(short)?;
        let correlation = frame.try_get_i32().map_err(short)?;
        let api = Api::from_key(key).ok_or(DecodeError::UnknownApi { key })?;
        if !api.served().contains(&version) {
            return Err(DecodeError::UnsupportedVersion { api, version, correlation });
        }
        let mut reader = Reader::new(frame, Form { version, flexible: false });
        let (client_id, unknown_tags) = Self::read_rest(&mut reader, api, version)
            .map_err(|fault| DecodeError::Header { api, version, fault })?;
        Ok(Self {
            header: RequestHeader { api, version, correlation, client_id, unknown_tags },
            body: reader.into_left(),
        })
    }

    fn read_rest(
        reader: &mut Reader,
        api: Api,
        version: i16,
    ) -> Result<(Option<Text>, UnknownTags), Fault> {
        let client_id = Wire::read(reader, "client_id")?;
        reader.set_form(api.form(version));
        Ok((client_id, reader.tags(|_, _| Ok(false))?))
    }

    /// Reads the body.
    ///
    /// # Errors
    /// The body is not what its version says. Close the connection.
    pub fn request(&self) -> Result<Request, Fault> {
        Request::read(self.header.api, self.header.version, self.body.clone())
    }
}

/// Writes the answer to a request of `version`, in `scratch`, which is empty and is left so.
///
/// An ApiVersions request of a version that is not served is answered in version 0.
pub fn encode_response(
    version: i16,
    correlation: i32,
    response: &Response,
    scratch: &mut BytesMut,
) -> Frame {
    let form = response.api().form(version);
    let mut writer = Writer::new(scratch, response_header_form(response.api(), form));
    writer.put_i32(0);
    writer.put_i32(correlation);
    writer.put_tags(Vec::new(), &UnknownTags::default());
    writer.set_form(form);
    response.write(&mut writer);
    writer.finish()
}

/// Writes a request, in `scratch`, which is empty and is left so.
pub fn encode_request(
    version: i16,
    correlation: i32,
    client_id: Option<&Text>,
    request: &Request,
    scratch: &mut BytesMut,
) -> Frame {
    let api = request.api();
    let mut writer = Writer::new(scratch, Form { version, flexible: false });
    writer.put_i32(0);
    writer.put_i16(api.key());
    writer.put_i16(version);
    writer.put_i32(correlation);
    Text::write_nullable(client_id, &mut writer);
    writer.set_form(api.form(version));
    writer.put_tags(Vec::new(), &UnknownTags::default());
    request.write(&mut writer);
    writer.finish()
}

/// Reads the answer to a request of `api` and `version`, and the correlation of that request.
///
/// # Errors
/// The bytes are not what the version says.
pub fn read_response(api: Api, version: i16, frame: Bytes) -> Result<(i32, Response), Fault> {
    let header_form = response_header_form(api, api.form(version));
    let mut reader = Reader::new(frame, header_form);
    let correlation = reader.i32("correlation")?;
    reader.tags(|_, _| Ok(false))?;
    Ok((correlation, Response::read(api, version, reader.into_left())?))
}

fn response_header_form(api: Api, body: Form) -> Form {
    match api {
        Api::ApiVersions => Form { flexible: false, ..body },
        _ => body,
    }
}
