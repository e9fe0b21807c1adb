/** A record as it goes to the broker. */
export interface NewRecord {
  /** Records of one key keep their order. It is also the record's subject. */
  key?: string;
  /** Anything JSON can say, or bytes. */
  value?: unknown;
  headers?: Record<string, string>;
  partition?: number;
}

/** Where the broker put a record. */
export interface Placed {
  partition: number;
  offset: number;
}

/** A record as it comes. */
export interface LiveRecord<T = unknown> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** Text, or bytes where it is not UTF-8. */
  readonly key: string | Uint8Array | null;
  /** What its JSON says; bytes where it is not JSON. */
  readonly value: T;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Where a reader goes on behind this record, after any time: `from: { after: bookmark }`. */
  readonly bookmark: string;
}

/** Offsets that do not come, and why. */
export interface Gap {
  readonly topic: string;
  readonly partition: number;
  /** Null where the bookmark was no good: then nobody knows where the reader was. */
  readonly from: number | null;
  /** The first offset behind them. */
  readonly to: number;
  /** `expired`, `lost` and others; `damaged`, `foreign` or `beyond` of a bookmark. */
  readonly reason: string;
  readonly bookmark: string;
}

/** @internal */
export function decodeRecord<T>(topic: string, said: unknown, bookmark: string): LiveRecord<T> {
  const { encoding, ...record } = said as Record<string, unknown>;
  if (encoding === "base64") {
    record["key"] = bytes(record["key"]);
    record["value"] = bytes(record["value"]);
  }
  return { ...record, topic, bookmark } as unknown as LiveRecord<T>;
}

/** @internal */
export function encodeRecord(record: NewRecord): object {
  const { key, value, ...rest } = record;
  if (!(value instanceof Uint8Array)) return record;
  const text = key === undefined ? {} : { key: base64(new TextEncoder().encode(key)) };
  return { ...rest, ...text, value: base64(value), encoding: "base64" };
}

function bytes(text: unknown): unknown {
  if (typeof text !== "string") return null;
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function base64(of: Uint8Array): string {
  let text = "";
  for (const byte of of) text += String.fromCharCode(byte);
  return btoa(text);
}
