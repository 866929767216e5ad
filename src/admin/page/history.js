/** What was seen since the page was opened, for the charts: two minutes of it. */
export const HISTORY_MS = 120_000

export class History {
  #samples = []

  /** The oldest first: each with `atMs`, and numbers by name; one that is not known is absent. */
  get samples() {
    return this.#samples
  }

  add(event) {
    const { atMs, counts, traffic, process } = event
    const sample = {
      atMs,
      inFlight: counts.calls,
      queued: counts.waitingCalls,
      calls: traffic?.perSecond,
      failed: traffic?.failedPerSecond,
      p50: traffic?.latency?.p50,
      p90: traffic?.latency?.p90,
      p99: traffic?.latency?.p99,
      cores: process?.cores,
      loopUse: process?.loopUse,
      loopDelay: process?.loopDelayMs?.p99,
      memory: process?.residentBytes,
      requestBytes: traffic?.requestBytesPerSecond,
      responseBytes: traffic?.responseBytesPerSecond,
    }
    this.#samples = [...this.#samples.filter(each => each.atMs > atMs - HISTORY_MS && each.atMs < atMs), sample]
  }
}
