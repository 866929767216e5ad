/**
 * Retries and hedging by policy under load: endpoints and a proxy in processes of their own, an open loop of calls, and what came of it.
 * The endpoints write down each attempt, so what the backend got is known from the backend.
 */
import { EndpointProcess, flakyFails, type Kind } from './endpoint.ts'
import { Load } from './load.ts'
import { type Running, verbatim } from './subject.ts'

export interface RetryFieldOptions {
  readonly folder: string
  /** They take turns. */
  readonly kinds: readonly Kind[]
  readonly endpoints: number
  readonly callsASecond: number
  readonly transport: 'frames' | 'native'
  /** What the route asks for; by default retries by `POLICY`. */
  readonly route?: object
  readonly deadlineMs?: number
  /** Proxy on core 0, all else on core 1. */
  readonly pinned: boolean
}

/** What is done to endpoints. */
export type Played = 'flaky' | 'unavailable' | 'slow' | 'silent'

/** What a stretch of load came to. */
export interface Tally {
  readonly calls: number
  /** By their names. */
  readonly failed: readonly string[]
  /** Statuses other than 0, each once. */
  readonly statuses: readonly number[]
  /** What the backend got. */
  readonly attempts: number
  /** How much of it those endpoints got that were treated so. */
  readonly attemptsThere: number
  /** How long callers waited, from when the call should have begun: 99 of 100 not longer. */
  readonly p99Ms: number
  readonly complaints: readonly string[]
}

export const POLICY = {
  maxAttempts: 3,
  codes: ['UNAVAILABLE'],
  initialBackoffMs: 5,
  budget: { maxTokens: 100, tokenRatio: 0.1 },
} as const

/** Longer than any machine stands still: no call fails because it was late. */
const DEADLINE_MS = 60_000
const CONNECTIONS = 10
const SEED = 1

export class RetryField {
  readonly #options: RetryFieldOptions
  readonly endpoints: readonly EndpointProcess[]
  #running: Running | undefined
  #stretches = 0

  constructor(options: RetryFieldOptions) {
    this.#options = options
    const { folder, kinds, pinned } = options
    this.endpoints = Array.from(
      { length: options.endpoints },
      (_, i) => new EndpointProcess(`endpoint-${i}`, kinds[i % kinds.length]!, folder, pinned),
    )
  }

  async start(): Promise<void> {
    await Promise.all(this.endpoints.map(endpoint => endpoint.start()))
    const { folder, transport, route = { retry: POLICY } } = this.#options
    // Nothing is taken out of use: what is seen is what retries do.
    const subject = verbatim('retries', {}, transport, route)
    const ports = this.endpoints.map(({ port }) => port)
    this.#running = await subject.start(folder, ports)
  }

  /** Load for so long, while so many of the endpoints are treated in this way. */
  async play(treatment: Played, endpoints: number, seconds: number): Promise<Tally> {
    const treated = this.endpoints.slice(0, endpoints)
    await Promise.all(treated.map(endpoint => endpoint.strike(treatment)))
    const before = [attemptsOf(this.endpoints), attemptsOf(treated)] as const
    const load = new Load({
      ...{
        port: this.#running!.port,
        callsASecond: this.#options.callsASecond,
        seconds,
        deadlineMs: this.#options.deadlineMs ?? DEADLINE_MS,
      },
      ...{ seed: SEED, prefix: `r${this.#stretches++}c`, connections: CONNECTIONS },
    })
    await load.connect()
    await load.run()
    await Promise.all(treated.map(endpoint => endpoint.mend()))
    const failed = load.ended.filter(({ status }) => status !== 0)
    return {
      calls: load.ended.length,
      failed: failed.map(({ name }) => name).sort(),
      statuses: [...new Set(failed.map(({ status }) => status))],
      attempts: attemptsOf(this.endpoints) - before[0],
      attemptsThere: attemptsOf(treated) - before[1],
      p99Ms: load.ended.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b)[Math.floor(0.99 * load.ended.length)]!,
      complaints: load.complaints,
    }
  }

  async end(): Promise<void> {
    await this.#running?.child.kill()
    await Promise.all(this.endpoints.map(endpoint => endpoint.kill()))
  }
}

function attemptsOf(endpoints: readonly EndpointProcess[]): number {
  return endpoints.reduce((sum, { attempts }) => sum + attempts, 0)
}

/** Whether a call of this name fails on flaky endpoints, however often the policy has it tried. */
export function failsAlways(name: string): boolean {
  return Array.from({ length: POLICY.maxAttempts }).every((_, previous) => flakyFails(name, String(previous)))
}

/**
 * What the backend gets at most: each call once, and of retries no more than the budget has. That is half of its tokens, and
 * what calls that succeed give back.
 */
export function mostAttempts({ calls, failed }: Tally): number {
  const { maxTokens, tokenRatio } = POLICY.budget
  return calls + maxTokens / 2 + tokenRatio * (calls - failed.length)
}
