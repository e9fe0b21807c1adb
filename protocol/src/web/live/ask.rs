//! What a client says.
//!
//! Messages come from anybody: each is bounded before it comes here, nothing is read twice, and
//! what a message says beyond what its type has is refused.
//!
//! Invariant: a refusal names the subscription or the request it is about, if the message does;
//! what cannot be said to be about anything ends the connection.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::code::Code;
use crate::limits::LIVE_CREDIT_MAX;

/// A message of a client's.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Ask<'a> {
    Subscribe(Subscribe),
    /// The subscription ends; its number is free once `unsubscribed` has come.
    Unsubscribe {
        sub: u32,
    },
    /// Records may come until `seen + credit` have. Set, never added: twice is once.
    Credit {
        sub: u32,
        /// Records that came so far and were taken.
        seen: u64,
        credit: u64,
    },
    Publish(Publish<'a>),
    /// Asks for a `pong`.
    Ping {
        id: u64,
    },
}

/// Follows a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Subscribe {
    /// The client's number for it.
    pub sub: u32,
    pub topic: String,
    /// Which records, by their keys; all, if empty.
    #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matching: Vec<String>,
    /// Where to begin, as HTTP's `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Where to go on; it goes before `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bookmark: Option<String>,
    /// Records that may come before the client says more.
    pub credit: u64,
    #[serde(skip_serializing_if = "Form::is_json")]
    pub form: Form,
}

/// In which form records come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Text messages, the value in the record's JSON.
    #[default]
    Json,
    /// Binary messages, the value's bytes behind the record's JSON.
    Binary,
}

/// Publishes records of one topic.
#[derive(Clone, Debug, Serialize)]
pub struct Publish<'a> {
    /// The client's number for it, in the answer too.
    pub id: u64,
    pub topic: String,
    /// A list of records, as `POST records` has them.
    pub records: &'a RawValue,
}

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub sub: Option<u32>,
    pub id: Option<u64>,
    pub code: Code,
    pub detail: String,
}

impl Form {
    const fn is_json(&self) -> bool {
        matches!(self, Self::Json)
    }
}

impl<'a> Ask<'a> {
    /// The message that `text` is.
    ///
    /// # Errors
    /// It is none; the refusal says of what it was to be, and the sender is told.
    pub fn parse(text: &'a str) -> Result<Self, Refused> {
        let said: Said<'_> = serde_json::from_str(text).map_err(|error| about(text, &error))?;
        let (sub, id) = (said.sub, said.id);
        let refused = |refusal: Refusal| refusal.about(sub, id);
        match &*said.kind {
            "subscribe" => said.subscribe().map(Self::Subscribe).map_err(refused),
            "unsubscribe" => said.unsubscribe().map_err(refused),
            "credit" => said.credit().map_err(refused),
            "publish" => said.publish().map(Self::Publish).map_err(refused),
            "ping" => said.ping().map_err(refused),
            other => {
                let kind: String = other.chars().take(KIND_CHARS_SAID).collect();
                Err(refused(Refusal::malformed(format!("there is no message of type '{kind}'"))))
            }
        }
    }

    /// Writes the message's JSON behind what `target` has.
    pub fn push_to(&self, target: &mut Vec<u8>) {
        serde_json::to_writer(target, self).expect("a vector takes what is written to it");
    }
}

/// All that any message may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said<'a> {
    #[serde(rename = "type")]
    kind: String,
    sub: Option<u32>,
    id: Option<u64>,
    topic: Option<String>,
    #[serde(rename = "match")]
    matching: Option<Vec<String>>,
    from: Option<String>,
    bookmark: Option<String>,
    seen: Option<u64>,
    credit: Option<u64>,
    form: Option<Form>,
    #[serde(borrow)]
    records: Option<&'a RawValue>,
}

/// What any message is about, whatever else is wrong with it.
#[derive(Debug, Deserialize)]
struct About {
    sub: Option<u32>,
    id: Option<u64>,
}

impl<'a> Said<'a> {
    fn subscribe(mut self) -> Result<Subscribe, Refusal> {
        let subscribe = Subscribe {
            sub: required("sub", self.sub.take())?,
            topic: required("topic", self.topic.take())?,
            matching: self.matching.take().unwrap_or_default(),
            from: self.from.take(),
            bookmark: self.bookmark.take(),
            credit: granted(required("credit", self.credit.take())?)?,
            form: self.form.take().unwrap_or_default(),
        };
        self.is_used_up().map(|()| subscribe)
    }

    fn unsubscribe(mut self) -> Result<Ask<'a>, Refusal> {
        let ask = Ask::Unsubscribe { sub: required("sub", self.sub.take())? };
        self.is_used_up().map(|()| ask)
    }

    fn credit(mut self) -> Result<Ask<'a>, Refusal> {
        let ask = Ask::Credit {
            sub: required("sub", self.sub.take())?,
            seen: required("seen", self.seen.take())?,
            credit: granted(required("credit", self.credit.take())?)?,
        };
        self.is_used_up().map(|()| ask)
    }

    fn publish(mut self) -> Result<Publish<'a>, Refusal> {
        let publish = Publish {
            id: required("id", self.id.take())?,
            topic: required("topic", self.topic.take())?,
            records: required("records", self.records.take())?,
        };
        self.is_used_up().map(|()| publish)
    }

    fn ping(mut self) -> Result<Ask<'a>, Refusal> {
        let ask = Ask::Ping { id: required("id", self.id.take())? };
        self.is_used_up().map(|()| ask)
    }

    /// What its type has not was not said.
    fn is_used_up(&self) -> Result<(), Refusal> {
        let Self { kind, sub, id, topic, matching, from, bookmark, seen, credit, form, records } =
            self;
        let said = [
            ("sub", sub.is_some()),
            ("id", id.is_some()),
            ("topic", topic.is_some()),
            ("match", matching.is_some()),
            ("from", from.is_some()),
            ("bookmark", bookmark.is_some()),
            ("seen", seen.is_some()),
            ("credit", credit.is_some()),
            ("form", form.is_some()),
            ("records", records.is_some()),
        ];
        match said.iter().find(|(_, is_left)| *is_left) {
            Some((name, _)) => {
                Err(Refusal::malformed(format!("a message of type '{kind}' has no '{name}'")))
            }
            None => Ok(()),
        }
    }
}

fn required<T>(name: &str, said: Option<T>) -> Result<T, Refusal> {
    said.ok_or_else(|| Refusal::malformed(format!("the message lacks '{name}'")))
}

fn granted(credit: u64) -> Result<u64, Refusal> {
    if credit <= LIVE_CREDIT_MAX {
        return Ok(credit);
    }
    let detail =
        format!("a credit of {credit} is more than {LIVE_CREDIT_MAX}: grant less, oftener");
    Err(Refusal { code: Code::CreditOverflow, detail })
}

/// Why a message is not taken, whatever it is about.
#[derive(Debug)]
struct Refusal {
    code: Code,
    detail: String,
}

impl Refusal {
    fn malformed(detail: String) -> Self {
        Self { code: Code::MalformedRequest, detail }
    }

    fn about(self, sub: Option<u32>, id: Option<u64>) -> Refused {
        Refused { sub, id, code: self.code, detail: self.detail }
    }
}

/// The refusal of a text that is no message, or one that says what none does.
fn about(text: &str, error: &serde_json::Error) -> Refused {
    let detail = format!("the message is not what docs/live.md has: {error}");
    let refusal = Refusal::malformed(detail);
    match serde_json::from_str::<About>(text) {
        Ok(About { sub, id }) => refusal.about(sub, id),
        Err(_) => refusal.about(None, None),
    }
}

/// So much of a type that nobody knows is said back.
const KIND_CHARS_SAID: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (Option<u32>, Option<u64>, Code, String) {
        let Refused { sub, id, code, detail } = Ask::parse(text).unwrap_err();
        (sub, id, code, detail)
    }

    #[test]
    fn what_is_said_reads_back() {
        let subscribe = Subscribe {
            sub: 7,
            topic: "orders".to_owned(),
            matching: vec!["a.*".to_owned()],
            credit: 5,
            form: Form::Binary,
            ..Subscribe::default()
        };
        let records = serde_json::value::to_raw_value(&[1, 2]).unwrap();
        let publish = Publish { id: 3, topic: "a\u{1}".to_owned(), records: &records };
        for ask in [
            Ask::Subscribe(subscribe),
            Ask::Unsubscribe { sub: 1 },
            Ask::Credit { sub: 1, seen: u64::MAX, credit: LIVE_CREDIT_MAX },
            Ask::Publish(publish),
            Ask::Ping { id: 0 },
        ] {
            let (mut said, mut again) = (Vec::new(), Vec::new());
            ask.push_to(&mut said);
            let text = std::str::from_utf8(&said).unwrap();
            Ask::parse(text).unwrap().push_to(&mut again);
            assert_eq!(text, std::str::from_utf8(&again).unwrap());
        }
    }

    #[test]
    fn a_refusal_says_what_it_is_about() {
        for (text, sub, id, says) in [
            (r#"{"type":"credit","sub":4,"seen":1}"#, Some(4), None, "lacks 'credit'"),
            (r#"{"type":"publish","id":9,"topic":"t"}"#, None, Some(9), "lacks 'records'"),
            (r#"{"type":"ping","id":9,"sub":4}"#, Some(4), Some(9), "has no 'sub'"),
            (r#"{"type":"fly","sub":4}"#, Some(4), None, "no message of type 'fly'"),
            (r#"{"type":"ping","id":9,"colour":1}"#, None, Some(9), "unknown field `colour`"),
            (r#"{"type":"subscribe","sub":4,"topic":1}"#, Some(4), None, "expected a string"),
            (r#"{"type":"ping","id":-1}"#, None, None, "expected u64"),
            (r#"{"sub":4}"#, Some(4), None, "missing field `type`"),
            ("[]", None, None, "is not what"),
            ("", None, None, "EOF"),
        ] {
            let (said_sub, said_id, code, detail) = refused(text);
            assert_eq!((said_sub, said_id, code), (sub, id, Code::MalformedRequest), "{text}");
            assert!(detail.contains(says), "{text}: {detail}");
        }
    }

    #[test]
    fn endless_credit_is_not_taken() {
        let text = format!(r#"{{"type":"credit","sub":4,"seen":0,"credit":{}}}"#, u64::MAX);
        assert_eq!(refused(&text).2, Code::CreditOverflow);
    }

    #[test]
    fn a_long_type_is_not_said_back_whole() {
        let text = format!(r#"{{"type":"{}"}}"#, "é".repeat(100_000));
        assert!(refused(&text).3.len() < 200);
    }
}
