/**
 * When a reader should look whether its connection still lives, and when it need not wait longer:
 * the page came back to the front, the network came back. Where there is no page, nobody says so.
 */
export function onWake(wake: () => void): () => void {
  const page = globalThis.document;
  const shown = (): void => {
    if (page.visibilityState === "visible") wake();
  };
  globalThis.addEventListener?.("online", wake);
  globalThis.addEventListener?.("pageshow", wake);
  page?.addEventListener("visibilitychange", shown);
  return () => {
    globalThis.removeEventListener?.("online", wake);
    globalThis.removeEventListener?.("pageshow", wake);
    page?.removeEventListener("visibilitychange", shown);
  };
}

/** A sleep that ends early when it is woken or given up. */
export function pause(ms: number, woken: (wake: () => void) => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    woken(end);
    if (signal.aborted) end();
  });
}
