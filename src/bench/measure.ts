/**
 * The measurement: connect, make one call to each to see that it works, warm up, then measure slices in turn. Which way
 * goes first alternates (A B, B A, …), so that neither a slow moment of the machine nor a slow drift of it affects only
 * one of them.
 */
import { Status } from '../grpc/status.ts'
import { SEED, SLICES } from './bounds.ts'
import { type Call, describeEnd } from './call.ts'
import { closedLoop, type SliceTimes } from './closed-loop.ts'
import { shownDetail } from './metadata.ts'
import { openLoop } from './open-loop.ts'
import { leadInMsOf, loadMsMax, overdue, tooLong } from './pace.ts'
import type { Plan, WayName } from './plan.ts'
import { BenchFailure } from './problem.ts'
import { seededRandom } from './random.ts'
import type { Slice } from './slice.ts'
import { Way } from './way.ts'

export interface Measurement {
  /** What was measured of each way, in order; the n-th slices of both are a pair. */
  readonly slices: Readonly<Partial<Record<WayName, readonly Slice[]>>>
  /** The lead-in of each slice. */
  readonly leadInMs: number
  /** Why it ended before its time. */
  readonly stopped: { readonly by: 'user' | 'failure'; readonly reason: string } | undefined
}

export interface Progress {
  readonly way: WayName
  /** The number of the slice, from 1; 0 while warming up. */
  readonly slice: number
  readonly slices: number
  readonly secondsLeft: number
}

/**
 * @param signal ends it at once; what was measured so far is the result
 * @throws BenchFailure before any load, when an address cannot be had or the method does not answer there with OK
 */
export async function measure(
  plan: Plan,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void = () => {},
): Promise<Measurement> {
  const ways = plan.ways.map(way => new Way({ ...plan, plan: way }))
  try {
    for (const way of ways) await untilAborted(way.open(), signal)
    const probed: Call[] = []
    for (const way of ways) probed.push(await untilAborted(probe(way, plan), signal))
    return await new Turns(plan, ways, signal, onProgress).run(probed)
  } catch (error) {
    if (!signal.aborted) throw error
    return { slices: {}, leadInMs: 0, stopped: INTERRUPTED }
  } finally {
    for (const way of ways) way.close()
  }
}

const INTERRUPTED = { by: 'user', reason: 'it was stopped before its end' } as const

/** Makes one call first, so that no load goes where calls fail. */
async function probe(way: Way, { path, secrets }: Plan): Promise<Call> {
  const call = await new Promise<Call>(resolve => way.begin(performance.now(), resolve))
  if (call.status === Status.OK) return call
  const { name, target } = way.plan
  const end = describeEnd({ status: call.status, detail: shownDetail(call.detail, secrets) })
  const where = `${target.name} (--${name})`
  if (call.status === Status.UNIMPLEMENTED) {
    throw new BenchFailure(`${where} has no method ${path}: ${end}. Is --path spelt right?`)
  }
  throw new BenchFailure(
    `the first call to ${where} failed with ${end}. No load was sent: ` +
      'see that --message, --metadata and --authority are what the method wants',
  )
}

/** @throws when `signal` says so, whatever becomes of the promise */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new BenchFailure(INTERRUPTED.reason))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop)
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    promise.catch(() => {})
    signal.removeEventListener('abort', stop)
  }
}

class Turns {
  readonly #plan: Plan
  readonly #ways: readonly Way[]
  readonly #signal: AbortSignal
  readonly #onProgress: (progress: Progress) => void
  readonly #slices: Partial<Record<WayName, Slice[]>> = {}
  #times: SliceTimes

  constructor(plan: Plan, ways: readonly Way[], signal: AbortSignal, onProgress: (progress: Progress) => void) {
    this.#plan = plan
    this.#ways = ways
    this.#signal = signal
    this.#onProgress = onProgress
    this.#times = { leadInMs: leadInMsOf(plan, []), durationMs: plan.durationMs / SLICES }
  }

  /** @param probed the first call of each way */
  async run(probed: readonly Call[]): Promise<Measurement> {
    const warm: Slice[] = []
    for (const [i, way] of this.#ways.entries()) {
      const slice = await this.#warmUp(way, probed[i]!)
      if (this.#signal.aborted) return this.#end(INTERRUPTED)
      const reason = slice.overload ?? tooLong(this.#plan, way.plan, slice)
      if (reason !== undefined) return this.#end({ by: 'failure', reason })
      warm.push(slice)
    }
    this.#times = { ...this.#times, leadInMs: leadInMsOf(this.#plan, warm) }
    return this.#end(await this.#boundedPairs())
  }

  async #warmUp(way: Way, probed: Call): Promise<Slice> {
    const { warmUpMs } = this.#plan
    this.#tell(way, 0, warmUpMs / 1_000)
    const slice = await this.#load(way, { leadInMs: 0, durationMs: warmUpMs }, 0, this.#signal)
    // If calls last long, the warm-up may have one or none.
    slice.add(probed)
    return slice
  }

  /** @returns why they ended before their time */
  async #boundedPairs(): Promise<Measurement['stopped']> {
    const bound = new AbortController()
    const timer = setTimeout(() => bound.abort(), loadMsMax(this.#plan))
    try {
      const stopped = await this.#pairs(AbortSignal.any([this.#signal, bound.signal]))
      if (stopped !== INTERRUPTED || this.#signal.aborted) return stopped
      return { by: 'failure', reason: overdue(this.#plan, Object.values(this.#slices).flat()) }
    } finally {
      clearTimeout(timer)
    }
  }

  async #pairs(signal: AbortSignal): Promise<Measurement['stopped']> {
    for (let pair = 1; pair <= SLICES; pair++) {
      for (const way of pair % 2 === 1 ? this.#ways : [...this.#ways].reverse()) {
        this.#tell(way, pair, 0)
        const stopped = await this.#slice(way, pair, signal)
        if (stopped !== undefined) return stopped
      }
    }
    const counted = Object.values(this.#slices).flat()
    if (counted.some(({ calls }) => calls > 0)) return undefined
    const cut = counted.find(slice => slice.cut !== undefined)?.cut
    if (cut !== undefined) {
      const reason = `no call counted, as slices were cut short: ${shownDetail(cut, this.#plan.secrets)}`
      return { by: 'failure', reason }
    }
    return { by: 'failure', reason: 'no call began in its time: give a higher --rate or a longer --duration' }
  }

  async #slice(way: Way, pair: number, signal: AbortSignal): Promise<Measurement['stopped']> {
    try {
      await untilAborted(way.open(), signal)
    } catch (error) {
      if (signal.aborted) return INTERRUPTED
      if (error instanceof BenchFailure) return { by: 'failure', reason: error.message }
      throw error
    }
    const slice = await this.#load(way, this.#times, pair, signal)
    // The calls that ended in it are the fast ones, and many are still open, so the slice is left out.
    if (slice.overload !== undefined) return { by: 'failure', reason: slice.overload }
    const { name } = way.plan
    this.#slices[name] ??= []
    this.#slices[name].push(slice)
    return signal.aborted ? INTERRUPTED : undefined
  }

  /** Both ways of a pair get the same times, so that the random draw makes no difference between them. */
  #load(way: Way, times: SliceTimes, pair: number, signal: AbortSignal): Promise<Slice> {
    const { load, message } = this.#plan
    if (load.kind === 'closed') return closedLoop(way, load.concurrency, times, signal)
    const random = seededRandom(SEED + pair)
    return openLoop(way, { ...times, rate: load.rate, random, messageBytes: message.length }, signal)
  }

  #tell(way: Way, slice: number, warmUpSeconds: number): void {
    const sliceSeconds = (this.#times.leadInMs + this.#times.durationMs) / 1_000
    const done = Object.values(this.#slices).reduce((sum, { length }) => sum + length, 0)
    const slices = SLICES * this.#ways.length
    const secondsLeft = warmUpSeconds + (slices - done) * sliceSeconds
    this.#onProgress({ way: way.plan.name, slice: slice === 0 ? 0 : done + 1, slices, secondsLeft })
  }

  #end(stopped: Measurement['stopped']): Measurement {
    return { slices: this.#slices, leadInMs: this.#times.leadInMs, stopped }
  }
}
