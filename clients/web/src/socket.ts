/**
 * One WebSocket, shared by subscriptions (docs/live.md).
 *
 * A subscription is granted as many records as its application has room for, and more as it takes
 * them: what waits here is bounded by that, and a page that stops asking stops being sent.
 */
import { WeirError } from "./errors.js";
import type { Arrival, Connection, Opening } from "./transport.js";

/** The part of a page's `WebSocket` that is used; its constants are not. */
export type SocketClass = new (url: string, protocols: string) => WebSocket;

interface Said {
  readonly type: string;
  readonly sub?: number;
  readonly bookmark: string;
  readonly [member: string]: unknown;
}

/** A connection and its subscriptions. */
export class Socket {
  readonly #socket: WebSocket;
  readonly #ended: () => void;
  readonly #channels = new Map<number, Channel>();
  readonly #watch: ReturnType<typeof setInterval>;
  #heardAt = Date.now();
  #last = 0;
  #welcomed: () => void = () => undefined;
  #refused: (error: unknown) => void = () => undefined;

  private constructor(socket: WebSocket, ended: () => void) {
    this.#socket = socket;
    this.#ended = ended;
    this.#watch = setInterval(() => this.#heardAt + SILENCE_MS_MAX < Date.now() && this.end(), ALIVE_MS);
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data as string) as Said);
    // What failed is told by the close behind it.
    socket.onerror = () => undefined;
    socket.onclose = ({ code, reason }) => {
      const isFault = FAULTS.includes(code);
      this.end(isFault ? new WeirError(reason || `CLOSED_${code}`, 0, "never", reason) : undefined);
    };
  }

  /** Connects and hears the broker's welcome; `ended` is told when the connection is over. */
  static open(url: string, WebSocket: SocketClass, ended: () => void): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = new Socket(new WebSocket(url, "weir.v1"), ended);
      const slow = setTimeout(() => socket.end(), OPEN_MS_MAX);
      socket.#welcomed = () => {
        clearTimeout(slow);
        resolve(socket);
      };
      socket.#refused = (error) => {
        clearTimeout(slow);
        reject(error);
      };
    });
  }

  /** Asks for a topic's records; whether the broker takes it is told by what is read. */
  subscribe({ topic, match, from, credit, bookmark }: Opening): Channel {
    const sub = (this.#last += 1);
    const channel = new Channel(this, sub, credit);
    this.#channels.set(sub, channel);
    const where = { ...(from && { from }), ...(bookmark && { bookmark }) };
    this.say({ type: "subscribe", sub, topic, ...(match.length && { match }), ...where, credit });
    return channel;
  }

  say(message: object): void {
    if (this.#socket.readyState === OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** A subscription is over; with the last one the connection is. */
  leave(sub: number): void {
    if (!this.#channels.delete(sub)) return;
    this.say({ type: "unsubscribe", sub });
    if (!this.#channels.size) this.end();
  }

  /** Asks the broker for a sign of life. */
  probe(): void {
    const askedAt = Date.now();
    this.say({ type: "ping", id: 0 });
    setTimeout(() => this.#heardAt < askedAt && this.end(), PROBE_MS_MAX);
  }

  end(error?: Error, retryMs?: number): void {
    clearInterval(this.#watch);
    this.#ended();
    this.#refused(error ?? new Error("the connection is lost"));
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    for (const channel of channels) channel.end(error, retryMs);
    this.#socket.close();
  }

  #hear(said: Said): void {
    this.#heardAt = Date.now();
    const channel = this.#channels.get(said.sub ?? 0);
    if (said.type === "welcome") this.#welcomed();
    else if (said.type === "drain") this.end(undefined, Number(said["reconnect_ms"]));
    else if (said.type === "error") {
      const error = WeirError.told(0, said);
      if (said.sub === undefined) return this.end(error);
      this.#channels.delete(said.sub);
      channel?.end(error);
    } else if (said.bookmark) channel?.hear(said);
  }
}

/** One subscription of a socket. */
export class Channel implements Connection {
  retryMs: number | undefined;
  readonly #socket: Socket;
  readonly #sub: number;
  readonly #credit: number;
  #arrivals: Arrival[] = [];
  /** Records that the application took, and up to how many were granted. */
  #seen = 0;
  #granted: number;
  #isOver = false;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(socket: Socket, sub: number, credit: number) {
    this.#socket = socket;
    this.#sub = sub;
    this.#credit = this.#granted = credit;
  }

  /** One at a time: who asks again is done with the one before. */
  async read(): Promise<Arrival[] | undefined> {
    this.#grant();
    while (!this.#arrivals.length && !this.#isOver) {
      await new Promise<void>((wake) => (this.#wake = wake));
    }
    const arrival = this.#arrivals.shift();
    if (!arrival) {
      if (this.#error) throw this.#error;
      return undefined;
    }
    if (arrival.name === "message") this.#seen += 1;
    return [arrival];
  }

  probe(): void {
    this.#socket.probe();
  }

  close(): void {
    this.#socket.leave(this.#sub);
    this.end();
  }

  hear({ type, bookmark, ...said }: Said): void {
    const name = type === "record" ? "message" : type;
    this.#arrivals.push({ name, id: bookmark, body: () => said[type] ?? said });
    this.#wake();
  }

  end(error?: Error, retryMs?: number): void {
    this.#isOver = true;
    this.#error ??= error;
    this.retryMs ??= retryMs;
    this.#wake();
  }

  #grant(): void {
    if (this.#seen < this.#granted - this.#credit / 2) return;
    this.#granted = this.#seen + this.#credit;
    this.#socket.say({ type: "credit", sub: this.#sub, seen: this.#seen, credit: this.#credit });
  }
}

const OPEN = 1;

/** What a connection is closed with after which coming back does not help. */
const FAULTS = [1002, 1007, 1009, 4007];

/** How long a WebSocket may take to stand: a proxy that does not know it may hold it open. */
const OPEN_MS_MAX = 10_000;

/** The broker says something at least every 15 s; two such signs of life were missed. */
const ALIVE_MS = 15_000;
const SILENCE_MS_MAX = 35_000;

/** How long an answer may take after sleep. */
const PROBE_MS_MAX = 5_000;
