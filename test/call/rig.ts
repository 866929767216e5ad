/** Relays between streams that a test plays on both sides, under a clock that it turns. */

import { Backend, type BackendSettings } from '../../src/backend/backend.ts'
import { Client } from '../../src/backend/client-share.ts'
import { addedFields } from '../../src/call/added-fields.ts'
import type { CallSession, RelayContext } from '../../src/call/context.ts'
import { LiveCalls } from '../../src/call/live-calls.ts'
import type { CallRecord } from '../../src/call/record.ts'
import { Relay } from '../../src/call/relay.ts'
import type { Director } from '../../src/routing/director.ts'
import { CallMemory } from '../../src/transport/call-memory.ts'
import { TimerWheel } from '../../src/transport/timer-wheel.ts'
import type { HeaderBlock, StreamEnd } from '../../src/transport/transport.ts'
import type { Turn } from '../../src/transport/turn.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { block, type FakeSession, FakeStream, FakeTransport } from '../support/fake-transport.ts'
import { INSTANT_TURN } from '../support/fake-turn.ts'

export const PATH = '/pkg.Service/Method'

export function request(extra: Readonly<Record<string, string>> = {}): HeaderBlock {
  return block({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': PATH,
    ':authority': 'api.example.com',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...extra,
  })
}

export const RESPONSE = block({ ':status': '200', 'content-type': 'application/grpc' })
export const TRAILERS = block({ 'grpc-status': '0' })
export const CLIENT_CANCELS: StreamEnd = { kind: 'reset', code: 8, by: 'peer' }
export const CLEAN: StreamEnd = { kind: 'clean' }

export function resetByPeer(code: number): StreamEnd {
  return { kind: 'reset', code, by: 'peer' }
}

export function lost(unprocessed = false): StreamEnd {
  return { kind: 'lost', by: 'peer', unprocessed, reason: 'read ECONNRESET' }
}

/** The proxy ended the connection itself. */
export const ENDED_BY_US: StreamEnd = { kind: 'lost', by: 'self', unprocessed: false, reason: 'closed by the proxy' }

export interface RigOptions
  extends Partial<Pick<RelayContext, 'replayBytes' | 'acceptNonGrpc' | 'addedFields' | 'observer'>> {
  readonly director?: Director
  /** What calls may take beside DATA. */
  readonly memoryBytes?: number
  /** Without records nothing is counted. */
  readonly silent?: boolean
  /** Not connected yet; calls wait. */
  readonly cold?: boolean
  readonly queue?: BackendSettings['queue']
  /** Default: each turn of the loop ends at once. */
  readonly turn?: Turn
  readonly breaker?: BackendSettings['breaker']
}

/** One call as its client sees it. */
export interface Opened {
  readonly relay: Relay
  readonly down: FakeStream
}

export class CallRig {
  readonly clock = new FakeClock()
  readonly wheel = new TimerWheel(this.clock)
  readonly transport = new FakeTransport()
  readonly client = new Client()
  readonly downSession: CallSession = { peer: { address: '192.0.2.9:1234', encrypted: false }, heldBytes: 0 }
  readonly records: CallRecord[] = []
  readonly faults: [message: string, path: string, cause: unknown][] = []
  readonly oddities: string[] = []
  #accepted = 0
  readonly backend: Backend
  /** Of the calls that come from now on. */
  context: RelayContext

  constructor(options: RigOptions = {}) {
    this.backend = this.backendTo('http://192.0.2.1:50051', options)
    this.context = {
      routes: {
        director: options.director ?? (() => ({ backend: 'main' })),
        backend: named => (named === 'main' ? this.backend : undefined),
      },
      clock: this.clock,
      wheel: this.wheel,
      memory: new CallMemory(options.memoryBytes ?? 1e9),
      replayBytes: options.replayBytes ?? 1_000,
      acceptNonGrpc: options.acceptNonGrpc ?? false,
      addedFields: options.addedFields ?? addedFields({ xForwardedFor: false, forwarded: false, via: false }),
      observer: options.observer ?? (options.silent ? undefined : { onEnd: record => this.records.push(record) }),
      onFault: (...fault) => this.faults.push(fault),
      onOddity: token => this.oddities.push(token),
      live: new LiveCalls(),
    }
    if (!options.cold) this.session.ready()
  }

  /** A backend of one endpoint. */
  backendTo(endpoint: string, { queue, breaker, turn }: Pick<RigOptions, 'queue' | 'breaker' | 'turn'> = {}): Backend {
    const { hostname: host, port } = new URL(endpoint)
    return new Backend(
      {
        name: 'main',
        endpoints: [{ name: endpoint, tcp: { host, port: Number(port) } }],
        sessions: {
          max: 1,
          maxDraining: 32,
          ready: 1,
          reserve: 1,
          apart: 2,
          idleTimeoutMs: 0,
          maxAgeMs: 0,
          ageGraceMs: 0,
          drainGraceMs: 600_000,
        },
        resets: { burst: 1_000, perSecond: 100 },
        connectTimeoutMs: 20_000,
        backoff: { initialMs: 1_000, multiplier: 1.6, maxMs: 120_000, jitter: 0 },
        queue: queue ?? { maxCalls: 100, timeoutMs: 10_000 },
        breaker,
      },
      {
        transport: this.transport,
        clock: this.clock,
        wheel: this.wheel,
        turn: turn ?? INSTANT_TURN,
        clientHeldBytes: () => 1e6,
        random: () => 0.5,
      },
    )
  }

  /** A client's stream, before its headers. */
  accept(session: CallSession = this.downSession): Opened {
    const down = new FakeStream()
    this.#accepted++
    const relay = new Relay(this.context, down, session, this.client)
    down.owner = relay
    return { relay, down }
  }

  open(fields: HeaderBlock = request(), endStream = false, session?: CallSession): Opened {
    const opened = this.accept(session)
    opened.down.headers(fields, endStream)
    return opened
  }

  /** How often a relay said that it is over. */
  get over(): number {
    return this.#accepted - this.context.live.size
  }

  get session(): FakeSession {
    return this.transport.sessions.at(-1)!
  }

  /** All upstream streams, in the order in which they were opened. */
  get ups(): FakeStream[] {
    return this.transport.sessions.flatMap(session => session.opened)
  }

  get up(): FakeStream {
    const up = this.ups.at(-1)
    if (up === undefined) throw new Error('no upstream stream')
    return up
  }

  get record(): CallRecord {
    if (this.records.length !== 1) throw new Error(`${this.records.length} records`)
    return this.records[0]!
  }

  /** What is left when all calls are over. */
  get left(): object {
    const { live } = this.context
    const open = this.ups.filter(up => !up.over).length
    const { heldBytes } = this.downSession
    return { live: live.size, heldBytes, waiting: this.backend.waiting, timers: this.wheel.size, open }
  }
}

export const NOTHING_LEFT = { live: 0, heldBytes: 0, waiting: 0, timers: 0, open: 0 }

export interface Answer {
  readonly status: string | undefined
  readonly message: string | undefined
  readonly token: string | undefined
}

/** The proxy's own Trailers-Only; undefined when the client got something else. */
export function ownAnswer(down: FakeStream): Answer | undefined {
  const [first, second, ...rest] = down.sent
  if (first?.kind !== 'headers' || !first.endStream) return undefined
  // RST_STREAM(NO_ERROR) asks a client that is still sending to stop (RFC 9113 §8.1).
  if (rest.length > 0 || (second !== undefined && !(second.kind === 'reset' && second.code === 0))) return undefined
  const value = (name: string) => first.block.find(field => field.name === name)?.value
  return { status: value('grpc-status'), message: value('grpc-message'), token: value('x-grpc-verbatim-error') }
}
