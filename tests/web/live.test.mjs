// The client over a real broker: whatever happens to the network and to the broker, every record
// comes once and in order.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WebSocket } from "undici";
import { connect } from "../../clients/web/dist/client.js";
import { Broker } from "./broker.mjs";
import { followed } from "./followed.mjs";
import { PARTITIONS } from "./seen.mjs";

let broker;
before(async () => void (broker = await Broker.start()));
after(() => broker.stop());

const WAYS = {
  websocket: (url) => connect(url, { WebSocket, transports: ["websocket"] }),
  sse: (url) => connect(url, { transports: ["sse"] }),
};

for (const [way, connected] of Object.entries(WAYS)) {
  test(`a reader by ${way} outlives cuts of the network and kills of the broker`, () =>
    followed(broker, `cuts-${way}`, (url, note) => {
      const live = connected(new URL(url).origin);
      const topic = `cuts-${way}`;
      const reading = (async () => {
        for await (const record of live.subscribe(topic, { from: "earliest" })) note(record);
      })();
      return async () => {
        live.close();
        await reading;
      };
    }));

  test(`a page that is loaded again goes on where it was, with its filters, by ${way}`, async () => {
    const topic = `reload-${way}`;
    await broker.createTopic(topic, PARTITIONS);
    await broker.publish(topic, 0, 1_000, PARTITIONS);
    const kept = new Map();
    const persist = { getItem: (key) => kept.get(key) ?? null, setItem: (key, of) => kept.set(key, of) };
    const numbers = [];
    while (numbers.length < 200) {
      const options = { from: "earliest", match: ["k.3", "k.4"], persist };
      const records = connected(broker.url).subscribe(topic, options);
      for await (const { key, value } of records) {
        assert.equal(key, `k.${value.n % 10}`);
        numbers.push(value.n);
        if (numbers.length % 37 === 0 || numbers.length === 200) break;
      }
    }
    const wanted = Array.from({ length: 1_000 }, (_, n) => n).filter((n) => [3, 4].includes(n % 10));
    assert.deepEqual([...numbers].sort((a, b) => a - b), wanted);
  });

  test(`what is published is followed, and what cannot be is refused by name, by ${way}`, async () => {
    const topic = `both-${way}`;
    await broker.createTopic(topic, 1);
    const live = connected(broker.url);
    const records = live.subscribe(topic, { from: "earliest" });
    const placed = await live.publish(topic, { key: "k", value: { hello: "wörld" }, headers: { h: "v" } });
    assert.deepEqual(placed, { partition: 0, offset: 0 });
    const { value } = await records.next();
    assert.deepEqual([value.key, value.value, value.headers], ["k", { hello: "wörld" }, { h: "v" }]);
    await assert.rejects(live.publish("nowhere", { value: 1 }), { code: "UNKNOWN_TOPIC", status: 404 });
    await assert.rejects(live.subscribe("nowhere").next(), { code: "UNKNOWN_TOPIC" });
    await assert.rejects(live.subscribe(topic, { match: "a..b" }).next(), { code: "MALFORMED_REQUEST" });
    live.close();
  });

  test(`a bookmark of another topic is a gap, and all there is comes, by ${way}`, async () => {
    const [mine, other] = [`mine-${way}`, `other-${way}`];
    await broker.createTopic(mine, 1);
    await broker.createTopic(other, 1);
    await broker.publish(mine, 0, 2, 1);
    await broker.publish(other, 0, 1, 1);
    const live = connected(broker.url);
    const elsewhere = await live.subscribe(other, { from: "earliest" }).next();
    const records = live.subscribe(mine, { from: { after: elsewhere.value.bookmark } });
    const gaps = [];
    records.on("gap", (gap) => gaps.push(gap));
    const taken = [(await records.next()).value, (await records.next()).value];
    assert.deepEqual(taken.map(({ topic, offset }) => [topic, offset]), [[mine, 0], [mine, 1]]);
    const said = gaps.map(({ topic, from, to, reason }) => [topic, from, to, reason]);
    assert.deepEqual(said, [[mine, null, 0, "foreign"]]);
    live.close();
  });
}
