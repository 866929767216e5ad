/** PINGs of ours to real peers, on both sides and both transports: what goes out, and what counts as an answer. */
import net from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import t, { type Test } from 'tap'
import { resolveConfig } from '../../src/config/resolve.ts'
import { createLogger } from '../../src/observe/logger.ts'
import { Carriers } from '../../src/proxy/carriers.ts'
import { systemClock } from '../../src/transport/clock.ts'
import { Keepalive } from '../../src/transport/keepalive.ts'
import type { LifetimeLimits } from '../../src/transport/lifetime.ts'
import { Listener } from '../../src/transport/listener.ts'
import { TicketKeys } from '../../src/transport/ticket-keys.ts'
import { TimerWheel } from '../../src/transport/timer-wheel.ts'
import type { ClientSession, ServerSession, Stream, StreamEnd, TransportName } from '../../src/transport/transport.ts'
import { requestFields } from '../contract/rig.ts'
import { certificates } from '../support/certs.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { block } from '../support/fake-transport.ts'
import { Code } from '../support/frames.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import { RawClient } from '../support/raw-client.ts'
import type { Automatic } from '../support/raw-connection.ts'
import { RawServer } from '../support/raw-server.ts'
import { until } from '../support/until.ts'

const KEEPALIVE = { intervalMs: 8_000, timeoutMs: 800, withoutCalls: false }
const SILENT = 'no answer to a PING within 800 ms'
const KINDS = ['frames', 'native'] as const
const MEBIBYTE = 1_048_576

const { limits } = resolveConfig({ backends: { a: { endpoints: ['localhost:1'] } } }).config
const log = createLogger({ level: 'silent', pretty: false, maxBufferedBytes: 1_000 })
const carriers = new Carriers(limits, { wheel: new TimerWheel(systemClock), log, onViolation() {} })
t.setTimeout(PATIENCE_MS)

/** A byte stream that is no socket, and does not say how much it has read. */
function tunnel(port: number): Duplex {
  const [ours, theirs] = duplexPair()
  const socket = net.connect(port, '127.0.0.1')
  // Who gives up does so at both ends.
  ours.on('close', () => socket.destroy())
  socket.on('error', () => {})
  theirs.pipe(socket).pipe(theirs)
  return ours
}

/** Turns the clock until this is called, and no further: what a peer answers takes real time. */
function turnUntil<K extends 'ping' | 'drain'>(clock: FakeClock, session: { [k in K]: () => void }, what: K): void {
  const before = session[what]
  let called = false
  session[what] = (...args: []) => {
    called = true
    before.apply(session, args)
  }
  for (let i = 0; i < 1_000 && !called; i++) clock.advance(KEEPALIVE.intervalMs / 8)
  session[what] = before
}

type Over = 'TCP' | 'TLS' | 'a stream'

/** A session with one call to a raw server, watched under a clock that the test turns. */
async function upstream(t: Test, kind: TransportName, over: Over, auto: Partial<Automatic> = {}) {
  const made = over === 'TLS' ? await certificates() : undefined
  const server = await RawServer.listen(t, { auto, tls: made?.server })
  const address = {
    name: server.url,
    tcp: { host: '127.0.0.1', port: server.port },
    connect: over === 'a stream' ? () => tunnel(server.port) : undefined,
    tls: made && { serverName: 'localhost', ca: made.ca.cert },
  }
  const closed = Promise.withResolvers<string>()
  const ready = Promise.withResolvers<ClientSession>()
  carriers.client(kind).connect(address, {
    onReady: ready.resolve,
    onFree() {},
    onDraining() {},
    onSpent() {},
    onSessionClosed: (_, reason) => closed.resolve(reason),
  })
  const session = await ready.promise
  t.teardown(() => session.destroy())
  const ended = Promise.withResolvers<StreamEnd>()
  const nothing = { onHeaders() {}, onData() {}, onTrailers() {}, onWritable() {} }
  const stream: Stream = session.open({ ...nothing, onClosed: ended.resolve })
  stream.sendHeaders(block(Object.fromEntries(requestFields() as [string, string][])), false)
  const { connection: backend } = await server.request()
  // What still comes of the beginning is no sign of life that a test means.
  await backend.roundTrip()
  const clock = new FakeClock()
  const keepalive = new Keepalive(session, KEEPALIVE, clock, reason => session.destroy(reason))
  t.teardown(() => keepalive.stop())
  return { clock, session, stream, backend, ended: ended.promise, closed: closed.promise }
}

for (const kind of KINDS) {
  for (const over of ['TCP', 'TLS', 'a stream'] as const) {
    t.test(`${kind}, ${over}: a backend that answers stays`, async t => {
      const { clock, session, backend } = await upstream(t, kind, over)
      for (let i = 0; i < 3; i++) {
        const before = session.received
        turnUntil(clock, session, 'ping')
        t.match(await backend.next('ping', ({ ack }) => !ack), { data: { length: 8 } })
        await until('the answer has come', () => session.received > before)
        clock.advance(KEEPALIVE.timeoutMs)
      }
      t.equal(session.streams, 1)
    })

    t.test(`${kind}, ${over}: a backend that does not answer is left, and its calls end at once`, async t => {
      const { clock, session, backend, ended, closed } = await upstream(t, kind, over, { ping: false })
      turnUntil(clock, session, 'ping')
      await backend.next('ping', ({ ack }) => !ack)
      clock.advance(KEEPALIVE.timeoutMs)
      t.match(await ended, { kind: 'lost', by: 'self', unprocessed: false, reason: SILENT })
      t.equal(await closed, SILENT)
      await backend.closed
    })
  }

  t.test(`${kind}: whatever a backend says is a sign of life`, async t => {
    const { clock, session, backend } = await upstream(t, kind, 'TCP', { ping: false })
    const says = [() => backend.windowUpdate(0, 1), () => backend.ping()]
    // Node ends a session whose peer acknowledges what it was not asked.
    if (kind === 'frames') says.push(() => backend.ping(Buffer.from('another!'), { ack: true }))
    for (const say of says) {
      turnUntil(clock, session, 'ping')
      const { data } = await backend.next('ping', ({ ack }) => !ack)
      const before = session.received
      say()
      await until('it has come', () => session.received > before)
      clock.advance(KEEPALIVE.timeoutMs - 1)
      // It is late, and on `frames` it may even come two times.
      backend.ping(data, { ack: true })
      if (kind === 'frames') backend.ping(data, { ack: true })
      await backend.roundTrip()
    }
    t.equal(session.streams, 1)
  })

  t.test(`${kind}: a backend that reads nothing is left, however much waits for it`, async t => {
    const { clock, stream, backend, ended, closed } = await upstream(t, kind, 'TCP')
    backend.windowUpdate(0, 64 * MEBIBYTE)
    backend.windowUpdate(1, 64 * MEBIBYTE)
    await backend.roundTrip()
    backend.socket.pause()
    stream.sendData(Buffer.alloc(32 * MEBIBYTE), 0, 32 * MEBIBYTE, false)
    // What the kernel takes says nothing of the backend; after that it takes no more.
    await new Promise(resolve => setTimeout(resolve, 50))
    clock.advance(KEEPALIVE.intervalMs + KEEPALIVE.intervalMs / 8 + KEEPALIVE.timeoutMs)
    t.match(await ended, { kind: 'lost', reason: SILENT })
    t.equal(await closed, SILENT)
  })
}

/** A listener under a clock that the test turns, and a raw client. */
async function downstream(t: Test, kind: TransportName, own: LifetimeLimits, over: 'TCP' | 'TLS' = 'TCP') {
  const made = over === 'TLS' ? await certificates() : undefined
  const clock = new FakeClock()
  const sessions: ServerSession[] = []
  const streams: Stream[] = []
  const why = Promise.withResolvers<string>()
  const owner = {
    onStream(stream: Stream) {
      streams.push(stream)
      return { onHeaders() {}, onData() {}, onTrailers() {}, onWritable() {}, onClosed() {} }
    },
    onSessionReady: (session: ServerSession) => void sessions.push(session),
    onSessionClosed: (_: ServerSession, reason: string) => why.resolve(reason),
    onRefused() {},
  }
  const options = { ...limits, clientIdleTimeoutMs: 0, ...own, tls: made?.server }
  const tickets = new TicketKeys({ ticketKeyMs: 1 }, clock, () => {})
  const listener = new Listener(options, carriers.server(kind), owner, clock, tickets)
  const { port } = await listener.listen()
  t.teardown(() => listener.close())
  const client = await RawClient.connect(t, port, { tls: made && { ca: made.ca.cert } })
  await client.roundTrip()
  const call = async () => {
    const id = client.request(requestFields())
    await until('the call has come', () => streams.length > 0)
    return { id, stream: streams.shift()! }
  }
  return { clock, client, session: sessions[0]!, call, closed: why.promise }
}

for (const kind of KINDS) {
  for (const over of ['TCP', 'TLS'] as const) {
    t.test(`${kind}, ${over}: a client is asked, with calls or without; one that answers stays`, async t => {
      const { clock, client, session } = await downstream(t, kind, { clientKeepalive: KEEPALIVE }, over)
      for (let i = 0; i < 3; i++) {
        const before = session.received
        turnUntil(clock, session, 'ping')
        await client.next('ping', ({ ack }) => !ack)
        await until('the answer has come', () => session.received > before)
        clock.advance(KEEPALIVE.timeoutMs)
      }
      await client.roundTrip()
    })

    t.test(`${kind}, ${over}: a client that does not answer loses its session`, async t => {
      const { clock, client, session, closed, call } = await downstream(t, kind, { clientKeepalive: KEEPALIVE }, over)
      client.auto.ping = false
      await call()
      await client.roundTrip()
      turnUntil(clock, session, 'ping')
      await client.next('ping', ({ ack }) => !ack)
      clock.advance(KEEPALIVE.timeoutMs)
      t.equal(await closed, SILENT)
      await client.closed
      t.equal(clock.pending, 0, 'no timer is left of it')
    })
  }

  t.test(`${kind}: a client that takes nothing of its answers loses its session`, async t => {
    const { clock, client, session, call, closed } = await downstream(t, kind, { clientKeepalive: KEEPALIVE })
    const calls = []
    for (let i = 0; i < 200; i++) calls.push(await call())
    await client.roundTrip()
    client.socket.pause()
    const large = block({ ':status': '200', 'content-type': 'application/grpc', large: 'x'.repeat(60_000) })
    for (const { stream } of calls) stream.sendHeaders(large, false)
    // What the kernel takes says nothing of the client. Beyond a mebibyte `frames` does not read from it either.
    for (let i = 0; i < 5; i++) {
      client.ping()
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    turnUntil(clock, session, 'ping')
    clock.advance(KEEPALIVE.timeoutMs)
    t.equal(await closed, SILENT)
  })

  t.test(`${kind}: too old: it is told in two steps, finishes its call, and is gone`, async t => {
    const age = { clientMaxAgeMs: 100_000, clientAgeGraceMs: 5_000 }
    const { clock, client, session, call, closed } = await downstream(t, kind, age)
    const first = await call()
    client.auto.ping = false
    turnUntil(clock, session, 'drain')
    // RFC 9113 §6.8, and gRFC A9 for the reason.
    t.match(await client.next('goaway'), { code: Code.NO_ERROR, lastStreamId: 2 ** 31 - 1, debug: 'max_age' })
    // nghttp2, and so Node, takes no stream after the first GOAWAY.
    const calls = kind === 'frames' ? [first, await call()] : [first]
    client.ping((await client.next('ping', ({ ack }) => !ack)).data, { ack: true })
    t.match(await client.next('goaway'), { code: Code.NO_ERROR, lastStreamId: calls.at(-1)!.id })
    for (const { id, stream } of calls) {
      stream.sendHeaders(block({ ':status': '200', 'grpc-status': '0' }), true)
      client.data(id, '', { endStream: true })
      t.match((await client.ended(id)).at(-1), { kind: 'headers', endStream: true })
    }
    await client.closed
    await closed
    t.equal(clock.pending, 0)
  })

  t.test(`${kind}: too old, and its call does not end: it ends with the grace period`, async t => {
    const age = { clientMaxAgeMs: 100_000, clientAgeGraceMs: 5_000 }
    const { clock, client, session, call, closed } = await downstream(t, kind, age)
    await call()
    turnUntil(clock, session, 'drain')
    await client.next('goaway')
    await client.next('goaway')
    clock.advance(age.clientAgeGraceMs)
    t.equal(await closed, 'too old, and its grace period is over')
    await client.closed
  })
}
