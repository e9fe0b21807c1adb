//! How a type travels: the trait of everything that a message has as a field.
//!
//! Numbers are big-endian. What has a length comes in two forms, by whether the version is
//! *flexible*:
//!
//! ```text
//!                   until then             flexible
//!   text            length i16, −1: null   length + 1 as varint, 0: null
//!   bytes, records  length i32, −1: null   length + 1 as varint, 0: null
//!   array           count i32, −1: null    count + 1 as varint, 0: null
//!   structure       its fields             its fields, then its tagged fields
//!   null structure  a byte below 0, or one that is not and the structure, in both forms
//! ```
//!
//! Called by what the `message!` macro makes; knows no message.

use bytes::Bytes;

use super::fault::Fault;
use super::reader::Reader;
use super::writer::Writer;

/// Which version of a message is read or written, and whether it is a flexible one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) version: i16,
    pub(crate) flexible: bool,
}

/// What can be a field.
pub(crate) trait Wire: Sized {
    /// The least bytes that a value takes: what bounds the count of an array.
    fn bytes_min(form: Form) -> usize;

    fn read(reader: &mut Reader, field: &'static str) -> Result<Self, Fault>;

    fn write(&self, writer: &mut Writer<'_>);

    /// Reads what may be null. This is a structure's way; what has a length tells null by it.
    fn read_nullable(reader: &mut Reader, field: &'static str) -> Result<Option<Self>, Fault> {
        if reader.i8(field)? < 0 {
            return Ok(None);
        }
        Self::read(reader, field).map(Some)
    }

    /// Writes what may be null, as [`Wire::read_nullable`] reads it.
    fn write_nullable(value: Option<&Self>, writer: &mut Writer<'_>) {
        match value {
            None => writer.put_i8(-1),
            Some(value) => {
                writer.put_i8(1);
                value.write(writer);
            }
        }
    }
}

/// Writes a value that may be null where the version takes no null.
pub(crate) fn write_or_default<T: Wire + Default>(value: Option<&T>, writer: &mut Writer<'_>) {
    match value {
        Some(value) => value.write(writer),
        None => T::default().write(writer),
    }
}

/// The numbers, each by the methods of its name.
macro_rules! numbers {
    ($($number:ident by $put:ident;)+) => {$(
        impl Wire for $number {
            fn bytes_min(_: Form) -> usize {
                size_of::<Self>()
            }

            fn read(reader: &mut Reader, field: &'static str) -> Result<Self, Fault> {
                reader.$number(field)
            }

            fn write(&self, writer: &mut Writer<'_>) {
                writer.$put(*self);
            }
        }
    )+};
}

numbers! {
    i8 by put_i8;
    i16 by put_i16;
    i32 by put_i32;
    i64 by put_i64;
}

impl Wire for bool {
    fn bytes_min(_: Form) -> usize {
        1
    }

    fn read(reader: &mut Reader, field: &'static str) -> Result<Self, Fault> {
        Ok(reader.i8(field)? != 0)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put_i8(i8::from(*self));
    }
}

impl<T: Wire> Wire for Option<T> {
    fn bytes_min(_: Form) -> usize {
        1
    }

    fn read(reader: &mut Reader, field: &'static str) -> Result<Self, Fault> {
        T::read_nullable(reader, field)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        T::write_nullable(self.as_ref(), writer);
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader, field: &'static str) -> Result<Self, Fault> {
        Self::read_nullable(reader, field)?.ok_or(Fault::Null { field })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put_length(Some(self.len()));
        for element in self {
            element.write(writer);
        }
    }

    fn read_nullable(reader: &mut Reader, field: &'static str) -> Result<Option<Self>, Fault> {
        let Some(count) = reader.count(field, T::bytes_min(reader.form()))? else {
            return Ok(None);
        };
        let mut elements = Self::with_capacity(count.min(ELEMENTS_RESERVED_MAX));
        for _ in 0..count {
            elements.push(T::read(reader, field)?);
        }
        Ok(Some(elements))
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer<'_>) {
        match value {
            None => writer.put_length(None),
            Some(elements) => elements.write(writer),
        }
    }
}

/// Reserved for an array before its elements have come; more is reserved as they do.
const ELEMENTS_RESERVED_MAX: usize = 1_024;

impl Wire for Bytes {
    fn bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn read(reader: &mut Reader, field: &'static str) -> Result<Self, Fault> {
        Self::read_nullable(reader, field)?.ok_or(Fault::Null { field })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        Self::write_nullable(Some(self), writer);
    }

    fn read_nullable(reader: &mut Reader, field: &'static str) -> Result<Option<Self>, Fault> {
        match reader.length(field)? {
            None => Ok(None),
            Some(bytes) => reader.take(field, bytes).map(Some),
        }
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer<'_>) {
        writer.put_length(value.map(Self::len));
        if let Some(bytes) = value {
            writer.put_slice(bytes);
        }
    }
}

/// Record batches on their way out: slices, one behind the other, written where they lie.
///
/// What is read comes as one slice, a view of the read buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    slices: Vec<Bytes>,
}

impl Records {
    pub fn push(&mut self, slice: Bytes) {
        if !slice.is_empty() {
            self.slices.push(slice);
        }
    }

    pub fn slices(&self) -> &[Bytes] {
        &self.slices
    }

    /// The bytes of all slices.
    pub fn bytes(&self) -> usize {
        self.slices.iter().map(Bytes::len).sum()
    }
}

impl FromIterator<Bytes> for Records {
    fn from_iter<I: IntoIterator<Item = Bytes>>(slices: I) -> Self {
        Self { slices: slices.into_iter().filter(|slice| !slice.is_empty()).collect() }
    }
}

impl Wire for Records {
    fn bytes_min(form: Form) -> usize {
        Bytes::bytes_min(form)
    }

    fn read(reader: &mut Reader, field: &'static str) -> Result<Self, Fault> {
        Self::read_nullable(reader, field)?.ok_or(Fault::Null { field })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        Self::write_nullable(Some(self), writer);
    }

    fn read_nullable(reader: &mut Reader, field: &'static str) -> Result<Option<Self>, Fault> {
        Ok(Bytes::read_nullable(reader, field)?.map(|slice| Self::from_iter([slice])))
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer<'_>) {
        writer.put_length(value.map(Self::bytes));
        for slice in value.map(Self::slices).unwrap_or_default() {
            writer.insert(slice.clone());
        }
    }
}
