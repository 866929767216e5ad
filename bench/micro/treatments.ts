/**
 * Measures what gates and policies cost a call that they do nothing to: whole calls through the relay (src/call/relay.ts) and
 * a backend, a hundred at a time, without sockets and frames. What differs between the cases is what their route asks for.
 */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { Backend } from '../../src/backend/backend.ts'
import { Client } from '../../src/backend/client-share.ts'
import { addedFields } from '../../src/call/added-fields.ts'
import { RoutedCall } from '../../src/call/call-info.ts'
import type { RelayContext } from '../../src/call/context.ts'
import { LiveCalls } from '../../src/call/live-calls.ts'
import { Relay } from '../../src/call/relay.ts'
import { jwt } from '../../src/gates/jwt.ts'
import { rateLimit } from '../../src/gates/rate-limit.ts'
import { readHead } from '../../src/grpc/metadata.ts'
import { allOf, type Gate } from '../../src/routing/gate.ts'
import { createRouter, type Route } from '../../src/routing/router.ts'
import { CallMemory } from '../../src/transport/call-memory.ts'
import { TimerWheel } from '../../src/transport/timer-wheel.ts'
import type { HeaderBlock } from '../../src/transport/transport.ts'
import { loopClock, type TurnTask } from '../../src/transport/turn.ts'
import { HpackDecoder } from '../../src/wire/index.ts'
import { HpackEncoder } from '../../test/support/hpack.ts'
import type { Case } from './case.ts'
import { Answered, PlayedClient, PlayedTransport } from './played.ts'

/** Calls of a run, all open at a time. */
const CALLS = 100
const MESSAGE = Buffer.alloc(39)
const PEER = { address: '192.0.2.1:50000', encrypted: false }
const ISSUER = { issuer: 'https://login.bench.example', audience: 'bench' }

const { privateKey, publicKey } = await generateKeyPair('ES256')
/** As long as those of usual issuers. */
const TOKEN = await new SignJWT({ padding: 'x'.repeat(500) })
  .setProtectedHeader({ alg: 'ES256' })
  .setIssuer(ISSUER.issuer)
  .setAudience(ISSUER.audience)
  .setSubject('ada')
  .setExpirationTime('1d')
  .sign(privateKey)

/** As they come off the wire: a block that came before is the same list. */
function blockOf(fields: readonly [string, string][]): HeaderBlock {
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder()
  const decoded = [0, 1].map(() => {
    const bytes = encoder.encode(fields)
    return decoder.decode(bytes, 0, bytes.length)
  })
  return decoded[1]!
}

const REQUEST = blockOf([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/verbatim.bench.Echo/Unary'],
  [':authority', 'bench.example'],
  ['content-type', 'application/grpc'],
  ['user-agent', 'grpc-go/1.75.0'],
  ['te', 'trailers'],
  ['authorization', `Bearer ${TOKEN}`],
])
const RESPONSE = blockOf([
  [':status', '200'],
  ['content-type', 'application/grpc'],
])
const TRAILERS = blockOf([['grpc-status', '0']])

const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] }
const users = jwt({ ...ISSUER, jwks })
const named = jwt({ ...ISSUER, jwks, claimsToMetadata: { 'x-user': 'sub' } })
const limit = (key: 'client' | 'identity'): Gate => rateLimit({ perSecond: 100_000_000, key })
// The token is one that was seen before.
for (const gate of [users, named]) await gate(() => undefined)(new RoutedCall(readHead(REQUEST), REQUEST, PEER))

/** What a route asks for beside its backend. */
const TREATMENTS: Readonly<Record<string, Omit<Route, 'backend'>>> = {
  nothing: {},
  'a retry that is never used': { retry: { codes: ['UNAVAILABLE', 'RESOURCE_EXHAUSTED'] } },
  'a timeout': { timeoutMs: 60_000 },
  'a rate limit': { gate: limit('client') },
  'a token that was seen before': { gate: users },
  'the same, with a claim as metadata': { gate: named },
  'token, rate limit and timeout': { gate: allOf([users, limit('identity')]), timeoutMs: 60_000 },
}

const SESSIONS = {
  max: 1,
  maxDraining: 1,
  ready: 1,
  reserve: 1,
  apart: 1,
  idleTimeoutMs: 0,
  maxAgeMs: 0,
  ageGraceMs: 0,
  drainGraceMs: 1_000,
}

class CallCase implements Case {
  readonly name: string
  readonly unit = 'call'
  readonly perRun = CALLS
  readonly yields = CALLS
  readonly #transport = new PlayedTransport()
  readonly #client = new Client()
  readonly #session = { peer: PEER, heldBytes: 0 }
  readonly #answered = new Answered()
  readonly #tasks: TurnTask[] = []
  readonly #context: RelayContext

  constructor(name: string, route: Omit<Route, 'backend'>) {
    this.name = name
    const wheel = new TimerWheel(loopClock)
    const backend = new Backend(
      {
        name: 'main',
        endpoints: [{ name: 'http://192.0.2.2:1', tcp: { host: '192.0.2.2', port: 1 } }],
        sessions: SESSIONS,
        resets: { burst: 1_000, perSecond: 100 },
        connectTimeoutMs: 1_000,
        backoff: { initialMs: 1_000, multiplier: 1.6, maxMs: 1_000, jitter: 0 },
        queue: { maxCalls: CALLS, timeoutMs: 60_000 },
      },
      {
        transport: this.#transport,
        clock: loopClock,
        wheel,
        turn: { atEnd: task => void this.#tasks.push(task) },
        clientHeldBytes: () => 1e6,
        random: Math.random,
      },
    )
    this.#transport.ready()
    this.#context = {
      routes: { director: createRouter([{ backend: 'main', ...route }]), backend: () => backend },
      clock: loopClock,
      wheel,
      memory: new CallMemory(1e9),
      replayBytes: 65_536,
      acceptNonGrpc: false,
      addedFields: addedFields({ xForwardedFor: false, forwarded: false, via: false }),
      observer: undefined,
      onFault: (message, path, cause) => {
        throw new Error(`${path}: ${message}`, { cause })
      },
      onOddity() {},
      live: new LiveCalls(),
    }
  }

  /** @returns calls that were answered */
  run(): number {
    const { session } = this.#transport
    this.#answered.count = 0
    const relays: Relay[] = []
    for (let i = 0; i < CALLS; i++) {
      const relay = new Relay(this.#context, new PlayedClient(this.#answered), this.#session, this.#client)
      relay.onHeaders(REQUEST, false)
      relay.onData(MESSAGE, 0, MESSAGE.length, true)
      relays.push(relay)
    }
    for (const task of this.#tasks.splice(0)) task.atTurnEnd()
    session.answer(RESPONSE, MESSAGE, TRAILERS)
    for (const relay of relays) relay.onClosed({ kind: 'clean' })
    return this.#answered.count
  }
}

export function cases(): readonly Case[] {
  return Object.entries(TREATMENTS).map(([name, route]) => new CallCase(name, route))
}
