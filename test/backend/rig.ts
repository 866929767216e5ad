/** A backend whose endpoints a test plays, under a clock that it turns. */
import {
  Backend,
  type BackendContext,
  type BackendSettings,
  type Lease,
  type Unavailable,
  type Waiter,
} from '../../src/backend/backend.ts'
import { DEFAULT } from '../../src/backend/call-priority.ts'
import { Client, type ClientShare } from '../../src/backend/client-share.ts'
import type { Endpoint } from '../../src/backend/endpoint.ts'
import { endpointSpecs, type WeightedAddress } from '../../src/backend/endpoint-source.ts'
import type { Clock } from '../../src/transport/clock.ts'
import { TimerWheel } from '../../src/transport/timer-wheel.ts'
import type { DialAddress } from '../../src/transport/transport.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type FakeSession, type FakeStream, FakeTransport } from '../support/fake-transport.ts'
import { FakeTurn, INSTANT_TURN } from '../support/fake-turn.ts'

export const BACKOFF = { initialMs: 1_000, multiplier: 1.6, maxMs: 120_000, jitter: 0.2 }
export const CONNECT_TIMEOUT_MS = 20_000
export const QUEUE_TIMEOUT_MS = 5_000
export const DRAIN_GRACE_MS = 600_000

export interface RigOptions extends Partial<Omit<BackendSettings, 'name' | 'endpoints' | 'sessions'>> {
  readonly sessions?: Partial<BackendSettings['sessions']>
  /** Names; one letter each will do. */
  readonly endpoints?: string
  /** `held`: turns end by `turn.end()`; default: at once. */
  readonly turn?: 'held'
  /** Where the first list begins; default: with its first endpoint. */
  readonly start?: () => number
  /** The clock of those who look at each call; default: the rig's. */
  readonly turnClock?: Clock
}

/** A call, as far as a backend knows it. */
export class Call implements Waiter {
  ticket: Waiter['ticket']
  arriving = false
  readonly hash = 0
  priority: number = DEFAULT
  readonly share: ClientShare
  readonly name: string
  lease: Lease | undefined
  failed: [why: Unavailable, detail: string] | undefined
  stream: FakeStream | undefined
  /** Something came from the backend. */
  seen = false
  /** How often it was told something: once at most. */
  told = 0
  /** Its endpoint was one that calls should go to, as it got its stream. */
  wasInUse = false
  readonly #log: string[]
  readonly #isInUse: (name: string) => boolean

  constructor(name: string, share: ClientShare, log: string[], isInUse: (name: string) => boolean) {
    this.name = name
    this.share = share
    this.#log = log
    this.#isInUse = isInUse
  }

  onLease(lease: Lease): void {
    this.told++
    this.lease = lease
    this.wasInUse = this.#isInUse(lease.address.name)
    this.#log.push(this.name)
    this.share.streamOpened(lease)
    const onClosed = () => {
      this.share.streamEnded(lease)
      lease.ended(this as { stream: FakeStream; seen: boolean })
    }
    this.stream = lease.open({ ...OWNER, onClosed }) as FakeStream
  }

  /** Its client leaves. */
  cancel(): void {
    this.share.resetCaused()
    this.lease!.reset(this as { stream: FakeStream; seen: boolean })
  }

  onUnavailable(why: Unavailable, detail: string): void {
    this.told++
    this.failed = [why, detail]
  }

  /** The endpoint that it went to. */
  get at(): string | undefined {
    return this.lease?.address.name
  }
}

const OWNER = { onHeaders() {}, onData() {}, onTrailers() {}, onWritable() {}, onClosed() {} }

/** The address of an endpoint of this name. */
export function named(name: string): DialAddress {
  return { name, tcp: { host: '192.0.2.1', port: name.charCodeAt(0) } }
}

function settingsOf({
  endpoints = 'a',
  turn: _,
  turnClock: __,
  start: ___,
  sessions,
  ...options
}: RigOptions): BackendSettings {
  return {
    name: 'main',
    endpoints: [...endpoints].map(named),
    sessions: {
      max: 1,
      maxDraining: 32,
      ready: 0,
      reserve: 1,
      apart: 2,
      drainGraceMs: DRAIN_GRACE_MS,
      idleTimeoutMs: 0,
      maxAgeMs: 0,
      ageGraceMs: DRAIN_GRACE_MS,
      ...sessions,
    },
    resets: { burst: 40, perSecond: 4 },
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    backoff: BACKOFF,
    queue: { maxCalls: 10_000, timeoutMs: QUEUE_TIMEOUT_MS },
    ...options,
  }
}

/** What a source says of an endpoint. */
export interface Told extends Pick<WeightedAddress, 'weight' | 'priority' | 'locality'> {
  readonly name: string
}

export class BackendRig {
  readonly clock = new FakeClock()
  readonly wheel = new TimerWheel(this.clock)
  readonly transport = new FakeTransport()
  readonly turn = new FakeTurn()
  readonly backend: Backend
  readonly events: string[] = []
  /** Names of the calls that got a stream, in order. */
  readonly served: string[] = []
  chance = 0.5
  /** Injected instead of `chance`. */
  random: (() => number) | undefined
  onOddity: BackendContext['onOddity']
  /** What may wait for a client before it gets a session apart. */
  heldBytes = 1_000
  #calls = 0
  readonly #client = new Client()

  readonly #options: RigOptions
  settings: BackendSettings

  constructor(options: RigOptions = {}) {
    this.#options = options
    this.settings = settingsOf(options)
    this.backend = new Backend(this.settings, {
      transport: this.transport,
      clock: this.clock,
      ...(options.start && { start: options.start }),
      ...(options.turnClock && { turnClock: options.turnClock }),
      wheel: this.wheel,
      turn: options.turn === 'held' ? this.turn : INSTANT_TURN,
      clientHeldBytes: () => this.heldBytes,
      random: () => this.random?.() ?? this.chance,
      onOddity: (...oddity) => this.onOddity?.(...oddity),
      log: (event, endpoint) => this.events.push(`${endpoint} ${event}`),
    })
  }

  /** The same settings but for these. */
  update(options: RigOptions): void {
    const settings = settingsOf({ ...this.#options, ...options })
    if (this.backend.retired === undefined) this.settings = settings
    this.backend.update(settings)
  }

  /** One letter each. */
  setEndpoints(names: string): void {
    this.backend.setEndpoints(endpointSpecs([...names].map(named)))
  }

  readonly #isInUse = (name: string): boolean =>
    this.backend.endpoints.some(({ inUse, address }) => inUse && address.name === name)

  /** A list with all that a source may say of an endpoint. */
  tell(...all: readonly Told[]): void {
    this.backend.setEndpoints(endpointSpecs(all.map(({ name, ...rest }) => ({ ...named(name), ...rest }))))
  }

  endpoint(name: string): Endpoint {
    return this.backend.endpoints.find(({ address }) => address.name === name)!
  }

  client(): Client {
    return new Client()
  }

  call(name = `call ${++this.#calls}`, client: Client = this.#client, priority = DEFAULT): Call {
    const call = new Call(name, client.shareOf(this.backend), this.served, this.#isInUse)
    call.priority = priority
    this.backend.acquire(call)
    return call
  }

  calls(count: number, client?: Client): Call[] {
    return Array.from({ length: count }, () => this.call(undefined, client))
  }

  /** The last session dialled to an endpoint. */
  session(endpoint = 'a'): FakeSession {
    const session = this.transport.to(endpoint).at(-1)
    if (session === undefined) throw new Error(`${endpoint} was never dialled`)
    return session
  }

  dials(endpoint = 'a'): number {
    return this.transport.to(endpoint).length
  }

  /** A session to each endpoint, ready, and a call on each was answered. */
  warm(maxStreams = 100): void {
    for (const { address } of this.backend.endpoints) {
      this.call()
      this.session(address.name).ready(maxStreams)
    }
    for (const session of this.transport.sessions) {
      session.answered = true
      for (const stream of session.opened) stream.close({ kind: 'clean' })
    }
    this.served.length = 0
  }
}

/** How many of the calls went to each endpoint. */
export function shares(calls: readonly Call[]): Record<string, number> {
  const out: Record<string, number> = {}
  for (const { at = 'nowhere' } of calls) out[at] = (out[at] ?? 0) + 1
  return out
}
