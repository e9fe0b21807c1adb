// What a reader must have seen in the end: every record once, in the order of its partition.
import assert from "node:assert/strict";

export const PARTITIONS = 4;

export class Seen {
  count = 0;
  #next = Array(PARTITIONS).fill(0);
  #awaited = [];
  #fault;

  /** What is wrong with a record is told to whoever waits. */
  note = ({ partition, offset, value }) => {
    try {
      assert.equal(offset, this.#next[partition], `partition ${partition} goes on at its next offset`);
      assert.equal(value.n, offset * PARTITIONS + partition);
    } catch (fault) {
      this.#fault ??= fault;
    }
    this.#next[partition] += 1;
    this.count += 1;
    this.#awaited = this.#awaited.filter((waiting) => !this.#answers(waiting));
  };

  /** Once so many were noted. */
  reached(count) {
    return new Promise((resolve, reject) => {
      const waiting = { count, resolve, reject };
      if (!this.#answers(waiting)) this.#awaited.push(waiting);
    });
  }

  #answers({ count, resolve, reject }) {
    if (this.#fault) reject(this.#fault);
    else if (count <= this.count) resolve();
    else return false;
    return true;
  }
}
