//! Every message in every version as Kafka's own client encodes it: `tests/golden/kafka/` at the
//! root has the bytes, and the value that they were made of.

#![allow(clippy::disallowed_methods, reason = "golden files are no business of a disk")]

use std::path::Path;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;

use super::{Sampled, SampledMessage, Told, hex};
use crate::kafka::consumer::{Assignment, Subscription, VERSION_MAX};
use crate::kafka::wire::Form;
use crate::kafka::writer::Writer;
use crate::kafka::{Api, Request, Response};

#[test]
fn every_version_is_read_and_written_as_kafka_does() {
    for api in Api::ALL {
        let cases = cases(*api);
        for version in api.served() {
            for message in ["request", "response"] {
                let case = cases
                    .iter()
                    .find(|case| case.version == version && case.message == message)
                    .unwrap_or_else(|| panic!("no golden {message} of {api} version {version}"));
                check(*api, case);
            }
        }
    }
}

#[test]
fn what_consumers_tell_each_other_is_read_and_written_as_kafka_does() {
    let cases = cases_of("consumer_protocol");
    assert_eq!(cases.len(), 2 * (usize::try_from(VERSION_MAX).unwrap() + 1));
    for case in cases {
        let form = Form { version: case.version, flexible: false };
        let sent = Bytes::from([&case.version.to_be_bytes()[..], &case.bytes()].concat());
        let (told, written) = match case.message.as_str() {
            "subscription" => {
                let read = Subscription::read(sent.clone()).unwrap();
                (read.told(form), read.to_bytes(case.version))
            }
            _ => {
                let read = Assignment::read(sent.clone()).unwrap();
                (read.told(form), read.to_bytes(case.version))
            }
        };
        assert_eq!((told, written), (case.value, sent));
    }
}

fn check(api: Api, case: &Case) {
    let Case { message, version, .. } = case;
    let form = api.form(*version);
    let (told, written) = match message.as_str() {
        "request" => {
            let request = Request::read(api, *version, case.bytes())
                .unwrap_or_else(|fault| panic!("a request of {api} version {version}: {fault}"));
            (request.told(form), bytes_of(form, |to| request.write(to)))
        }
        _ => {
            let response = Response::read(api, *version, case.bytes())
                .unwrap_or_else(|fault| panic!("a response of {api} version {version}: {fault}"));
            (response.told(form), bytes_of(form, |to| response.write(to)))
        }
    };
    assert_eq!(told, case.value, "a {message} of {api} version {version}");
    assert_eq!(hex(&written), case.hex, "a {message} of {api} version {version}");
}

fn bytes_of(form: Form, write: impl FnOnce(&mut Writer<'_>)) -> Bytes {
    let mut own = BytesMut::new();
    let mut writer = Writer::new(&mut own, form);
    writer.put_i32(0);
    write(&mut writer);
    writer.finish().to_bytes().slice(4..)
}

#[derive(Deserialize)]
struct Case {
    message: String,
    version: i16,
    hex: String,
    value: Told,
}

impl Case {
    fn bytes(&self) -> Bytes {
        let digit = |digit: u8| char::from(digit).to_digit(16).expect("a digit") as u8;
        self.hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }
}

fn cases(api: Api) -> Vec<Case> {
    let mut file = String::new();
    for letter in api.name().chars() {
        if letter.is_uppercase() && !file.is_empty() {
            file.push('_');
        }
        file.extend(letter.to_lowercase());
    }
    cases_of(&file)
}

fn cases_of(file: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/kafka");
    let text = std::fs::read_to_string(folder.join(format!("{file}.json"))).expect("a golden file");
    serde_json::from_str(&text).expect("a golden file's form")
}
