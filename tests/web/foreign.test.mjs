// Other people's readers of server-sent events, as they come: each gets every record once and in
// order, over cuts and kills, by nothing but `Last-Event-ID`.
import { after, before, test } from "node:test";
import { fetchEventSource } from "@microsoft/fetch-event-source";
import { EventSource } from "eventsource";
import { createEventSource } from "eventsource-client";
import { EventSource as UndiciEventSource } from "undici";
import { Broker } from "./broker.mjs";
import { followed } from "./followed.mjs";

let broker;
before(async () => void (broker = await Broker.start()));
after(() => broker.stop());

/** As a page uses a browser's own. */
const standard = (Source) => (url, note) => {
  const source = new Source(url);
  source.onmessage = ({ data }) => note(JSON.parse(data));
  return () => source.close();
};

const READERS = {
  eventsource: standard(EventSource),
  undici: standard(UndiciEventSource),
  "eventsource-client": (url, note) => {
    const onMessage = ({ event, data }) => event === undefined && note(JSON.parse(data));
    const source = createEventSource({ url, onMessage });
    return () => source.close();
  },
  "fetch-event-source": (url, note) => {
    // It was made for pages, and asks for what they have.
    globalThis.window ??= globalThis;
    globalThis.document ??= new EventTarget();
    const stop = new AbortController();
    const onmessage = ({ event, data }) => event === "" && data && note(JSON.parse(data));
    fetchEventSource(url, { signal: stop.signal, openWhenHidden: true, onmessage });
    return () => stop.abort();
  },
};

for (const [name, follow] of Object.entries(READERS)) {
  test(`${name} gets every record once and in order`, { timeout: 120_000 }, () =>
    followed(broker, name, follow));
}
