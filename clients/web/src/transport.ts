/**
 * How what is followed comes: over a WebSocket that all subscriptions share, or, where none passes,
 * over a response for each.
 *
 * ```text
 *   open ─► a WebSocket ── it never stood ─► a response ── that stands ─► responses from now on
 *                                                └── neither: who asked tries again, in that order
 * ```
 */
import { Socket, type SocketClass } from "./socket.js";
import { Stream } from "./stream.js";

/** What came: a `message` with its record, a `gap`, a `position`, a `problem`. */
export interface Arrival {
  readonly name: string;
  /** What it says, decoded when asked. */
  body(): unknown;
  /** The bookmark behind it. */
  readonly id: string;
}

/** What a connection is opened with. */
export interface Opening {
  readonly topic: string;
  readonly match: readonly string[];
  readonly from: string;
  readonly credit: number;
  /** Where to go on; empty at the beginning. */
  readonly bookmark: string;
  readonly token: string | null | undefined;
  readonly signal: AbortSignal;
}

/** One subscription's open connection. */
export interface Connection {
  /** What the broker wants waited before connecting again, once it has said so. */
  readonly retryMs: number | undefined;
  /**
   * What came next, maybe nothing yet; `undefined` at the end. It throws a `WeirError` where the
   * broker ends it for a reason, and anything else where the connection must be dead.
   */
  read(): Promise<readonly Arrival[] | undefined>;
  /** Looks whether it still lives, after sleep; ends it where it does not. */
  probe(): void;
  /** Ends it; whoever waits in `read` gets its end. */
  close(): void;
}

export type Transport = "websocket" | "sse";

/** What there is to connect with. */
export interface Means {
  readonly fetch: typeof fetch;
  readonly WebSocket: SocketClass | undefined;
  readonly allowed: readonly Transport[];
}

/** The ways to one broker. */
export class Transports {
  readonly #base: string;
  readonly #fetch: typeof fetch;
  readonly #WebSocket: SocketClass | undefined;
  #allowed: readonly Transport[];
  #socket: Promise<Socket> | undefined;

  constructor(base: string, { fetch, WebSocket, allowed }: Means) {
    this.#base = base;
    this.#fetch = fetch;
    this.#WebSocket = WebSocket;
    this.#allowed = allowed;
  }

  /** Connects; a refusal is a `WeirError`, anything else means that nobody answered. */
  async open(opening: Opening): Promise<Connection> {
    // A page's WebSocket has no header to bring a token in.
    if (!this.#WebSocket || opening.token || !this.#allowed.includes("websocket")) {
      return Stream.open(this.#base, this.#fetch, opening);
    }
    let socket: Socket;
    try {
      socket = await this.#shared(this.#WebSocket);
    } catch (error) {
      if (!this.#allowed.includes("sse")) throw error;
      const stream = await Stream.open(this.#base, this.#fetch, opening);
      this.#allowed = ["sse"];
      return stream;
    }
    return socket.subscribe(opening);
  }

  /** The socket that stands, or a new one. */
  #shared(WebSocket: SocketClass): Promise<Socket> {
    if (this.#socket) return this.#socket;
    const url = `${this.#base.replace(/^http/, "ws")}/v1/live`;
    const over = (): void => void (this.#socket === socket && (this.#socket = undefined));
    const socket = Socket.open(url, WebSocket, () => over());
    this.#socket = socket;
    socket.catch(over);
    return socket;
  }
}
