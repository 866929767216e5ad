/** Anything may happen in any order: what is left, what is barred and what runs must add up all the time, and nothing stays. */
import t from 'tap'
import { Client } from '../../../src/backend/client-share.ts'
import type { HealthSettings, OutlierSettings } from '../../../src/backend/health/settings.ts'
import { block, type FakeSession, type FakeStream } from '../../support/fake-transport.ts'
import { BackendRig } from '../rig.ts'

const SEEDS = 60
const STEPS = 400
const RESPONSE = block({ ':status': '200', 'content-type': 'application/grpc' })
const HEALTH: HealthSettings = {
  kind: 'grpc',
  intervalMs: 1_000,
  timeoutMs: 300,
  unhealthyThreshold: 2,
  healthyThreshold: 2,
}
const OUTLIERS: OutlierSettings = {
  intervalMs: 1_000,
  baseEjectionMs: 3_000,
  maxEjectionMs: 9_000,
  maxEjectedPercent: 30,
  statuses: ['UNAVAILABLE'],
  consecutiveFailures: 3,
  successRate: { stdevFactor: 1, minimumEndpoints: 2, requestVolume: 4, enforcementPercent: 100 },
  failurePercentage: { threshold: 50, minimumEndpoints: 2, requestVolume: 4, enforcementPercent: 100 },
}

function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff
    return (state >>> 8) / 2 ** 23
  }
}

class Play {
  readonly rig = new BackendRig({ endpoints: 'abc', health: HEALTH, outliers: OUTLIERS })
  readonly #random: () => number
  readonly #clients = ['10.0.0.1:1', '10.0.0.1:2', '10.0.0.2:1', 'unix'].map(peer =>
    new Client(peer).shareOf(this.rig.backend),
  )
  #health: HealthSettings | undefined = HEALTH
  #outliers: OutlierSettings | undefined = OUTLIERS
  #endpoints = 'abc'

  constructor(seed: number) {
    this.#random = chance(seed)
    this.rig.random = this.#random
  }

  #one<T>(of: readonly T[]): T | undefined {
    return of[Math.floor(this.#random() * of.length)]
  }

  readonly #steps: readonly (() => void)[] = [
    () => this.rig.clock.advance(this.#random() * 400),
    () => this.rig.clock.advance(this.#random() * 400),
    () => this.rig.clock.pause(this.#random() * 5_000),
    () => this.#one(this.#sessions(({ isReady }) => !isReady))?.ready(this.#one([0, 1, 2, 100])),
    () => this.#one(this.#sessions(({ isReady }) => !isReady))?.ready(100),
    () => close(this.#one(this.#sessions(() => true))),
    () => this.#one(this.#sessions(({ isReady, isDraining }) => isReady && !isDraining))?.goaway(),
    () => answer(this.#one(this.#streams()), this.#one(['\0\0\0\0\x02\x08\x01', '\0\0\0\0\x02\x08\x02', 'nonsense'])!),
    () => answer(this.#one(this.#streams()), '\0\0\0\0\x02\x08\x01'),
    () => this.#one(this.#streams())?.close({ kind: 'reset', by: 'peer', code: this.#one([2, 7])! }),
    () => this.#outcomes(this.#one([0, 14])!),
    () => this.#outcomes(14),
    () => {
      this.#endpoints = this.#one(['a', 'ab', 'abc', 'cd', 'dcba', ''])!
      this.rig.setEndpoints(this.#endpoints)
    },
    () => this.#update({ health: this.#one([undefined, HEALTH, { ...HEALTH, kind: 'connect' }]) }),
    () => this.#update({ outliers: this.#one([undefined, OUTLIERS]) }),
  ]

  #sessions(which: (session: FakeSession) => boolean): FakeSession[] {
    return this.rig.transport.sessions.filter(session => !gone.has(session) && which(session))
  }

  #streams(): FakeStream[] {
    return this.#sessions(() => true).flatMap(({ opened }) => opened.filter(({ over }) => !over))
  }

  #outcomes(status: number): void {
    const endpoint = this.#one(this.rig.backend.endpoints)
    const share = this.#one(this.#clients)!
    for (let i = 0; i < 4; i++) endpoint?.outcomes?.begin(share).answered(status, block({}))
  }

  #update(change: { health?: HealthSettings | undefined; outliers?: OutlierSettings | undefined }): void {
    if ('health' in change) this.#health = change.health
    if ('outliers' in change) this.#outliers = change.outliers
    this.rig.update({ endpoints: this.#endpoints, health: this.#health, outliers: this.#outliers })
  }

  step(): void {
    this.#one(this.#steps)!()
    this.#settle()
  }

  /** What was given up ends. */
  #settle(): void {
    for (const session of this.#sessions(({ destroys, retired }) => destroys + retired > 0)) {
      for (const stream of session.opened)
        if (stream.ended === undefined) stream.close({ kind: 'reset', code: 8, by: 'self' })
      close(session)
    }
    for (const stream of this.#sessions(() => true).flatMap(({ opened }) => opened)) stream.settle()
  }

  /** What does not add up. */
  get wrong(): string | undefined {
    const { endpoints } = this.rig.backend
    const barred = (by: 'health' | 'outlier') => endpoints.filter(({ bars }) => bars.has(by)).length
    if (this.#health === undefined && barred('health') > 0) return 'a bar of health, and nobody asks'
    if (this.#outliers === undefined && barred('outlier') > 0) return 'a bar of outliers, and nobody counts'
    const misuse = this.rig.transport.sessions.flatMap(({ opened }) => opened.flatMap(stream => stream.misuse))
    return misuse[0]
  }

  async end(): Promise<string[]> {
    this.#update({ health: undefined, outliers: undefined })
    this.rig.setEndpoints('')
    this.#settle()
    // Endpoints that leave wait for the end of their sessions by promises.
    await new Promise(setImmediate)
    const left: string[] = []
    if (this.rig.wheel.size > 0) left.push(`${this.rig.wheel.size} timers of calls`)
    if (this.#streams().length > 0) left.push(`${this.#streams().length} streams`)
    const open = this.#sessions(({ destroys, retired }) => destroys + retired === 0)
    if (open.length > 0) left.push(`${open.length} sessions`)
    if (this.rig.clock.pending > 0) left.push(`${this.rig.clock.pending} timers`)
    return left
  }
}

const gone = new WeakSet<FakeSession>()

function close(session: FakeSession | undefined): void {
  if (session === undefined) return
  gone.add(session)
  for (const stream of session.opened)
    if (stream.ended === undefined) stream.close({ kind: 'lost', by: 'peer', unprocessed: false, reason: 'gone' })
  session.closed('gone')
}

function answer(stream: FakeStream | undefined, body: string): void {
  if (stream === undefined) return
  stream.headers(RESPONSE)
  stream.data(body)
  if (stream.over) return
  stream.trailers(block({ 'grpc-status': '0' }))
  stream.settle()
}

t.test('checks and ejections under any sequence of events', async t => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const play = new Play(seed)
    for (let step = 0; step < STEPS; step++) {
      play.step()
      const { wrong } = play
      if (wrong !== undefined) return t.fail(`seed ${seed}, step ${step}: ${wrong}`)
    }
    const left = await play.end()
    if (left.length > 0) return t.fail(`seed ${seed}: ${left.join(', ')} left`)
  }
  t.pass(`${SEEDS} sequences of ${STEPS} events`)
})
