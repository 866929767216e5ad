/**
 * The suite's own load, a process of its own: `generate.ts '{"port":…}'` (GenerateOptions) prints a
 * GenerateResult. Closed loop, where a call that ends begins the next; or open loop, where calls begin
 * at times drawn beforehand whatever the proxy does, and latency counts from those times.
 */
import { percentile } from '../measure/statistics.ts'
import { CallConnection, type CallOwner } from './call-connection.ts'
import { callImages, type HeaderKind, seededRandom } from './call-images.ts'

export interface GenerateOptions {
  readonly port: number
  readonly connections: number
  readonly headers: HeaderKind
  readonly mode:
    | { readonly kind: 'closed'; readonly streams: number; readonly calls: number }
    | { readonly kind: 'open'; readonly rate: number; readonly seconds: number; readonly warmUpSeconds: number }
}

export interface GenerateResult {
  readonly calls: number
  readonly seconds: number
  /** Of an open loop, microseconds from the time at which a call should have begun. */
  readonly latency?: Percentiles
  /** How much later than intended calls did begin: the generator's own fault, and part of `latency`. */
  readonly lag?: Percentiles
}

export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** Between two looks at clock and sockets. The kernel adds its timer slack of 0.05 ms. */
const NAP_MS = 0.05
const never = new Int32Array(new SharedArrayBuffer(4))

const options: GenerateOptions = JSON.parse(process.argv[2]!)
const random = seededRandom(1)
const owner: { -readonly [key in keyof CallOwner]: CallOwner[key] } = {
  onEnd() {},
  onLost: fail,
}
const connections = await Promise.all(
  Array.from({ length: options.connections }, () =>
    CallConnection.open(options.port, callImages(options.headers, `127.0.0.1:${options.port}`, random), owner),
  ),
)
const { mode } = options
const result = mode.kind === 'closed' ? await closed(mode.streams, mode.calls) : await open(mode)
console.log(JSON.stringify(result))
process.exit(0)

function closed(streams: number, calls: number): Promise<GenerateResult> {
  return new Promise(resolve => {
    const start = performance.now()
    let left = calls
    let open = 0
    const begin = (connection: CallConnection): void => {
      left--
      open++
      connection.call(0)
    }
    owner.onEnd = (connection, _intended, problem) => {
      if (problem !== undefined) fail(problem)
      open--
      if (left > 0) begin(connection)
      else if (open === 0) resolve({ calls, seconds: (performance.now() - start) / 1000 })
    }
    for (let i = 0; i < streams; i++) for (const connection of connections) if (left > 0) begin(connection)
    for (const connection of connections) connection.flush()
  })
}

/** Times between calls are exponentially distributed: calls of many clients that know nothing of each other. */
function open(of: { rate: number; seconds: number; warmUpSeconds: number }): Promise<GenerateResult> {
  return new Promise(resolve => {
    const times = arrivals(of.rate, of.warmUpSeconds + of.seconds)
    const latency = new Float64Array(times.length)
    const lag = new Float64Array(times.length)
    const start = performance.now() + 10
    const measuredFrom = of.warmUpSeconds * 1000
    let begun = 0
    let lags = 0
    let ended = 0
    let measured = 0
    /** Begins what is due; whichever connection's turn it is. */
    const beginDue = (): void => {
      const now = performance.now() - start
      while (begun < times.length && times[begun]! <= now) {
        const intended = times[begun]!
        if (intended >= measuredFrom) lag[lags++] = now - intended
        connections[begun % connections.length]!.call(intended)
        begun++
      }
    }
    owner.onEnd = (_connection, intended, problem) => {
      if (problem !== undefined) fail(problem)
      if (intended >= measuredFrom) latency[measured++] = performance.now() - start - intended
      if (++ended < times.length) return
      resolve({
        calls: measured,
        seconds: of.seconds,
        latency: percentiles(latency.subarray(0, measured)),
        lag: percentiles(lag.subarray(0, lags)),
      })
    }
    const tick = (): void => {
      beginDue()
      for (const connection of connections) connection.flush()
      if (ended === times.length) return
      // A timer of the event loop has steps of 1 ms; to spin would starve the backend on the same core.
      Atomics.wait(never, 0, 0, NAP_MS)
      setImmediate(tick)
    }
    tick()
  })
}

function arrivals(rate: number, seconds: number): Float64Array {
  const times: number[] = []
  for (let at = 0; ; ) {
    at -= (Math.log(1 - random()) / rate) * 1000
    if (at >= seconds * 1000) return Float64Array.from(times)
    times.push(at)
  }
}

function percentiles(ms: Float64Array): Percentiles {
  const sorted = ms.sort()
  const at = (share: number): number => percentile(sorted, share) * 1000
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) }
}

function fail(reason: string): never {
  console.error(`a call failed: ${reason}`)
  process.exit(1)
}
