"""Writes the golden frames of the native protocol, from docs/protocol.md and nothing of weir's code.

    python3 tests/golden/make/native.py

Needs Python alone. A frame that is there already must come out as it was.
"""

import struct
from pathlib import Path

TARGET = Path(__file__).parent.parent / "native"

TOPIC = bytes.fromhex("0123456789abcdef0011223344556677")
QUEUE = bytes.fromhex("fedcba98765432100f1e2d3c4b5a6978")
CLUSTER = bytes(range(0x10, 0x20))
NODE = bytes(range(0x20, 0x30))
BATCH = (TARGET.parent / "batch" / "java" / "plain.batch").read_bytes()
UNLIMITED = 2**64 - 1


def u8(name, value):
    return name, struct.pack("<B", value)


def u16(name, value):
    return name, struct.pack("<H", value)


def u32(name, value):
    return name, struct.pack("<I", value)


def u64(name, value):
    return name, struct.pack("<Q", value)


def i16(name, value):
    return name, struct.pack("<h", value)


def i64(name, value):
    return name, struct.pack("<q", value)


def i32(name, value):
    return name, struct.pack("<i", value)


def raw(name, value):
    return name, value


def text(name, value):
    value_bytes = value.encode()
    return f"{name}: {value!r}", struct.pack("<H", len(value_bytes)) + value_bytes


def settings(*pairs):
    fields = [u32("settings", len(pairs))]
    for key, value in pairs:
        fields += [u16("key", key), u64("value", value)]
    return fields


def sized_settings(*pairs):
    """As queues have them: each value behind its length; a list of numbers, a text or a number."""
    fields = [u32("settings", len(pairs))]
    for key, value in pairs:
        if isinstance(value, str):
            value = value.encode()
        else:
            numbers = value if isinstance(value, list) else [value]
            value = struct.pack(f"<{len(numbers)}Q", *numbers)
        fields += [u16("key", key), u16("bytes", len(value)), raw("value", value)]
    return fields


def queue(name, *pairs):
    return [
        text("name", name), raw("id", QUEUE), text("topic", "jobs"), u32("partitions", 4),
        i64("created_ms", 1_700_000_000_000), *sized_settings(*pairs),
    ]


def settle(verb, value, reason, *receipts):
    fields = [raw("queue", QUEUE), u8("verb", verb), i64("value", value), text("reason", reason)]
    fields.append(u32("receipts", len(receipts)))
    for partition, epoch, offset, delivery in receipts:
        fields += [u32("partition", partition), u32("epoch", epoch)]
        fields += [u64("offset", offset), u32("delivery", delivery)]
    return fields


def amount(name, messages, size):
    return [u64(f"{name}_messages", messages), u64(f"{name}_bytes", size)]


def description(name, partitions, quarantined=()):
    fields = [text("name", name), raw("id", TOPIC)]
    fields += settings((1, 1), (2, 604_800_000), (3, UNLIMITED), (4, 128 << 20), (5, 1_048_588))
    fields.append(u32("partitions", len(partitions)))
    for start, tail, epoch in partitions:
        fields += [u64("start", start), u64("tail", tail), u32("epoch", epoch)]
    fields.append(u32("quarantined", len(quarantined)))
    for partition, start, end, file, flaw in quarantined:
        fields += [u32("partition", partition), u64("start", start), u64("end", end)]
        fields += [text("file", file), text("flaw", flaw)]
    return fields


def error(code, retry, message):
    return [u16("code", code), u8("retry", retry), text("message", message)]


FRAMES = {
    "request_hello": (0x0001, 1, [
        u16("version_min", 1), u16("version_max", 1), u64("features", 0),
        u32("frame_bytes_max", 8 << 20), text("client_name", "golden"),
    ]),
    "request_ping": (0x0002, 2, []),
    "request_create_topic": (0x0010, 3, [
        text("name", "flights"), u32("partitions", 4), *settings((1, 2), (5, 65_536)),
    ]),
    "request_create_topic_plain": (0x0010, 3, [
        text("name", "flights"), u32("partitions", 1), *settings(),
    ]),
    "request_list_topics": (0x0011, 4, [text("after", "flights"), u32("limit", 100)]),
    "request_list_topics_first": (0x0011, 4, [text("after", ""), u32("limit", 100)]),
    "request_describe_topic": (0x0012, 5, [text("name", "flights")]),
    "request_alter_topic": (0x0013, 6, [
        text("name", "flights"), u32("partitions", 8), *settings((2, 60_000), (3, 1 << 30)),
    ]),
    "request_alter_topic_settings": (0x0013, 6, [
        text("name", "flights"), u32("partitions", 0), *settings((4, 16 << 20)),
    ]),
    "request_delete_topic": (0x0014, 7, [text("name", "flights")]),
    "request_init_producer": (0x0020, 8, []),
    "request_produce": (0x0021, 9, [
        raw("topic", TOPIC), u32("partition", 3), u8("ack", 3), raw("batch", BATCH),
    ]),
    "request_produce_unacked": (0x0021, 0, [
        raw("topic", TOPIC), u32("partition", 3), u8("ack", 0), raw("batch", BATCH),
    ]),
    "request_list_offsets": (0x0030, 10, [
        raw("topic", TOPIC), u32("partition", 3), u8("at", 3), i64("milliseconds", 1_700_000_000_000),
    ]),
    "request_list_offsets_latest": (0x0030, 10, [
        raw("topic", TOPIC), u32("partition", 3), u8("at", 1), i64("unused", 0),
    ]),
    "request_subscribe": (0x0031, 11, [
        u32("subscription", 5), raw("topic", TOPIC), u32("partition", 3),
        u8("from", 2), u64("offset", 42), *amount("credit", 1_000, 1 << 20),
    ]),
    "request_subscribe_earliest": (0x0031, 11, [
        u32("subscription", 5), raw("topic", TOPIC), u32("partition", 3),
        u8("from", 0), u64("unused", 0), *amount("credit", 1 << 62, 1 << 20),
    ]),
    "request_unsubscribe": (0x0032, 12, [u32("subscription", 5)]),
    "request_delete_records": (0x0034, 13, [
        raw("topic", TOPIC), u32("partition", 3), u8("before", 2), u64("offset", 42),
    ]),
    "request_delete_records_all": (0x0034, 13, [
        raw("topic", TOPIC), u32("partition", 3), u8("before", 1), u64("unused", 0),
    ]),
    "request_flow": (0x0033, 0, [
        u32("subscription", 5), *amount("seen", 500, 80_000), *amount("credit", 1_000, 1 << 20),
        u8("drain", 0), u8("echo", 1),
    ]),
    "request_join_group": (0x0040, 20, [
        u32("membership", 1), text("group", "billing / eu"), text("member", ""),
        text("instance", "till-7"), u8("assignment", 1), u32("session_timeout_ms", 10_000),
        u32("rebalance_timeout_ms", 300_000), u32("topics", 1), text("topic", "flights"),
    ]),
    "request_group_heartbeat": (0x0041, 21, [u32("membership", 1)]),
    "request_release_partitions": (0x0042, 22, [u32("membership", 1), u32("epoch", 4)]),
    "request_leave_group": (0x0043, 23, [u32("membership", 1)]),
    "request_commit_offsets": (0x0044, 24, [
        u32("membership", 1), u32("epoch", 4), text("group", ""), u32("offsets", 1),
        raw("topic", TOPIC), u32("partition", 3), u64("offset", 42), i32("leader_epoch", -1),
        text("metadata", "half way"),
    ]),
    "request_commit_offsets_of_group": (0x0044, 24, [
        u32("membership", 0), u32("epoch", 0), text("group", "billing / eu"), u32("offsets", 0),
    ]),
    "request_fetch_offsets": (0x0045, 25, [text("group", "billing / eu"), raw("topic", TOPIC)]),
    "request_list_groups": (0x0046, 26, [text("after", ""), u32("limit", 100)]),
    "request_describe_group": (0x0047, 27, [text("group", "billing / eu")]),
    "request_delete_group": (0x0048, 28, [text("group", "billing / eu")]),
    "response_joined_group": (0x8040, 20, [text("member", "golden-1"), u32("epoch", 3)]),
    "response_group_heartbeat": (0x8041, 21, [u32("epoch", 4)]),
    "response_released": (0x8042, 22, []),
    "response_left": (0x8043, 23, []),
    "response_committed": (0x8044, 24, [
        u32("results", 2), u16("result", 0), u16("result", 601),
    ]),
    "response_offsets": (0x8045, 25, [
        u32("offsets", 1), u32("partition", 3), u64("offset", 42), i32("leader_epoch", 2),
        text("metadata", "half way"), i64("committed_ms", 1_700_000_000_123),
    ]),
    "response_groups": (0x8046, 26, [
        u8("more", 1), u32("groups", 1), text("group", "billing / eu"), u8("face", 2),
        u8("state", 3), u32("members", 1),
    ]),
    "response_group": (0x8047, 27, [
        text("group", "billing / eu"), u8("face", 2), u8("state", 3), u32("members", 1),
        u32("generation", 4), text("protocol", "sticky"), u32("members", 1),
        text("member", "golden-1"), text("instance", "till-7"), text("client_id", "golden"),
        text("client_host", "127.0.0.1"), u32("partitions", 1), text("topic", "flights"),
        u32("partition", 3), u64("offset", 42), u64("start", 7), u64("tail", 100),
        text("member", "golden-1"), text("metadata", ""), i64("committed_ms", 5),
    ]),
    "response_group_deleted": (0x8048, 28, []),
    "response_assigned": (0xc005, 0, [
        u32("membership", 1), u32("epoch", 4), u32("partitions", 2),
        raw("topic", TOPIC), u32("partition", 3), u64("offset", 42),
        raw("topic", TOPIC), u32("partition", 4), u64("offset", UNLIMITED),
    ]),
    "response_revoked": (0xc006, 0, [
        u32("membership", 1), u32("epoch", 5), u32("partitions", 1),
        raw("topic", TOPIC), u32("partition", 4),
    ]),
    "response_membership_ended": (0xc007, 0, [
        u32("membership", 1), *error(600, 3, "the member was silent too long"),
    ]),
    "request_create_queue": (0x0050, 40, [
        text("name", "jobs"), text("topic", "orders"), u32("partitions", 4),
        *sized_settings((1, 30_000), (8, 2), (3, [1_000, 5_000]), (14, "graveyard")),
    ]),
    "request_create_queue_plain": (0x0050, 40, [
        text("name", "jobs"), text("topic", ""), u32("partitions", 0), *sized_settings(),
    ]),
    "request_list_queues": (0x0051, 41, [text("after", "jobs"), u32("limit", 100)]),
    "request_describe_queue": (0x0052, 42, [text("name", "jobs")]),
    "request_alter_queue": (0x0053, 43, [
        text("name", "jobs"),
        *sized_settings(
            (2, 5), (4, 100), (5, 60_000), (6, 0), (7, UNLIMITED), (9, 2), (10, 2), (11, 64),
            (12, 1 << 20), (13, 1_000), (15, 1),
        ),
    ]),
    "request_alter_queue_workers": (0x0053, 43, [text("name", "jobs"), *sized_settings((16, 8))]),
    "request_delete_queue": (0x0054, 44, [text("name", "jobs")]),
    "request_work": (0x0055, 45, [
        u32("subscription", 6), text("queue", "jobs"), u64("lease_ms", 10_000),
        *amount("credit", 100, 1 << 20),
    ]),
    "request_settle_ack": (0x0056, 46, settle(1, 0, "", (3, 7, 42, 1), (1 << 31, 7, 9, 2))),
    "request_settle_release": (0x0056, 46, settle(2, 1_500, "", (3, 7, 42, 1))),
    "request_settle_retry": (0x0056, 46, settle(3, 0, "no paper", (3, 7, 42, 1))),
    "request_settle_retry_after": (0x0056, 46, settle(4, 60_000, "", (3, 7, 42, 1))),
    "request_settle_retry_at": (0x0056, 46, settle(5, 1_700_000_000_000, "", (3, 7, 42, 1))),
    "request_settle_reject": (0x0056, 46, settle(6, 0, "no such order", (3, 7, 42, 1))),
    "request_settle_extend": (0x0056, 46, settle(7, 0, "", (3, 7, 42, 1))),
    "request_why_queue": (0x0057, 47, [text("name", "jobs")]),
    "request_seek_queue": (0x0058, 48, [
        text("queue", "jobs"), u32("partition", 3), u8("to", 2), i64("offset", 42),
    ]),
    "request_seek_queue_all": (0x0058, 48, [
        text("queue", "jobs"), u32("partition", 2**32 - 1), u8("to", 3),
        i64("milliseconds", 1_700_000_000_000),
    ]),
    "request_purge_queue": (0x0059, 49, [text("name", "jobs")]),
    "request_redrive": (0x005A, 50, [
        text("queue", "jobs"), u32("max", 100), u8("has_key", 1), u32("length", 3),
        raw("key", b"JFK"), text("reason", "no such order"), i64("since_ms", 1_700_000_000_000),
    ]),
    "request_redrive_all": (0x005A, 50, [
        text("queue", "jobs"), u32("max", 0), u8("has_key", 0), text("reason", ""),
        i64("since_ms", -2**63),
    ]),
    "request_alter_topic_retention_work": (0x0013, 51, [
        text("name", "flights"), u32("partitions", 0), *settings((9, 1)),
    ]),
    "response_queue": (0x8050, 42, queue("jobs", (1, 30_000), (3, [1_000]), (14, "jobs.dead"))),
    "response_queues": (0x8051, 41, [
        u8("more", 1), u32("queues", 2), *queue("jobs", (15, 0)), *queue("jobs.dead"),
    ]),
    "response_queue_deleted": (0x8054, 44, []),
    "response_working": (0x8055, 45, [raw("queue", QUEUE), u64("lease_ms", 10_000)]),
    "response_settled": (0x8056, 46, [
        u32("outcomes", 4), u8("ok", 0), u8("expired", 1), u8("unknown", 2), u8("no_dead_letter", 3),
    ]),
    "response_queue_state": (0x8057, 47, [
        text("why", "all 2 records that are left are leased"), u32("partitions", 1),
        *(u64(name, number) for number, name in enumerate((
            "floor", "hwm", "tail", "ready", "delayed", "leased", "pending", "dying",
            "blocked_keys", "state_bytes", "deliveries", "acks", "failures", "expired", "dead",
            "parked", "damaged",
        ), 1)),
        text("why", "all leased"),
    ]),
    "response_queue_sought": (0x8058, 48, []),
    "response_queue_purged": (0x8059, 49, []),
    "response_redriven": (0x805A, 50, [u64("moved", 100), u64("passed_over", 3)]),
    "response_deliver_leases": (0xC008, 0, [
        u32("subscription", 6), u32("partition", 3), u32("epoch", 7), u64("lease_ms", 10_000),
        u32("leases", 1), u64("offset", 0), u32("count", 3), u32("deliveries", 1),
        u32("failures", 0), raw("batches", BATCH),
    ]),
    "response_error": (0x8000, 9, error(100, 3, "topic flights is unknown; create it first")),
    "response_hello": (0x8001, 1, [
        u16("version", 1), u64("features", 0),
        u32("frame_bytes_max", (8 << 20) + 65_536), u32("batch_bytes_max", 8 << 20),
        u32("subscriptions_max", 1_024), u32("in_flight_max", 4_096),
        text("server_name", "weir"), text("server_version", "0.1.0"),
        raw("cluster", CLUSTER), raw("node", NODE), u64("producer_credit_bytes", 4 << 20),
    ]),
    "response_pong": (0x8002, 2, []),
    "response_topic": (0x8010, 5, description("flights", [(0, 41, 1), (7, 7, 2)])),
    "response_topic_quarantined": (0x8010, 5, description("flights", [(0, 41, 1), (0, 0, 0)], [
        (0, 7, 12, "topics/t/0/00000000000000000007.log", "the segment's file is missing"),
        (1, 0, UNLIMITED, "topics/t/1", "cannot read it"),
    ])),
    "response_topics": (0x8011, 4, [
        u8("more", 1), u32("topics", 2),
        *description("flights", [(0, 41, 1)]), *description("tweets", []),
    ]),
    "response_deleted": (0x8014, 7, []),
    "response_producer": (0x8020, 8, [i64("producer_id", 4_711), i16("producer_epoch", 0)]),
    "response_produced": (0x8021, 9, [u64("base_offset", 41)]),
    "response_offset": (0x8030, 10, [u64("offset", 17), i64("timestamp", 1_700_000_000_123)]),
    "response_subscribed": (0x8031, 11, [u64("start", 7), u64("tail", 100), u64("from", 42)]),
    "response_unsubscribed": (0x8032, 12, []),
    "response_records_deleted": (0x8034, 13, [u64("start", 42)]),
    "response_deliver": (0xC000, 0, [u32("subscription", 5), u64("tail", 100), raw("batches", BATCH)]),
    "response_gap": (0xC001, 0, [u32("subscription", 5), u64("start", 100), u64("end", 1_024)]),
    "response_ended": (0xC002, 0, [u32("subscription", 5), *error(404, 2, "the broker is stopping")]),
    "response_flow": (0xC003, 0, [
        u32("subscription", 5), *amount("sent", 700, 90_000), *amount("left", 800, 1_038_576),
        u8("drained", 0),
    ]),
    "response_credit": (0xC004, 0, [u64("seen_bytes", 1 << 20), u64("credit_bytes", 4 << 20)]),
}


def lines(kind, correlation, body):
    size = 8 + sum(len(value) for _, value in body)
    head = [u32("length", size), u16("kind", kind), u16("flags", 0), u32("correlation", correlation)]
    for name, value in head + body:
        chunks = [value[at:at + 16] for at in range(0, len(value), 16)]
        for place, chunk in enumerate(chunks):
            note = f"  # {name}" if place == 0 else ""
            yield f"{chunk.hex(' ')}{note}\n"


for file_name, frame in FRAMES.items():
    TARGET.joinpath(f"{file_name}.hex").write_text("".join(lines(*frame)))
