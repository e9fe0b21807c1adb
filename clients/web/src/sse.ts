/**
 * Server-sent events out of a stream of bytes, as the HTML standard reads them.
 *
 * Knows no connection and no weir. An event counts once its empty line has come: what is cut off
 * before that is dropped with its id, so that a reader who resumes gets it again.
 */

/** One event. */
export interface ServerEvent {
  /** `message` where the stream gave it none. */
  readonly name: string;
  readonly data: string;
  /** Of this event or the last before it that had one. */
  readonly id: string;
}

/** Reads the events of one response. */
export class EventReader {
  /** What the server wants waited before connecting again, once it has said so. */
  retryMs: number | undefined;
  #text = "";
  #name = "";
  #data: string[] = [];
  #id: string;
  #lastId: string;
  #isFirst = true;
  readonly #decoder = new TextDecoder();

  constructor(lastId: string) {
    this.#id = lastId;
    this.#lastId = lastId;
  }

  /** The events that these bytes complete. */
  *read(bytes: Uint8Array): Generator<ServerEvent> {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    if (this.#text.length > EVENT_CHARACTERS_MAX) {
      throw new RangeError(`an event of more than ${EVENT_CHARACTERS_MAX} characters`);
    }
    for (let line = this.#line(); line !== undefined; line = this.#line()) {
      if (line !== "") {
        this.#field(line);
        continue;
      }
      const event = this.#event();
      if (event !== undefined) yield event;
    }
  }

  /** The next whole line, which ends in CR, LF or both. */
  #line(): string | undefined {
    const end = this.#text.search(/[\r\n]/);
    // Behind a last CR an LF may still come.
    if (end < 0 || (this.#text[end] === "\r" && end + 1 === this.#text.length)) return undefined;
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + (this.#text.startsWith("\r\n", end) ? 2 : 1));
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    return isFirst && line.startsWith("\ufeff") ? line.slice(1) : line;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#name = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
  }

  #event(): ServerEvent | undefined {
    const [name, data] = [this.#name || "message", this.#data];
    this.#name = "";
    this.#data = [];
    this.#lastId = this.#id;
    return data.length ? { name, data: data.join("\n"), id: this.#lastId } : undefined;
  }
}

/** The largest record is 8 MiB; as base64 in JSON it is still below this. */
const EVENT_CHARACTERS_MAX = 16 << 20;
