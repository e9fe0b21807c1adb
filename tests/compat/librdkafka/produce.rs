//! What sends.

use std::io::{self, BufRead};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::util::Timeout;
use weir_compat::record::{Blob, Record};

use crate::config;

/// Sends each line of the input, a record, to every target, `TOPIC=CODEC`.
pub(crate) fn produce(address: &str, mode: &str, targets: &[&str]) {
    let lines = io::stdin().lock().lines();
    let records: Vec<Record> = lines.map(|line| Record::parse(&line.unwrap())).collect();
    for target in targets {
        let (topic, codec) = target.split_once('=').expect("a target is TOPIC=CODEC");
        let producer: ThreadedProducer<Deliveries> = config(address)
            .set("compression.type", codec)
            .set("linger.ms", "20")
            .set("message.max.bytes", "2000000")
            .set("enable.idempotence", if mode == "idempotent" { "true" } else { "false" })
            .set(
                "acks",
                match mode {
                    "none" => "0",
                    "leader" => "1",
                    _ => "all",
                },
            )
            .create_with_context(Deliveries { says: false })
            .unwrap();
        for record in &records {
            send(&producer, topic, record);
        }
        producer.flush(PATIENCE).unwrap();
        println!("produced {topic} {}", records.len());
    }
}

fn send(producer: &ThreadedProducer<Deliveries>, topic: &str, record: &Record) {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &record.headers {
        let value = value.as_ref().map(|Blob(value)| value);
        headers = headers.insert(Header { key, value });
    }
    let mut message = BaseRecord::<[u8], [u8]>::to(topic)
        .partition(record.partition)
        .timestamp(record.timestamp)
        .headers(headers);
    message.key = record.key.as_ref().map(|Blob(key)| &key[..]);
    message.payload = record.value.as_ref().map(|Blob(value)| &value[..]);
    producer.send(message).map_err(|(error, _)| error).unwrap();
}

/// Sends each line of the input at once, idempotently, and says when it is acknowledged.
pub(crate) fn stream(address: &str, topic: &str) {
    let producer: ThreadedProducer<Deliveries> = config(address)
        .set("enable.idempotence", "true")
        .create_with_context(Deliveries { says: true })
        .unwrap();
    for line in io::stdin().lock().lines() {
        let message = BaseRecord::<(), str>::to(topic);
        producer.send(message.payload(&line.unwrap())).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// What is done as each record is delivered: the program ends where one is not.
struct Deliveries {
    says: bool,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Err((error, _)) => {
                eprintln!("not delivered: {error}");
                std::process::exit(1);
            }
            Ok(message) if self.says => {
                let value = message.payload().unwrap_or_default();
                println!("acknowledged {}", String::from_utf8_lossy(value));
            }
            Ok(_) => {}
        }
    }
}

const PATIENCE: Timeout = Timeout::After(Duration::from_secs(90));
