// What a reader must have seen in the end: every record once, in the order of its partition.
import assert from "node:assert/strict";

export const PARTITIONS = 4;

export class Seen {
  count = 0;
  #next = Array(PARTITIONS).fill(0);
  #awaited = [];

  note({ partition, offset, value }) {
    assert.equal(offset, this.#next[partition], `partition ${partition} goes on at its next offset`);
    assert.equal(value.n, offset * PARTITIONS + partition);
    this.#next[partition] += 1;
    this.count += 1;
    this.#awaited = this.#awaited.filter(({ count, resolve }) => this.count < count || resolve());
  }

  /** Once so many were noted. */
  reached(count) {
    return new Promise((resolve) => {
      if (count <= this.count) return resolve();
      this.#awaited.push({ count, resolve });
    });
  }
}
