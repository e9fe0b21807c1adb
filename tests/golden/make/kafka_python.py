"""Makes the golden batches as kafka-python builds them.

Reads cases.json and writes one file per case into kafka-python/ beside it. How to run it:
../README.md.
"""

import json
import pathlib

from kafka.record.default_records import DefaultRecordBatchBuilder

GOLDEN = pathlib.Path(__file__).parent.parent / "batch"
MAKER = "kafka-python"
COMPRESSIONS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def main():
    target = GOLDEN / MAKER
    target.mkdir(exist_ok=True)
    for case in json.loads((GOLDEN / "cases.json").read_text(encoding="utf-8"))["cases"]:
        if MAKER in case.get("makers", [MAKER]):
            (target / f"{case['name']}.batch").write_bytes(batch_of(case))


def batch_of(case):
    producer = case.get("producer", {"id": -1, "epoch": -1, "sequence": -1})
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=COMPRESSIONS[case.get("compression", "none")],
        is_transactional=False,
        producer_id=producer["id"],
        producer_epoch=producer["epoch"],
        base_sequence=producer["sequence"],
        batch_size=1 << 20,
    )
    offset = 0
    for record in case["records"]:
        headers = [(key, to_bytes(value)) for key, value in record["headers"]]
        for _ in range(record.get("times", 1)):
            builder.append(
                offset=offset,
                timestamp=record["timestamp"],
                key=to_bytes(record["key"]),
                value=to_bytes(record["value"]),
                headers=headers,
            )
            offset += 1
    return bytes(builder.build())


def to_bytes(node):
    """null, text, {"hex": digits} or {"repeat": text, "times": n}."""
    if node is None:
        return None
    if isinstance(node, str):
        return node.encode("utf-8")
    if "hex" in node:
        return bytes.fromhex(node["hex"])
    return (node["repeat"] * node["times"]).encode("utf-8")


main()
