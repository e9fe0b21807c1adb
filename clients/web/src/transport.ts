/**
 * One connection that brings events: a response that is read as it comes, over `fetch`. Unlike a
 * browser's `EventSource` it sends headers, sees why it was refused, and reads only when asked, so
 * that a slow page holds the broker back and costs no memory.
 */
import { WeirError } from "./errors.js";
import { EventReader, type ServerEvent } from "./sse.js";

/** What a connection is opened with. */
export interface Opening {
  readonly fetch: typeof fetch;
  readonly url: string;
  readonly token: string | null | undefined;
  /** Where to go on; empty at the beginning. */
  readonly bookmark: string;
  readonly signal: AbortSignal;
}

/** An open connection. */
export class Connection {
  readonly #bytes: ReadableStreamDefaultReader<Uint8Array>;
  readonly #events: EventReader;
  #heardAt = Date.now();

  private constructor(bytes: ReadableStreamDefaultReader<Uint8Array>, bookmark: string) {
    this.#bytes = bytes;
    this.#events = new EventReader(bookmark);
  }

  /** Connects; a refusal is a `WeirError`, anything else means that nobody answered. */
  static async open({ fetch, url, token, bookmark, signal }: Opening): Promise<Connection> {
    const headers = new Headers({ accept: "text/event-stream" });
    if (token) headers.set("authorization", `Bearer ${token}`);
    if (bookmark) headers.set("last-event-id", bookmark);
    const response = await fetch(url, { headers, signal, cache: "no-store" });
    if (response.status !== 200 || !response.body) {
      throw WeirError.of(response.status, await response.text());
    }
    return new Connection(response.body.getReader(), bookmark);
  }

  get retryMs(): number | undefined {
    return this.#events.retryMs;
  }

  /**
   * The events that the next bytes complete, maybe none; `undefined` at the end. It throws where
   * no byte came for so long that the connection must be dead.
   */
  async read(): Promise<ServerEvent[] | undefined> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("the connection fell silent")), SILENCE_MS_MAX);
    });
    try {
      const { done, value } = await Promise.race([this.#bytes.read(), silence]);
      this.#heardAt = Date.now();
      return done ? undefined : [...this.#events.read(value)];
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether it has said nothing for longer than a connection that lives. */
  isSilent(): boolean {
    return this.#heardAt + ALIVE_MS < Date.now();
  }

  /** Ends it; whoever waits in `read` gets its end. */
  close(): void {
    this.#bytes.cancel().catch(() => undefined);
  }
}

/** The broker says every 15 s that a connection is alive; this is with a little patience. */
const ALIVE_MS = 20_000;

/** Two such signs of life were missed. */
const SILENCE_MS_MAX = 40_000;
