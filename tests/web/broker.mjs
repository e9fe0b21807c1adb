// A broker to test against, the network between, and somebody who publishes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const WEIR = process.env.WEIR ?? fileURLToPath(new URL("../../target/debug/weir", import.meta.url));

export class Broker {
  static async start(settings = "") {
    const broker = new Broker();
    broker.directory = await mkdtemp(path.join(tmpdir(), "weir-web-"));
    broker.settings = path.join(broker.directory, "weir.toml");
    await writeFile(broker.settings, settings);
    broker.listens = { native: "127.0.0.1:0", http: "127.0.0.1:0", kafka: "127.0.0.1:0" };
    await broker.run();
    return broker;
  }

  /** Runs it, where it listened before if it did. */
  async run() {
    const { native, http, kafka } = this.listens;
    const data = path.join(this.directory, "data");
    const listens = ["--native", native, "--http", http, "--kafka", kafka];
    await rm(path.join(data, "listen.json"), { force: true });
    this.process = spawn(WEIR, ["server", "--config", this.settings, "--data", data, ...listens], { stdio: "ignore" });
    this.gone = once(this.process, "exit");
    for (;;) {
      const ready = await fetch(`http://${this.listens.http}/readyz`).catch(() => undefined);
      if (ready?.ok) return;
      const listens = await readFile(path.join(data, "listen.json"), "utf8").catch(() => "");
      if (listens) this.listens = JSON.parse(listens);
      if (this.process.exitCode !== null) throw new Error(`${WEIR} ended by itself`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async kill() {
    this.process.kill("SIGKILL");
    await this.gone;
  }

  async stop() {
    await this.kill();
    await rm(this.directory, { recursive: true });
  }

  get url() {
    return `http://${this.listens.http}`;
  }

  async createTopic(name, partitions) {
    const response = await fetch(`${this.url}/v1/topics/${name}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ partitions }),
    });
    if (!response.ok) throw new Error(await response.text());
  }

  /** Publishes records whose values are the numbers from `from` to below `to`. */
  async publish(topic, from, to, partitions) {
    for (let at = from; at < to; at += 1_000) {
      const numbers = Array.from({ length: Math.min(1_000, to - at) }, (_, more) => at + more);
      const records = numbers.map((n) => ({ key: `k.${n % 10}`, value: { n }, partition: n % partitions }));
      const response = await fetch(`${this.url}/v1/topics/${topic}/records`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(records),
      });
      if (!response.ok) throw new Error(await response.text());
    }
  }
}

/** A way to a broker that can be cut. */
export class Network {
  #sockets = new Set();
  #isCut = false;

  static async to(address) {
    const network = new Network();
    const [host, port] = address.split(":");
    network.server = net.createServer((near) => {
      if (network.#isCut) return near.destroy();
      const far = net.connect(Number(port), host);
      for (const [socket, other] of [[near, far], [far, near]]) {
        network.#sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => network.#sockets.delete(socket) && other.destroy());
        socket.pipe(other);
      }
    });
    network.server.listen(0, "127.0.0.1");
    await once(network.server, "listening");
    network.url = `http://127.0.0.1:${network.server.address().port}`;
    return network;
  }

  /** Nothing passes any more, and what was open is torn. */
  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    this.#isCut = false;
  }

  close() {
    this.cut();
    this.server.close();
  }
}
