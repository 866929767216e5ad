/**
 * Windows that grow, and that are bounded; and turns on a session: design.md "Flow control and memory",
 * RFC 9113 §5.2, §6.9. On frames; `node:http2` has windows of one size and no turns.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { Setting } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import type { RawConnection } from '../support/raw-connection.ts'
import { RawServer } from '../support/raw-server.ts'
import { closing } from '../support/teardown.ts'
import { pattern, stopped } from './reuse.ts'
import { answer, answered, type Call, message, open, type Pairing, RESPONSE, rig, running, TRAILERS } from './rig.ts'

const PLENTY = 2 ** 30
/** What HTTP/2 begins with, and a session's share that no bound takes away. */
const START = 65_535
/** A turn's part of a session: a frame of the default size. */
const QUANTUM = 16_384
const MIB = 1_048_576
const RICH = { settings: { [Setting.INITIAL_WINDOW_SIZE]: PLENTY } } as const
/** No window for any stream before the test says so, and none given back. */
const POOR = { settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 }, auto: { window: false } } as const

export function windows(t: Test, pairing: Pairing): void {
  growth(t, pairing)
  sessionBound(t, pairing)
  processBound(t, pairing)
  fairness(t, pairing)
}

function skipUnlessFrames({ downstream, upstream }: Pairing, what: string): { skip: string | false } {
  return { skip: (downstream === 'native' || upstream === 'native') && `node:http2 ${what}` }
}

/**
 * Bytes of a bulk stream that may come within one small call, which crosses the path twice: each time what the
 * backend may have under way (its window), a flush of the proxy, some turns, and a full socket between each two.
 */
const BESIDE = 2 * (262_144 + 262_144 + 8 * QUANTUM) + 4 * MIB

/**
 * Of each direction of a path. Where this machine is too busy to use up a window within a round trip there is nothing
 * that a larger one would help, and it rightly stays: then a longer path shows it.
 */
const DELAYS_MS = [25, 100, 400, 1_600]

/** A long path: every byte stays in it for a while. */
class LongPath {
  /** Most bytes that were under way at once, from who connected and to it. */
  readonly most = { from: 0, to: 0 }
  readonly #delayMs: number
  readonly #sockets: Socket[] = []
  readonly #server

  constructor(port: number, delayMs: number) {
    this.#delayMs = delayMs
    this.#server = createServer(near => {
      const far = connect(port, '127.0.0.1')
      this.#carry(near, far, 'from')
      this.#carry(far, near, 'to')
    })
  }

  static async to(t: Test, port: number, delayMs: number): Promise<{ path: LongPath; port: number }> {
    const path = closing(t, new LongPath(port, delayMs))
    path.#server.listen(0, '127.0.0.1')
    await once(path.#server, 'listening')
    return { path, port: (path.#server.address() as AddressInfo).port }
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #carry(source: Socket, target: Socket, direction: 'from' | 'to'): void {
    let underWay = 0
    this.#sockets.push(source)
    source.setNoDelay(true)
    source.on('error', () => {})
    source.on('close', () => target.destroy())
    source.on('data', chunk => {
      underWay += chunk.length
      this.most[direction] = Math.max(this.most[direction], underWay)
      setTimeout(() => {
        underWay -= chunk.length
        if (!target.destroyed) target.write(chunk)
      }, this.#delayMs)
    })
  }
}

function growth(t: Test, { downstream, upstream, name }: Pairing): void {
  const limits = { streamWindowBytes: START }
  /** Some of its megabytes go by while the window grows, at most a window a round trip. */
  const body = pattern(6 * MIB, 1)
  const pairing = { name, downstream, upstream }

  /** @returns what the sender was given and has not used, once all was read, and most that was under way at once */
  type Over = (t: Test, delayMs: number) => Promise<{ left: number; most: number }>

  const grows = async (t: Test, over: Over): Promise<void> => {
    let came = { left: 0, most: 0 }
    for (const delayMs of DELAYS_MS) {
      came = await over(t, delayMs)
      if (Math.min(came.left, came.most) >= 4 * START) break
      t.comment(`not over a path of ${delayMs} ms: ${came.left} bytes left, ${came.most} under way`)
    }
    // At least half of the window.
    t.ok(came.left >= 4 * START, `the stream may send ${came.left} bytes more; it began with ${START}`)
    t.ok(came.most >= 4 * START, `${came.most} bytes were under way at once`)
  }

  const overDown: Over = async (t, delayMs) => {
    const backend = await RawServer.listen(t)
    const { path, port } = await LongPath.to(t, backend.port, delayMs)
    const main = { endpoints: [`http://127.0.0.1:${port}`], transport: upstream }
    const proxied = await running(t, pairing, { backends: { main }, limits })
    const client = await RawClient.connect(t, proxied.port, RICH)
    client.windowUpdate(0, PLENTY)
    const call = await open({ ...proxied, backend, client }, { endStream: true })
    call.backend.headers(call.backendId, RESPONSE)
    t.ok(call.backend.windows.left(call.backendId) <= START, 'as it begins')
    await call.backend.upload(call.backendId, body)
    await call.backend.roundTrip()
    const left = call.backend.windows.left(call.backendId)
    call.backend.headers(call.backendId, TRAILERS, { endStream: true })
    await client.ended(call.id)
    t.ok(client.body(call.id).equals(body), 'every byte')
    return { left, most: path.most.to }
  }

  const overUp: Over = async (t, delayMs) => {
    const backend = await RawServer.listen(t, RICH)
    const main = { endpoints: [backend.url], transport: upstream }
    const proxied = await running(t, pairing, { backends: { main }, limits })
    const { path, port } = await LongPath.to(t, proxied.port, delayMs)
    const client = await RawClient.connect(t, port)
    const call = await open({ ...proxied, backend, client })
    call.backend.windowUpdate(0, PLENTY)
    t.ok(client.windows.left(call.id) <= START, 'as it begins')
    await client.upload(call.id, body)
    await client.roundTrip()
    const left = client.windows.left(call.id)
    client.data(call.id, '', { endStream: true })
    await call.backend.ended(call.backendId)
    t.ok(call.backend.body(call.backendId).equals(body), 'every byte')
    answer(call)
    await answered(t, call)
    return { left, most: path.most.from }
  }

  const skip = 'the window of node:http2 stays as it begins'
  const down = { skip: upstream === 'native' && skip }
  t.test('down a long path a stream gets a larger window as it uses up what it has', down, t => grows(t, overDown))

  const up = { skip: downstream === 'native' && skip }
  t.test('up a long path a stream gets a larger window as it uses up what it has', up, t => grows(t, overUp))
}

/** As `upload`, for several streams at once: what was room for one may be another's by the time it is used. */
export async function share(sender: RawConnection, streamId: number, body: Buffer, endStream = false): Promise<void> {
  for (let at = 0; at < body.length; ) {
    const wanted = Math.min(body.length - at, QUANTUM)
    if ((await sender.windows.room(streamId, wanted)) === 0) return
    const size = Math.min(wanted, sender.windows.left(0), sender.windows.left(streamId))
    if (size <= 0) continue
    sender.data(streamId, body.subarray(at, at + size), { endStream: endStream && at + size === body.length })
    at += size
  }
}

/** A response as the windows allow. */
async function respond(call: Call, body: Buffer): Promise<void> {
  call.backend.headers(call.backendId, RESPONSE)
  await share(call.backend, call.backendId, body)
  call.backend.headers(call.backendId, TRAILERS, { endStream: true })
}

function sessionBound(t: Test, pairing: Pairing): void {
  const own = skipUnlessFrames(pairing, 'bounds no session, and what it takes for a stream is not counted')
  const limits = { sessionWindowBytes: START, maxSessionBufferedBytes: MIB }
  const bodies = Array.from({ length: 12 }, (_, at) => pattern(200_000, at * 1_000_000))

  t.test('what waits for clients stops its session at the bound, drops nothing, and stops no other', own, async t => {
    const here = await rig(t, pairing, { client: POOR, proxy: { limits } })
    const calls: Call[] = []
    for (const _ of bodies) calls.push(await open(here, { endStream: true }))
    const { backend } = calls[0]!
    const sending = calls.map((call, at) => respond(call, bodies[at]!))
    const sent = () => calls.reduce((all, call) => all + backend.windows.sent(call.backendId), 0)
    const all = await stopped([backend], sent)
    t.ok(all <= MIB + START, `the backend stopped after ${all} bytes`)
    t.ok(all > MIB / 2, 'not long before')

    // A client session of its own, which reads, to a backend session of its own.
    const other = await RawServer.listen(t)
    const main = { endpoints: [other.url], transport: pairing.upstream }
    const elsewhere = await running(t, pairing, { backends: { main }, limits })
    const reader = await open({ ...elsewhere, backend: other, client: await RawClient.connect(t, elsewhere.port) })
    answer(reader)
    await answered(t, reader)

    here.client.windowUpdate(0, PLENTY)
    for (const call of calls) here.client.windowUpdate(call.id, PLENTY)
    await Promise.all(sending)
    for (const [at, call] of calls.entries()) {
      await here.client.ended(call.id)
      t.ok(here.client.body(call.id).equals(bodies[at]!), `call ${at}: every byte`)
    }
  })
}

function processBound(t: Test, pairing: Pairing): void {
  const own = skipUnlessFrames(pairing, 'bounds no sessions, and what it takes for a stream is not counted')
  const limits = { maxBufferedBytes: MIB }
  const SESSIONS = 4
  const STREAMS = 8

  t.test(
    'what waits for a backend stops all sessions at the bound of all, drops nothing, one that drains goes on',
    own,
    async t => {
      const here = await rig(t, pairing, { backend: POOR, proxy: { limits } })
      const clients = [here.client]
      while (clients.length < SESSIONS) clients.push(await RawClient.connect(t, here.port))
      const calls: Call[] = []
      for (let at = 0; at < SESSIONS * STREAMS; at++)
        calls.push(await open({ ...here, client: clients[at % SESSIONS]! }))
      const { backend } = calls[0]!
      backend.windowUpdate(0, PLENTY)
      // Windows that have grown count as well: what they promised is not given a second time.
      for (const client of clients) {
        const call = await open({ ...here, client })
        backend.windowUpdate(call.backendId, PLENTY)
        await client.upload(call.id, Buffer.alloc(MIB), { endStream: true })
        await backend.ended(call.backendId)
        answer(call)
        await answered(t, call)
      }
      const bodies = calls.map((_, at) => pattern(120_000, at * 1_000_000))
      const sending = calls.map((call, at) => share(call.client, call.id, bodies[at]!, true))
      const sent = () => calls.reduce((all, call) => all + call.client.windows.sent(call.id), 0)
      const all = await stopped(clients, sent)
      t.ok(all <= MIB + SESSIONS * START, `the clients stopped after ${all} bytes`)
      t.ok(all > MIB / 2, 'not long before')

      const reader = await open({ ...here, client: await RawClient.connect(t, here.port) })
      t.ok(reader.backend === backend, 'the same session to the backend')
      const body = pattern(2 * MIB, 99_000_000)
      backend.windowUpdate(reader.backendId, PLENTY)
      await reader.client.upload(reader.id, body, { endStream: true })
      await backend.ended(reader.backendId)
      t.ok(backend.body(reader.backendId).equals(body), 'a session that drains goes on')
      t.equal(sent(), all, 'while the others wait')

      for (const call of calls) backend.windowUpdate(call.backendId, PLENTY)
      await Promise.all(sending)
      for (const [at, call] of calls.entries()) {
        await backend.ended(call.backendId)
        t.ok(backend.body(call.backendId).equals(bodies[at]!), `call ${at}: every byte`)
      }
      for (const call of [reader, ...calls]) {
        answer(call)
        await answered(t, call)
      }
    },
  )
}

function fairness(t: Test, pairing: Pairing): void {
  const own = skipUnlessFrames(pairing, 'has turns and queues of its own')
  const SMALL_CALLS = 100

  t.test('small calls wait for one turn of a bulk stream and not for what it has queued', own, async t => {
    const here = await rig(t, pairing, { client: { ...RICH, auto: { window: false } } })
    const bulk = await open(here, { endStream: true })
    bulk.backend.headers(bulk.backendId, RESPONSE)
    const body = pattern(2 * MIB, 1)
    const sending = bulk.backend.upload(bulk.backendId, body)
    // The session's window is used up: all that comes now waits in the proxy.
    await bulk.client.received(bulk.id, START)
    const queued = (await stopped([bulk.backend], () => bulk.backend.windows.sent(bulk.backendId))) - START
    t.ok(queued > 4 * QUANTUM, `${queued} bytes of the bulk stream wait before the first small call`)
    const calls: Call[] = []
    for (let at = 0; at < SMALL_CALLS; at++) {
      const call = await open(here, { endStream: true })
      answer(call)
      calls.push(call)
    }
    await bulk.backend.roundTrip()
    await here.client.roundTrip()
    // Room for all small answers and two turns of the bulk stream: they are enough, if turns are taken.
    here.client.windowUpdate(0, SMALL_CALLS * message('hello').length + 2 * QUANTUM)
    for (const call of calls) await answered(t, call)
    const meanwhile = here.client.dataBytes(bulk.id) - START
    t.ok(meanwhile > 0 && meanwhile <= 2 * QUANTUM, `the bulk stream sent ${meanwhile} bytes meanwhile`)
    here.client.windowUpdate(0, PLENTY)
    await sending
    bulk.backend.headers(bulk.backendId, TRAILERS, { endStream: true })
    await here.client.ended(bulk.id)
    t.ok(here.client.body(bulk.id).equals(body), 'all of the bulk')
  })

  t.test('small calls and a bulk stream on one session: each goes on beside the other', async t => {
    const limits = { maxStreamWindowBytes: 262_144 }
    const here = await rig(t, pairing, { client: RICH, proxy: { limits } })
    here.client.windowUpdate(0, PLENTY)
    const bulk = await open(here, { endStream: true })
    bulk.backend.headers(bulk.backendId, RESPONSE)
    let over = false
    const piece = pattern(QUANTUM, 1)
    const sending = (async () => {
      while (!over) await bulk.backend.upload(bulk.backendId, piece)
      bulk.backend.headers(bulk.backendId, TRAILERS, { endStream: true })
    })()
    let came = 0
    const bulkBytes = () => here.client.dataBytes(bulk.id)
    let most = 0
    for (let at = 0; at < SMALL_CALLS; at++) {
      const before = bulkBytes()
      const call = await open(here, { endStream: true })
      answer(call)
      await answered(t, call)
      came = bulkBytes()
      most = Math.max(most, came - before)
    }
    over = true
    t.ok(came > 4 * MIB, `the bulk stream brought ${came} bytes meanwhile`)
    t.ok(most <= BESIDE, `at most ${most} bytes of it within one small call`)
    await sending
    await here.client.ended(bulk.id)
    const all = here.client.body(bulk.id)
    for (let at = 0; at < all.length; at += QUANTUM)
      if (!all.subarray(at, at + QUANTUM).equals(piece)) t.fail(`bytes at ${at}`)
  })
}
