/**
 * Whatever order calls come, run and end in: there are never more than a limit allows, no call waits while there is room for
 * it, and at the end nothing is counted any more.
 */
import fc from 'fast-check'
import t from 'tap'
import { Client } from '../../src/backend/client-share.ts'
import type { FakeSession } from '../support/fake-transport.ts'
import { BackendRig, type Call, type RigOptions } from './rig.ts'

type Limits = Pick<RigOptions, 'breaker' | 'endpointLimit'>

const LIMITS: readonly Limits[] = [
  { breaker: { maxCalls: 1 } },
  { breaker: { maxCalls: 3 } },
  { breaker: { maxCalls: 7 } },
  { breaker: { maxCalls: 8, maxSessions: 2 } },
  { breaker: { maxSessions: 3 } },
  { endpointLimit: { maxCalls: 1 } },
  { endpointLimit: { maxCalls: 3 }, breaker: { maxCalls: 6 } },
  { endpointLimit: { kind: 'gradient', min: 1, max: 4, windowMs: 1, tolerance: 2 } },
  { endpointLimit: { kind: 'aimd', min: 2, max: 9, windowMs: 1, latencyMs: 20 } },
]
const CLIENTS = 5
const LOUD = CLIENTS - 1

class Play {
  readonly rig: BackendRig
  readonly #limits: Limits
  readonly #calls: Call[] = []
  readonly #left = new Set<Call>()
  readonly #clients = Array.from({ length: CLIENTS }, () => new Client())
  readonly #gone = new Set<FakeSession>()
  #pick = 0
  mostCalls = 0

  constructor(limits: Limits) {
    this.#limits = limits
    this.rig = new BackendRig({ endpoints: 'abc', sessions: { max: 2 }, turn: 'held', ...limits })
  }

  readonly events = {
    'a call': () => this.#call(this.#pick % LOUD),
    'many calls': () => {
      for (let i = 0; i < 6; i++) this.#call(LOUD)
    },
    'SETTINGS come': () => this.#one(this.#connecting)?.ready(1 + (this.#pick % 4)),
    'a connect fails': () => this.#lose(this.#one(this.#connecting)),
    'a call ends': () => {
      const call = this.#one(this.#running)
      if (call === undefined) return
      ;(call.lease!.session as FakeSession).answered = true
      // As an attempt tells it.
      const latencyMs = 1 + (this.#pick % 10) * 4
      for (const listener of call.lease!.outcomes?.listeners ?? [])
        listener.onHeaders!(latencyMs, call.share, this.#pick % 7 === 0, this.rig.clock.now())
      call.stream!.close({ kind: 'clean' })
    },
    'a call is sent again': () => {
      const call = this.#one(this.#running)
      if (call === undefined) return
      call.stream!.close({ kind: 'reset', code: 7, by: 'peer' })
      this.#calls.push(this.rig.call(undefined, this.#clients[this.#calls.indexOf(call) % CLIENTS]!))
    },
    'a client stops waiting': () => {
      const call = this.#one(this.#waiting)
      if (call === undefined) return
      this.#left.add(call)
      this.rig.backend.cancel(call)
    },
    'a session is lost': () => this.#lose(this.#one(this.#ready)),
    GOAWAY: () => this.#one(this.#ready)?.goaway(),
    'other endpoints': () => this.rig.setEndpoints(this.#one(['abc', 'ab', 'bcd', 'd'])!),
    'time passes': () => this.rig.clock.advance(40),
    'the turn ends': () => this.#endTurn(),
  } satisfies Record<string, () => void>

  happens(event: keyof Play['events'], pick: number): void {
    this.#pick = pick
    this.events[event]()
    this.#checkLimits()
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
    return this.#sessions.filter(({ isReady, destroys, isDraining }) => isReady && destroys === 0 && !isDraining)
  }

  get #running(): Call[] {
    return this.#calls.filter(({ stream }) => stream !== undefined && stream.ended === undefined)
  }

  get #waiting(): Call[] {
    return this.#calls.filter(call => call.told === 0 && !this.#left.has(call))
  }

  #call(client: number): void {
    this.#calls.push(this.rig.call(undefined, this.#clients[client]!))
  }

  #lose(session: FakeSession | undefined): void {
    if (session === undefined) return
    for (const stream of session.opened)
      if (stream.ended === undefined) stream.close({ kind: 'lost', by: 'peer', unprocessed: false, reason: 'lost' })
    this.#gone.add(session)
    session.closed('lost')
  }

  /** Sessions that are to end do so. */
  #work(): void {
    for (const session of this.#sessions) {
      const ends = session.destroys > 0 || ((session.retired > 0 || session.isDraining) && session.streams === 0)
      if (ends) this.#lose(session)
    }
  }

  #endTurn(): void {
    const before = new Map(this.rig.backend.endpoints.map(endpoint => [endpoint, endpoint.inFlight]))
    this.rig.turn.end()
    // A limit that falls ends no call. Calls come at the end of a turn only.
    for (const [{ inFlight, limit }, had] of before)
      if (limit !== undefined && inFlight > had && inFlight > limit.maxCalls)
        throw new Error(`an endpoint has ${inFlight} calls, of ${limit.maxCalls}`)
    this.#checkNobodyWaitsInVain()
  }

  #checkLimits(): void {
    const { maxCalls = Number.POSITIVE_INFINITY } = this.#limits.breaker ?? {}
    const running = this.#running.length
    this.mostCalls = Math.max(this.mostCalls, running)
    if (running > maxCalls) throw new Error(`${running} calls of ${maxCalls}`)
    if (this.rig.backend.shared.streams !== running) throw new Error('streams are counted wrongly')
    const taking = this.#connecting.length + this.#ready.filter(({ retired }) => retired === 0).length
    if (this.rig.backend.sessions !== taking) throw new Error(`${this.rig.backend.sessions} sessions, not ${taking}`)
    for (const { told, name } of this.#calls) if (told > 1) throw new Error(`${name} was told ${told} times`)
  }

  /** Everything that has happened was worked off, so whoever waits has no room. */
  #checkNobodyWaitsInVain(): void {
    for (const { share, name, ticket } of this.#waiting) {
      if (ticket === undefined) throw new Error(`${name} is lost`)
      if (ticket.endpoint?.state === 'connecting' || !share.mayOpen()) continue
      for (const endpoint of this.rig.backend.endpoints) {
        const full = endpoint.failing || endpoint.limit?.isFullFor(share, endpoint.inFlight)
        const room = full ? undefined : endpoint.room(share)
        if (room !== undefined) throw new Error(`${name} waits, and ${endpoint.address.name} has room`)
      }
    }
  }

  /** All calls come to their end. */
  async end(): Promise<void> {
    const { rig } = this
    for (let round = 0; round < 400 && this.#waiting.length + this.#running.length > 0; round++) {
      this.#endTurn()
      for (const session of this.#connecting) session.ready(5)
      this.#endTurn()
      const call = this.#one(this.#running)
      call?.stream?.close({ kind: 'clean' })
      this.#endTurn()
      this.#work()
      this.#checkLimits()
      // Eight seconds in all: an endpoint whose connects have failed waits for a part of that.
      rig.clock.advance(20)
    }
    if (this.#waiting.length + this.#running.length > 0) throw new Error('some calls never end')
    const closed = rig.backend.close()
    for (const session of this.#sessions) this.#lose(session)
    await closed
    const { shared, waiting } = rig.backend
    const left = [shared.streams, shared.clients, shared.retries, waiting, rig.backend.sessions]
    if (left.some(count => count !== 0)) throw new Error(`left: ${left}`)
  }
}

const OFTEN = ['a call', 'many calls', 'SETTINGS come', 'a call ends', 'a call ends', 'the turn ends'] as const

t.test('never more than a limit, nobody waits in vain, nothing is left', async t => {
  const events = Object.keys(new Play({}).events) as (keyof Play['events'])[]
  const event = fc.constantFrom(...events, ...OFTEN, ...OFTEN)
  const steps = fc.array(fc.tuple(event, fc.nat(59)), { minLength: 1, maxLength: 100, size: 'max' })
  const mostCalls = LIMITS.map(() => 0)
  let served = 0
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(LIMITS.length - 1), async (all, which) => {
      const play = new Play(LIMITS[which]!)
      for (const [what, pick] of all) play.happens(what as keyof Play['events'], pick)
      await play.end()
      mostCalls[which] = Math.max(mostCalls[which]!, play.mostCalls)
      served += play.rig.served.length
    }),
    { numRuns: 400 },
  )
  t.same(mostCalls.slice(0, 4), [1, 3, 7, 8], 'limits were reached')
  t.ok(served > 4_000, `${served} calls were served`)
})
