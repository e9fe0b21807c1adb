//! What the tests of all messages share: a value of any message in any version, and how to tell it.

mod frames;
mod golden;
mod messages;
mod refusals;

use bytes::Bytes;

use super::wire::Form;
use super::{Api, ErrorCode, Records, Text, UnknownTags, Uuid};

/// A value as JSON, with Kafka's names and with bytes in hexadecimal.
pub(super) type Told = serde_json::Value;

/// A type of which any value of a version can be made, and which can be told as JSON.
pub(super) trait Sampled: Sized {
    /// A value whose every field is one that the version can carry.
    fn sample(choices: &mut Choices, form: Form) -> Self;

    fn told(&self, form: Form) -> Told;
}

/// The same for a message of any API.
pub(super) trait SampledMessage: Sized {
    fn sample(api: Api, form: Form, seed: u64) -> Self;

    fn told(&self, form: Form) -> Told;
}

/// Numbers that follow from a seed.
#[derive(Debug)]
pub(super) struct Choices {
    state: u64,
    /// How deep in arrays the value is: the deeper, the fewer elements.
    depth: u32,
}

impl Choices {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Few bytes mostly; at times as many as make a length of two bytes.
    fn bytes(&mut self) -> Bytes {
        let length = if self.below(16) == 0 { 200 } else { self.below(6) };
        (0..length).map(|_| self.next() as u8).collect()
    }
}

pub(super) fn sample<T: Sampled>(seed: u64, form: Form) -> T {
    T::sample(&mut Choices { state: seed, depth: 0 }, form)
}

/// A structure told by its fields.
pub(super) fn structure(fields: &[(&str, Told)]) -> Told {
    fields.iter().map(|(name, value)| (camel_case(name), value.clone())).collect()
}

/// `topic_data` as `topicData`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(1);
        name + &initial.to_uppercase() + rest
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

macro_rules! sampled_numbers {
    ($($number:ident)+) => {$(
        impl Sampled for $number {
            fn sample(choices: &mut Choices, _: Form) -> Self {
                let number = choices.next() as Self;
                if choices.below(2) == 0 { number } else { number % 100 }
            }

            fn told(&self, _: Form) -> Told {
                (*self).into()
            }
        }
    )+};
}

sampled_numbers!(i8 i16 i32 i64);

impl Sampled for bool {
    fn sample(choices: &mut Choices, _: Form) -> Self {
        choices.below(2) == 0
    }

    fn told(&self, _: Form) -> Told {
        (*self).into()
    }
}

impl Sampled for ErrorCode {
    fn sample(choices: &mut Choices, _: Form) -> Self {
        Self::from_number(choices.below(140) as i16)
    }

    fn told(&self, _: Form) -> Told {
        self.number().into()
    }
}

impl Sampled for Uuid {
    fn sample(choices: &mut Choices, _: Form) -> Self {
        Self::from_bytes(std::array::from_fn(|_| choices.next() as u8))
    }

    fn told(&self, _: Form) -> Told {
        hex(self.as_bytes()).into()
    }
}

impl Sampled for Text {
    fn sample(choices: &mut Choices, _: Form) -> Self {
        let length = if choices.below(16) == 0 { 90 } else { choices.below(5) };
        let texts = ["a", "Z", ".", "é", "語", "\u{1f980}"];
        let text: String =
            (0..length).map(|_| texts[choices.below(texts.len() as u64) as usize]).collect();
        text.into()
    }

    fn told(&self, _: Form) -> Told {
        self.as_str().into()
    }
}

impl Sampled for Bytes {
    fn sample(choices: &mut Choices, _: Form) -> Self {
        choices.bytes()
    }

    fn told(&self, _: Form) -> Told {
        hex(self).into()
    }
}

impl Sampled for Records {
    fn sample(choices: &mut Choices, _: Form) -> Self {
        Self::from_iter([choices.bytes()])
    }

    fn told(&self, _: Form) -> Told {
        hex(&self.slices().concat()).into()
    }
}

impl<T: Sampled> Sampled for Option<T> {
    fn sample(choices: &mut Choices, form: Form) -> Self {
        (choices.below(3) != 0).then(|| T::sample(choices, form))
    }

    fn told(&self, form: Form) -> Told {
        self.as_ref().map_or(Told::Null, |value| value.told(form))
    }
}

impl<T: Sampled> Sampled for Vec<T> {
    fn sample(choices: &mut Choices, form: Form) -> Self {
        choices.depth += 1;
        let count = choices.below(4_u64.saturating_sub(u64::from(choices.depth) / 2).max(2));
        let elements = (0..count).map(|_| T::sample(choices, form)).collect();
        choices.depth -= 1;
        elements
    }

    fn told(&self, form: Form) -> Told {
        self.iter().map(|element| element.told(form)).collect()
    }
}

impl Sampled for UnknownTags {
    /// Tags that no message has, where the version has any.
    fn sample(choices: &mut Choices, form: Form) -> Self {
        let mut tags = Self::default();
        if form.flexible && choices.below(4) == 0 {
            tags.push(100 + choices.below(100) as u32, choices.bytes());
            tags.push(200 + choices.below(100_000) as u32, choices.bytes());
        }
        tags
    }

    fn told(&self, _: Form) -> Told {
        Told::Null
    }
}
