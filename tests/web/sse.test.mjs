// The parser against the cases of the HTML standard's "event stream interpretation", in pieces of
// every size: how bytes are cut must change nothing.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { transform } from "esbuild";

const source = await readFile(new URL("../../clients/web/src/sse.ts", import.meta.url), "utf8");
const { code } = await transform(source, { loader: "ts" });
const { EventReader } = await import(`data:text/javascript,${encodeURIComponent(code)}`);

function read(text, size) {
  const reader = new EventReader("");
  const bytes = new TextEncoder().encode(text);
  const events = [];
  for (let at = 0; at < bytes.length; at += size) {
    for (const { name, data, id } of reader.read(bytes.subarray(at, at + size))) {
      events.push([name, data, id]);
    }
  }
  return { events, retryMs: reader.retryMs };
}

const CASES = {
  "lines end in LF, CR or both": [
    "data: a\n\ndata: b\r\rdata: c\r\n\r\nd",
    [["message", "a", ""], ["message", "b", ""], ["message", "c", ""]],
  ],
  "one space behind the colon goes": ["data:a\ndata:  b\ndata\n\n", [["message", "a\n b\n", ""]]],
  "an id stays until another comes": [
    "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
    [["message", "a", "1"], ["message", "b", "1"], ["message", "c", ""]],
  ],
  "an id with a NUL is ignored": ["id: 1\0\ndata: a\n\n", [["message", "a", ""]]],
  "comments and unknown fields are ignored": [": hi\nfoo: bar\ndata: a\n\n", [["message", "a", ""]]],
  "an event without data is none, and its name is not the next one's": [
    "event: x\n\ndata: a\n\n",
    [["message", "a", ""]],
  ],
  "an event has its name": ["event: gap\ndata: {}\nid: 7\n\n", [["gap", "{}", "7"]]],
  "a byte order mark goes": ["\ufeffdata: a\n\n", [["message", "a", ""]]],
  "what is cut off is dropped": ["data: a\nid: 1\n\ndata: b\nid: 2\n", [["message", "a", "1"]]],
  "characters of several bytes": ["data: ☂é😀\n\n", [["message", "☂é😀", ""]]],
};

for (const [name, [text, events]] of Object.entries(CASES)) {
  test(name, () => {
    for (let size = 1; size <= text.length + 1; size += 1) {
      assert.deepEqual(read(text, size).events, events, `in pieces of ${size}`);
    }
  });
}

test("a server says how long to wait, in digits alone", () => {
  assert.equal(read("retry: 250\n", 3).retryMs, 250);
  assert.equal(read("retry: 1e9\n", 3).retryMs, undefined);
});

test("an event without an end is refused before it fills the memory", () => {
  const reader = new EventReader("");
  const piece = new Uint8Array(1 << 20).fill(97);
  assert.throws(() => {
    for (let mebibytes = 0; mebibytes < 64; mebibytes += 1) [...reader.read(piece)];
  }, /more than 16777216 characters/);
});
