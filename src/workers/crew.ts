/**
 * The workers of a primary: starts them, and starts them again; gives each connection to the one that has the fewest.
 *
 * ```
 *   starting ── has the configuration that holds ─▶ ready ── ends, or does not answer ─▶ gone
 *      ▲                                                                                  │
 *      └──────────────────────── after a pause, longer each time ◀─────────────────────────┘
 * ```
 */
import { type BackoffOptions, backoffDelayMs } from '../backend/backoff.ts'
import { ConfigError } from '../config/problems.ts'
import type { Reading } from '../observe/registry.ts'
import { changesBetween } from '../proxy/change-summary.ts'
import type { ProxySetup } from '../proxy/setup.ts'
import type { Timer } from '../transport/clock.ts'
import { CrewChallenges } from './crew-challenges.ts'
import type { CrewChange, CrewOptions, Member } from './crew-options.ts'
import { Handover } from './handover.ts'
import type { Notice, QuestionName, Questions } from './messages.ts'
import { dataOf, type SetupData } from './setup-data.ts'
import { shareOf } from './shares.ts'
import { prepareInAll } from './two-phases.ts'
import { type Connection, WorkerGone, WorkerHandle, type WorkerOwner } from './worker-handle.ts'

/** Short at first: a worker that died by an accident of one call is missed. A worker that cannot live costs little. */
const RESTART: BackoffOptions = { initialMs: 100, multiplier: 2, maxMs: 10_000, jitter: 0.2 }
/** Who lived as long has not failed in a row. */
const STABLE_MS = 30_000

const LOOK_MS = 1_000
/** Prometheus waits for ten seconds; a worker that does not answer by then stands still, and the others are of interest. */
const ANSWER_MS = 2_000
/** A collection of garbage, or a profile being written, takes a second or two of a large heap. */
const HUNG_AFTER_LOOKS = 10
/** Until the first answer everything is loaded, on a machine that may do much else. */
const STARTING_LOOKS = 60
/** A process that was told to drain ends so much later at most, or is ended. */
const DRAIN_SLACK_MS = 5_000

/** A place for a worker. The number stays, whoever has it. */
interface Slot {
  readonly number: number
  worker: WorkerHandle | undefined
  /** What it was given last. */
  setup: ProxySetup | undefined
  startedMs: number
  /** In a row. */
  failures: number
  ends: number
}

export class Crew implements WorkerOwner {
  readonly #options: CrewOptions
  readonly #slots: Slot[]
  /** What holds now. Workers that are started have it. */
  #setup: ProxySetup | undefined
  #lookTimer: Timer | undefined
  #level: string | undefined
  readonly #handover: Handover
  readonly challenges = new CrewChallenges(notice => this.tell(notice))
  #draining = false
  #whenGone: (() => void)[] = []
  /** Those that did not end as they should, in a drain. */
  #badEnds = 0

  constructor(options: CrewOptions) {
    this.#options = options
    this.#slots = Array.from({ length: options.count }, (_, i) => ({
      ...{ number: i + 1, worker: undefined, setup: undefined },
      ...{ startedMs: 0, failures: 0, ends: 0 },
    }))
    this.#handover = new Handover(options.log)
  }

  /** Resolves when each has been started once. @throws ConfigError when none of them can be started */
  async start(setup: ProxySetup): Promise<void> {
    this.#setup = setup
    this.#look()
    const started = await Promise.allSettled(this.#slots.map(slot => this.#start(slot)))
    if (this.#ready.length > 0 || this.#draining) return
    const reason = started.find(one => one.status === 'rejected')?.reason
    const message = `none of them can be started: ${reason instanceof Error ? reason.message : reason}`
    throw new ConfigError([{ path: 'workers', message }])
  }

  get #ready(): WorkerHandle[] {
    return this.#workers.filter(worker => worker.isReady)
  }

  get #workers(): WorkerHandle[] {
    return this.#slots.flatMap(({ worker }) => worker ?? [])
  }

  /** Each place, with who has it now. */
  get members(): Member[] {
    return this.#slots.map(({ number, worker, ends }) => ({
      ...{ number, ends, pid: worker?.pid },
      ...{ isReady: worker?.isReady ?? false, load: worker?.load ?? 0 },
    }))
  }

  /** Undefined: there is no such worker. @throws WorkerGone; WorkerRefusal */
  ask<N extends QuestionName>(
    number: number,
    name: N,
    given: Questions[N]['given'],
  ): Promise<Questions[N]['answer']> | undefined {
    return this.#ready.find(worker => worker.number === number)?.ask(name, given)
  }

  /** @throws WorkerGone; WorkerRefusal. Then the worker is ended, and started again */
  async #start(slot: Slot): Promise<void> {
    const setup = this.#setup!
    const worker = new WorkerHandle(slot.number, this.#options.execArgv, this)
    slot.worker = worker
    slot.startedMs = this.#options.clock.now()
    try {
      await worker.ask('start', this.#dataFor(slot, setup))
      slot.setup = setup
      await this.#catchUp(slot, worker)
    } catch (error) {
      if (!(error instanceof WorkerGone))
        this.#options.log.error({ worker: slot.number, err: error }, 'a worker cannot serve')
      worker.kill()
      throw error
    }
  }

  /** The configuration may have changed meanwhile. */
  async #catchUp(slot: Slot, worker: WorkerHandle): Promise<void> {
    while (slot.setup !== this.#setup) {
      const setup = this.#setup!
      await worker.ask('prepare', this.#dataFor(slot, setup))
      await worker.ask('commit', undefined)
      slot.setup = setup
    }
    if (this.#draining) return
    if (this.#level !== undefined) worker.tell({ kind: 'log-level', level: this.#level })
    worker.tell(this.challenges.notice)
    worker.isReady = true
    this.#handover.add(worker)
  }

  #dataFor({ number }: { readonly number: number }, setup: ProxySetup): SetupData {
    const share = shareOf(setup, number, this.#options.count)
    return dataOf({ ...share, log: { ...share.log, worker: number } })
  }

  onGone(worker: WorkerHandle, how: string): void {
    const slot = this.#slots[worker.number - 1]!
    slot.worker = undefined
    if (this.#draining) {
      if (how !== 'ended with 0') this.#badEnds++
      if (this.#workers.length === 0) for (const resolve of this.#whenGone.splice(0)) resolve()
      return
    }
    const { clock, log, random, onGone } = this.#options
    onGone?.(slot.number)
    slot.ends++
    slot.failures = clock.now() - slot.startedMs < STABLE_MS ? slot.failures + 1 : 1
    const pauseMs = Math.round(backoffDelayMs(RESTART, slot.failures, random))
    log.error(
      { worker: worker.number, pid: worker.pid, pauseMs },
      `worker ${worker.number} ${how}; it is started again`,
    )
    this.#handover.remove(worker)
    clock.after(pauseMs, () => {
      if (!this.#draining) this.#start(slot).catch(() => {})
    })
  }

  onCounted(): void {
    this.#options.onCounted?.()
  }

  onLost(worker: WorkerHandle, connections: number): void {
    const detail = 'it may have no file descriptor left'
    this.#options.log.error({ worker: worker.number, connections, detail }, 'a worker could not receive a connection')
  }

  /** A connection, for the one that has the fewest. */
  give(connection: Connection): void {
    this.#handover.give(connection)
  }

  #look(): void {
    const { hungAfterLooks = HUNG_AFTER_LOOKS, clock, log } = this.#options
    for (const worker of this.#workers) {
      worker.look()
      if (worker.unanswered === 1) this.#handover.takeFrom(worker)
      if (worker.unanswered < (worker.isReady ? hungAfterLooks : STARTING_LOOKS)) continue
      log.error({ worker: worker.number, pid: worker.pid }, `worker ${worker.number} does not answer: it is ended`)
      worker.kill()
    }
    this.#handover.retry()
    this.#lookTimer = clock.after(LOOK_MS, () => this.#look())
  }

  /** @throws WorkerRefusal when one of them cannot change; then nothing has changed in any of them */
  async prepare(setup: ProxySetup): Promise<CrewChange> {
    const { workers, summary, ...prepared } = await prepareInAll(
      this.#ready,
      worker => this.#dataFor(worker, setup),
      () => changesBetween(this.#setup!, setup),
    )
    const commit = async () => {
      this.#setup = setup
      this.#level = undefined
      for (const slot of this.#slots) if (slot.worker && workers.includes(slot.worker)) slot.setup = setup
      const late = this.#slots.filter(slot => slot.worker?.isReady && slot.setup !== setup)
      await Promise.allSettled([prepared.commit(), ...late.map(slot => this.#bringUp(slot))])
    }
    return { summary, commit, discard: prepared.discard }
  }

  /** One that became ready while the others prepared. */
  async #bringUp(slot: Slot): Promise<void> {
    const worker = slot.worker!
    worker.isReady = false
    this.#handover.remove(worker)
    await this.#catchUp(slot, worker).catch(() => worker.kill())
  }

  /** Asks all that are ready. Those that do not answer soon are left out. */
  async askAll<N extends QuestionName>(
    name: N,
    given: Questions[N]['given'],
  ): Promise<Map<number, Questions[N]['answer']>> {
    const answers = new Map<number, Questions[N]['answer']>()
    const asked = this.#ready.map(async worker => {
      answers.set(worker.number, await worker.ask(name, given))
    })
    await new Promise<unknown>(resolve => {
      const timer = this.#options.clock.after(ANSWER_MS, () => resolve(undefined))
      void Promise.allSettled(asked)
        .then(resolve)
        .finally(() => timer.cancel())
    })
    return new Map(answers)
  }

  /** Tells all. A level of the log is for those that come later, too. */
  tell(notice: Notice): void {
    if (notice.kind === 'log-level') this.#level = notice.level
    for (const worker of this.#ready) worker.tell(notice)
  }

  /**
   * Calls finish; then all are gone.
   * @param onLast gets what each has counted, at its end
   * @returns whether all ended as they should
   */
  async drain(graceMs: number, onLast: (worker: number, readings: readonly Reading[]) => void): Promise<boolean> {
    this.#draining = true
    this.#handover.stop()
    const gone = new Promise<void>(resolve => this.#whenGone.push(resolve))
    for (const worker of this.#workers) {
      const told = worker.ask('drain', { graceMs })
      told
        .then(readings => onLast(worker.number, readings))
        .catch(() => {})
        .finally(() => worker.release())
    }
    const timer = this.#options.clock.after(graceMs + DRAIN_SLACK_MS, () => this.kill())
    if (this.#workers.length > 0) await gone
    timer.cancel()
    this.#lookTimer?.cancel()
    return this.#badEnds === 0
  }

  /** All, at once. */
  kill(): void {
    this.#draining = true
    this.#lookTimer?.cancel()
    for (const worker of this.#workers) worker.kill()
  }
}
