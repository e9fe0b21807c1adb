// The client over a real broker: whatever happens to the network and to the broker, every record
// comes once and in order.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "../../clients/web/dist/client.js";
import { Broker, Network } from "./broker.mjs";

const RECORDS = 20_000;
const PARTITIONS = 4;

let broker;
before(async () => void (broker = await Broker.start()));
after(() => broker.stop());

/** Notes what comes, and that it comes once and in order. */
class Seen {
  count = 0;
  next = Array(PARTITIONS).fill(0);

  note({ partition, offset, value }) {
    assert.equal(offset, this.next[partition], `partition ${partition} goes on at its next offset`);
    assert.equal(value.n, offset * PARTITIONS + partition);
    this.next[partition] += 1;
    this.count += 1;
  }
}

test("a reader outlives cuts of the network and kills of the broker", async () => {
  await broker.createTopic("cuts", PARTITIONS);
  const network = await Network.to(broker.listens.http);
  const live = connect(network.url);
  const records = live.subscribe("cuts", { from: "earliest" });
  const seen = new Seen();
  const until = async (count) => {
    while (seen.count < count) seen.note((await records.next()).value);
  };
  await broker.publish("cuts", 0, 5_000, PARTITIONS);
  await until(1_000);
  network.cut();
  await broker.publish("cuts", 5_000, 10_000, PARTITIONS);
  network.mend();
  await until(7_000);
  await broker.kill();
  await broker.run();
  await until(10_000);
  await Promise.all([broker.publish("cuts", 10_000, RECORDS, PARTITIONS), until(12_000)]);
  await broker.kill();
  const reading = until(RECORDS);
  await broker.run();
  await reading;
  assert.deepEqual(seen.next, Array(PARTITIONS).fill(RECORDS / PARTITIONS));
  await broker.publish("cuts", RECORDS, RECORDS + 4, PARTITIONS);
  await until(RECORDS + 4);
  live.close();
  network.close();
});

test("a page that is loaded again goes on where it was, with its filters", async () => {
  await broker.createTopic("reload", PARTITIONS);
  await broker.publish("reload", 0, 1_000, PARTITIONS);
  const kept = new Map();
  const persist = { getItem: (key) => kept.get(key) ?? null, setItem: (key, of) => kept.set(key, of) };
  const numbers = [];
  while (numbers.length < 200) {
    const options = { from: "earliest", match: ["k.3", "k.4"], persist };
    const records = connect(broker.url).subscribe("reload", options);
    for await (const { key, value } of records) {
      assert.equal(key, `k.${value.n % 10}`);
      numbers.push(value.n);
      if (numbers.length % 37 === 0 || numbers.length === 200) break;
    }
  }
  const wanted = Array.from({ length: 1_000 }, (_, n) => n).filter((n) => [3, 4].includes(n % 10));
  assert.deepEqual([...numbers].sort((a, b) => a - b), wanted);
});

test("what is published is followed, and what cannot be is refused by name", async () => {
  await broker.createTopic("both", 1);
  const live = connect(broker.url);
  const records = live.subscribe("both", { from: "earliest" });
  const placed = await live.publish("both", { key: "k", value: { hello: "wörld" }, headers: { h: "v" } });
  assert.deepEqual(placed, { partition: 0, offset: 0 });
  const { value } = await records.next();
  assert.deepEqual([value.key, value.value, value.headers], ["k", { hello: "wörld" }, { h: "v" }]);
  await assert.rejects(live.publish("nowhere", { value: 1 }), { code: "UNKNOWN_TOPIC", status: 404 });
  await assert.rejects(live.subscribe("nowhere").next(), { code: "UNKNOWN_TOPIC" });
  await assert.rejects(live.subscribe("both", { match: "a..b" }).next(), { code: "MALFORMED_REQUEST" });
  live.close();
});
