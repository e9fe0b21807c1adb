//! The family librdkafka: the verbs that each family has, see `tests/compat/src/family.rs`, and
//! what `tests/compat/figures.py` measures with.

mod consume;
mod perf;
mod produce;

use std::env;

use rdkafka::ClientConfig;
use weir_compat::topic;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["produce", address, mode, ref targets @ ..] => produce::produce(address, mode, targets),
        ["consume", address, ref topics @ ..] => consume::consume(address, topics),
        ["topics", address] => consume::topics(address),
        ["stream", address, topic] => produce::stream(address, topic),
        ["group", address, group, topic] => consume::group(address, group, topic),
        ["perf-produce", address, topic, acks, count, bytes, rate] => {
            let numbers = [count, bytes, rate].map(|number| number.parse().unwrap());
            perf::produce(address, topic, acks, numbers);
        }
        ["perf-fetch", address, topic] => perf::fetch(address, topic),
        ["perf-topic", address, topic, partitions, ref settings @ ..] => {
            let settings: Vec<(&str, &str)> =
                settings.iter().filter_map(|setting| setting.split_once('=')).collect();
            let address = address.parse().unwrap();
            topic::create_with(address, topic, partitions.parse().unwrap(), &settings);
        }
        _ => panic!("no such verb: {arguments:?}"),
    }
}

fn config(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config
}
