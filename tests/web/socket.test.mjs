// Subscriptions that share a WebSocket, over a broker that says what the test wants.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { connect } from "../../clients/web/dist/client.js";

/** A `WebSocket` whose other end is `answer(socket, message)`; what was made and said is kept. */
function broker(answer) {
  const sockets = [];
  class Socket {
    readyState = 0;
    said = [];
    constructor(url, protocol) {
      Object.assign(this, { url, protocol });
      sockets.push(this);
      queueMicrotask(() => {
        if (answer === undefined) return this.cut();
        this.readyState = 1;
        this.say({ type: "welcome", protocol });
      });
    }
    say = (message) => void (this.readyState === 1 && this.onmessage({ data: JSON.stringify(message) }));
    send(text) {
      const message = JSON.parse(text);
      this.said.push(message);
      answer(this, message);
    }
    cut(code = 1006, reason = "") {
      if (this.readyState === 3) return;
      this.readyState = 3;
      queueMicrotask(() => this.onclose({ code, reason }));
    }
    close = () => this.cut(1000);
  }
  const fetch = async () => Promise.reject(new Error("only the WebSocket is here"));
  return { sockets, WebSocket: Socket, fetch };
}

const record = (sub, offset) => ({
  type: "record",
  sub,
  bookmark: `b${offset}`,
  record: { partition: 0, offset, timestamp: 1, key: "k", value: { n: offset }, headers: {} },
});
const ofType = (socket, type) => socket.said.filter((message) => message.type === type);

async function take(subscription, count) {
  const offsets = [];
  while (offsets.length < count) offsets.push((await subscription.next()).value.offset);
  return offsets;
}

test("subscriptions share a socket, which ends with the last of them", async () => {
  const { sockets, ...means } = broker((socket, { type, sub, topic }) => {
    if (type === "subscribe") socket.say(record(sub, topic === "a" ? 1 : 2));
  });
  const live = connect("http://weir.test/", means);
  const a = live.subscribe("a", { match: ["x.>"], from: "earliest", credit: 9 });
  const b = live.subscribe("b", { from: { after: "b7" } });
  assert.deepEqual(await Promise.all([take(a, 1), take(b, 1)]), [[1], [2]]);
  const [socket] = sockets;
  assert.equal(sockets.length, 1);
  assert.deepEqual([socket.url, socket.protocol], ["ws://weir.test/v1/live", "weir.v1"]);
  assert.deepEqual(ofType(socket, "subscribe"), [
    { type: "subscribe", sub: 1, topic: "a", match: ["x.>"], from: "earliest", credit: 9 },
    { type: "subscribe", sub: 2, topic: "b", bookmark: "b7", credit: 256 },
  ]);
  await a.return();
  assert.equal(socket.readyState, 1);
  assert.deepEqual(ofType(socket, "unsubscribe"), [{ type: "unsubscribe", sub: 1 }]);
  await b.return();
  assert.equal(socket.readyState, 3);
});

test("records are granted as they are taken", async () => {
  const { sockets, ...means } = broker((socket, { type, sub }) => {
    if (type === "subscribe") for (let offset = 0; offset < 8; offset += 1) socket.say(record(sub, offset));
  });
  const live = connect("http://weir.test", means);
  const records = live.subscribe("t", { credit: 8 });
  await take(records, 4);
  assert.deepEqual(ofType(sockets[0], "credit"), []);
  // The fourth is done with when the fifth is asked for.
  await take(records, 1);
  const grant = (seen) => ({ type: "credit", sub: 1, seen, credit: 8 });
  assert.deepEqual(ofType(sockets[0], "credit"), [grant(4)]);
  await take(records, 3);
  assert.deepEqual(ofType(sockets[0], "credit"), [grant(4)]);
  live.close();
});

test("who is cut off or sent away goes on behind what it was handed", async () => {
  let connections = 0;
  const { sockets, ...means } = broker((socket, { type, sub }) => {
    if (type !== "subscribe") return;
    connections += 1;
    if (connections === 1) {
      socket.say(record(sub, 0));
      socket.say(record(sub, 1));
      socket.cut();
    } else if (connections === 2) {
      socket.say({ type: "gap", sub, bookmark: "b4", gap: { partition: 0, from: 2, to: 5, reason: "expired" } });
      socket.say({ type: "drain", reconnect_ms: 20, detail: "elsewhere" });
    } else socket.say(record(sub, 5));
  });
  const live = connect("http://weir.test", means);
  const records = live.subscribe("t", { from: "earliest" });
  const gaps = [];
  records.on("gap", (gap) => gaps.push(gap));
  assert.deepEqual(await take(records, 3), [0, 1, 5]);
  assert.deepEqual(gaps, [{ topic: "t", partition: 0, from: 2, to: 5, reason: "expired", bookmark: "b4" }]);
  const resumed = sockets.map((socket) => ofType(socket, "subscribe")[0].bookmark);
  assert.deepEqual(resumed, [undefined, "b1", "b4"]);
  live.close();
});

test("what the broker refuses is thrown, or waited for where that helps", async () => {
  let asked = 0;
  const { sockets, ...means } = broker((socket, { type, sub, topic }) => {
    if (type !== "subscribe") return;
    const error = (code, retry) => socket.say({ type: "error", sub, code, retry, detail: code });
    if (topic === "nowhere") error("UNKNOWN_TOPIC", "never");
    else if ((asked += 1) === 1) error("TOO_MANY_SUBSCRIPTIONS", "later");
    else socket.say(record(sub, 3));
  });
  const live = connect("http://weir.test", means);
  await assert.rejects(live.subscribe("nowhere").next(), { code: "UNKNOWN_TOPIC", retry: "never" });
  const records = live.subscribe("t");
  assert.deepEqual(await take(records, 1), [3]);
  assert.equal(asked, 2);
  const next = records.next();
  sockets.at(-1).cut(4007, "MALFORMED_REQUEST");
  await assert.rejects(next, { code: "MALFORMED_REQUEST", retry: "never" });
  live.close();
});

test("where no WebSocket passes, responses do, from then on", async () => {
  const { sockets, WebSocket } = broker(undefined);
  const event = (n) => `data: ${JSON.stringify(record(0, n).record)}\nid: b${n}\n\n`;
  let asked = 0;
  const fetch = async () => new Response(`retry: 0\n\n${event((asked += 1))}`);
  const live = connect("http://weir.test", { WebSocket, fetch });
  assert.deepEqual(await take(live.subscribe("t"), 2), [1, 2]);
  assert.equal(sockets.length, 1);
  live.close();
  // It may be the broker that is not there: then both ways are tried again.
  const nobody = connect("http://weir.test", { WebSocket, fetch: () => Promise.reject(new Error("nobody")) });
  const records = nobody.subscribe("t");
  const waits = new Promise((resolve) => records.on("state", (state) => state === "waiting" && resolve()));
  const next = records.next();
  await waits;
  assert.equal(sockets.length, 2);
  nobody.close();
  assert.deepEqual(await next, { done: true, value: undefined });
});

test("a token goes in a header, which a page's WebSocket has not", async () => {
  const { sockets, WebSocket } = broker(() => undefined);
  const fetch = async (_, { headers }) => {
    assert.equal(headers.get("authorization"), "Bearer secret");
    return new Response(`data: ${JSON.stringify(record(0, 1).record)}\nid: b1\n\n`);
  };
  const live = connect("http://weir.test", { WebSocket, fetch, token: () => "secret" });
  assert.deepEqual(await take(live.subscribe("t"), 1), [1]);
  assert.equal(sockets.length, 0);
  live.close();
});

test("a socket on which nothing is heard is left", async () => {
  mock.timers.enable({ apis: ["setInterval", "setTimeout", "Date"] });
  try {
    const { sockets, ...means } = broker((socket, { type, sub }) => {
      if (type === "subscribe" && sockets.length === 1) socket.say(record(sub, 1));
    });
    const live = connect("http://weir.test", means);
    const records = live.subscribe("t");
    assert.deepEqual(await take(records, 1), [1]);
    const lost = new Promise((resolve) => records.on("state", (state) => state === "waiting" && resolve()));
    const next = records.next();
    mock.timers.tick(30_000);
    sockets[0].say({ type: "alive" });
    mock.timers.tick(30_000);
    assert.equal(sockets[0].readyState, 1);
    mock.timers.tick(15_000);
    assert.equal(sockets[0].readyState, 3);
    await lost;
    live.close();
    await next;
  } finally {
    mock.timers.reset();
  }
});
