/**
 * This process as metrics, by the names of Prometheus' client libraries where they have one. All of it adds up, so that any
 * number of readers may read.
 */
import { type PerformanceEntry, PerformanceObserver, performance } from 'node:perf_hooks'
import { counter, gauge } from './families.ts'
import { type Family, Histogram } from './registry.ts'

/** Between two looks at how late the event loop is: some hundred looks until the next scrape. */
const LOOK_MS = 50
const LATE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

/** `perf_hooks.constants`, by number. */
const GC_KINDS: Readonly<Record<number, string>> = { 1: 'minor', 4: 'major', 8: 'incremental', 16: 'weakcb' }

export class ProcessMetrics {
  readonly #late = new Histogram(LATE_SECONDS)
  readonly #timer: NodeJS.Timeout
  readonly #gcSeconds = new Map<string, number>()
  readonly #observer: PerformanceObserver

  constructor() {
    let dueMs = performance.now() + LOOK_MS
    this.#timer = setInterval(() => {
      const now = performance.now()
      this.#late.add(Math.max(now - dueMs, 0) / 1_000)
      dueMs = now + LOOK_MS
    }, LOOK_MS).unref()
    this.#observer = new PerformanceObserver(list => {
      for (const entry of list.getEntries()) this.#collected(entry)
    })
    this.#observer.observe({ entryTypes: ['gc'] })
  }

  #collected({ duration, detail }: PerformanceEntry & { readonly detail?: { readonly kind?: number } }): void {
    const kind = GC_KINDS[detail?.kind ?? 0] ?? 'other'
    this.#gcSeconds.set(kind, (this.#gcSeconds.get(kind) ?? 0) + duration / 1_000)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#observer.disconnect()
  }

  get families(): Family[] {
    return [
      counter('process_cpu_seconds', 'CPU time of the process, its own and that of the system for it.', () => {
        const { user, system } = process.cpuUsage()
        return (user + system) / 1e6
      }),
      gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss()),
      gauge(
        'process_start_time_seconds',
        'When the process began, since the epoch.',
        () => performance.timeOrigin / 1_000,
        'least',
      ),
      gauge('nodejs_heap_size_used_bytes', "What is in V8's heap.", () => process.memoryUsage().heapUsed),
      gauge('nodejs_heap_size_total_bytes', 'What V8 has taken for its heap.', () => process.memoryUsage().heapTotal),
      gauge(
        'nodejs_external_memory_bytes',
        'Memory beside the heap that belongs to it: buffers.',
        () => process.memoryUsage().external,
      ),
      counter(
        'nodejs_eventloop_active_seconds',
        'Time in which the event loop had work.',
        () => performance.eventLoopUtilization().active / 1_000,
      ),
      {
        name: 'nodejs_eventloop_delay_seconds',
        help: 'How late the event loop came to a timer that is due twenty times a second.',
        type: 'histogram',
        samples: () => [{ value: this.#late }],
      },
      {
        name: 'nodejs_gc_duration_seconds',
        help: 'Time that the collector of garbage took, by its kind.',
        type: 'counter',
        samples: () => [...this.#gcSeconds].map(([kind, value]) => ({ labels: { kind }, value })),
      },
    ]
  }
}
