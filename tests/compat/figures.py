#!/usr/bin/env python3
"""weir beside Apache Kafka, in turns, under the same clients.

    .ci/compat install && cargo build --release
    cargo build --release --manifest-path tests/compat/Cargo.toml --target-dir target/compat/cargo
    python3 tests/compat/figures.py [SHARE]

Apache Kafka as it comes acknowledges what no sync has seen, as weir's `written` topics do; with
`flush.messages=1` it syncs first, as weir's `synced` topics do, which is what weir does without being
told. Each is compared with its like. Both brokers run all the time and only one works: one producer,
then one consumer. SHARE of the records are sent, all of them without it. Nothing else should run on
the machine.
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
LIBRDKAFKA = ROOT / "target/compat/cargo/release/librdkafka"
# Records a second of the latency runs, and for how long.
RATE, RATE_SECONDS = 500, 8
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
    command = [str(word) for word in command]
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


class Broker:
    """One of the four: a process, and the settings of its topics."""

    def __init__(self, name, address, process, *settings):
        self.name, self.address, self.process, self.settings = name, address, process, settings

    def create(self, topic, partitions):
        run([LIBRDKAFKA, "perf-topic", self.address, topic, str(partitions), *self.settings])

    def timed(self, work):
        """What work gives, and the CPU seconds that the broker took for it."""
        before = cpu_seconds(self.process)
        gave = work(self.address)
        return gave, max(cpu_seconds(self.process) - before, 1 / TICKS)


def java_produce(topic, size, count, acks):
    def work(address):
        said = run(java(
            "org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records",
            str(count), "--record-size", str(size), "--throughput", "-1",
            "--producer-props", f"bootstrap.servers={address}", f"acks={acks}"))
        last = [line for line in said.splitlines() if "99th" in line][-1]
        return float(re.search(r"([\d.]+) records/sec", last)[1])
    return work


def java_fetch(topic, count):
    def work(address):
        said = run(java(
            "org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", address,
            "--topic", topic, "--num-records", str(count), "--timeout", "60000"))
        return float(said.splitlines()[-1].split(",")[-1])
    return work


def librdkafka_produce(topic, size, count, acks, rate=0):
    def work(address):
        numbers = [str(number) for number in (count, size, rate)]
        said = run([LIBRDKAFKA, "perf-produce", address, topic, acks, *numbers])
        return [float(word) for word in said.split()]
    return work


def librdkafka_fetch(topic, _):
    return lambda address: float(run([LIBRDKAFKA, "perf-fetch", address, topic]))


def warm_up(brokers, share):
    """The JVM compiles what is run often: none of that is measured."""
    count = int(RECORDS[1024] * share)
    for broker in brokers:
        topic = f"warm-up-{broker.name}"
        broker.create(topic, 1)
        broker.timed(librdkafka_produce(topic, 1024, count, "all"))
        broker.timed(librdkafka_fetch(topic, count))


def throughput(brokers, client, sizes, acks, partitions, share):
    """A row for each broker: rates, and records per CPU second of the broker."""
    for size in sizes:
        for ack in acks:
            for broker in brokers:
                topic = f"{client}-{broker.name}-{size}-{ack}-{partitions}"
                count = int(RECORDS[size] * share)
                broker.create(topic, partitions)
                if client == "java":
                    sent, cpu = broker.timed(java_produce(topic, size, count, ack))
                    read, read_cpu = broker.timed(java_fetch(topic, count))
                else:
                    (sent, *_), cpu = broker.timed(librdkafka_produce(topic, size, count, ack))
                    read, read_cpu = broker.timed(librdkafka_fetch(topic, count))
                numbers = [sent, count / cpu, read, count / read_cpu]
                cells = [client, str(partitions), f"{size} B", ack, broker.name]
                cells += [f"{number:,.0f}" for number in numbers] + [str(memory(broker.process))]
                print("|", " | ".join(cells), "|", flush=True)


def latency(brokers):
    """A row for each broker: how long records take at a fixed rate, each from when it was due."""
    print(f"\n{RATE:,} records of 1 KiB a second, librdkafka, acks=all\n\n"
          "| broker | p50 ms | p99 ms | p99.9 ms | CPU s |\n|---|---|---|---|---|")
    for broker in brokers:
        topic = f"latency-{broker.name}"
        broker.create(topic, 1)
        warm_up = librdkafka_produce(topic, 1024, RATE, "all", RATE)
        broker.timed(warm_up)
        work = librdkafka_produce(topic, 1024, RATE * RATE_SECONDS, "all", RATE)
        (_, *waits), cpu = broker.timed(work)
        cells = [f"{wait / 1000:.2f}" for wait in waits] + [f"{cpu:.2f}"]
        print("|", broker.name, "|", " | ".join(cells), "|", flush=True)


def main():
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as home:
        home = Path(home)
        with open(home / "log", "w") as log:
            kafka_address, kafka, kafka_seconds = start_kafka(home, log)
            weir_address, weir, weir_seconds = start_weir(home, log)
            brokers = [
                Broker("kafka", kafka_address, kafka),
                Broker("weir-written", weir_address, weir, "weir.durability=written"),
                Broker("kafka-flush", kafka_address, kafka, "flush.messages=1"),
                Broker("weir", weir_address, weir),
            ]
            try:
                print(f"start: Kafka {kafka_seconds:.2f} s, weir {weir_seconds:.3f} s\n")
                warm_up(brokers, share)
                print("| client | partitions | record | acks | broker | produced/s | per CPU s "
                      "| fetched/s | per CPU s | memory MiB |\n" + "|---" * 10 + "|")
                throughput(brokers, "java", RECORDS, ["1", "all"], 1, share)
                throughput(brokers, "librdkafka", RECORDS, ["all"], 1, share)
                throughput(brokers, "librdkafka", [1024], ["all"], 6, share)
                latency(brokers)
            finally:
                for process in (kafka, weir):
                    process.terminate()
                    process.wait()


main()
