// A page of another origin in Chromium: by the browser's own EventSource, and by the client.
import { createServer } from "node:http";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { Broker } from "./broker.mjs";
import { followed } from "./followed.mjs";
import { PARTITIONS, Seen } from "./seen.mjs";

const DIST = fileURLToPath(new URL("../../clients/web/dist/", import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** What is published while a page does not read, and for how long it does not: a minute, as people
 * see it happen, is `WEIR_STALL_MS=60000`. */
const STALLED = 20_000;
const STALL_MS = Number(process.env.WEIR_STALL_MS ?? 3_000);

let pages, browser, broker;

before(async () => {
  pages = createServer(async ({ url }, response) => {
    if (url === "/") return response.setHeader("content-type", "text/html").end("<title>page</title>");
    const file = await readFile(path.join(DIST, path.basename(url))).catch(() => undefined);
    response.statusCode = file ? 200 : 404;
    response.setHeader("content-type", "text/javascript").end(file);
  });
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  const origin = `http://127.0.0.1:${pages.address().port}`;
  pages.origin = origin;
  broker = await Broker.start(`[http]\nallowed_origins = ['${origin}']\n`);
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  await broker?.stop();
  pages.close();
});

/** A page on a processor that is four times as slow; what it gives to `window.note` is noted. */
async function opened(note) {
  const page = await browser.newPage();
  await page.exposeFunction("notes", (records) => records.forEach(note));
  await page.addInitScript(() => {
    let waiting = [];
    window.note = (record) => {
      if (waiting.push(record) > 1) return;
      setTimeout(() => {
        window.notes(waiting);
        waiting = [];
      });
    };
  });
  const tools = await page.context().newCDPSession(page);
  await tools.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  await page.goto(pages.origin);
  return page;
}

/** Runs `script({ url, ...more })` in a page. */
const inPage = (script, more = {}) => async (url, note) => {
  const page = await opened(note);
  await page.evaluate(script, { url, ...more });
  return () => page.close();
};

const byClient = (transport) =>
  inPage(
    async ({ url, transport }) => {
      const { connect } = await import("/client.js");
      const { origin, pathname } = new URL(url);
      const live = connect(origin, { transports: [transport] });
      const records = live.subscribe(pathname.split("/")[3], { from: "earliest" });
      (async () => {
        for await (const record of records) window.note(record);
      })();
    },
    { transport },
  );

const READERS = {
  "a browser's own EventSource": inPage(({ url }) => {
    const source = new EventSource(url);
    source.onmessage = ({ data }) => window.note(JSON.parse(data));
  }),
  "the client in a page, by WebSocket,": byClient("websocket"),
  "the client in a page, by events,": byClient("sse"),
};

for (const [name, follow] of Object.entries(READERS)) {
  test(`${name} gets every record once and in order`, { timeout: 180_000 }, () =>
    followed(broker, name.replaceAll(/[^a-zA-Z]/g, "-"), follow));
}

for (const transport of ["websocket", "sse"]) {
  test(`a page that does not read for a while gets all of it afterwards, by ${transport}`, { timeout: 240_000 }, async () => {
    const topic = `stalled-${transport}`;
    await broker.createTopic(topic, PARTITIONS);
    const seen = new Seen();
    const page = await opened(seen.note);
    await page.evaluate(
      async ({ origin, topic, transport }) => {
        const { connect } = await import("/client.js");
        window.records = connect(origin, { transports: [transport] }).subscribe(topic, { from: "earliest" });
        window.take = async () => window.note((await window.records.next()).value);
        window.takeAll = async () => {
          for (;;) await window.take();
        };
      },
      { origin: broker.url, topic, transport },
    );
    await broker.publish(topic, 0, STALLED / 2, PARTITIONS);
    await page.evaluate(() => window.take());
    const stalled = new Promise((resolve) => setTimeout(resolve, STALL_MS));
    await broker.publish(topic, STALLED / 2, STALLED, PARTITIONS);
    await stalled;
    await page.evaluate(() => void window.takeAll());
    await seen.reached(STALLED);
    await page.close();
  });
}
