/**
 * Endpoints that are new, or back after a failure, get few calls at first and more with time: their caches are cold, their
 * code is not compiled, their connections are not open. As in Envoy, what grows is the weight.
 *
 * Endpoints that warm up are counted here, and there is one timer for all of them.
 */
import type { Clock, Timer } from '../../transport/clock.ts'

export interface SlowStartSettings {
  /** How long it takes until an endpoint has its whole weight. */
  readonly windowMs: number
  /** The part of its weight with which it begins. */
  readonly minWeight: number
  /** 1: the weight grows evenly; more: fast at first; less: slow at first. */
  readonly aggression: number
}

/** An endpoint, as far as it warms up. */
export interface Warming {
  /** The part of its weight that it has now. */
  warmth: number
  weigh(): void
}

/** So often the weights grow. A list that is rebuilt more often would cost more and change little. */
const STEPS = 20

/** @returns the part of its weight that an endpoint has after so long */
export function warmthAfter(ageMs: number, { windowMs, minWeight, aggression }: SlowStartSettings): number {
  if (ageMs >= windowMs) return 1
  return Math.max(minWeight, (ageMs / windowMs) ** (1 / aggression))
}

export class SlowStart {
  #settings: SlowStartSettings | undefined
  readonly #clock: Clock
  readonly #onWarmer: () => void
  /** Since when. */
  readonly #since = new Map<Warming, number>()
  #timer: Timer | undefined

  /** @param onWarmer what some endpoints have is more than before */
  constructor(settings: SlowStartSettings | undefined, clock: Clock, onWarmer: () => void) {
    this.#settings = settings
    this.#clock = clock
    this.#onWarmer = onWarmer
  }

  /** The endpoint begins, now. @returns whether it has less weight than before */
  begin(endpoint: Warming): boolean {
    if (this.#settings === undefined) return false
    this.#since.set(endpoint, this.#clock.now())
    endpoint.warmth = warmthAfter(0, this.#settings)
    endpoint.weigh()
    this.#wait()
    return true
  }

  /** It has left. */
  end(endpoint: Warming): void {
    this.#since.delete(endpoint)
    if (this.#since.size === 0) this.#rest()
  }

  /** Replaces the settings, also for those that warm up now. */
  update(settings: SlowStartSettings | undefined): void {
    this.#settings = settings
    this.#rest()
    this.#warm()
  }

  #wait(): void {
    if (this.#timer !== undefined || this.#settings === undefined || this.#since.size === 0) return
    this.#timer = this.#clock.after(this.#settings.windowMs / STEPS, () => {
      this.#timer = undefined
      this.#warm()
      this.#onWarmer()
    })
  }

  #warm(): void {
    const now = this.#clock.now()
    for (const [endpoint, sinceMs] of this.#since) {
      endpoint.warmth = this.#settings === undefined ? 1 : warmthAfter(now - sinceMs, this.#settings)
      endpoint.weigh()
      if (endpoint.warmth === 1) this.#since.delete(endpoint)
    }
    this.#wait()
  }

  #rest(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Stops for good. */
  close(): void {
    this.#settings = undefined
    this.#since.clear()
    this.#rest()
  }
}
