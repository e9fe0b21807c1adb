import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ConsumerProtocolSubscription;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.RawTaggedField;

/**
 * Writes each message of the APIs named in {@link #APIS}, in every version, as Kafka's own client
 * encodes it, beside the value it was given.
 *
 * The fields come from the definitions that the client's jar brings along; their values are all
 * different, so that no two fields can stand for each other.
 */
public final class MakeMessages {
    private static final String[] APIS = {
        "Produce", "Fetch", "ListOffsets", "Metadata", "OffsetCommit", "OffsetFetch",
        "FindCoordinator", "JoinGroup", "Heartbeat", "LeaveGroup", "SyncGroup", "DescribeGroups",
        "ListGroups", "ApiVersions", "CreateTopics", "DeleteTopics", "DeleteRecords",
        "InitProducerId", "OffsetForLeaderEpoch", "DescribeConfigs", "AlterConfigs",
        "DescribeLogDirs", "CreatePartitions", "DeleteGroups", "IncrementalAlterConfigs",
        "OffsetDelete", "DescribeCluster", "DescribeTopicPartitions",
    };

    private static final ObjectMapper JSON =
        JsonMapper.builder().enable(JsonReadFeature.ALLOW_JAVA_COMMENTS).build();

    private final short version;
    private final ObjectNode commonStructs;
    private int next = 0;

    private MakeMessages(short version, ObjectNode commonStructs) {
        this.version = version;
        this.commonStructs = commonStructs;
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Files.createDirectories(folder);
        for (String api : APIS) {
            StringBuilder cases = new StringBuilder();
            for (String side : new String[] {"Request", "Response"}) {
                for (short version : ApiKeys.valueOf(snakeCase(api).toUpperCase()).allVersions()) {
                    cases.append(cases.isEmpty() ? "[\n" : ",\n");
                    cases.append(made(api + side, "Data", side, version));
                }
            }
            write(folder.resolve(snakeCase(api) + ".json"), cases);
        }
        StringBuilder cases = new StringBuilder();
        for (String message : new String[] {"Subscription", "Assignment"}) {
            short highest = ConsumerProtocolSubscription.HIGHEST_SUPPORTED_VERSION;
            for (short version = 0; version <= highest; version++) {
                cases.append(cases.isEmpty() ? "[\n" : ",\n");
                cases.append(made("ConsumerProtocol" + message, "", message, version));
            }
        }
        write(folder.resolve("consumer_protocol.json"), cases);
    }

    private static void write(Path file, StringBuilder cases) throws Exception {
        Files.writeString(file, cases.append("\n]\n"), StandardCharsets.UTF_8);
    }

    private static JsonNode made(String name, String suffix, String kind, short version)
            throws Exception {
        JsonNode definition = JSON.readTree(
            MakeMessages.class.getResourceAsStream("/common/message/" + name + ".json"));
        ObjectNode structs = JsonNodeFactory.instance.objectNode();
        definition.path("commonStructs")
            .forEach(struct -> structs.set(struct.get("name").asText(), struct.get("fields")));
        ObjectNode given = JsonNodeFactory.instance.objectNode();
        ObjectNode told = JsonNodeFactory.instance.objectNode();
        new MakeMessages(version, structs).fill(definition.get("fields"), 0, given, told);

        String type = "org.apache.kafka.common.message." + name + suffix;
        Message message = (Message) Class.forName(type + "JsonConverter")
            .getMethod("read", JsonNode.class, short.class)
            .invoke(null, given, version);
        if (contains(definition.get("flexibleVersions").asText(), version)) {
            message.unknownTaggedFields().add(new RawTaggedField(10_000, new byte[] {1, 2, 3}));
        }
        ByteBufferAccessor bytes = MessageUtil.toByteBufferAccessor(message, version);
        byte[] encoded = new byte[bytes.buffer().limit()];
        bytes.buffer().rewind().get(encoded);

        ObjectNode made = JsonNodeFactory.instance.objectNode();
        made.put("message", kind.toLowerCase()).put("version", version);
        made.put("hex", HexFormat.of().formatHex(encoded));
        made.set("value", told);
        return made;
    }

    /** Gives every field of this version a value: to Kafka in `given`, to weir in `told`. */
    private void fill(JsonNode fields, int element, ObjectNode given, ObjectNode told) {
        for (JsonNode field : fields) {
            if (!contains(field.get("versions").asText(), version)) {
                continue;
            }
            String name = field.get("name").asText();
            String key = name.substring(0, 1).toLowerCase() + name.substring(1);
            boolean nullable = field.has("nullableVersions")
                && contains(field.get("nullableVersions").asText(), version);
            if (nullable && element % 2 == 1) {
                given.putNull(key);
                told.putNull(key);
                continue;
            }
            String type = field.get("type").asText();
            if (type.startsWith("[]")) {
                ArrayNode givenElements = given.putArray(key);
                ArrayNode toldElements = told.putArray(key);
                for (int index = 0; index < 2; index++) {
                    value(field, type.substring(2), index, givenElements, toldElements);
                }
            } else {
                ArrayNode givenOne = JsonNodeFactory.instance.arrayNode();
                ArrayNode toldOne = JsonNodeFactory.instance.arrayNode();
                value(field, type, element, givenOne, toldOne);
                given.set(key, givenOne.get(0));
                told.set(key, toldOne.get(0));
            }
        }
    }

    private void value(
            JsonNode field, String type, int element, ArrayNode given, ArrayNode told) {
        next++;
        switch (type) {
            case "bool" -> both(given, told, JsonNodeFactory.instance.booleanNode(true));
            case "int8" -> both(given, told, JsonNodeFactory.instance.numberNode(next % 100 + 1));
            case "int16" -> {
                boolean code = field.get("name").asText().endsWith("ErrorCode");
                int number = code ? next % 100 + 1 : 1_000 + next;
                both(given, told, JsonNodeFactory.instance.numberNode(number));
            }
            case "int32" -> both(given, told, JsonNodeFactory.instance.numberNode(70_000 + next));
            case "int64" ->
                both(given, told, JsonNodeFactory.instance.numberNode(5_000_000_000L + next));
            case "string" ->
                both(given, told, JsonNodeFactory.instance.textNode("té" + next));
            case "uuid" -> {
                given.add(new Uuid(next, ~next).toString());
                told.add(String.format("%016x%016x", (long) next, (long) ~next));
            }
            case "bytes", "records" -> {
                byte[] bytes = {(byte) 0xff, (byte) next, 0};
                given.add(bytes);
                told.add(HexFormat.of().formatHex(bytes));
            }
            default -> {
                JsonNode fields = field.has("fields") ? field.get("fields") : commonStructs.get(type);
                fill(fields, element, given.addObject(), told.addObject());
            }
        }
    }

    private static void both(ArrayNode given, ArrayNode told, JsonNode value) {
        given.add(value);
        told.add(value);
    }

    /** Whether `versions`, as `3`, `3+` or `3-5`, has this one. */
    private static boolean contains(String versions, short version) {
        if (versions.equals("none")) {
            return false;
        }
        if (versions.endsWith("+")) {
            return Short.parseShort(versions.substring(0, versions.length() - 1)) <= version;
        }
        String[] ends = versions.split("-");
        return Short.parseShort(ends[0]) <= version
            && version <= Short.parseShort(ends[ends.length - 1]);
    }

    private static String snakeCase(String name) {
        return name.replaceAll("(?<=[a-z])(?=[A-Z])", "_").toLowerCase();
    }
}
