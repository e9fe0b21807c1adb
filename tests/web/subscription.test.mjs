// A subscription over a broker that says what the test wants: resuming, tokens, refusals, gaps.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { connect, WeirError } from "../../clients/web/dist/client.js";

/** Answers each request by the next of `answers`, and remembers what was asked. */
function broker(...answers) {
  const asked = [];
  const fetch = async (url, { headers, signal }) => {
    signal?.throwIfAborted();
    const { searchParams } = new URL(url);
    asked.push({
      query: searchParams,
      after: headers.get("last-event-id"),
      token: headers.get("authorization"),
    });
    const answer = answers.shift();
    if (answer === undefined) throw new Error("nobody is there");
    return answer();
  };
  return { fetch, asked };
}

const events = (text) => () => new Response(`retry: 0\n\n${text}`);
const record = (offset) =>
  `data: {"partition":0,"offset":${offset},"timestamp":1,"key":"k","value":{"n":${offset}},"headers":{}}\n` +
  `id: b${offset}\n\n`;
const refusal = (status, code, retry) => () =>
  Response.json({ code, retry, detail: `it says ${code}` }, { status });

async function take(subscription, count) {
  const offsets = [];
  while (offsets.length < count) {
    const { done, value } = await subscription.next();
    if (done) break;
    offsets.push(value.offset);
  }
  return offsets;
}

test("who was cut off inside an event gets it again, and nothing twice", async () => {
  const cut = record(2).slice(0, -1);
  const { fetch, asked } = broker(events(record(0) + record(1) + cut), events(record(2)));
  const live = connect("http://weir.test/", { fetch });
  const subscription = live.subscribe("t", { from: "earliest", match: ["a.*", "b.>"] });
  assert.deepEqual(await take(subscription, 3), [0, 1, 2]);
  assert.deepEqual(asked.map(({ after }) => after), [null, "b1"]);
  assert.deepEqual(asked[0].query.getAll("match"), ["a.*", "b.>"]);
  assert.equal(asked[1].query.get("from"), "earliest");
  live.close();
  assert.deepEqual(await subscription.next(), { done: true, value: undefined });
});

test("a token is asked for at each connection, and once more where it is refused", async () => {
  const expired = refusal(401, "UNAUTHENTICATED", "never");
  const { fetch, asked } = broker(events(record(0)), expired, events(record(1)), expired, expired);
  const reasons = [];
  const token = async (why) => reasons.push(why) && `t${reasons.length}`;
  const subscription = connect("http://weir.test", { fetch, token }).subscribe("t");
  assert.deepEqual(await take(subscription, 2), [0, 1]);
  await assert.rejects(subscription.next(), { name: "WeirError", code: "UNAUTHENTICATED" });
  assert.deepEqual(reasons, ["connect", "reconnect", "refused", "reconnect", "refused"]);
  assert.deepEqual(asked.map(({ token }) => token), reasons.map((_, at) => `Bearer t${at + 1}`));
});

test("what passes is waited for, and what does not is thrown", async () => {
  const { fetch } = broker(
    refusal(503, "OVERLOADED", "later"),
    () => new Response("<html>bad gateway", { status: 502 }),
    () => Promise.reject(new TypeError("connection refused")),
    events('event: problem\ndata: {"code":"OVERLOADED","retry":"later","detail":"full"}\n\n'),
    events(record(0)),
    refusal(404, "UNKNOWN_TOPIC", "never"),
  );
  const subscription = connect("http://weir.test", { fetch }).subscribe("t");
  const states = [];
  subscription.on("state", (state) => states.push(state));
  assert.deepEqual(await take(subscription, 1), [0]);
  const error = await subscription.next().catch((error) => error);
  assert.ok(error instanceof WeirError);
  assert.deepEqual([error.code, error.status, error.retry], ["UNKNOWN_TOPIC", 404, "never"]);
  assert.equal(states.at(-1), "closed");
  assert.equal(states.filter((state) => state === "open").length, 2);
});

test("a gap is told, and a place moves on over it", async () => {
  const gap = 'event: gap\ndata: {"partition":0,"from":1,"to":5,"reason":"expired"}\nid: g5\n\n';
  const { fetch, asked } = broker(events(record(0) + gap), events(record(5)));
  const subscription = connect("http://weir.test", { fetch }).subscribe("t");
  const gaps = [];
  subscription.on("gap", (gap) => gaps.push(gap));
  assert.deepEqual(await take(subscription, 2), [0, 5]);
  assert.deepEqual(gaps, [{ topic: "t", partition: 0, from: 1, to: 5, reason: "expired", bookmark: "g5" }]);
  assert.equal(asked[1].after, "g5");
});

test("what is remembered is what the application is done with", async () => {
  const kept = new Map();
  const persist = { getItem: (key) => kept.get(key) ?? null, setItem: (key, of) => kept.set(key, of) };
  const first = broker(events(record(0) + record(1)));
  const subscription = connect("http://weir.test", first).subscribe("t", { persist });
  await take(subscription, 2);
  assert.deepEqual([...kept.values()], ["b0"], "the second is still in its hands");
  await subscription.return();
  assert.deepEqual([...kept.values()], ["b1"]);
  const second = broker(events(record(2)));
  const again = connect("http://weir.test", second).subscribe("t", { persist });
  assert.deepEqual(await take(again, 1), [2]);
  assert.equal(second.asked[0].after, "b1");
  await again.return();
  assert.deepEqual([...kept.values()], ["b2"]);
});

test("bytes come and go as bytes", async () => {
  const data = '{"partition":0,"offset":0,"timestamp":1,"key":"/w==","value":"AAE=","headers":{},"encoding":"base64"}';
  const { fetch } = broker(events(`data: ${data}\nid: b\n\n`));
  const { value } = await connect("http://weir.test", { fetch }).subscribe("t").next();
  assert.deepEqual([[...value.key], [...value.value]], [[255], [0, 1]]);
  let sent;
  const takes = async (_, { body }) => (sent = body) && Response.json({ records: [{ partition: 0, offset: 7 }] });
  const placed = await connect("http://weir.test", { fetch: takes }).publish("t", {
    key: "k",
    value: new Uint8Array([0, 1]),
  });
  assert.deepEqual(placed, { partition: 0, offset: 7 });
  assert.deepEqual(JSON.parse(sent), [{ key: "aw==", value: "AAE=", encoding: "base64" }]);
});

test("a signal ends a subscription, also one that waits", async () => {
  const { fetch } = broker();
  const abort = new AbortController();
  const subscription = connect("http://weir.test", { fetch }).subscribe("t", { signal: abort.signal });
  subscription.on("state", (state) => state === "waiting" && abort.abort());
  assert.deepEqual(await subscription.next(), { done: true, value: undefined });
  const never = connect("http://weir.test", { fetch }).subscribe("t", { signal: AbortSignal.abort() });
  assert.deepEqual(await never.next(), { done: true, value: undefined });
});

test("a signal that outlives what it could end keeps nothing of it", async () => {
  const placed = () => Response.json({ records: [{ partition: 0, offset: 1 }] });
  const { fetch } = broker(placed, () => Promise.reject(new Error("torn")), events(record(0)));
  const live = connect("http://weir.test", { fetch });
  const { signal } = new AbortController();
  await live.publish("t", { value: 1 }, signal);
  await assert.rejects(live.publish("t", { value: 1 }, signal), /torn/);
  const subscription = live.subscribe("t", { from: "earliest", signal });
  assert.deepEqual(await take(subscription, 1), [0]);
  assert.equal(getEventListeners(signal, "abort").length, 1);
  await subscription.return();
  assert.equal(getEventListeners(signal, "abort").length, 0);
});
