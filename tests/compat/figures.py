#!/usr/bin/env python3
"""weir beside Apache Kafka, in turns, under the same Java performance tools.

    .ci/compat install && cargo build --release && python3 tests/compat/figures.py [SHARE]

One partition, one producer, then one consumer; both brokers run all the time and only one works.
`kafka-flush` is the same Apache Kafka with `flush.messages=1` on the topic: nothing is acknowledged
before it is synced, which is what weir's topics promise without being told. SHARE of the records are
sent, all of them without it. Nothing else should run on the machine.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLASSPATH = (ROOT / "target/compat/java.classpath").read_text().strip()
RECORDS = {100: 1_000_000, 1024: 300_000, 10240: 40_000}
RUN_SECONDS_MAX = 120
TICKS = os.sysconf("SC_CLK_TCK")

KAFKA = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{address},CONTROLLER://{controller}
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def java(*arguments, heap="512m"):
    return ["java", f"-Xmx{heap}", "-cp", CLASSPATH, *arguments]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
    if done.returncode != 0:
        sys.exit(f"{command[-12:]}\n{done.stdout}{done.stderr}")
    return done.stdout


def free_address():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def accepts(address):
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def start(command, is_ready, log):
    """The process, and the seconds until it was ready."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=log, stderr=log)
    while not is_ready():
        if process.poll() is not None:
            sys.exit(f"{command[0]} ended by itself: see {log.name}")
        time.sleep(0.002)
    return process, time.monotonic() - began


def start_kafka(home, log):
    address, settings = free_address(), home / "server.properties"
    data = home / "kafka"
    settings.write_text(KAFKA.format(address=address, controller=free_address(), data=data))
    cluster = ["--cluster-id", "AAAAAAAAAAAAAAAAAAAAAQ", "--config", str(settings)]
    run(java("kafka.tools.StorageTool", "format", *cluster))
    command = java("kafka.Kafka", str(settings), heap="1g")
    return address, *start(command, lambda: accepts(address), log)


def start_weir(home, log):
    data = home / "weir"
    faces = [f"--{face}=127.0.0.1:0" for face in ("native", "http", "kafka")]
    command = [str(ROOT / "target/release/weir"), "server", "--data", str(data), *faces]
    told = data / "listen.json"
    process, seconds = start(command, told.exists, log)
    return json.loads(told.read_text())["kafka"], process, seconds


def cpu_seconds(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(process):
    """MiB that are the process's own, without the pages of files that it maps."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) // 1024


def measure(address, process, topic, size, records, acks, config):
    bootstrap = ["--bootstrap-server", address]
    tools = "org.apache.kafka.tools."
    flags = [flag for setting in config for flag in ("--config", setting)]
    create = ["--create", "--topic", topic, "--partitions", "1", *flags]
    run(java(tools + "TopicCommand", *bootstrap, *create))
    before = cpu_seconds(process)
    said = run(java(
        tools + "ProducerPerformance", "--topic", topic, "--num-records", str(records),
        "--record-size", str(size), "--throughput", "-1",
        "--producer-props", f"bootstrap.servers={address}", f"acks={acks}"))
    produced = cpu_seconds(process) - before
    last = [line for line in said.splitlines() if "99th" in line][-1]
    rate, p99 = re.search(r"([\d.]+) records/sec", last)[1], re.search(r"(\d+) ms 99th", last)[1]
    before = cpu_seconds(process)
    said = run(java(
        tools + "ConsumerPerformance", *bootstrap, "--topic", topic,
        "--num-records", str(records), "--timeout", "60000"))
    fetched = said.splitlines()[-1].split(",")[-1].strip()
    consumed = cpu_seconds(process) - before
    return [f"{float(rate):,.0f}", p99, f"{produced:.2f}", f"{float(fetched):,.0f}",
            f"{consumed:.2f}", str(memory(process))]


def main():
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as home:
        home = Path(home)
        with open(home / "log", "w") as log:
            kafka_address, kafka, kafka_seconds = start_kafka(home, log)
            weir_address, weir, weir_seconds = start_weir(home, log)
            try:
                print(f"start: Kafka {kafka_seconds:.2f} s, weir {weir_seconds:.3f} s\n")
                print("| record | acks | broker | produced/s | p99 ms | CPU s | fetched/s | CPU s "
                      "| memory MiB |\n|---|---|---|---|---|---|---|---|---|")
                for size, records in RECORDS.items():
                    for acks in ("1", "all"):
                        for name, address, process, config in (
                            ("kafka", kafka_address, kafka, []),
                            ("kafka-flush", kafka_address, kafka, ["flush.messages=1"]),
                            ("weir", weir_address, weir, []),
                        ):
                            topic, count = f"{name}-{size}-{acks}", int(records * share)
                            row = measure(address, process, topic, size, count, acks, config)
                            print("|", " | ".join([f"{size} B", acks, name, *row]), "|", flush=True)
            finally:
                for process in (kafka, weir):
                    process.terminate()
                    process.wait()


main()
