#!/usr/bin/env python3
"""weir's queues beside those of RabbitMQ, NATS JetStream and Redis, in turns, one at a time.

    benches/rivals/install.sh                  what is measured beside weir
    cargo build --release
    benches/rivals/queues.py [--rounds 3] [--weir target/release/weir] [--only weir redis]

A rival that is not there is named and left out. In each round every broker starts on a fresh
directory, on one CPU of its own, and the load runs on another. Told are medians of the rounds:
records published and confirmed, delivered and acknowledged, a second; microseconds from when a
record was due until it was delivered, at a fixed rate; the broker's CPU seconds for 100,000 records
and its memory. Nothing else should run on the machine.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
RUN_SECONDS_MAX = 300
START_SECONDS_MAX = 60
RABBIT = "/usr/lib/rabbitmq/bin/rabbitmq-server"
MARK = "WEIR_RIVALS_RUN"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def on_cpu(cpu, command):
    return [*(["taskset", "-c", str(cpu)] if cpu is not None else []), *map(str, command)]


class Broker:
    """A broker that runs; its processes are known by a mark in their environment, but for the first,
    which may have written its title over that."""

    def __init__(self, command, home, cpu, environment=None, http=None):
        self.http, self.mark = http, f"{MARK}={uuid.uuid4()}".encode()
        self.port = free_port()
        command = [str(part).replace("{port}", str(self.port)) for part in command]
        environment = {**os.environ, **(environment or {}), MARK: self.mark.decode().split("=")[1]}
        environment = {name: text.replace("{port}", str(self.port)) for name, text in environment.items()}
        self.log = open(home / "log", "wb")
        self.process = subprocess.Popen(
            on_cpu(cpu, command), stdout=self.log, stderr=self.log, env=environment
        )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not accepts(self.port):
            if self.process.poll() is not None or deadline < time.monotonic():
                said = Path(self.log.name).read_text()[-2000:]
                self.stop()
                sys.exit(f"{command[0]} did not start:\n{said}")
            time.sleep(0.05)

    def processes(self):
        for entry in Path("/proc").iterdir():
            try:
                if not entry.name.isdigit():
                    continue
                is_first = int(entry.name) == self.process.pid and self.process.poll() is None
                if is_first or self.mark in (entry / "environ").read_bytes():
                    yield entry
            except OSError:
                continue

    def cpu_seconds(self):
        total = 0
        for entry in self.processes():
            fields = (entry / "stat").read_text().rsplit(") ", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory_mib(self):
        """Heaps and stacks, and all that is resident, mapped files included."""
        own = resident = 0
        for entry in self.processes():
            status = dict(
                line.split(":", 1) for line in (entry / "status").read_text().splitlines()
            )
            own += int(status.get("RssAnon", "0 kB").split()[0])
            resident += int(status.get("VmRSS", "0 kB").split()[0])
        return own / 1024, resident / 1024

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            for entry in list(self.processes()):
                try:
                    # Once it was waited for, its number is nobody's.
                    if int(entry.name) != self.process.pid or self.process.poll() is None:
                        os.kill(int(entry.name), number)
                except ProcessLookupError:
                    continue
            deadline = time.monotonic() + 20
            while self.process.poll() is None or any(True for _ in self.processes()):
                if deadline < time.monotonic():
                    break
                time.sleep(0.05)
        self.process.wait()
        self.log.close()


def start_weir(home, cpu, asked):
    http = free_port()
    command = [asked.weir, "server", "--data", home / "data", "--native", "127.0.0.1:{port}"]
    command += ["--http", f"127.0.0.1:{http}", "--kafka", "127.0.0.1:0"]
    return Broker(command, home, cpu, http=http)


def start_rabbit(home, cpu, _):
    environment = {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"weir{free_port()}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": "{port}",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "logs"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(free_port()),
    }
    return Broker([RABBIT], home, cpu, environment)


def start_nats(home, cpu, sync):
    settings = home / "nats.conf"
    always = "sync_interval: always\n" if sync else ""
    settings.write_text(f'jetstream {{ store_dir: "{home}/data"\n{always}}}\n')
    command = [nats_server(), "-a", "127.0.0.1", "-p", "{port}", "-c", settings]
    return Broker(command, home, cpu)


def start_redis(home, cpu, _):
    command = ["redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--dir", home]
    return Broker(command + ["--appendonly", "yes", "--appendfsync", "always"], home, cpu)


def nats_server():
    return shutil.which("nats-server") or shutil.which("nats-server", path=Path.home() / "go/bin")


# Its name, how it starts, whether it is there, and of how many records a run is.
BROKERS = {
    "weir": ("weir, synced", start_weir, lambda: True, 400_000),
    "rabbitmq": ("RabbitMQ, quorum queue", start_rabbit, lambda: os.path.exists(RABBIT), 40_000),
    "jetstream-sync": (
        "NATS JetStream, sync always",
        lambda home, cpu, _: start_nats(home, cpu, True),
        nats_server,
        20_000,
    ),
    "jetstream": (
        "NATS JetStream, default",
        lambda home, cpu, _: start_nats(home, cpu, False),
        nats_server,
        100_000,
    ),
    "redis": (
        "Redis Streams, appendfsync always",
        start_redis,
        lambda: shutil.which("redis-server"),
        100_000,
    ),
}

FLAT_OUT = [(size, workers) for size in (100, 1024) for workers in (1, 8)]
RATE, RATE_WORKERS, RATE_SIZE = 5_000, 8, 100


def load(broker, name, cpu, asked, case):
    """What a run of the load tells."""
    at = f"127.0.0.1:{broker.port}"
    if name == "weir":
        command = [asked.weir, "bench", "queue", "--output", "json", "--server", at]
        command += ["--http", f"127.0.0.1:{broker.http}"]
        words = {of: f"--{of}" for of in case} | {"bytes": "--size"}
    else:
        command = [HERE / "rivals", "-broker", name.split("-")[0], "-at", at]
        words = {of: f"-{of}" for of in case}
    for of, number in case.items():
        command += [words[of], number]
    done = subprocess.run(
        on_cpu(cpu, command), capture_output=True, text=True, timeout=RUN_SECONDS_MAX
    )
    if done.returncode != 0:
        sys.exit(f"{name}: {command}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def measure(name, cpus, asked):
    """All cases on a fresh broker, one behind the other."""
    told = {}
    with tempfile.TemporaryDirectory(dir=asked.directory) as directory:
        broker = BROKERS[name][1](Path(directory), cpus[0], asked)
        try:
            records = round(BROKERS[name][3] * asked.scale)
            cases = {
                (size, workers): {"bytes": size, "workers": workers, "records": records}
                for size, workers in FLAT_OUT
            }
            cases["rate"] = {
                "bytes": RATE_SIZE,
                "workers": RATE_WORKERS,
                "rate": RATE,
                "seconds": asked.seconds,
            }
            for case, arguments in cases.items():
                before = broker.cpu_seconds()
                of = load(broker, name, cpus[1], asked, arguments)
                cpu = broker.cpu_seconds() - before
                of = {key: value for key, value in of.items() if isinstance(value, (int, float))}
                of["cpu_seconds_per_100k"] = 100_000 * cpu / of["records"]
                of["own_mib"], of["resident_mib"] = broker.memory_mib()
                told[case] = of
        finally:
            broker.stop()
    return told


def medians(runs):
    keys = set.intersection(*(set(run) for run in runs))
    return {key: statistics.median(run[key] for run in runs) for key in keys}


def times(ours, theirs):
    return f"{ours / theirs:.1f} ×"


def show(names, runs):
    of = {
        name: {case: medians([run[case] for run in runs[name]]) for case in runs[name][0]}
        for name in names
    }
    head = "| records | broker | published/s | weir has | worked/s | weir has |"
    print(head + " CPU s per 100 k | memory MiB | with mapped files |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size, workers in FLAT_OUT:
        for name in names:
            told, weir = of[name][size, workers], of["weir"][size, workers]
            published, worked = told["published_per_second"], told["worked_per_second"]
            words = f"{size} B, {workers} worker{'s' if workers != 1 else ''}"
            print(
                f"| {words} | {BROKERS[name][0]} "
                f"| {published:,.0f} | {times(weir['published_per_second'], published)} "
                f"| {worked:,.0f} | {times(weir['worked_per_second'], worked)} "
                f"| {told['cpu_seconds_per_100k']:.2f} "
                f"| {told['own_mib']:.0f} | {told['resident_mib']:.0f} |"
            )
    print(f"\n| at {RATE:,}/s, {RATE_WORKERS} workers, {RATE_SIZE} B ", end="")
    print("| p50 µs | p99 µs | p99.9 µs | CPU s per 100 k |")
    print("|---|---|---|---|---|")
    for name in names:
        told = of[name]["rate"]
        print(
            f"| {BROKERS[name][0]} | {told['p50_us']:,.0f} | {told['p99_us']:,.0f} "
            f"| {told['p999_us']:,.0f} | {told['cpu_seconds_per_100k']:.2f} |"
        )


def main():
    asked = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--seconds", type=int, default=10, help="of the run at a fixed rate")
    asked.add_argument("--scale", type=float, default=1, help="of how many records a run is")
    asked.add_argument("--weir", type=Path, default=ROOT / "target/release/weir")
    asked.add_argument("--directory", help="where the brokers keep their data")
    asked.add_argument("--only", nargs="*", default=list(BROKERS), choices=list(BROKERS))
    asked = asked.parse_args()
    subprocess.run(["go", "build", "-o", HERE / "rivals", "."], cwd=HERE, check=True)
    asked.weir = asked.weir.resolve()
    cpus = sorted(os.sched_getaffinity(0))
    cpus = (cpus[0], cpus[1]) if 1 < len(cpus) else (None, None)
    names = []
    for name in ["weir", *(of for of in asked.only if of != "weir")]:
        words, _, is_there, _ = BROKERS[name]
        names.append(name) if is_there() else print(f"{words}: not installed, left out")
    runs = {name: [] for name in names}
    for number in range(asked.rounds):
        for name in names:
            began = time.monotonic()
            runs[name].append(measure(name, cpus, asked))
            took = time.monotonic() - began
            print(f"round {number + 1}: {name}, {took:.0f} s", file=sys.stderr, flush=True)
    show(names, runs)


if __name__ == "__main__":
    main()
