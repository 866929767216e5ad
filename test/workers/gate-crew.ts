/** Gates of several workers that tell each other what they count, by the real exchange, on a clock that is turned by hand. */
import { concurrency } from '../../src/gates/concurrency.ts'
import { type RateLimitOptions, rateLimit } from '../../src/gates/rate-limit.ts'
import { PassedCounts, RunningCounts } from '../../src/gates/shared-counts.ts'
import type { CallInfo, Director } from '../../src/routing/director.ts'
import { Refusal } from '../../src/routing/gate.ts'
import { CountExchange } from '../../src/workers/count-exchange.ts'
import type { CountsAnswer, CountsQuestion } from '../../src/workers/messages.ts'
import { WorkerCounts } from '../../src/workers/worker-counts.ts'
import { call, TARGET } from '../gates/rig.ts'
import { FakeClock } from '../support/fake-clock.ts'

/** A message arrives some time within an exchange. */
export const STEP_MS = 10

/** A worker without its process: a gate, and its half of the exchange. */
export class Member {
  readonly number: number
  isReady = true
  readonly counts: WorkerCounts
  readonly #director: Director
  /** The longest list of keys that it was told at once. */
  mostTold = 0

  constructor(
    number: number,
    crew: CrewOfGates,
    gate: (onCounted: () => void) => [PassedCounts | RunningCounts, Director],
  ) {
    this.number = number
    this.counts = new WorkerCounts(crew.clock, () => crew.exchange.counted())
    const [counts, director] = gate(this.counts.onCounted)
    this.#director = director
    this.counts.shared = new Map([['gate', counts]])
  }

  passes(info: CallInfo): boolean {
    try {
      return this.#director(info) === TARGET
    } catch (error) {
      if (error instanceof Refusal && error.token === 'rate-limited') return false
      throw error
    }
  }

  answer(question: CountsQuestion): CountsAnswer {
    for (const { counts } of question.told) this.mostTold = Math.max(this.mostTold, counts.length)
    const answer = this.counts.answer(question)
    for (const { counts } of answer.gates) this.mostTold = Math.max(this.mostTold, counts.length)
    return answer
  }
}

export class CrewOfGates {
  readonly clock = new FakeClock()
  readonly members: Member[] = []
  /** Rounds so far. */
  asked = 0
  /** The primary stands still: what it would do now. */
  #late: (() => void)[] | undefined
  readonly exchange: CountExchange

  constructor() {
    const { clock } = this
    const after = (delayMs: number, fire: () => void) =>
      clock.after(delayMs, () => (this.#late ? this.#late.push(fire) : fire()))
    this.exchange = new CountExchange({ members: this.members, ask: (n, _, given) => this.#ask(n, given) }, {
      ...clock,
      after,
    } as never)
  }

  #ask(number: number, given: CountsQuestion): Promise<CountsAnswer> {
    this.asked++
    return Promise.resolve(this.members.find(one => one.number === number)!.answer(structuredClone(given)))
  }

  standsStill(): void {
    this.#late = []
  }

  goesOn(): void {
    const late = this.#late!
    this.#late = undefined
    for (const fire of late) fire()
  }

  /** A process more, or one that takes the place of another. */
  begins(member: Member): void {
    const at = this.members.findIndex(({ number }) => number === member.number)
    if (at < 0) this.members.push(member)
    else this.members[at] = member
  }

  /** Time passes, and messages arrive. */
  async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= STEP_MS) {
      this.clock.advance(Math.min(leftMs, STEP_MS))
      for (let i = 0; i < 4; i++) await null
    }
  }
}

/** They have been asked once. */
export async function rated(workers: number, options: RateLimitOptions): Promise<CrewOfGates> {
  const crew = new CrewOfGates()
  for (let i = 1; i <= workers; i++) {
    const gate = (onCounted: () => void): [PassedCounts, Director] => {
      const counts = new PassedCounts(onCounted)
      return [counts, rateLimit(options, crew.clock, counts)(() => TARGET)]
    }
    crew.begins(new Member(i, crew, gate))
  }
  await crew.pass(100)
  return crew
}

/** Calls that a test ends, by worker. */
export function limited(workers: number, max: number) {
  const crew = new CrewOfGates()
  const begun = (number: number) =>
    new Member(number, crew, onCounted => {
      const counts = new RunningCounts(onCounted)
      return [counts, concurrency({ max, key: 'metadata:x-a' }, () => 0.5, counts)(() => TARGET)]
    })
  for (let i = 1; i <= workers; i++) crew.begins(begun(i))
  /** @returns what ends the call; undefined: it was refused */
  const begin = (worker: number, key = 'a'): (() => void) | undefined => {
    let end = () => {}
    const info = { ...call({ metadata: [['x-a', key]] }), onEnd: (told: () => void) => (end = told) } as CallInfo
    return crew.members[worker - 1]!.passes(info) ? () => end() : undefined
  }
  return { crew, begin, begun }
}
