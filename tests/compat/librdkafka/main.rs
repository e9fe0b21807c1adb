//! The family librdkafka: the verbs that each family has, see `tests/compat/src/family.rs`.

mod consume;
mod produce;

use std::env;

use rdkafka::ClientConfig;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["produce", address, mode, ref targets @ ..] => produce::produce(address, mode, targets),
        ["consume", address, ref topics @ ..] => consume::consume(address, topics),
        ["topics", address] => consume::topics(address),
        ["stream", address, topic] => produce::stream(address, topic),
        ["group", address, group, topic] => consume::group(address, group, topic),
        _ => panic!("no such verb: {arguments:?}"),
    }
}

fn config(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config
}
