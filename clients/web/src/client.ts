/**
 * weir in browsers, Node and edge workers.
 *
 * ```ts
 * const live = connect("https://weir.example", { token: async () => fetchToken() });
 * for await (const { key, value } of live.subscribe("orders", { match: "orders.*.eu" })) {
 *   show(key, value);
 * }
 * ```
 */
import { WeirError } from "./errors.js";
import { encodeRecord, type NewRecord, type Placed } from "./record.js";
import type { SocketClass } from "./socket.js";
import { Subscription, type SubscribeOptions, type TokenReason } from "./subscription.js";
import { Transports, type Opening, type Transport } from "./transport.js";

export { WeirError } from "./errors.js";
export type { Gap, LiveRecord, NewRecord, Placed } from "./record.js";
export type { Transport } from "./transport.js";
export type { State, SubscribeOptions, Subscription, TokenReason } from "./subscription.js";

export interface ConnectOptions {
  /** Asked at each connection and each publish; what it gives goes as `Authorization: Bearer`. */
  token?: (why: TokenReason) => string | null | undefined | Promise<string | null | undefined>;
  /**
   * How to follow, the first that passes: all subscriptions over one WebSocket, or each over
   * server-sent events. Both, in this order, if not said. With a token it is the second: a page's
   * WebSocket has nothing to send it in.
   */
  transports?: readonly Transport[];
  /** Instead of the `fetch` that is there. */
  fetch?: typeof fetch;
  /** Instead of the `WebSocket` that is there, or where none is. */
  WebSocket?: SocketClass;
}

/** A broker, by the address of its HTTP face. Nothing is sent before something is asked. */
export function connect(url: string | URL, options: ConnectOptions = {}): Live {
  return new Live(url, options);
}

export class Live {
  readonly #base: string;
  readonly #options: ConnectOptions;
  readonly #transports: Transports;
  readonly #closed = new AbortController();

  /** @internal */
  constructor(url: string | URL, options: ConnectOptions) {
    this.#base = String(new URL(url)).replace(/\/+$/, "");
    this.#options = options;
    const { transports: allowed = ["websocket", "sse"] } = options;
    const WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#transports = new Transports(this.#base, { fetch: this.#fetch, WebSocket, allowed });
  }

  /** Follows a topic: every record once, in the order of its partition, or a gap that says why. */
  subscribe<T = unknown>(topic: string, options: SubscribeOptions = {}): Subscription<T> {
    const token = (why: TokenReason) => this.#token(why);
    const open = (opening: Opening) => this.#transports.open(opening);
    const grounds = { base: this.#base, open, token, signal: this.#closed.signal };
    return new Subscription<T>(grounds, topic, options);
  }

  /**
   * Publishes a record, and says where it is: on return it is as safe as its topic makes it. Where
   * no answer came it may be stored or not.
   */
  async publish(topic: string, record: NewRecord, signal?: AbortSignal): Promise<Placed> {
    const headers = new Headers({ "content-type": "application/json" });
    const token = await this.#token("connect");
    if (token) headers.set("authorization", `Bearer ${token}`);
    const url = `${this.#base}/v1/topics/${encodeURIComponent(topic)}/records`;
    const body = JSON.stringify([encodeRecord(record)]);
    const { status, text } = await whileNone([this.#closed.signal, signal], async (signal) => {
      const response = await this.#fetch(url, { method: "POST", headers, body, signal });
      return { status: response.status, text: await response.text() };
    });
    if (status < 200 || 300 <= status) throw WeirError.of(status, text);
    const { records } = JSON.parse(text) as { records: Placed[] };
    const [placed] = records;
    if (!placed) throw WeirError.of(status, text);
    return placed;
  }

  /** Ends all that is under way. */
  close(): void {
    this.#closed.abort();
  }

  get #fetch(): typeof fetch {
    return this.#options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  async #token(why: TokenReason): Promise<string | null | undefined> {
    return this.#options.token?.(why);
  }
}

/** Does it until one of `signals` comes, and then leaves none of them a listener. */
async function whileNone<T>(
  signals: (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const any = new AbortController();
  const done = new AbortController();
  for (const signal of signals) {
    const abort = (): void => any.abort(signal?.reason);
    signal?.addEventListener("abort", abort, { signal: done.signal });
    if (signal?.aborted) abort();
  }
  try {
    return await work(any.signal);
  } finally {
    done.abort();
  }
}
