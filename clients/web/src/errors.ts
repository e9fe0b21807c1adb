/** What the broker refused, or could not say. */
export class WeirError extends Error {
  override readonly name = "WeirError";
  /** Stable, for code to decide on: `UNKNOWN_TOPIC`; `HTTP_502` where no broker answered. */
  readonly code: string;
  /** The HTTP status; 0 for what a stream said before it ended. */
  readonly status: number;
  /** Whether asking again can help: `yes` at once, `later` after a while, or `never`. */
  readonly retry: "yes" | "later" | "never";

  constructor(code: string, status: number, retry: string, detail: string) {
    super(detail);
    this.code = code;
    this.status = status;
    this.retry = retry === "yes" || retry === "later" ? retry : "never";
  }

  /** @internal Of a problem (RFC 9457), or of whatever stands in its place. */
  static of(status: number, text: string): WeirError {
    try {
      const problem = JSON.parse(text) as { code?: unknown };
      if (typeof problem.code === "string") return WeirError.told(status, problem);
    } catch {
      // Something between here and the broker answered, not in JSON.
    }
    const passes = status === 408 || status === 429 || status >= 500;
    const detail = `status ${status}: ${text.slice(0, 200)}`;
    return new WeirError(`HTTP_${status}`, status, passes ? "later" : "never", detail);
  }

  /** @internal Of a problem's members. */
  static told(status: number, problem: unknown): WeirError {
    const { code, retry, detail } = problem as Record<string, unknown>;
    return new WeirError(String(code), status, String(retry), String(detail));
  }
}
