/**
 * Events over a response that is read as it comes, over `fetch`. Unlike a browser's `EventSource`
 * it sends headers, sees why it was refused, and reads only when asked, so that a slow page holds
 * the broker back and costs no memory.
 */
import { WeirError } from "./errors.js";
import { EventReader } from "./sse.js";
import type { Arrival, Connection, Opening } from "./transport.js";

export class Stream implements Connection {
  readonly #bytes: ReadableStreamDefaultReader<Uint8Array>;
  readonly #events: EventReader;
  #heardAt = Date.now();

  private constructor(bytes: ReadableStreamDefaultReader<Uint8Array>, bookmark: string) {
    this.#bytes = bytes;
    this.#events = new EventReader(bookmark);
  }

  static async open(base: string, fetch: typeof globalThis.fetch, opening: Opening): Promise<Stream> {
    const { topic, match, from, bookmark, token, signal } = opening;
    const query = new URLSearchParams();
    for (const filter of match) query.append("match", filter);
    if (from) query.set("from", from);
    const url = `${base}/v1/topics/${encodeURIComponent(topic)}/live?${query}`;
    const headers = new Headers({ accept: "text/event-stream" });
    if (token) headers.set("authorization", `Bearer ${token}`);
    if (bookmark) headers.set("last-event-id", bookmark);
    const response = await fetch(url, { headers, signal, cache: "no-store" });
    if (response.status !== 200 || !response.body) {
      throw WeirError.of(response.status, await response.text());
    }
    return new Stream(response.body.getReader(), bookmark);
  }

  get retryMs(): number | undefined {
    return this.#events.retryMs;
  }

  async read(): Promise<Arrival[] | undefined> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("the connection fell silent")), SILENCE_MS_MAX);
    });
    try {
      const { done, value } = await Promise.race([this.#bytes.read(), silence]);
      this.#heardAt = Date.now();
      if (done) return undefined;
      const events = [...this.#events.read(value)];
      return events.map(({ name, data, id }) => ({ name, id, body: () => JSON.parse(data) }));
    } finally {
      clearTimeout(timer);
    }
  }

  /** What was silent while the page slept may be long dead, and nothing can be asked of it. */
  probe(): void {
    if (this.#heardAt + ALIVE_MS < Date.now()) this.close();
  }

  close(): void {
    this.#bytes.cancel().catch(() => undefined);
  }
}

/** The broker says every 15 s that a connection is alive; this is with a little patience. */
const ALIVE_MS = 20_000;

/** Two such signs of life were missed. */
const SILENCE_MS_MAX = 40_000;
