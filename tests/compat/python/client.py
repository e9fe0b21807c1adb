"""The family kafka-python: the verbs that each family has, see tests/compat/src/family.rs."""

import base64
import json
import sys
import threading

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import CommitFailedError, RebalanceInProgressError


def produce(address, mode, *targets):
    """Sends each line of the input, a record, to every target, `TOPIC=CODEC`."""
    records = [json.loads(line) for line in sys.stdin]
    acks = {"none": 0, "leader": 1, "all": "all", "idempotent": "all"}[mode]
    for target in targets:
        topic, codec = target.split("=")
        producer = KafkaProducer(
            bootstrap_servers=address,
            acks=acks,
            enable_idempotence=mode == "idempotent",
            compression_type=None if codec == "none" else codec,
            linger_ms=20,
            max_request_size=2_000_000,
        )
        sent = [
            producer.send(
                topic,
                partition=record["partition"],
                timestamp_ms=record["timestamp"],
                key=decoded(record["key"]),
                value=decoded(record["value"]),
                headers=[(name, decoded(value)) for name, value in record["headers"]],
            )
            for record in records
        ]
        producer.flush()
        for future in sent:
            future.get(60)
        producer.close()
        say("produced", topic, len(sent))


def consume(address, *topics):
    """Prints all records of the topics, from their beginning to the end they have now."""
    consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    partitions = [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in consumer.partitions_for_topic(topic)
    ]
    ends = consumer.end_offsets(partitions)
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for records in consumer.poll(500).values():
            for record in records:
                say(json.dumps({
                    "topic": record.topic,
                    "partition": record.partition,
                    "offset": record.offset,
                    "timestamp": record.timestamp,
                    "key": encoded(record.key),
                    "value": encoded(record.value),
                    "headers": [[name, encoded(value)] for name, value in record.headers],
                }))
    consumer.close()


def topics(address):
    """Prints the names of all topics."""
    consumer = KafkaConsumer(bootstrap_servers=address)
    for name in consumer.topics():
        say(name)
    consumer.close()


def stream(address, topic):
    """Sends each line of the input at once, idempotently, and says when it is acknowledged."""
    producer = KafkaProducer(
        bootstrap_servers=address, acks="all", enable_idempotence=True, delivery_timeout_ms=90_000
    )
    failures = []
    for line in sys.stdin:
        value = line.rstrip("\n")
        future = producer.send(topic, value=value.encode())
        future.add_callback(lambda _, value=value: say("acknowledged", value))
        future.add_errback(failures.append)
    producer.flush()
    producer.close()
    if failures:
        raise failures[0]


class Assignment(ConsumerRebalanceListener):
    def on_partitions_revoked(self, revoked):
        pass

    def on_partitions_assigned(self, assigned):
        say("assigned", *sorted(partition.partition for partition in assigned))


def group(address, name, topic):
    """Reads as a member of a group until the input ends; says what it has read and committed."""
    consumer = KafkaConsumer(
        bootstrap_servers=address,
        group_id=name,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=6000,
        heartbeat_interval_ms=300,
    )
    consumer.subscribe([topic], listener=Assignment())
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        polled = consumer.poll(100)
        if not polled:
            continue
        try:
            consumer.commit()
        except (CommitFailedError, RebalanceInProgressError):
            continue
        for records in polled.values():
            for record in records:
                say("read", record.partition, record.offset, record.value.decode())
    consumer.close()


def decoded(text):
    return None if text is None else base64.b64decode(text)


def encoded(value):
    return None if value is None else base64.b64encode(value).decode()


SAYING = threading.Lock()


def say(*words):
    with SAYING:
        print(*words, flush=True)


verb, *arguments = sys.argv[1:]
VERBS = {
    "produce": produce, "consume": consume, "topics": topics, "stream": stream, "group": group,
}
VERBS[verb](*arguments)
