/**
 * How long to wait before connecting again: at random below a bound that doubles, so that readers
 * who were cut off together do not come back together ("full jitter").
 */
export class Backoff {
  #failures = 0;
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** A connection stood. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** The next wait in milliseconds; `leastMs` is what the server asked for. */
  next(leastMs = 0): number {
    const bound = Math.min(WAIT_MS_MAX, WAIT_MS_MIN * 2 ** this.#failures);
    this.#failures += 1;
    return Math.max(leastMs, this.#random() * bound);
  }
}

const WAIT_MS_MIN = 500;
const WAIT_MS_MAX = 20_000;
