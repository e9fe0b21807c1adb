import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The family Java: the verbs that each family has, see tests/compat/src/family.rs. */
public final class Client {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final BufferedReader INPUT =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    private final String address;

    private Client(String address) {
        this.address = address;
    }

    public static void main(String[] arguments) throws Exception {
        Client client = new Client(arguments[1]);
        List<String> rest = Arrays.asList(arguments).subList(2, arguments.length);
        switch (arguments[0]) {
            case "produce" -> client.produce(rest.get(0), rest.subList(1, rest.size()));
            case "consume" -> client.consume(rest);
            case "topics" -> client.topics();
            case "stream" -> client.stream(rest.get(0));
            case "group" -> client.group(rest.get(0), rest.get(1));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    /** Sends each line of the input, a record, to every target, {@code TOPIC=CODEC}. */
    private void produce(String mode, List<String> targets) throws Exception {
        List<JsonNode> records = new ArrayList<>();
        for (String line = INPUT.readLine(); line != null; line = INPUT.readLine()) {
            records.add(JSON.readTree(line));
        }
        for (String target : targets) {
            String topic = target.substring(0, target.indexOf('='));
            String codec = target.substring(topic.length() + 1);
            try (KafkaProducer<byte[], byte[]> producer = producer(mode, codec)) {
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (JsonNode node : records) {
                    sent.add(producer.send(record(topic, node)));
                }
                producer.flush();
                for (Future<RecordMetadata> future : sent) {
                    future.get();
                }
                say("produced " + topic + " " + sent.size());
            }
        }
    }

    /** Prints all records of the topics, from their beginning to the end they have now. */
    private void consume(List<String> topics) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (String topic : topics) {
                for (PartitionInfo partition : consumer.partitionsFor(topic)) {
                    partitions.add(new TopicPartition(topic, partition.partition()));
                }
            }
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            while (ends.entrySet().stream().anyMatch(
                    end -> consumer.position(end.getKey()) < end.getValue())) {
                for (ConsumerRecord<byte[], byte[]> read : consumer.poll(Duration.ofMillis(500))) {
                    say(line(read));
                }
            }
        }
    }

    /** Prints the names of all topics. */
    private void topics() {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            consumer.listTopics().keySet().forEach(Client::say);
        }
    }

    /** Sends each line of the input at once, idempotently, and says when it is acknowledged. */
    private void stream(String topic) throws IOException {
        try (KafkaProducer<byte[], byte[]> producer = producer("idempotent", "none")) {
            for (String line = INPUT.readLine(); line != null; line = INPUT.readLine()) {
                String value = line;
                byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
                producer.send(new ProducerRecord<>(topic, bytes), (metadata, failure) -> {
                    if (failure != null) {
                        failure.printStackTrace();
                        Runtime.getRuntime().halt(1);
                    }
                    say("acknowledged " + value);
                });
            }
        }
    }

    /** Reads as a member of a group until the input ends; says what it has read and committed. */
    private void group(String name, String topic) {
        Map<String, Object> settings = Map.of(
                "group.id", name,
                "auto.offset.reset", "earliest",
                "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer.RangeAssignor",
                "session.timeout.ms", 6000,
                "heartbeat.interval.ms", 300);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(settings)) {
            consumer.subscribe(List.of(topic), new Assignment());
            Thread input = new Thread(Client::drain);
            input.start();
            while (input.isAlive()) {
                ConsumerRecords<byte[], byte[]> polled = consumer.poll(Duration.ofMillis(100));
                try {
                    consumer.commitSync();
                } catch (CommitFailedException | RebalanceInProgressException lost) {
                    continue;
                }
                for (ConsumerRecord<byte[], byte[]> read : polled) {
                    String value = new String(read.value(), StandardCharsets.UTF_8);
                    say("read " + read.partition() + " " + read.offset() + " " + value);
                }
            }
        }
    }

    private static void drain() {
        INPUT.lines().forEach(line -> { });
    }

    private static final class Assignment implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> revoked) {}

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
            say("assigned " + assigned.stream().map(TopicPartition::partition).sorted()
                    .map(String::valueOf).collect(Collectors.joining(" ")));
        }
    }

    private KafkaProducer<byte[], byte[]> producer(String mode, String codec) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", address);
        settings.put("compression.type", codec);
        settings.put("linger.ms", 20);
        settings.put("max.request.size", 2_000_000);
        settings.put("enable.idempotence", mode.equals("idempotent"));
        settings.put("acks", switch (mode) {
            case "none" -> "0";
            case "leader" -> "1";
            default -> "all";
        });
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", address);
        settings.put("enable.auto.commit", false);
        settings.putAll(more);
        return new KafkaConsumer<>(
                settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, JsonNode node) {
        List<Header> headers = new ArrayList<>();
        for (JsonNode header : node.get("headers")) {
            headers.add(new RecordHeader(header.get(0).asText(), decoded(header.get(1))));
        }
        return new ProducerRecord<>(topic, node.get("partition").asInt(),
                node.get("timestamp").asLong(), decoded(node.get("key")),
                decoded(node.get("value")), headers);
    }

    private static String line(ConsumerRecord<byte[], byte[]> read) {
        ObjectNode line = JSON.createObjectNode();
        line.put("topic", read.topic());
        line.put("partition", read.partition());
        line.put("offset", read.offset());
        line.put("timestamp", read.timestamp());
        line.put("key", encoded(read.key()));
        line.put("value", encoded(read.value()));
        ArrayNode headers = line.putArray("headers");
        for (Header header : read.headers()) {
            headers.addArray().add(header.key()).add(encoded(header.value()));
        }
        return line.toString();
    }

    private static byte[] decoded(JsonNode text) {
        return text.isNull() ? null : Base64.getDecoder().decode(text.asText());
    }

    private static String encoded(byte[] value) {
        return value == null ? null : Base64.getEncoder().encodeToString(value);
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
