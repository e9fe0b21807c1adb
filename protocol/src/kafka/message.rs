//! The macro that declares messages: each field once, with its type and the versions that have it.
//!
//! ```text
//! message! {
//!     /// What the structure is for.
//!     pub struct RequestTopic {
//!         name: Text = 0..=12;                           // in versions 0 to 12 alone
//!         topic_id: Uuid = 13..;                         // from version 13 on
//!         metadata: Option<Text> = 0..;                  // may be null
//!         topics: Option<Vec<Text>> = 0.., null 2..;     // may be null from version 2 on
//!         leader_epoch: i32 = 6.., default -1;           // −1 where a version lacks it
//!         cluster_id: Option<Text> = 12.., tag 0;        // a tagged field, of flexible versions
//!     }
//! }
//! ```
//!
//! `null`, `tag` and `default` stand in this order. What the macro makes of a declaration:
//!
//! | what | for |
//! |---|---|
//! | `struct`, its fields public, `unknown_tags` behind them | who builds and reads messages |
//! | `Default` | the values of fields that a version lacks |
//! | `Wire` | reading and writing, in any version, alone or as an element of an array |
//! | `Sampled`, in tests | any value of a version, and a value as Kafka's own tools print it |
//!
//! A field that a version lacks is not written and reads as its default, so that adding a version
//! is a change of ranges alone. Null in a version that takes none is refused when it is read, and
//! written as the type's default. A tagged field is written unless it has its default.
//!
//! The names of fields are those of Kafka's own definitions, so that its documentation finds them.

macro_rules! message {
    ($(
        $(#[$doc:meta])*
        pub struct $name:ident {$(
            $(#[$field_doc:meta])*
            $field:ident: $ty:ty = $versions:expr
            $(, null $null:expr)? $(, tag $tag:literal)? $(, default $default:expr)?;
        )*}
    )+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $ty,)*
            /// Tagged fields that came and are unknown here; they are written as they came.
            pub unknown_tags: $crate::kafka::UnknownTags,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: message!(@default $($default)?),)*
                    unknown_tags: Default::default(),
                }
            }
        }

        impl $crate::kafka::wire::Wire for $name {
            fn bytes_min(form: $crate::kafka::wire::Form) -> usize {
                let mut bytes = usize::from(form.flexible);
                $(message!(@bytes_min bytes form ($ty) ($versions) ($($tag)?));)*
                bytes
            }

            fn read(
                reader: &mut $crate::kafka::reader::Reader,
                _: &'static str,
            ) -> Result<Self, $crate::kafka::Fault> {
                let form = reader.form();
                let mut message = Self::default();
                $(message!(@read message reader form $field ($versions) ($($null)?) ($($tag)?));)*
                message.unknown_tags = reader.tags(|_at, _in| {
                    $(message!(@read_tag message _in form _at $field ($versions) ($($tag)?));)*
                    Ok(false)
                })?;
                Ok(message)
            }

            #[allow(unused_mut, reason = "most structures have no tagged fields")]
            fn write(&self, writer: &mut $crate::kafka::writer::Writer<'_>) {
                let form = writer.form();
                $(message!(@write self writer form $field ($versions) ($($null)?) ($($tag)?));)*
                let mut tags = Vec::new();
                $(message!(
                    @write_tag tags self writer form $field
                    ($ty) ($versions) ($($default)?) ($($tag)?)
                );)*
                writer.put_tags(tags, &self.unknown_tags);
            }
        }

        #[cfg(test)]
        impl $crate::kafka::tests::Sampled for $name {
            fn sample(
                choices: &mut $crate::kafka::tests::Choices,
                form: $crate::kafka::wire::Form,
            ) -> Self {
                let mut message = Self::default();
                $(if ($versions).contains(&form.version) {
                    message.$field = $crate::kafka::tests::Sampled::sample(choices, form);
                    $(if !($null).contains(&form.version) {
                        message.$field.get_or_insert_default();
                    })?
                })*
                message.unknown_tags = $crate::kafka::tests::Sampled::sample(choices, form);
                message
            }

            fn told(&self, form: $crate::kafka::wire::Form) -> $crate::kafka::tests::Told {
                let mut fields = Vec::new();
                $(if ($versions).contains(&form.version) {
                    fields.push((stringify!($field), self.$field.told(form)));
                })*
                $crate::kafka::tests::structure(&fields)
            }
        }
    )+};

    (@default) => { Default::default() };
    (@default $default:expr) => { $default };

    (@bytes_min $bytes:ident $form:ident ($ty:ty) ($versions:expr) ()) => {
        if ($versions).contains(&$form.version) {
            $bytes += <$ty as $crate::kafka::wire::Wire>::bytes_min($form);
        }
    };
    (@bytes_min $bytes:ident $form:ident ($ty:ty) ($versions:expr) ($tag:literal)) => {};

    (@read $to:ident $reader:ident $form:ident $field:ident ($versions:expr) () ()) => {
        if ($versions).contains(&$form.version) {
            $to.$field = $crate::kafka::wire::Wire::read($reader, stringify!($field))?;
        }
    };
    (@read $to:ident $reader:ident $form:ident $field:ident ($versions:expr) ($null:expr) ()) => {
        if ($versions).contains(&$form.version) {
            $to.$field = if ($null).contains(&$form.version) {
                $crate::kafka::wire::Wire::read($reader, stringify!($field))?
            } else {
                Some($crate::kafka::wire::Wire::read($reader, stringify!($field))?)
            };
        }
    };
    (@read $to:ident $reader:ident $form:ident $field:ident
        ($versions:expr) ($($null:expr)?) ($tag:literal)) => {};

    (@read_tag $to:ident $reader:ident $form:ident $at:ident $field:ident
        ($versions:expr) ()) => {};
    (@read_tag $to:ident $reader:ident $form:ident $at:ident $field:ident
        ($versions:expr) ($tag:literal)) => {
        if $at == $tag && ($versions).contains(&$form.version) {
            $to.$field = $crate::kafka::wire::Wire::read($reader, stringify!($field))?;
            return Ok(true);
        }
    };

    (@write $from:ident $writer:ident $form:ident $field:ident ($versions:expr) () ()) => {
        if ($versions).contains(&$form.version) {
            $crate::kafka::wire::Wire::write(&$from.$field, $writer);
        }
    };
    (@write $from:ident $writer:ident $form:ident $field:ident
        ($versions:expr) ($null:expr) ()) => {
        if ($versions).contains(&$form.version) {
            if ($null).contains(&$form.version) {
                $crate::kafka::wire::Wire::write(&$from.$field, $writer);
            } else {
                $crate::kafka::wire::write_or_default($from.$field.as_ref(), $writer);
            }
        }
    };
    (@write $from:ident $writer:ident $form:ident $field:ident
        ($versions:expr) ($($null:expr)?) ($tag:literal)) => {};

    (@write_tag $to:ident $from:ident $writer:ident $form:ident $field:ident ($ty:ty)
        ($versions:expr) ($($default:expr)?) ()) => {};
    (@write_tag $to:ident $from:ident $writer:ident $form:ident $field:ident ($ty:ty)
        ($versions:expr) ($($default:expr)?) ($tag:literal)) => {{
        let default: $ty = message!(@default $($default)?);
        if ($versions).contains(&$form.version) && $from.$field != default {
            $to.push(($tag, $writer.apart(&$from.$field)));
        }
    }};
}
