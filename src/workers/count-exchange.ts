/**
 * What the gates of one worker count, told to the others: so that they keep rates and numbers of calls together.
 *
 * ```
 *   worker ── counted ─▶ primary                              once, when there is something after a pause
 *   primary ── gateCounts (of the others) ─▶ worker           every 50 ms while somebody has something to tell,
 *           ◀── (its own) ──                                  and one question at a time
 * ```
 *
 * The primary keeps no limit. It adds up calls that run, and hands on calls that have passed. What waits here for a worker
 * that does not answer has a bound.
 */
import {
  EXCHANGE_MS,
  type KeyCounts,
  MAX_TOLD_KEYS,
  MAX_WAITING_KEYS,
  type SharedCounts,
  takeFirst,
} from '../gates/shared-counts.ts'
import type { Clock, Timer } from '../transport/clock.ts'
import type { CountsAnswer, CountsQuestion, GateCounts } from './messages.ts'

/** Who is asked. */
export interface Counting {
  readonly members: readonly { readonly number: number; readonly isReady: boolean }[]
  ask(worker: number, name: 'gateCounts', given: CountsQuestion): Promise<CountsAnswer> | undefined
}

/** A gate in one worker. */
interface Part {
  readonly kind: SharedCounts['kind']
  /** Its calls that run now. */
  readonly running: Map<string, number>
  /** What it is to be told: calls that passed elsewhere; of calls that run only which keys, as numbers go on changing. */
  readonly owed: Map<string, number>
  /** More keys were owed than may wait, so that it knows wrong numbers of some: it is told all anew. */
  isAnew: boolean
}

/** By what the gate is. */
type Parts = Map<string, Part>

export class CountExchange {
  readonly #crew: Counting
  readonly #clock: Clock
  /** By worker. */
  readonly #parts = new Map<number, Parts>()
  readonly #asking = new Set<number>()
  #timer: Timer | undefined

  constructor(crew: Counting, clock: Clock) {
    this.#crew = crew
    this.#clock = clock
  }

  /** A worker has something to tell. */
  counted(): void {
    this.#timer ??= this.#clock.after(EXCHANGE_MS, () => {
      this.#timer = undefined
      this.#round()
    })
  }

  /** Its calls are gone with it. */
  gone(worker: number): void {
    const parts = this.#parts.get(worker)
    if (parts === undefined) return
    for (const gate of parts.keys()) this.#drop(worker, parts, gate)
    this.#parts.delete(worker)
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #round(): void {
    let isWaited = false
    const { members } = this.#crew
    for (const { number, isReady } of members) {
      if (isReady && !this.#asking.has(number)) this.#exchange(number, members.length - 1)
      // One that is not ready is asked when it is; what does not fit into one message has the next.
      const parts = this.#parts.get(number)
      if (!isReady || parts === undefined || [...parts.values()].some(isOwed)) isWaited = true
    }
    if (isWaited) this.counted()
  }

  #exchange(worker: number, others: number): void {
    // All together tell as much as each of them can be told: whoever chooses keys must not keep the primary busy.
    const question = { told: this.#owedTo(worker), most: Math.ceil(MAX_TOLD_KEYS / others) }
    const asked = this.#crew.ask(worker, 'gateCounts', question)
    if (asked === undefined) return
    this.#asking.add(worker)
    asked
      .then(
        answer => this.#hear(worker, answer),
        // It is gone, which whoever has it is told; or it is not known what it has heard.
        () => this.#tellAnew(worker),
      )
      .finally(() => this.#asking.delete(worker))
  }

  #owedTo(worker: number): GateCounts[] {
    const told: GateCounts[] = []
    for (const [gate, part] of this.#parts.get(worker) ?? []) {
      if (!isOwed(part)) continue
      const { kind, isAnew } = part
      if (isAnew) this.#oweAll(worker, gate, part)
      part.isAnew = false
      const taken = takeFirst(part.owed, MAX_TOLD_KEYS)
      const counts =
        kind === 'passed' ? taken : taken.map(([key]) => [key, this.#elsewhere(worker, gate, key)] as const)
      told.push({ gate, counts, isAnew })
    }
    return told
  }

  #tellAnew(worker: number): void {
    for (const part of this.#parts.get(worker)?.values() ?? []) {
      if (part.kind !== 'running') continue
      part.isAnew = true
      this.counted()
    }
  }

  #elsewhere(worker: number, gate: string, key: string): number {
    let sum = 0
    for (const [, part] of this.#others(worker, gate)) sum += part.running.get(key) ?? 0
    return sum
  }

  #oweAll(worker: number, gate: string, to: Part): void {
    to.owed.clear()
    for (const [, { running }] of this.#others(worker, gate)) for (const key of running.keys()) to.owed.set(key, 0)
  }

  *#others(worker: number, gate: string): Generator<[number, Part]> {
    for (const [number, parts] of this.#parts) {
      const part = number === worker ? undefined : parts.get(gate)
      if (part !== undefined) yield [number, part]
    }
  }

  #hear(worker: number, { isAnew, gates }: CountsAnswer): void {
    if (isAnew) this.gone(worker)
    const parts = this.#parts.get(worker) ?? new Map<string, Part>()
    this.#parts.set(worker, parts)
    const named = new Set(gates.map(({ gate }) => gate))
    for (const gate of parts.keys()) if (!named.has(gate)) this.#drop(worker, parts, gate)
    for (const { gate, kind, counts } of gates) {
      let part = parts.get(gate)
      if (part === undefined) {
        part = { kind, running: new Map(), owed: new Map(), isAnew: false }
        parts.set(gate, part)
        this.#oweAll(worker, gate, part)
      }
      this.#count(worker, gate, part, counts)
      if (counts.length > 0 || part.owed.size > 0) this.counted()
    }
  }

  #count(worker: number, gate: string, { kind, running }: Part, counts: KeyCounts): void {
    const others = [...this.#others(worker, gate)].map(([, part]) => part)
    for (const [key, calls] of counts) {
      if (kind === 'running' && calls === 0) running.delete(key)
      else if (kind === 'running') running.set(key, calls)
      for (const other of others) owe(other, key, calls)
    }
  }

  /** The worker has this gate no more. */
  #drop(worker: number, parts: Parts, gate: string): void {
    const { running } = parts.get(gate)!
    parts.delete(gate)
    for (const [, other] of this.#others(worker, gate)) for (const key of running.keys()) owe(other, key, 0)
    this.counted()
  }
}

function isOwed({ owed, isAnew }: Part): boolean {
  return owed.size > 0 || isAnew
}

function owe(part: Part, key: string, calls: number): void {
  const before = part.owed.get(key)
  if (before !== undefined || part.owed.size < MAX_WAITING_KEYS) part.owed.set(key, (before ?? 0) + calls)
  else if (part.kind === 'running') part.isAnew = true
}
