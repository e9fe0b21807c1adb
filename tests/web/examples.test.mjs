// The pages of examples/live, as somebody who reads examples/README.md sees them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { Broker } from "./broker.mjs";

const LIVE = fileURLToPath(new URL("../../examples/live/", import.meta.url));
const FLIGHTS = fileURLToPath(new URL("../../examples/flights.ndjson", import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** Where pictures of the pages go, if anywhere. */
const PICTURES = process.env.WEIR_PICTURES;
const PATIENCE_MS = 60_000;

let pages, origin, browser, broker, flights;

before(async () => {
  const lines = (await readFile(FLIGHTS, "utf8")).trim().split("\n");
  flights = lines.map((line) => JSON.parse(line));
  pages = spawn(process.execPath, [path.join(LIVE, "serve.mjs"), "0"]);
  const [said] = await once(pages.stdout, "data");
  origin = String(said).trim();
  broker = await Broker.start(`[http]\nallowed_origins = ['${origin}']\n`);
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  await broker?.stop();
  pages?.kill();
});

async function open(page) {
  const tab = await browser.newPage({ viewport: { width: 1100, height: 820 } });
  tab.setDefaultTimeout(PATIENCE_MS);
  await tab.goto(`${origin}/${page}`);
  return tab;
}

async function picture(tab, name) {
  if (!PICTURES) return;
  await mkdir(PICTURES, { recursive: true });
  await tab.screenshot({ path: path.join(PICTURES, `${name}.png`) });
}

const shows = (tab, id, text) => tab.locator(`#${id}`, { hasText: text }).waitFor();

async function publishFlights(from, to) {
  const records = flights.slice(from, to).map((value) => ({ key: value.origin, value }));
  const response = await fetch(`${broker.url}/v1/topics/flights/records`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(records),
  });
  assert.ok(response.ok, await response.text());
}

test("the dashboard counts every flight, of all airports or of one", { timeout: 180_000 }, async () => {
  await broker.createTopic("flights", 4);
  await publishFlights(0, 1_000);
  const all = await open(`dashboard.html?broker=${broker.url}`);
  await shows(all, "flights", /^1,000$/);
  const one = await open(`dashboard.html?broker=${broker.url}&match=ATL`);
  await broker.kill();
  await broker.run();
  await publishFlights(1_000, 2_000);
  await shows(all, "flights", /^2,000$/);
  await shows(all, "airports", new RegExp(`^${new Set(flights.map((of) => of.origin)).size}$`));
  const ofOne = flights.filter((of) => of.origin === "ATL").length;
  await shows(one, "flights", new RegExp(`^${ofOne}$`));
  await picture(all, "dashboard");
  await picture(one, "dashboard-of-one");
});

test("an answer goes on over a reload and a broker that is killed", { timeout: 180_000 }, async () => {
  await broker.createTopic("talks", 1);
  const model = spawn(process.execPath, [path.join(LIVE, "model.mjs"), broker.url, "20"]);
  model.stderr.pipe(process.stderr);
  const listens = new Promise((resolve) => {
    let said = "";
    model.stdout.on("data", (more) => (said += more).includes("open") && resolve());
  });
  const tab = await open(`tokens.html?broker=${broker.url}`);
  try {
    await listens;
    await tab.locator("#ask input").fill("What is a weir?");
    await tab.getByRole("button", { name: "Ask" }).click();
    await shows(tab, "answer", /dam across/);
    await tab.reload();
    await shows(tab, "answer", /Upstream/);
    await picture(tab, "tokens");
    await broker.kill();
    await broker.run();
    await shows(tab, "answer", /^A weir is a low dam .* how much goes through\.$/);
    await shows(tab, "question", /^What is a weir\?$/);
    await tab.locator("#stop:disabled").waitFor();
    await picture(tab, "tokens-done");
  } finally {
    model.kill();
  }
});
