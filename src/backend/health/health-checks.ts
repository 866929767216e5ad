/**
 * Active health checks of a backend: each of its endpoints is asked once an interval, and barred while it is not healthy.
 *
 * ```
 *   new ──► unchecked ──one good answer──► healthy
 *               │                           │  ▲
 *               └──── so many bad ones ───┐ │  │ so many good ones
 *                     in a row, or it     ▼ ▼  │ in a row
 *                     says so itself    unhealthy
 * ```
 *
 * The endpoints stand in a ring, and one timer goes round it once an interval: a thousand endpoints are asked one after the
 * other, never all at once. Those that are new are asked before their turn.
 */
import type { Timer } from '../../transport/clock.ts'
import { type Endpoint, UNCHECKED } from '../endpoint.ts'
import type { EndpointWatch } from '../endpoint-watch.ts'
import type { BackendContext } from '../settings.ts'
import { Check } from './check.ts'
import type { HealthSettings } from './settings.ts'
import type { Verdict } from './verdict.ts'

type HealthContext = Pick<BackendContext, 'clock' | 'wheel' | 'transport' | 'random' | 'log'>

/** 0.2: the time between two turns is up to 20 % shorter or longer, so that many proxies do not ask in step. */
const JITTER = 0.2
/** No more often than this the timer fires. With more endpoints than turns several are asked at a time. */
const MIN_TURN_MS = 10
/** Endpoints that are new are asked after a while of up to this: many proxies hear of them at the same moment. */
const FIRST_SPREAD_MS = 250
/** So many of the new ones are asked in a turn: a thousand in a second. */
const FIRST_AT_A_TIME = 10
/** Most checks that run at a time. If so many hang, the others are asked later. */
const MAX_RUNNING = 256

/** An endpoint, and what is known of it. */
interface Checked {
  readonly endpoint: Endpoint
  readonly check: Check
  state: 'unchecked' | 'healthy' | 'unhealthy'
  /** Answers in a row that say otherwise. */
  run: number
}

export class HealthChecks implements EndpointWatch {
  readonly #settings: HealthSettings
  readonly #context: HealthContext
  readonly #all = new Map<Endpoint, Checked>()
  /** Those that have been asked: whose turn it is next comes first. */
  readonly #ring = new Set<Checked>()
  /** Those that have not. */
  readonly #first = new Set<Checked>()
  #ringDueMs = Number.POSITIVE_INFINITY
  #firstDueMs = Number.POSITIVE_INFINITY
  #timer: Timer | undefined
  #timerMs = 0
  #running = 0
  #healthy = 0

  constructor(settings: HealthSettings, context: HealthContext) {
    this.#settings = settings
    this.#context = context
  }

  watch(endpoint: Endpoint): undefined {
    const check = new Check(endpoint, this.#settings, this.#context)
    const checked: Checked = { endpoint, check, state: 'unchecked', run: 0 }
    this.#all.set(endpoint, checked)
    this.#first.add(checked)
    // gRPC's clients and Envoy use no endpoint before its first good answer. Where none has had one, as at the start, that
    // would leave calls nowhere to go.
    if (this.#healthy > 0) endpoint.bar('health', UNCHECKED)
    if (this.#firstDueMs === Number.POSITIVE_INFINITY) {
      this.#firstDueMs = this.#context.clock.now() + FIRST_SPREAD_MS * this.#context.random()
      this.#arm()
    }
  }

  unwatch(endpoint: Endpoint): void {
    const checked = this.#all.get(endpoint)
    if (checked === undefined) return
    this.#all.delete(endpoint)
    this.#stop(checked)
    this.#first.delete(checked)
    this.#ring.delete(checked)
    if (checked.state === 'healthy') this.#lessHealthy()
  }

  close(): void {
    this.#timer?.cancel()
    for (const checked of this.#all.values()) this.#stop(checked)
    this.#all.clear()
  }

  #stop({ endpoint, check }: Checked): void {
    if (check.running) this.#running--
    check.close()
    endpoint.unbar('health')
  }

  /** Sets the one timer to whatever is due first. */
  #arm(): void {
    const dueMs = Math.min(this.#ringDueMs, this.#firstDueMs)
    if (this.#timer !== undefined && this.#timerMs <= dueMs) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (dueMs === Number.POSITIVE_INFINITY) return
    this.#timerMs = dueMs
    this.#timer = this.#context.clock.after(Math.max(0, dueMs - this.#context.clock.now()), this.#turn)
  }

  readonly #turn = (): void => {
    this.#timer = undefined
    const now = this.#context.clock.now()
    if (this.#firstDueMs <= now) this.#askFirst(now)
    if (this.#ringDueMs <= now) this.#askRing(now)
    this.#arm()
  }

  #askFirst(now: number): void {
    this.#ask(this.#first, FIRST_AT_A_TIME)
    this.#firstDueMs = this.#first.size > 0 ? now + MIN_TURN_MS : Number.POSITIVE_INFINITY
    if (this.#ringDueMs === Number.POSITIVE_INFINITY) this.#ringDueMs = now + this.#pauseMs()
  }

  #askRing(now: number): void {
    this.#ask(this.#ring, Math.ceil((this.#ring.size * MIN_TURN_MS) / this.#settings.intervalMs))
    this.#ringDueMs = this.#ring.size > 0 ? now + this.#pauseMs() : Number.POSITIVE_INFINITY
  }

  /** Between two turns. There are as many in an interval as there are endpoints. */
  #pauseMs(): number {
    const { intervalMs } = this.#settings
    const pauseMs = Math.max(MIN_TURN_MS, intervalMs / Math.max(1, this.#ring.size))
    return pauseMs * (1 + JITTER * (2 * this.#context.random() - 1))
  }

  /** Asks the first of these, which are the last of the ring then. */
  #ask(queue: Set<Checked>, count: number): void {
    for (const checked of queue) {
      if (count-- <= 0 || this.#running >= MAX_RUNNING) return
      queue.delete(checked)
      this.#ring.add(checked)
      if (!checked.check.running) this.#begin(checked)
    }
  }

  #begin(checked: Checked): void {
    this.#running++
    checked.check.begin(verdict => {
      this.#running--
      if (verdict !== undefined) this.#learn(checked, verdict)
    })
  }

  #learn(checked: Checked, verdict: Verdict): void {
    const { state, endpoint } = checked
    if (verdict.healthy ? state === 'healthy' : state === 'unhealthy') checked.run = 0
    else if (++checked.run >= this.#enough(state, verdict)) return this.#change(checked, verdict)
    // The reason may be another one by now.
    if (!verdict.healthy && endpoint.bars.has('health')) endpoint.bar('health', verdict.why)
  }

  /** How many such answers in a row change what is known. */
  #enough(state: Checked['state'], { healthy, sure }: Verdict): number {
    if (!healthy) return sure ? 1 : this.#settings.unhealthyThreshold
    return state === 'unchecked' ? 1 : this.#settings.healthyThreshold
  }

  #change(checked: Checked, { healthy, sure, why }: Verdict): void {
    const { state, endpoint } = checked
    checked.run = 0
    checked.state = healthy ? 'healthy' : 'unhealthy'
    // That a new endpoint says that it is well is what everybody expects.
    if (!healthy || !sure || state !== 'unchecked')
      this.#context.log?.(healthy ? 'healthy' : 'unhealthy', endpoint.address.name, why)
    if (healthy) {
      this.#healthy++
      endpoint.unbar('health')
      // Two minutes may be left of the wait after the last connect that failed.
      endpoint.redial()
    } else {
      endpoint.bar('health', why)
      if (state === 'healthy') this.#lessHealthy()
    }
  }

  /** Without one that is known to be healthy, those that are not known yet are as good as any. */
  #lessHealthy(): void {
    if (--this.#healthy > 0) return
    for (const { state, endpoint } of this.#all.values()) if (state === 'unchecked') endpoint.unbar('health')
  }
}
