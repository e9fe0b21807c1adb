//! Topics as Kafka clients find them.

use weir_protocol::kafka::api::metadata;
use weir_protocol::kafka::{ErrorCode, Response};
use weir_tests::kafka::KafkaWire;
use weir_tests::wire::Wire;
use weir_tests::{Place, TestBroker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_told_the_address_it_came_by_unless_another_is_advertised() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let told = kafka.metadata(&[]).await;
    assert_eq!(told.brokers[0].host, "127.0.0.1");
    assert_eq!(told.brokers[0].port, i32::from(broker.kafka().port()));
    assert_eq!(told.controller_id, told.brokers[0].node_id);
    let cluster = told.cluster_id.clone();
    let (place, _) = broker.stop().await;
    let settings = "[kafka]\nadvertised = 'broker.example.com:19092'";
    let broker = place.configured(settings).start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let told = kafka.metadata(&[]).await;
    assert_eq!(
        (told.brokers[0].host.as_str(), told.brokers[0].port),
        ("broker.example.com", 19092)
    );
    assert_eq!(told.cluster_id, cluster, "a cluster keeps its id");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_asked_about_is_made_once_with_an_id_that_stays() {
    let broker = Place::real().configured("[topics]\npartitions = 3").start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let made = kafka.metadata(&["flights", "a/b", "flights"]).await;
    assert_eq!(made.topics.len(), 2, "a topic is told once");
    let flights = &made.topics[0];
    assert_eq!((flights.error_code, flights.partitions.len()), (ErrorCode::None, 3));
    assert_eq!(made.topics[1].error_code, ErrorCode::InvalidTopicException);
    let (mut native, _) = Wire::greeted(broker.native()).await;
    let topics = native.topics().await;
    assert_eq!(topics.len(), 1);
    assert_eq!(flights.topic_id, topics[0].id.into());
    let by_id = metadata::RequestTopic { topic_id: topics[0].id.into(), ..Default::default() };
    let nobody = metadata::RequestTopic {
        topic_id: weir_protocol::kafka::Uuid::from_bytes([9; 16]),
        ..Default::default()
    };
    let topics = Some(vec![by_id, nobody]);
    let request = metadata::Request { topics, ..Default::default() };
    let Response::Metadata(told) = kafka.ask(12, request).await else { panic!("it is answered") };
    assert_eq!(told.topics[0].name, Some("flights".into()));
    assert_eq!(told.topics[1].error_code, ErrorCode::UnknownTopicId);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_topic_is_made_where_client_or_operator_does_not_want_it() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let topic = metadata::RequestTopic { name: Some("nowhere".into()), ..Default::default() };
    let request = metadata::Request {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    let Response::Metadata(told) = kafka.ask(4, request).await else { panic!("it is answered") };
    assert_eq!(told.topics[0].error_code, ErrorCode::UnknownTopicOrPartition);
    let (place, _) = broker.stop().await;
    let broker = place.configured("[kafka]\nauto_create_topics = false").start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let told = kafka.metadata(&["nowhere"]).await;
    assert_eq!(told.topics[0].error_code, ErrorCode::UnknownTopicOrPartition);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_topics_are_told_in_one_answer_however_many() {
    let broker = Place::crashing().start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let names: Vec<String> = (0..300).map(|number| format!("topic-{number:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    kafka.metadata(&names).await;
    for (version, topics) in [(0, Some(vec![])), (12, None)] {
        let request = metadata::Request { topics, ..Default::default() };
        let Response::Metadata(told) = kafka.ask(version, request).await else {
            panic!("it is answered");
        };
        let told: Vec<_> =
            told.topics.iter().map(|topic| topic.name.as_ref().unwrap().as_str()).collect();
        assert_eq!(told, names, "version {version}");
    }
    broker.stop().await;
}
