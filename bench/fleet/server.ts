/**
 * An endpoint of the simulation, which works on some calls at a time and lets the others wait in their order. A new one is
 * cold: its caches are empty and its code is not compiled, so that each call takes longer than later.
 */
import { exponentialGapMs } from '../../src/bench/random.ts'
import type { Agenda, Event } from './agenda.ts'
import type { SimulatedSession, SimulatedStream } from './transport.ts'

export interface ServerOptions {
  /** Calls that it works on at a time. */
  readonly workers: number
  /** What a call takes, in the mean; exponentially distributed. */
  readonly serviceMs: number
  /** So many times as long takes a call when it is new … */
  readonly coldFactor: number
  /** … and after this time it is as fast as others. In between the factor falls evenly. */
  readonly warmAfterMs: number
}

export class Server {
  readonly name: string
  readonly sessions = new Set<SimulatedSession>()
  /** Calls that it answered. */
  answered = 0
  /** Calls that were on it when it was killed. */
  lost = 0
  /** It takes no more connections. */
  stopped = false
  readonly #options: ServerOptions
  readonly #agenda: Agenda
  readonly #random: () => number
  readonly #bornMs: number
  #working = 0
  readonly #waiting: SimulatedStream[] = []

  /** @param warm it has been there for long */
  constructor(name: string, options: ServerOptions, agenda: Agenda, random: () => number, warm: boolean) {
    this.name = name
    this.#options = options
    this.#agenda = agenda
    this.#random = random
    this.#bornMs = warm ? Number.NEGATIVE_INFINITY : agenda.now()
  }

  accept(stream: SimulatedStream): void {
    if (this.#working < this.#options.workers) this.#begin(stream)
    else this.#waiting.push(stream)
  }

  #begin(stream: SimulatedStream): void {
    this.#working++
    const serviceMs = exponentialGapMs(this.#random, 1_000 / this.#options.serviceMs)
    this.#agenda.add(this.#agenda.now() + serviceMs * this.#factor, new Work(this, stream))
  }

  get #factor(): number {
    const { coldFactor, warmAfterMs } = this.#options
    const age = (this.#agenda.now() - this.#bornMs) / warmAfterMs
    return age >= 1 ? 1 : coldFactor - (coldFactor - 1) * age
  }

  /** A worker is done. */
  done(stream: SimulatedStream): void {
    this.#working--
    if (stream.open) {
      this.answered++
      stream.answer()
    }
    const next = this.#waiting.shift()
    if (next !== undefined) this.#begin(next)
  }

  /** GOAWAY; what it has it finishes. */
  leave(): void {
    this.stopped = true
    for (const session of [...this.sessions]) session.goAway()
  }

  /** Its process is gone, and all that was on it. */
  kill(): void {
    this.stopped = true
    this.#waiting.length = 0
    for (const session of [...this.sessions]) this.lost += session.break()
  }
}

class Work implements Event {
  readonly #server: Server
  readonly #stream: SimulatedStream

  constructor(server: Server, stream: SimulatedStream) {
    this.#server = server
    this.#stream = stream
  }

  fire(): void {
    this.#server.done(this.#stream)
  }
}
