/**
 * A topic's records, one behind the other, whatever happens to the connection.
 *
 * ```text
 *   next() ─► a record that waits ── none: read ── lost: wait, token, connect behind the last ─┐
 *               ▲                                                                            │
 *               └────────────────────────────────────────────────────────────────────────────┘
 * ```
 *
 * Nothing is read ahead of the application but one piece of the stream. There is one way to
 * connect, at first and again, and it always asks for a token.
 */
import { Backoff } from "./backoff.js";
import { WeirError } from "./errors.js";
import { decodeRecord, type Gap, type LiveRecord } from "./record.js";
import { onWake, pause } from "./resume.js";
import type { Arrival, Connection, Opening } from "./transport.js";

export type State = "connecting" | "open" | "waiting" | "closed";

/** Why a token is asked for: `refused` where the broker did not take the last one. */
export type TokenReason = "connect" | "reconnect" | "refused";

export interface SubscribeOptions {
  /** Which records, by their keys: `orders.42`, `orders.*.eu`, `orders.>`. All, if not said. */
  match?: string | readonly string[];
  /** Where to begin; `latest` if not said. `after` takes the bookmark of a record. */
  from?: "earliest" | "latest" | Date | { after: string };
  /** Remembers the place, so that a page that is loaded again goes on: `sessionStorage`. */
  persist?: Pick<Storage, "getItem" | "setItem">;
  /** How many records may come before the application has taken the first; 256 if not said. */
  credit?: number;
  /** Ends the subscription. */
  signal?: AbortSignal;
}

/** What a subscription stands on. */
export interface Grounds {
  readonly base: string;
  open(opening: Opening): Promise<Connection>;
  token(why: TokenReason): Promise<string | null | undefined>;
  readonly signal: AbortSignal;
}

interface Listeners {
  gap: (gap: Gap) => void;
  state: (state: State) => void;
}

export class Subscription<T = unknown> implements AsyncIterableIterator<LiveRecord<T>> {
  /** Where the application is: behind the last record that it took. */
  bookmark: string;
  readonly #grounds: Grounds;
  readonly #asked: Pick<Opening, "topic" | "match" | "from" | "credit">;
  readonly #key: string;
  readonly #persist: SubscribeOptions["persist"];
  readonly #ended = new AbortController();
  readonly #backoff = new Backoff();
  readonly #listeners: { [K in keyof Listeners]: Set<Listeners[K]> } = { gap: new Set(), state: new Set() };
  readonly #ignoreWakes: () => void;
  #connection: Connection | undefined;
  #waiting: Arrival[] = [];
  /** Of the last arrival that was handed out: where a new connection goes on. */
  #handed: string;
  #why: TokenReason = "connect";
  #wake: () => void = () => undefined;

  /** @internal */
  constructor(grounds: Grounds, topic: string, options: SubscribeOptions) {
    const match = [options.match ?? []].flat();
    const begin = options.from ?? "latest";
    const after = typeof begin === "object" && "after" in begin ? begin.after : "";
    const from = after ? "" : begin instanceof Date ? begin.toISOString() : String(begin);
    this.#asked = { topic, match, from, credit: options.credit ?? CREDIT };
    this.#key = `weir:${grounds.base}/${topic}?${JSON.stringify([match, from])}`;
    this.#grounds = grounds;
    this.#persist = options.persist;
    this.bookmark = this.#handed = options.persist?.getItem(this.#key) || after;
    this.#ignoreWakes = onWake(() => {
      this.#wake();
      this.#connection?.probe();
    });
    const heard = { signal: this.#ended.signal };
    for (const signal of [grounds.signal, options.signal]) {
      signal?.addEventListener("abort", () => this.close(), heard);
      if (signal?.aborted) this.close();
    }
  }

  /** Hears of gaps, or of the connection's state; the answer ends that. */
  on<K extends keyof Listeners>(event: K, listener: Listeners[K]): () => void {
    this.#listeners[event].add(listener);
    return () => this.#listeners[event].delete(listener);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next record. It throws a `WeirError` where the broker refuses for good. */
  async next(): Promise<IteratorResult<LiveRecord<T>, undefined>> {
    this.#advance();
    while (!this.#ended.signal.aborted) {
      const arrival = this.#waiting.shift();
      if (arrival === undefined) {
        await this.#read();
        continue;
      }
      const record = this.#take(arrival);
      if (record) return { done: false, value: record };
    }
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<LiveRecord<T>, undefined>> {
    this.#advance();
    this.close();
    return { done: true, value: undefined };
  }

  close(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#ignoreWakes();
    this.#connection?.close();
    this.#wake();
    this.#state("closed");
  }

  /** The application is done with what it was handed. */
  #advance(): void {
    if (this.bookmark === this.#handed) return;
    this.bookmark = this.#handed;
    this.#persist?.setItem(this.#key, this.bookmark);
  }

  /** What an arrival means; a record is handed out. */
  #take({ name, body, id }: Arrival): LiveRecord<T> | undefined {
    if (name === "problem") {
      const error = WeirError.told(0, body());
      if (error.retry === "never") this.#fail(error);
      return undefined;
    }
    this.#handed = id;
    if (name === "message") return decodeRecord<T>(this.#asked.topic, body(), id);
    if (name === "gap") {
      const gap = { ...(body() as Gap), topic: this.#asked.topic, bookmark: id };
      for (const listener of this.#listeners.gap) listener(gap);
    }
    // Between records nothing is in the application's hands.
    this.#advance();
    return undefined;
  }

  /** Reads on, over a new connection if need be. */
  async #read(): Promise<void> {
    try {
      this.#connection ??= await this.#connect();
      const arrivals = await this.#connection.read();
      if (arrivals) this.#waiting.push(...arrivals);
      else await this.#lost();
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      if (error instanceof WeirError) this.#refused(error);
      await this.#lost();
    }
  }

  async #connect(): Promise<Connection> {
    this.#state("connecting");
    const token = await this.#grounds.token(this.#why);
    const signal = this.#ended.signal;
    const opening = { ...this.#asked, token, bookmark: this.#handed, signal };
    const connection = await this.#grounds.open(opening);
    // It was closed while the connection was made.
    if (signal.aborted) connection.close();
    this.#why = "reconnect";
    this.#backoff.succeeded();
    this.#state("open");
    return connection;
  }

  /** Waits before the next try. */
  async #lost(): Promise<void> {
    const leastMs = this.#connection?.retryMs ?? 0;
    this.#connection?.close();
    this.#connection = undefined;
    if (this.#ended.signal.aborted) return;
    this.#state("waiting");
    const woken = (wake: () => void): void => void (this.#wake = wake);
    await pause(this.#backoff.next(leastMs), woken, this.#ended.signal);
  }

  /** A refusal: a token has a second try, what passes is waited for, the rest is for good. */
  #refused(error: WeirError): void {
    if (error.status === 401 && this.#why !== "refused") this.#why = "refused";
    else if (error.retry === "never") this.#fail(error);
  }

  #fail(error: WeirError): never {
    this.close();
    throw error;
  }

  #state(state: State): void {
    for (const listener of this.#listeners.state) listener(state);
  }
}

const CREDIT = 256;
