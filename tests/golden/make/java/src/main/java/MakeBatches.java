// Makes the golden batches as Apache Kafka's own client builds them: reads cases.json and writes
// one file per case into java/ beside it. How to run it: ../../README.md.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.BufferSupplier;

public final class MakeBatches {
    private static final int BATCH_BYTES_MAX = 1 << 20;

    public static void main(String[] arguments) throws Exception {
        Path golden = Path.of(arguments[0]);
        Path target = Files.createDirectories(golden.resolve("java"));
        JsonNode cases = new ObjectMapper().readTree(golden.resolve("cases.json").toFile());
        for (JsonNode one : cases.get("cases")) {
            if (madeHere(one)) {
                Path file = target.resolve(one.get("name").asText() + ".batch");
                Files.write(file, bytesOf(batchOf(one)));
            }
        }
    }

    private static boolean madeHere(JsonNode one) {
        boolean here = !one.has("makers");
        for (JsonNode maker : one.path("makers")) {
            here |= maker.asText().equals("java");
        }
        return here;
    }

    private static ByteBuffer batchOf(JsonNode one) {
        long offset = one.path("base_offset").asLong(0);
        MemoryRecordsBuilder builder = builderOf(one, offset);
        for (JsonNode record : one.get("records")) {
            for (int times = record.path("times").asInt(1); times > 0; times--) {
                builder.appendWithOffset(offset, record.get("timestamp").asLong(),
                    bytes(record.get("key")), bytes(record.get("value")), headers(record));
                offset++;
            }
        }
        MemoryRecords batch = builder.build();
        return one.has("dropped") ? compacted(batch, one) : batch.buffer();
    }

    private static MemoryRecordsBuilder builderOf(JsonNode one, long baseOffset) {
        JsonNode producer = one.path("producer");
        boolean brokersTime = one.has("log_append_time");
        return MemoryRecords.builder(
            ByteBuffer.allocate(BATCH_BYTES_MAX),
            RecordBatch.MAGIC_VALUE_V2,
            Compression.of(one.path("compression").asText("none")).build(),
            brokersTime ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME,
            baseOffset,
            brokersTime ? one.get("log_append_time").asLong() : RecordBatch.NO_TIMESTAMP,
            producer.path("id").asLong(RecordBatch.NO_PRODUCER_ID),
            (short) producer.path("epoch").asInt(RecordBatch.NO_PRODUCER_EPOCH),
            producer.path("sequence").asInt(RecordBatch.NO_SEQUENCE),
            one.path("transactional").asBoolean(false),
            one.path("leader_epoch").asInt(RecordBatch.NO_PARTITION_LEADER_EPOCH));
    }

    /** The batch as Kafka's log cleaner leaves it. */
    private static ByteBuffer compacted(MemoryRecords batch, JsonNode one) {
        Set<Long> dropped = new HashSet<>();
        for (JsonNode delta : one.get("dropped")) {
            dropped.add(one.get("base_offset").asLong() + delta.asLong());
        }
        ByteBuffer target = ByteBuffer.allocate(BATCH_BYTES_MAX);
        batch.filterTo(new MemoryRecords.RecordFilter(0, 0) {
            @Override
            protected BatchRetentionResult checkBatchRetention(RecordBatch each) {
                return new BatchRetentionResult(BatchRetention.DELETE_EMPTY, false);
            }

            @Override
            protected boolean shouldRetainRecord(RecordBatch each, Record record) {
                return !dropped.contains(record.offset());
            }
        }, target, BufferSupplier.create());
        return target.flip();
    }

    private static Header[] headers(JsonNode record) {
        List<Header> headers = new ArrayList<>();
        for (JsonNode header : record.get("headers")) {
            headers.add(new RecordHeader(header.get(0).asText(), bytes(header.get(1))));
        }
        return headers.toArray(new Header[0]);
    }

    /** null, text, {"hex": digits} or {"repeat": text, "times": n}. */
    private static byte[] bytes(JsonNode node) {
        if (node.isNull()) {
            return null;
        }
        if (node.has("hex")) {
            return HexFormat.of().parseHex(node.get("hex").asText());
        }
        String text = node.has("repeat")
            ? node.get("repeat").asText().repeat(node.get("times").asInt())
            : node.asText();
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] bytesOf(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }
}
