//! Topics and settings administered as Kafka's tools do.

use weir_protocol::kafka::api::describe_configs::source;
use weir_protocol::kafka::api::{
    create_partitions, create_topics, delete_records, delete_topics, describe_cluster,
    describe_configs, describe_log_dirs, describe_topic_partitions, find_coordinator,
    incremental_alter_configs, resource,
};
use weir_protocol::kafka::{ErrorCode, Request, Response, Uuid};
use weir_tests::TestBroker;
use weir_tests::kafka::KafkaWire;
use weir_tests::wire::{Wire, batch};

/// The answer to a request, of the variant that it has.
macro_rules! ask {
    ($kafka:expr, $version:literal, $api:ident, $request:expr) => {
        match $kafka.ask($version, Request::$api($request)).await {
            Response::$api(response) => response,
            other => panic!("it is answered by itself, not {other:?}"),
        }
    };
}

fn topic(name: &str, partitions: i32, configs: &[(&str, &str)]) -> create_topics::NewTopic {
    let config = |(name, value): &(&str, &str)| create_topics::NewConfig {
        name: (*name).into(),
        value: Some((*value).into()),
        ..Default::default()
    };
    create_topics::NewTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: -1,
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    }
}

fn create(topics: Vec<create_topics::NewTopic>) -> create_topics::Request {
    create_topics::Request { topics, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_made_with_what_is_wanted_and_refused_with_the_reason() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let wanted = [("retention.ms", "60000"), ("max.message.bytes", "2000")];
    let mut validated = create(vec![topic("flights", 3, &wanted)]);
    validated.validate_only = true;
    for request in [validated, create(vec![topic("flights", 3, &wanted)])] {
        let told = ask!(kafka, 7, CreateTopics, request).topics.remove(0);
        assert_eq!((told.error_code, told.num_partitions), (ErrorCode::None, 3));
        assert_eq!(told.replication_factor, 1);
        let configs = told.configs.unwrap();
        let retention = configs.iter().find(|config| config.name == "retention.ms").unwrap();
        assert_eq!(retention.value, Some("60000".into()));
    }
    let mut replicated = topic("b", 1, &[]);
    replicated.replication_factor = 3;
    let mut assigned = topic("b", -1, &[]);
    assigned.assignments = vec![create_topics::Assignment::default()];
    for (asked, expected) in [
        (topic("flights", 1, &[]), ErrorCode::TopicAlreadyExists),
        (topic("a/b", 1, &[]), ErrorCode::InvalidTopicException),
        (topic("b", 0, &[]), ErrorCode::InvalidPartitions),
        (topic("b", 1, &[("cleanup.policy", "compact")]), ErrorCode::InvalidConfig),
        (topic("b", 1, &[("nonsense", "1")]), ErrorCode::InvalidConfig),
        (replicated, ErrorCode::InvalidReplicationFactor),
        (assigned, ErrorCode::InvalidReplicaAssignment),
    ] {
        let told = ask!(kafka, 7, CreateTopics, create(vec![asked])).topics.remove(0);
        assert_eq!(told.error_code, expected, "{:?}", told.error_message);
        assert!(told.error_message.is_some_and(|why| 10 < why.as_str().len()));
    }
    let (mut native, _) = Wire::greeted(broker.native()).await;
    let topics = native.topics().await;
    assert_eq!(topics.len(), 1);
    assert_eq!((topics[0].settings.retention_ms, topics[0].partitions.len()), (60_000, 3));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_added_and_work_at_once() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    ask!(kafka, 7, CreateTopics, create(vec![topic("flights", 2, &[])]));
    for (count, validate_only, expected) in [
        (4, true, ErrorCode::None),
        (2, false, ErrorCode::InvalidPartitions),
        (4, false, ErrorCode::None),
        (4, false, ErrorCode::InvalidPartitions),
        (-1, false, ErrorCode::InvalidPartitions),
    ] {
        let topic =
            create_partitions::Topic { name: "flights".into(), count, ..Default::default() };
        let topics = vec![topic];
        let request = create_partitions::Request { topics, validate_only, ..Default::default() };
        let told = ask!(kafka, 3, CreatePartitions, request).results.remove(0);
        assert_eq!(told.error_code, expected, "{count}: {:?}", told.error_message);
    }
    let (mut native, _) = Wire::greeted(broker.native()).await;
    let flights = native.topics().await.remove(0);
    for partition in 0..4 {
        assert_eq!(native.produce(&flights, partition, batch(&[b"a"])).await, Ok(0));
    }
    let request =
        describe_topic_partitions::Request { response_partition_limit: 3, ..Default::default() };
    let first = ask!(kafka, 0, DescribeTopicPartitions, request.clone());
    assert_eq!(first.topics[0].partitions.len(), 3);
    let rest = describe_topic_partitions::Request { cursor: first.next_cursor, ..request };
    let rest = ask!(kafka, 0, DescribeTopicPartitions, rest);
    assert_eq!((rest.topics[0].partitions.len(), rest.next_cursor), (1, None));
    assert_eq!(rest.topics[0].partitions[0].partition_index, 3);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_listed_and_altered_one_by_one() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    ask!(kafka, 7, CreateTopics, create(vec![topic("flights", 1, &[])]));
    assert_eq!(setting(&mut kafka, "retention.ms").await, ("-1".to_owned(), source::DEFAULT));
    assert_eq!(setting(&mut kafka, "cleanup.policy").await.0, "delete");
    for (operation, name, value, expected) in [
        (0, "retention.ms", Some("1000"), ErrorCode::None),
        (0, "min.insync.replicas", Some("2"), ErrorCode::InvalidConfig),
        (2, "cleanup.policy", Some("compact"), ErrorCode::InvalidConfig),
        (0, "retention.ms", None, ErrorCode::InvalidConfig),
    ] {
        assert_eq!(alter(&mut kafka, operation, name, value).await, expected, "{name} {value:?}");
        assert_eq!(setting(&mut kafka, "retention.ms").await.0, "1000");
    }
    assert_eq!(setting(&mut kafka, "retention.ms").await.1, source::TOPIC);
    assert_eq!(alter(&mut kafka, 1, "retention.ms", None).await, ErrorCode::None);
    assert_eq!(setting(&mut kafka, "retention.ms").await, ("-1".to_owned(), source::DEFAULT));
    let small = alter(&mut kafka, 0, "max.message.bytes", Some("1024")).await;
    assert_eq!(small, ErrorCode::None);
    let refused = kafka.produce("flights", batch(&[&[0; 2000]])).await;
    assert_eq!(refused, Err(ErrorCode::MessageTooLarge), "the setting holds at once");
    broker.stop().await;
}

async fn setting(kafka: &mut KafkaWire, name: &str) -> (String, i8) {
    let asked = describe_configs::Resource {
        resource_type: resource::TOPIC,
        resource_name: "flights".into(),
        configuration_keys: Some(vec![name.into()]),
        ..Default::default()
    };
    let request = describe_configs::Request { resources: vec![asked], ..Default::default() };
    let described = ask!(kafka, 4, DescribeConfigs, request).results.remove(0);
    assert_eq!((described.error_code, described.configs.len()), (ErrorCode::None, 1));
    let config = &described.configs[0];
    (config.value.as_ref().unwrap().to_string(), config.config_source)
}

async fn alter(
    kafka: &mut KafkaWire,
    config_operation: i8,
    name: &str,
    value: Option<&str>,
) -> ErrorCode {
    let config = incremental_alter_configs::Config {
        name: name.into(),
        config_operation,
        value: value.map(Into::into),
        ..Default::default()
    };
    let asked = incremental_alter_configs::Resource {
        resource_type: resource::TOPIC,
        resource_name: "flights".into(),
        configs: vec![config],
        ..Default::default()
    };
    let request =
        incremental_alter_configs::Request { resources: vec![asked], ..Default::default() };
    ask!(kafka, 1, IncrementalAlterConfigs, request).responses[0].error_code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_and_topics_are_deleted_by_name_and_by_id() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    ask!(kafka, 7, CreateTopics, create(vec![topic("a", 1, &[]), topic("b", 1, &[])]));
    kafka.produce("a", batch(&[b"1", b"2", b"3"])).await.unwrap();
    for (offset, expected) in [
        (2, (2, ErrorCode::None)),
        (9, (-1, ErrorCode::OffsetOutOfRange)),
        (-1, (3, ErrorCode::None)),
    ] {
        let partition = delete_records::RequestPartition { offset, ..Default::default() };
        let topic = delete_records::RequestTopic {
            name: "a".into(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = delete_records::Request { topics: vec![topic], ..Default::default() };
        let told = &ask!(kafka, 2, DeleteRecords, request).topics[0].partitions[0];
        assert_eq!((told.low_watermark, told.error_code), expected);
    }
    assert_eq!(kafka.fetch("a", 0).await.error_code, ErrorCode::OffsetOutOfRange);
    let id = kafka.metadata(&["b"]).await.topics[0].topic_id;
    let by_name = delete_topics::Topic { name: Some("a".into()), ..Default::default() };
    let by_id = delete_topics::Topic { topic_id: id, ..Default::default() };
    let nobody = delete_topics::Topic { topic_id: Uuid::from_bytes([9; 16]), ..Default::default() };
    let topics = vec![by_name.clone(), by_id, nobody, by_name];
    let request = delete_topics::Request { topics, ..Default::default() };
    let told = ask!(kafka, 6, DeleteTopics, request).responses;
    let codes: Vec<_> = told.iter().map(|told| told.error_code).collect();
    let gone = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(codes, [ErrorCode::None, ErrorCode::None, ErrorCode::UnknownTopicId, gone]);
    let (mut native, _) = Wire::greeted(broker.native()).await;
    assert_eq!(native.topics().await, []);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_all_there_is_of_its_cluster() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    kafka.produce("flights", batch(&[b"1", b"2"])).await.unwrap();
    let port = i32::from(broker.kafka().port());
    let cluster = ask!(kafka, 2, DescribeCluster, describe_cluster::Request::default());
    assert_eq!((cluster.brokers.len(), cluster.brokers[0].port), (1, port));
    let mut asked = find_coordinator::Request { key: "group".into(), ..Default::default() };
    let found = ask!(kafka, 2, FindCoordinator, asked.clone());
    assert_eq!((found.error_code, found.port), (ErrorCode::None, port));
    asked.key_type = find_coordinator::SHARE;
    let refused = ask!(kafka, 2, FindCoordinator, asked);
    assert_eq!(refused.error_code, ErrorCode::InvalidRequest);
    let sizes = ask!(kafka, 4, DescribeLogDirs, describe_log_dirs::Request::default());
    let size = sizes.results[0].topics[0].partitions[0].partition_size;
    assert_eq!(size, batch(&[b"1", b"2"]).len() as i64);
    broker.stop().await;
}
