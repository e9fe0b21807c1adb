//! What clients are told of a thousand topics.

use weir_compat::broker::Broker;
use weir_compat::family::Family;
use weir_compat::topic;

#[test]
fn every_family_lists_a_thousand_topics_of_one_metadata_answer() {
    let broker = Broker::start();
    let topics: Vec<String> = (0..1000).map(|number| format!("topic-{number:04}")).collect();
    topic::create(broker.kafka(), &topics, 1);
    for family in Family::installed() {
        assert_eq!(family.topics(broker.kafka()), topics, "{family}");
    }
}
