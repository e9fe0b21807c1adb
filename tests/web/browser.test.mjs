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

const DIST = fileURLToPath(new URL("../../clients/web/dist/", import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

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

/** Runs `script(url)` in a page on a processor that is four times as slow; what it gives to
 * `window.note` is noted. */
const inPage = (script) => async (url, note) => {
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
  await page.evaluate(script, url);
  return () => page.close();
};

const READERS = {
  "a browser's own EventSource": inPage((url) => {
    const source = new EventSource(url);
    source.onmessage = ({ data }) => window.note(JSON.parse(data));
  }),
  "the client in a page": inPage(async (url) => {
    const { connect } = await import("/client.js");
    const { origin, pathname } = new URL(url);
    const records = connect(origin).subscribe(pathname.split("/")[3], { from: "earliest" });
    (async () => {
      for await (const record of records) window.note(record);
    })();
  }),
};

for (const [name, follow] of Object.entries(READERS)) {
  test(`${name} gets every record once and in order`, { timeout: 180_000 }, () =>
    followed(broker, name.replaceAll(/[^a-zA-Z]/g, "-"), follow));
}
