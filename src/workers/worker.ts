/** A worker: a whole proxy that listens nowhere. Its primary hands it connections, and asks and tells it the rest. */
import type { Socket } from 'node:net'
import type { GateSet } from '../config/gates.ts'
import { lastLinesWritten, reopenLogFiles } from '../observe/outputs.ts'
import { type Change, prepareChange } from '../proxy/change.ts'
import { VerbatimProxy } from '../proxy/proxy.ts'
import type { ProxySetup } from '../proxy/setup.ts'
import { systemClock } from '../transport/clock.ts'
import type { ConnectionCounts, QuestionName, Questions, ToPrimary, ToWorker } from './messages.ts'
import { setupOf } from './setup-data.ts'
import { WorkerCounts } from './worker-counts.ts'

/** What of the process a worker needs. */
export interface Channel {
  tell(message: ToPrimary): void
  /** The last thing that a worker does. */
  end(code: number): void
}

type Answers = { readonly [N in QuestionName]: (given: Questions[N]['given']) => Promise<Questions[N]['answer']> }

export class Worker {
  readonly #channel: Channel
  #proxy: VerbatimProxy | undefined
  #change: Change | undefined
  /** What they know stays while their definitions stay. */
  #gates: GateSet | undefined
  #nextGates: GateSet | undefined
  readonly #counts: WorkerCounts
  #connections: ConnectionCounts = { taken: 0, open: 0 }
  #telling = false
  #ending = false
  #isDrained = false
  #isAlone = false

  constructor(channel: Channel) {
    this.#channel = channel
    this.#counts = new WorkerCounts(systemClock, () => channel.tell({ kind: 'counted' }))
  }

  hear(message: ToWorker, socket: Socket | undefined): void {
    if (message.kind === 'question') void this.#answer(message.id, message.name, message.given)
    else if (message.kind === 'log-level') this.#running.logLevel = message.level
    else if (message.kind === 'challenges') this.#running.front.challenges.replace(message.all)
    else if (message.kind === 'reopen-logs') void reopenLogFiles(this.#running.log)
    else if (socket !== undefined) this.#take(message.listener, socket)
  }

  async #answer(id: number, name: QuestionName, given: unknown): Promise<void> {
    try {
      const value = await (this.#answers[name] as (given: unknown) => Promise<unknown>)(given)
      this.#channel.tell({ kind: 'answer', id, value })
    } catch (error) {
      this.#channel.tell({ kind: 'refusal', id, message: error instanceof Error ? error.message : String(error) })
    }
    if (name === 'drain') this.#drained()
  }

  readonly #answers: Answers = {
    start: async data => {
      this.#proxy = new VerbatimProxy(await this.#withGates(await setupOf(data)))
      await this.#proxy.start()
      this.#gatesChanged()
      return undefined
    },
    prepare: async data => {
      this.#change = await prepareChange(this.#running, await this.#withGates(await setupOf(data)))
      return this.#change.summary
    },
    commit: async () => {
      this.#change?.commit()
      this.#change = undefined
      this.#gatesChanged()
      return undefined
    },
    discard: async () => {
      await this.#change?.discard()
      this.#change = undefined
      return undefined
    },
    alive: async () => this.#connections,
    notReady: async () => this.#running.notReady,
    state: async options => this.#running.state(options),
    gateCounts: async told => this.#counts.answer(told),
    metrics: async () => this.#running.readMetrics(),
    profile: async ({ profile, seconds }) => {
      const { profileOf } = await import('../admin/profile.ts')
      return profileOf(profile, seconds, new AbortController().signal)
    },
    drain: async ({ graceMs }) => {
      this.#ending = true
      await this.#running.drain(graceMs)
      await lastLinesWritten()
      return this.#running.setup.metrics === undefined ? [] : this.#running.readMetrics()
    },
  }

  /** With the gates that a configuration describes. Faults of routes are gates too. */
  async #withGates(setup: ProxySetup): Promise<ProxySetup> {
    this.#nextGates = undefined
    if (setup.gates === undefined && !setup.routes.some(route => 'faults' in route)) return setup
    const { GateSet } = await import('../config/gates.ts')
    this.#nextGates = new GateSet(setup.gates, this.#gates, this.#counts.onCounted)
    return this.#nextGates.in(setup)
  }

  #gatesChanged(): void {
    this.#gates = this.#nextGates
    this.#counts.shared = this.#gates?.sharedCounts ?? new Map()
  }

  get #running(): VerbatimProxy {
    if (this.#proxy === undefined) throw new Error('the worker was not started')
    return this.#proxy
  }

  #take(listener: string, socket: Socket): void {
    const { taken, open } = this.#connections
    this.#count(taken + 1, open + 1)
    socket.once('close', () => this.#count(this.#connections.taken, this.#connections.open - 1))
    this.#running.front.take(listener, socket)
  }

  /** What happens in one turn is told at its end. */
  #count(taken: number, open: number): void {
    this.#connections = { taken, open }
    if (this.#telling) return
    this.#telling = true
    setImmediate(() => {
      this.#telling = false
      this.#channel.tell({ kind: 'connections', ...this.#connections })
    })
  }

  /** The primary says that it has the answer by closing the channel: what a process sends last may be lost with its end. */
  #drained(): void {
    this.#isDrained = true
    if (this.#isAlone) this.#channel.end(0)
  }

  /** Nobody will hand over another connection: the primary is gone, or has all that it wants. */
  async orphaned(): Promise<void> {
    this.#isAlone = true
    if (this.#isDrained) this.#channel.end(0)
    if (this.#ending) return
    this.#ending = true
    this.#proxy?.log.warn('the primary process is gone: this worker finishes its calls and ends')
    await this.#proxy?.drain()
    await lastLinesWritten()
    this.#channel.end(0)
  }

  /** The process cannot go on. */
  failed(error: unknown): void {
    this.#proxy?.log.fatal({ err: error }, 'uncaught exception')
    this.#channel.end(1)
  }
}
