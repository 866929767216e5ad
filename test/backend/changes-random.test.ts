/** Whatever changes, in whatever order, under calls that come, run, end and are lost: none is lost, or told twice. */
import fc from 'fast-check'
import t from 'tap'
import { Client } from '../../src/backend/client-share.ts'
import { partsOf } from '../../src/backend/select/parts.ts'
import type { FakeSession } from '../support/fake-transport.ts'
import { BackendRig, type Call, type RigOptions, type Told } from './rig.ts'

const LISTS = ['a', 'ab', 'ba', 'abc', 'cd', 'd', 'bd', 'aab', 'dcba']
const TOLD: readonly (readonly Told[])[] = [
  [{ name: 'a' }, { name: 'b', priority: 1 }],
  [{ name: 'a' }, { name: 'b' }, { name: 'c', priority: 3 }, { name: 'd', priority: 3 }],
  [
    { name: 'a', locality: 'x' },
    { name: 'b', locality: 'y' },
    { name: 'c', locality: 'x', weight: 3 },
  ],
  [
    { name: 'b', weight: 0 },
    { name: 'c', locality: 'x' },
    { name: 'a', priority: 1, locality: 'x' },
    { name: 'd', weight: 2 },
  ],
]
const SETTINGS: readonly RigOptions[] = [
  { queue: { maxCalls: 3, timeoutMs: 500 } },
  { queue: { maxCalls: 100, timeoutMs: 60_000 }, sessions: { max: 3, ready: 2 } },
  { sessions: { max: 1, reserve: 0, apart: 0 }, resets: { burst: 4, perSecond: 1 } },
  { endpoints: 'ac', backoff: { initialMs: 10, multiplier: 1, maxMs: 10, jitter: 0 }, connectTimeoutMs: 200 },
  { endpoints: 'bb', sessions: { max: 2, drainGraceMs: 50 } },
  { panicThreshold: 0, locality: { own: 'x' } },
  { breaker: { maxCalls: 4, maxSessions: 2 }, endpointLimit: { maxCalls: 2 }, sessions: { max: 2 } },
  { endpointLimit: { kind: 'gradient', min: 1, max: 9, windowMs: 50, tolerance: 2 }, locality: { own: 'x' } },
  { balancer: { kind: 'ring-hash', key: 'authority', pointsPerWeight: 20 }, locality: { own: 'x' } },
  { balancer: 'peak-ewma', panicThreshold: 0.3 },
  { endpoints: 'abc', slowStart: { windowMs: 5_000, minWeight: 0.1, aggression: 1 }, balancer: 'least-request' },
  { endpoints: 'abcd', subset: { size: 2, id: 'one' }, locality: { own: 'y', share: 0.5 }, panicThreshold: 1 },
]
const LOUD = 2

class Play {
  readonly rig: BackendRig
  readonly calls: Call[] = []
  readonly #clients = [new Client(), new Client(), new Client()]
  readonly #gone = new Set<FakeSession>()
  /** Of the endpoints before what happens. */
  #names: readonly string[] = []
  /** Calls that nobody wants any more. */
  readonly #left = new Set<Call>()
  #served = 0
  #held = false
  #wasEmpty = false
  #retired: Promise<void> | undefined
  /** Chooses among several. */
  #pick = 0

  #ends = false
  /** Turns end only when they are told to. */
  readonly #turnsWait: boolean

  constructor(turn: 'held' | undefined) {
    this.#turnsWait = turn === 'held'
    this.rig = new BackendRig({ endpoints: 'ab', sessions: { max: 2 }, turn })
  }

  readonly events = {
    'a call': () => this.#call(this.#pick % 2),
    'a loud call': () => this.#call(LOUD),
    'many calls': () => {
      for (let i = 0; i < 5; i++) this.#call(LOUD)
    },
    'a client is slow, or not any more': () => {
      this.#held = !this.#held
      this.#clients[1]!.shareOf(this.rig.backend).held(this.#held ? 2_000 : -2_000)
    },
    'a client leaves its call': () => {
      const call = this.#one(this.#running.filter(running => !this.#left.has(running)))
      if (call === undefined) return
      this.#left.add(call)
      call.cancel()
    },
    'a client stops waiting': () => {
      const call = this.#one(this.#waiting)
      if (call === undefined) return
      this.#left.add(call)
      this.rig.backend.cancel(call)
    },
    'the turn ends': () => this.rig.turn.end(),
    'SETTINGS come': () => this.#one(this.#connecting)?.ready(1 + (this.#pick % 3)),
    'a connect fails': () => this.#lose(this.#one(this.#connecting), 'connect ECONNREFUSED'),
    'a call is answered': () => {
      const call = this.#one(this.#running)
      if (call === undefined || call.stream!.resetWith !== undefined) return
      ;(call.lease!.session as FakeSession).answered = true
      call.seen = true
      call.stream!.close({ kind: 'clean' })
    },
    'a call is refused': () => {
      const call = this.#one(this.#running)
      if (call === undefined || call.stream!.resetWith !== undefined) return
      call.stream!.close({ kind: 'reset', code: 7, by: 'peer' })
      // A relay sends it again in the same turn.
      this.#call(0)
    },
    'a session is lost': () => this.#lose(this.#one(this.#ready), 'read ECONNRESET'),
    GOAWAY: () => this.#one(this.#ready)?.goaway(),
    'stream numbers are used up': () => this.#one(this.#ready)?.spent(),
    'the peer changes its limit': () => {
      const session = this.#one(this.#ready.filter(({ retired, isDraining }) => retired === 0 && !isDraining))
      session?.settings(this.#pick % 5)
    },
    'transports work': () => this.#work(),
    'a moment': () => this.rig.clock.advance(30),
    'a while': () => this.rig.clock.advance(7_000),
    'other endpoints': () => this.rig.setEndpoints(this.#one(LISTS)!),
    'other levels and localities': () => this.rig.tell(...this.#one(TOLD)!),
    'an endpoint is barred': () => this.#one(this.rig.backend.endpoints)?.bar('health', 'it hangs'),
    'an endpoint is barred by the other': () => this.#one(this.rig.backend.endpoints)?.bar('outlier', 'it fails'),
    'an endpoint is not barred any more': () => {
      const endpoint = this.#one(this.rig.backend.endpoints)
      endpoint?.unbar('health')
      if (this.#pick % 2 === 0) endpoint?.unbar('outlier')
    },
    'no endpoints': () => {
      this.#wasEmpty = true
      this.rig.setEndpoints('')
    },
    'other settings': () => this.rig.update(this.#one(SETTINGS)!),
    'it is retired': () => {
      if (this.#pick % 4 === 0) this.#retired ??= this.rig.backend.retire()
    },
  } satisfies Record<string, () => void>

  happens(event: keyof Play['events'], pick: number): void {
    this.#pick = pick
    this.events[event]()
    this.#check()
  }

  #one<T>(list: readonly T[]): T | undefined {
    return list[this.#pick % Math.max(1, list.length)]
  }

  get #sessions(): FakeSession[] {
    return this.rig.transport.sessions.filter(session => !this.#gone.has(session))
  }

  get #connecting(): FakeSession[] {
    return this.#sessions.filter(({ isReady, destroys }) => !isReady && destroys === 0)
  }

  get #ready(): FakeSession[] {
    return this.#sessions.filter(({ isReady, destroys }) => isReady && destroys === 0)
  }

  get #running(): Call[] {
    return this.calls.filter(({ stream }) => stream !== undefined && stream.ended === undefined)
  }

  get #waiting(): Call[] {
    return this.calls.filter(call => call.told === 0 && !this.#left.has(call))
  }

  #call(client: number): void {
    this.calls.push(this.rig.call(undefined, this.#clients[client]!))
  }

  #lose(session: FakeSession | undefined, reason: string): void {
    if (session === undefined) return
    for (const stream of session.opened)
      if (stream.ended === undefined) stream.close({ kind: 'lost', by: 'peer', unprocessed: false, reason })
    this.#gone.add(session)
    session.closed(reason)
  }

  /** What transports do by themselves: they end streams that were reset, and sessions that are to end. */
  #work(): void {
    for (const session of this.#sessions) {
      if (session.destroys > 0) this.#lose(session, 'destroyed')
      for (const stream of session.opened) stream.settle()
      const ends = session.retired > 0 || session.isDraining
      if (ends && session.streams === 0 && !this.#gone.has(session)) this.#lose(session, 'drained')
    }
  }

  /** Calls go to those that the endpoints as they are now say, whatever happened before. */
  #checkSelection(): void {
    const { backend, settings } = this.rig
    const { panicThreshold = 0.5, locality } = settings
    const wanted = partsOf(backend.endpoints, { panicThreshold, locality }).flatMap(({ endpoints }) => endpoints)
    const inUse = backend.endpoints.filter(endpoint => endpoint.inUse)
    if (inUse.length !== wanted.length || wanted.some(endpoint => !endpoint.inUse))
      throw new Error(
        `${inUse.map(({ address }) => address.name)} in use, and not ${wanted.map(({ address }) => address.name)}`,
      )
  }

  /** What holds at any time. */
  #check(): void {
    const { backend } = this.rig
    for (const { told, name, failed, lease, wasInUse, at } of this.calls) {
      if (told > 1) throw new Error(`${name} was told ${told} times`)
      if (lease !== undefined && !wasInUse) throw new Error(`${name} went to ${at}, where no call should go`)
      if (failed?.[1] === 'the backend has no endpoints' && !this.#wasEmpty) throw new Error('it never was without')
      if (failed?.[1] === 'the backend has been removed' && this.#retired === undefined) throw new Error('it was not')
    }
    if (!this.#turnsWait && !this.#ends && this.#retired === undefined) this.#checkSelection()
    const now = backend.endpoints.map(({ address }) => address.name)
    // A change of settings may make room at an endpoint first, and then take it out of the list.
    const names = [...this.#names, ...now]
    this.#names = now
    for (const name of this.rig.served.slice(this.#served)) {
      const { at } = this.calls.find(call => call.name === name)!
      if (!names.includes(at!)) throw new Error(`${name} went to ${at}, which is not one of ${names}`)
    }
    this.#served = this.rig.served.length
    const running = this.#running.length
    const calls = this.#waiting.length + running
    if (backend.calls !== calls) throw new Error(`${backend.calls} calls, and not ${calls}`)
    const open = this.#sessions.filter(({ isReady, destroys }) => isReady || destroys === 0).length
    const { sessions, streams } = backend.open
    if (sessions !== open) throw new Error(`${sessions} sessions, and not ${open}`)
    if (streams !== running) throw new Error(`${streams} streams, and not ${running}`)
  }

  /** It is retired or closed, and its peers go on as they should. */
  async end(closes: boolean): Promise<void> {
    const { rig } = this
    this.#ends = true
    if (!closes) this.#retired ??= rig.backend.retire()
    const over = closes ? rig.backend.close() : this.#retired
    for (let round = 0; round < 300 && (rig.backend.calls > 0 || this.#sessions.length > 0); round++) {
      rig.turn.end()
      for (const session of this.#connecting) session.ready()
      rig.turn.end()
      for (const { stream } of this.#running) if (stream!.resetWith === undefined) stream!.close({ kind: 'clean' })
      rig.turn.end()
      this.#work()
      rig.clock.advance(100)
    }
    rig.turn.end()
    this.#check()
    await over
    // The timers of endpoints that have left are let go once their sessions are.
    await new Promise(resolve => setImmediate(resolve))
    const { calls, waiting, open, shared } = rig.backend
    const left = [calls, waiting, open.sessions, shared.streams, shared.clients, this.#waiting.length]
    for (const { share } of this.calls) left.push(share.streams, share.waiting)
    if (left.some(count => count > 0)) throw new Error(`left: ${left}`)
    if (rig.wheel.size + rig.clock.pending > 0) throw new Error(`timers: ${rig.wheel.size}, ${rig.clock.delays}`)
  }
}

/** Those that happen more often than others. */
const OFTEN = [
  'a call',
  'a call',
  'a loud call',
  'the turn ends',
  'SETTINGS come',
  'SETTINGS come',
  'a call is answered',
] as const

t.test('no call is lost or told twice, and no session or timer stays', async t => {
  const events = Object.keys(new Play(undefined).events) as (keyof Play['events'])[]
  const event = fc.constantFrom(...events, ...OFTEN, ...OFTEN, 'other endpoints', 'transports work')
  const steps = fc.array(fc.tuple(event, fc.nat(59)), { minLength: 1, maxLength: 120, size: 'max' })
  let served = 0
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), fc.boolean(), async (all, held, closes) => {
      const play = new Play(held ? 'held' : undefined)
      for (const [what, pick] of all) play.happens(what as keyof Play['events'], pick)
      await play.end(closes)
      served += play.rig.served.length
    }),
    { numRuns: 500 },
  )
  t.ok(served > 1_500, `${served} calls were served`)
})
