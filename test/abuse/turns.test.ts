/**
 * Connections that send more small frames than anybody can use: each has its share of a turn of the loop, and those
 * who send little go first. Counted in frames on the wire of the backend, whose order says who had a turn before whom;
 * no clock is asked.
 */
import { setImmediate as immediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { answer, answered, type Call, field, RESPONSE, requestFields, running, TRAILERS } from '../contract/rig.ts'
import { PAIRING } from '../proxy/rig.ts'
import { certificates } from '../support/certs.ts'
import { Code, FrameType, Setting, uint32, writeFrame } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import type { RawConnection } from '../support/raw-connection.ts'
import { RawServer } from '../support/raw-server.ts'
import { idle } from '../support/until.ts'
import { attacker, callOn, scene, served, untouched } from './scene.ts'

/** In one write, of which a read of the proxy takes all. */
const FRAMES = 6_000
/** What may be worked off of it before a call that came at the same time: some turns. */
const BEFORE = 3 * 1_024
/** … of all attackers: what a turn has, and some. */
const BEFORE_OF_ALL = 10 * 1_024
const ATTACKERS = 20

/** DATA of one byte each, whose values are a pattern; and what they are together. */
function crumbs(streamId: number, frames: number): { readonly wire: Buffer; readonly body: Buffer } {
  const body = Buffer.from(Array.from({ length: frames }, (_, at) => at % 251))
  const wire = [...body].map(byte =>
    writeFrame({ type: FrameType.DATA, flags: 0, streamId, payload: Buffer.from([byte]) }),
  )
  return { wire: Buffer.concat(wire), body }
}

const frameOf = (type: number, payload: Buffer, flags = 0) =>
  Buffer.concat(new Array<Buffer>(FRAMES).fill(writeFrame({ type, flags, streamId: 0, payload })))

/** Frames that came on the connection before the request with this path. */
function before(backend: RawConnection, path: string): number {
  return backend.log.findIndex(item => field(item, ':path') === path)
}

/** The attackers write first, then the victim, all of it before the proxy reads anything. */
async function beside(t: Test, attackers: number, frames: number, most: number): Promise<void> {
  const here = await scene(t)
  const clients: { client: RawClient; call: Call; body: Buffer; wire: Buffer }[] = []
  for (let at = 0; at < attackers; at++) {
    const client = await attacker(t, here)
    const call = await callOn(here.backend, client, `/attack/${at}`)
    clients.push({ client, call, ...crumbs(call.id, frames) })
  }
  const start = here.open.backend.log.length
  for (const { client, wire } of clients) client.raw(wire)
  const victim = await callOn(here.backend, here.neighbour, '/victim/Call', { endStream: true })
  answer(victim)
  await answered(t, victim)
  const first = before(victim.backend, '/victim/Call') - start
  t.ok(first <= most, `${first} of ${clients.length * clients[0]!.body.length} frames before it`)
  for (const { client, call, body } of clients) {
    client.data(call.id, '', { endStream: true })
    await call.backend.next('data', item => item.streamId === call.backendId && item.endStream)
    t.ok(call.backend.body(call.backendId).equals(body), 'each byte of the attacker, in order')
    answer(call)
    await answered(t, call)
  }
  t.same(here.proxy.violations(), {})
  await untouched(t, here, 1 + attackers)
  for (const { client } of clients) client.destroy()
  await idle(here.proxy)
}

t.test('a call is forwarded before all of the 6,000 frames that an attacker sent before it', t =>
  beside(t, 1, FRAMES, BEFORE),
)
t.test('… and before those of 20 attackers', t => beside(t, ATTACKERS, 1_500, BEFORE_OF_ALL))

/** Frames that no limit counts at this number, and that are for the connection. */
const OTHERS = [['WINDOW_UPDATE', frameOf(FrameType.WINDOW_UPDATE, uint32(1))]] as const

for (const [what, wire] of OTHERS) {
  t.test(`${what}, 6,000 times: the PING behind them is answered, and a call before it`, async t => {
    const here = await scene(t)
    const client = await attacker(t, here)
    const pong = client.roundTrip.bind(client)
    client.raw(wire)
    const answered = pong()
    const victim = here.neighbour.request(requestFields([], '/victim/Call'), { endStream: true })
    let ponged = false
    void answered.then(() => {
      ponged = true
    })
    await here.backend.request(({ headers }) => field(headers, ':path') === '/victim/Call')
    t.notOk(ponged, 'the attacker is not through')
    await answered
    here.neighbour.rst(victim, Code.CANCEL)
    client.destroy()
    await untouched(t, here)
  })
}

t.test('a block of 16,000 fields for each of 20 connections: as many as a turn has', async t => {
  const here = await scene(t)
  const clients = []
  for (let at = 0; at < ATTACKERS; at++) clients.push(await attacker(t, here))
  const start = here.open.backend.log.length
  // Indexed: `:method: POST`, which may not come twice, so that each is refused.
  const block = Buffer.alloc(16_000, 0x83)
  for (const client of clients) client.headerBlock(client.newStreamId(), block, { endStream: true })
  const ends = clients.map(client => client.ended(1))
  const victim = await callOn(here.backend, here.neighbour, '/victim/Call', { endStream: true })
  t.equal(before(victim.backend, '/victim/Call'), start, 'nothing else came')
  const over = clients.filter(client => client.stream(1).length > 0).length
  t.ok(over <= 10, `${over} of 20 blocks were worked off before`)
  answer(victim)
  await answered(t, victim)
  await Promise.all(ends)
  for (const client of clients) client.destroy()
  await untouched(t, here)
})

t.test(
  'a backend that sends 120,000 frames at once holds up no call to another; all come, and the end too',
  async t => {
    const frames = 20 * FRAMES
    const [hostile, honest] = [await RawServer.listen(t), await RawServer.listen(t)]
    const backends = {
      hostile: { endpoints: [hostile.url], transport: PAIRING.upstream },
      honest: { endpoints: [honest.url], transport: PAIRING.upstream },
    }
    const routes = [
      { match: { service: 'hostile' }, backend: 'hostile' },
      { match: { service: 'honest' }, backend: 'honest' },
    ]
    const { proxy, port } = await running(t, PAIRING, { backends, routes })
    const client = await RawClient.connect(t, port)
    const slow = await callOn(hostile, client, '/hostile/It', { endStream: true })
    await served(t, honest, client, '/honest/Before')
    const { wire, body } = crumbs(slow.backendId, frames)
    slow.backend.headers(slow.backendId, RESPONSE)
    slow.backend.raw(wire)
    slow.backend.headers(slow.backendId, TRAILERS, { endStream: true })
    slow.backend.socket.end()
    await client.next('data', slow.id)
    await served(t, honest, client, '/honest/Beside')
    const came = client.dataBytes(slow.id)
    t.ok(came < frames, `${came} of ${frames} bytes came before`)
    await client.next('headers', item => item.streamId === slow.id && item.endStream)
    t.ok(client.body(slow.id).equals(body), 'all of them came')
    client.destroy()
    await idle(proxy)
  },
)

t.test('large frames among small ones are forwarded where they lie, or copied, and none is changed', async t => {
  const here = await scene(t, {}, { settings: { [Setting.INITIAL_WINDOW_SIZE]: 2 ** 24 } })
  const settings = { [Setting.INITIAL_WINDOW_SIZE]: 2 ** 24 }
  const client = await attacker(t, here, { settings })
  client.windowUpdate(0, 2 ** 24)
  here.open.backend.windowUpdate(0, 2 ** 24)
  const call = await callOn(here.backend, client, '/mixed/Call')
  call.backend.headers(call.backendId, RESPONSE)
  const bodies = [call.backendId, call.id].map(streamId => {
    const small = crumbs(streamId, 1_500)
    const large = Buffer.from(Array.from({ length: 8_000 }, (_, at) => at % 241))
    const frame = writeFrame({ type: FrameType.DATA, flags: 0, streamId, payload: large })
    const times = 6
    return {
      wire: Buffer.concat(new Array(times).fill(Buffer.concat([small.wire, frame]))),
      body: Buffer.concat(new Array(times).fill(Buffer.concat([small.body, large]))),
    }
  })
  call.backend.raw(bodies[0]!.wire)
  client.raw(bodies[1]!.wire)
  client.data(call.id, '', { endStream: true })
  await call.backend.ended(call.backendId)
  t.ok(call.backend.body(call.backendId).equals(bodies[1]!.body), 'up')
  call.backend.headers(call.backendId, TRAILERS, { endStream: true })
  await client.ended(call.id)
  t.ok(client.body(call.id).equals(bodies[0]!.body), 'down')
  client.destroy()
  await untouched(t, here)
})

t.test('over TLS, where reading stops a little later: each byte up and down, in order, and both ends', async t => {
  const all = await certificates()
  const { ca, server } = all
  const tls = { cert: server.cert, key: server.key }
  const backend = await RawServer.listen(t, { tls })
  const main = { endpoints: [backend.url], transport: PAIRING.upstream, tls: { ca: ca.cert, serverName: 'localhost' } }
  const { proxy, port } = await running(t, PAIRING, { backends: { main } }, all)
  const client = await RawClient.connect(t, port, { tls: { ca: ca.cert } })
  const call = await callOn(backend, client, '/secure/Call')
  call.backend.headers(call.backendId, RESPONSE)
  const [up, down] = [crumbs(call.id, 5 * FRAMES), crumbs(call.backendId, 5 * FRAMES)]
  client.raw(up.wire)
  client.data(call.id, '', { endStream: true })
  call.backend.raw(down.wire)
  call.backend.headers(call.backendId, TRAILERS, { endStream: true })
  await client.next('headers', item => item.streamId === call.id && item.endStream)
  await call.backend.next('data', item => item.endStream)
  t.ok(client.body(call.id).equals(down.body), 'down')
  t.ok(call.backend.body(call.backendId).equals(up.body), 'up')
  client.destroy()
  await idle(proxy)
})

t.test('a client that sends 6,000 frames and is gone: what it had open ends, once', async t => {
  const here = await scene(t)
  const client = await attacker(t, here)
  const call = await callOn(here.backend, client, '/attack/Gone')
  client.raw(crumbs(call.id, FRAMES).wire)
  await immediate()
  client.resetConnection()
  t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
  await served(t, here.backend, here.neighbour, '/after/It')
  await untouched(t, here)
  await idle(here.proxy)
})

t.test('a hundred calls in one write reach the backend together', async t => {
  const here = await scene(t)
  const client = await attacker(t, here)
  client.socket.cork()
  const ids = Array.from({ length: 100 }, () => client.request(requestFields([], '/many/Calls'), { endStream: true }))
  client.socket.uncork()
  const writes = new Set<number>()
  let reads = 0
  here.open.backend.socket.prependListener('data', () => reads++)
  for (let at = 0; at < 100; at++) {
    const { connection, streamId } = await here.backend.request()
    writes.add(reads)
    answer({ backend: connection, backendId: streamId })
  }
  t.equal(writes.size, 1, 'in one write')
  await Promise.all(ids.map(id => client.ended(id)))
  client.destroy()
  await untouched(t, here)
})
