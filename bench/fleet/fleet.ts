/**
 * The simulated fleet: proxies, each with the project's own backend (its sources, subsets, slow start, balancers, sessions,
 * queue), endpoints that are played, and calls that come at random times. Nothing waits, and all chance comes from one seed:
 * two runs are the same to the last call.
 */
import { Backend, type BackendSettings } from '../../src/backend/backend.ts'
import type { BalancerSettings } from '../../src/backend/balance/kinds.ts'
import { Client } from '../../src/backend/client-share.ts'
import { type EndpointSink, type EndpointSpec, endpointSpecs } from '../../src/backend/endpoint-source.ts'
import type { SlowStartSettings } from '../../src/backend/select/slow-start.ts'
import { newHistogram, recordMs } from '../../src/bench/histogram.ts'
import { exponentialGapMs, seededRandom } from '../../src/bench/random.ts'
import { TimerWheel } from '../../src/transport/timer-wheel.ts'
import type { Turn } from '../../src/transport/turn.ts'
import { Agenda, type Event } from './agenda.ts'
import { type CallOwner, SimulatedCall } from './call.ts'
import { Server, type ServerOptions } from './server.ts'
import { SimulatedTransport } from './transport.ts'

export interface FleetOptions {
  readonly proxies: number
  readonly endpoints: number
  /** Of all proxies together, for each endpoint. */
  readonly callsASecondForEach: number
  /** The second half of the proxies has so many times the calls of the first. */
  readonly unevenness: number
  readonly server: ServerOptions
  readonly balancer: BalancerSettings
  /** Undefined: each proxy uses all endpoints. */
  readonly subset: number | undefined
  readonly slowStart: SlowStartSettings | undefined
  readonly seed: number
}

/** A decision is made as soon as there is something to decide: simulated events do not come together. */
const AT_ONCE: Turn = { atEnd: task => task.atTurnEnd() }
/** Not what is looked at here. */
const USUAL = {
  endpoints: [],
  sessions: {
    ...{ max: 4, maxDraining: 32, ready: 0, reserve: 4, apart: 4 },
    ...{ drainGraceMs: 600_000, idleTimeoutMs: 3_600_000, maxAgeMs: 0, ageGraceMs: 60_000 },
  },
  resets: { burst: 500, perSecond: 30 },
  connectTimeoutMs: 5_000,
  backoff: { initialMs: 1_000, multiplier: 1.6, maxMs: 120_000, jitter: 0.2 },
  queue: { maxCalls: 1_000, timeoutMs: 5_000 },
} as const
/** Proxies are not all started in the same moment: round robin would go round in step for a while. */
const START_WITHIN_MS = 2_500
/** Calls of so many clients come to each proxy, in turn. */
const CLIENTS = 4

/** What was counted since the last look. */
export class Tally {
  readonly latency = newHistogram()
  failed = 0
  /** Calls that took longer than `slowMs`. */
  slow = 0
  readonly #slowMs: number

  constructor(slowMs = Number.POSITIVE_INFINITY) {
    this.#slowMs = slowMs
  }

  add(ms: number, ok: boolean): void {
    if (ok) recordMs(this.latency, ms)
    else this.failed++
    if (ok && ms > this.#slowMs) this.slow++
  }
}

class SimulatedProxy implements Event, CallOwner {
  readonly backend: Backend
  readonly #fleet: Fleet
  readonly #ratePerSecond: number
  readonly #clients = Array.from({ length: CLIENTS }, () => new Client())
  #turn = 0
  sink: EndpointSink | undefined

  constructor(fleet: Fleet, number: number, ratePerSecond: number) {
    this.#fleet = fleet
    this.#ratePerSecond = ratePerSecond
    const { balancer, subset, slowStart } = fleet.options
    const settings: BackendSettings = {
      ...USUAL,
      name: 'fleet',
      balancer,
      slowStart,
      subset: subset === undefined ? undefined : { size: subset, id: `proxy-${number}` },
      source: {
        name: 'simulated',
        open: () => ({
          start: sink => {
            this.sink = sink
            sink.onEndpoints(fleet.list)
          },
          refresh() {},
          close() {},
        }),
      },
    }
    this.backend = new Backend(settings, {
      transport: fleet.transport,
      clock: fleet.agenda,
      wheel: fleet.wheel,
      turn: AT_ONCE,
      clientHeldBytes: () => Number.POSITIVE_INFINITY,
      random: fleet.random,
      start: fleet.random,
    })
    fleet.agenda.after(fleet.random() * START_WITHIN_MS, () => this.#next())
  }

  #next(): void {
    this.#fleet.agenda.add(this.#fleet.agenda.now() + exponentialGapMs(this.#fleet.random, this.#ratePerSecond), this)
  }

  /** A call comes. */
  fire(): void {
    this.#next()
    const share = this.#clients[this.#turn++ % CLIENTS]!.shareOf(this.backend)
    this.backend.acquire(new SimulatedCall(share, this.#fleet.agenda.now(), this))
  }

  onEnd(call: SimulatedCall, ok: boolean): void {
    const { tally, agenda } = this.#fleet
    tally.add(agenda.now() - call.startMs, ok)
  }
}

export class Fleet {
  readonly options: FleetOptions
  readonly agenda = new Agenda()
  readonly wheel = new TimerWheel(this.agenda)
  readonly random: () => number
  readonly transport: SimulatedTransport
  /** All that there ever were, by name. */
  readonly servers = new Map<string, Server>()
  /** What the source tells at the moment. */
  list: readonly EndpointSpec[]
  tally = new Tally()
  readonly #proxies: readonly SimulatedProxy[]
  #count = 0

  constructor(options: FleetOptions) {
    this.options = options
    this.random = seededRandom(options.seed)
    this.transport = new SimulatedTransport(this.servers, this.agenda)
    for (let i = 0; i < options.endpoints; i++) this.addServer(true)
    this.list = this.#specs([...this.servers.keys()])
    this.#proxies = Array.from({ length: options.proxies }, (_, i) => new SimulatedProxy(this, i, this.#rateOf(i)))
  }

  #rateOf(number: number): number {
    const { proxies, endpoints, callsASecondForEach, unevenness } = this.options
    const mean = (callsASecondForEach * endpoints) / proxies
    return ((number * 2 < proxies ? 1 : unevenness) * mean * 2) / (1 + unevenness)
  }

  #specs(names: readonly string[]): readonly EndpointSpec[] {
    return endpointSpecs(names.map(name => ({ name, tcp: { host: '192.0.2.1', port: 1 } })))
  }

  addServer(warm: boolean): Server {
    const server = new Server(`endpoint-${this.#count++}`, this.options.server, this.agenda, this.random, warm)
    this.servers.set(server.name, server)
    return server
  }

  /** Time passes. */
  run(ms: number): void {
    this.agenda.runUntil(this.agenda.now() + ms)
  }

  /** Each proxy hears of the list at a moment of its own, within this time. */
  tell(servers: readonly Server[], withinMs: number): void {
    this.list = this.#specs(servers.map(({ name }) => name))
    const { list } = this
    for (const { sink } of this.#proxies)
      this.agenda.after(this.random() * withinMs, () => {
        // The latest list counts, as with any source that is asked.
        if (this.list === list) sink!.onEndpoints(list)
      })
  }

  get sessions(): number {
    return this.#proxies.reduce((sum, { backend }) => sum + backend.open.sessions, 0)
  }
}
