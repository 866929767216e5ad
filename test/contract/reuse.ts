/**
 * What the proxy keeps to use it again must not show: buffers that it reads into and writes from, and header
 * blocks that come again.
 */
import type { Test } from 'tap'
import { Code, Setting } from '../support/frames.ts'
import type { Field, Representation } from '../support/hpack.ts'
import { RawClient } from '../support/raw-client.ts'
import type { RawConnection } from '../support/raw-connection.ts'
import type { Received, ReceivedHeaders } from '../support/received.ts'
import { arrived, broken, field, goesOn, open, type Pairing, pairs, RESPONSE, type Rig, rig, TRAILERS } from './rig.ts'

const PLENTY = 2 ** 30
const RICH = { settings: { [Setting.INITIAL_WINDOW_SIZE]: PLENTY } } as const
/** From 4 KiB on a frame is forwarded where it lies; a smaller one is copied into what is written. */
const SIZES = {
  'long frames': [16_384, 4_096, 10_000, 16_384, 4_097, 16_383, 12_000, 16_384],
  'short frames': Array.from({ length: 100 }, (_, at) => 1_000 + at),
  'frames of all sizes': [1, 16_384, 5, 100, 4_095, 4_096, 4_097, 16_384, 9, 10_000, 16_383],
}

export function reuse(t: Test, pairing: Pairing): void {
  lent(t, pairing)
  repeated(t, pairing)
  repeatedForOthers(t, pairing)
  pings(t, pairing)
}

/** Bytes of which no piece is like another, nor like one of a seed that is far enough. */
export function pattern(bytes: number, seed: number): Buffer {
  const words = new Int32Array(Math.ceil(bytes / 4))
  for (let at = 0; at < words.length; at++) words[at] = Math.imul(at + seed + 1, 2_654_435_761)
  return Buffer.from(words.buffer, 0, bytes)
}

/**
 * Sends as the windows allow, in frames of these sizes, and waits until the proxy has read each turn of them: more at
 * once would be queued, and then it is the queue that waits for a client and not what was forwarded where it lies.
 */
async function sendInTurns(
  connection: RawConnection,
  streamId: number,
  body: Buffer,
  sizes: readonly number[],
  enough: () => boolean = () => false,
): Promise<void> {
  for (let at = 0; at < body.length && !enough(); ) {
    for (const wanted of sizes) {
      if (at === body.length) return
      const size = await connection.windows.room(streamId, Math.min(body.length - at, wanted))
      if (size === 0) return
      connection.data(streamId, body.subarray(at, at + size))
      at += size
    }
    await connection.roundTrip()
  }
}

/** Until the senders are not given any more window: it stays so over three round trips. */
export async function stopped(senders: readonly RawConnection[], sent: () => number): Promise<number> {
  for (let before = -1, same = 0; same < 3; same++) {
    for (const sender of senders) await sender.roundTrip()
    if (sent() !== before) same = 0
    before = sent()
  }
  return sent()
}

/** More than kernels hold for a client that does not read: the rest waits in the proxy and at the backend. */
const MORE_THAN_KERNEL = 40_000_000

function lent(t: Test, pairing: Pairing): void {
  const body = pattern(MORE_THAN_KERNEL, 1)
  for (const [what, sizes] of Object.entries(SIZES)) {
    t.test(`a client that does not read gets its own bytes, whatever the proxy read meanwhile: ${what}`, async t => {
      const here = await rig(t, pairing, { client: RICH })
      const second = await RawClient.connect(t, here.port, RICH)
      const slow = await open(here, { endStream: true })
      const quick = await open({ ...here, client: second }, { endStream: true })
      t.ok(slow.backend === quick.backend, 'one session, so one buffer for what is read')
      for (const client of [here.client, second]) client.windowUpdate(0, PLENTY)
      const other = pattern(2_000_000, 20_000_000)
      for (const call of [slow, quick]) call.backend.headers(call.backendId, RESPONSE)
      await here.client.next('headers', slow.id)
      here.client.socket.pause()
      let enough = false
      const sending = sendInTurns(slow.backend, slow.backendId, body, sizes, () => enough)
      const sent = await stopped([slow.backend], () => slow.backend.windows.sent(slow.backendId))
      t.ok(sent < body.length, `the kernel is full, and the backend stopped after ${sent} bytes`)

      await sendInTurns(quick.backend, quick.backendId, other, sizes)
      quick.backend.headers(quick.backendId, TRAILERS, { endStream: true })
      await second.ended(quick.id)
      t.ok(second.body(quick.id).equals(other), 'the client that reads')

      enough = true
      here.client.socket.resume()
      await sending
      slow.backend.headers(slow.backendId, TRAILERS, { endStream: true })
      await here.client.ended(slow.id)
      const all = body.subarray(0, slow.backend.windows.sent(slow.backendId))
      t.ok(here.client.body(slow.id).equals(all), 'the client that did not')
    })
  }
}

/** Name, value and representation of the fields that are not gRPC's own. */
function mine(headers: Received | undefined): [string, string, Representation][] {
  if (headers?.kind !== 'headers') return []
  return headers.fields.filter(f => f.name.startsWith('x-')).map(f => [f.name, f.value, f.representation])
}

/** One direction in which header blocks go. */
interface Way {
  /** Who encodes and who decodes. */
  readonly from: RawConnection
  readonly to: RawConnection
  /** A block that is a message but for what is put behind: short enough to be remembered by its octets. */
  readonly base: readonly Field[]
  /** Sends the block on a new stream; gives it back as it arrived. */
  send(block: Buffer): Promise<ReceivedHeaders>
}

const SHORT: readonly Field[] = [
  [':method', 'POST', 'indexed'],
  [':scheme', 'http', 'indexed'],
  [':path', '/a/b'],
  [':authority', 'b'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
]

async function requestsWay(here: Rig): Promise<Way> {
  const to = (await open(here)).backend
  const send = async (block: Buffer) => {
    const id = here.client.newStreamId()
    here.client.headerBlock(id, block)
    return (await arrived(here, id)).headers
  }
  return { from: here.client, to, base: SHORT, send }
}

async function responsesWay(here: Rig): Promise<Way> {
  const from = (await open(here)).backend
  const send = async (block: Buffer) => {
    const call = await open(here)
    from.headerBlock(call.backendId, block)
    return call.client.next('headers', call.id)
  }
  return { from, to: here.client, base: RESPONSE, send }
}

/** §2.3.3: the newest entry of the dynamic table, indexed. */
const NEWEST = Buffer.from([0x80 | 62])
/** §6.3: its size to 0, and back to 4,096. */
const EMPTIED = Buffer.from([0x20, 0x3f, 0xe1, 0x1f])

function repeated(t: Test, pairing: Pairing): void {
  const native = pairing.downstream === 'native' || pairing.upstream === 'native'
  const both = { skip: native && 'node:http2 chooses representations itself' }
  for (const [name, wayOf] of [
    ['requests', requestsWay],
    ['responses', responsesWay],
  ] as const) {
    t.test(`${name}: a block that comes again means what the table says now`, async t => {
      const way = await wayOf(await rig(t, pairing))
      const base = way.from.encoder.encode(way.base)
      const again = Buffer.concat([base, NEWEST])
      for (const value of ['one', 'two']) {
        const first = Buffer.concat([base, way.from.encoder.encode([['x-a', value, 'incremental']])])
        t.equal(field(await way.send(first), 'x-a'), value)
        for (let time = 0; time < 3; time++) {
          const came = await way.send(again)
          t.same(pairs(came.fields), [...way.base.map(([name, value]) => [name, value]), ['x-a', value]])
        }
      }
    })

    t.test(`${name}: a block that comes again after its entry is gone costs the connection`, async t => {
      const way = await wayOf(await rig(t, pairing))
      const base = way.from.encoder.encode(way.base)
      await way.send(Buffer.concat([base, way.from.encoder.encode([['x-a', 'gone', 'incremental']])]))
      for (let time = 0; time < 3; time++) await way.send(Buffer.concat([base, NEWEST]))
      t.equal(field(await way.send(Buffer.concat([EMPTIED, base])), 'x-a'), undefined)
      way.send(Buffer.concat([base, NEWEST])).catch(() => {})
      t.equal((await way.from.next('goaway')).code, Code.COMPRESSION_ERROR)
    })

    t.test(`${name}: a table that the receiver makes smaller is not indexed any more`, both, async t => {
      const way = await wayOf(await rig(t, pairing))
      const block = way.from.encoder.encode([...way.base, ['x-a', 'v', 'incremental']])
      const again = way.from.encoder.encode([...way.base, ['x-a', 'v', 'indexed']])
      const as = async (block: Buffer, representation: Representation) =>
        t.same(mine(await way.send(block)), [['x-a', 'v', representation]])
      const resize = async (...sizes: number[]) => {
        for (const size of sizes) way.to.settings({ [Setting.HEADER_TABLE_SIZE]: size })
        await way.to.roundTrip()
      }
      await as(block, 'incremental')
      for (let time = 0; time < 3; time++) await as(again, 'indexed')
      await resize(0)
      for (let time = 0; time < 3; time++) await as(again, 'literal')
      await resize(4_096)
      await as(again, 'incremental')
      for (let time = 0; time < 3; time++) await as(again, 'indexed')
      // §4.2: the smallest size in between counts, though the last is the one before.
      await resize(0, 4_096)
      await as(again, 'incremental')
      await as(again, 'indexed')
    })
  }
}

function repeatedForOthers(t: Test, pairing: Pairing): void {
  t.test("a block that comes again is right after another client's fields went the same way", async t => {
    const here = await rig(t, pairing)
    const way = await requestsWay(here)
    const second = await RawClient.connect(t, here.port)
    const base = way.from.encoder.encode(way.base)
    const again = Buffer.concat([base, NEWEST])
    await way.send(Buffer.concat([base, way.from.encoder.encode([['x-a', 'mine', 'incremental']])]))
    for (let round = 0; round < 5; round++) {
      for (let time = 0; time < 3; time++) t.equal(field(await way.send(again), 'x-a'), 'mine')
      second.request([...SHORT, [`x-${round}`, `theirs ${round}`, 'incremental']])
      const { headers } = await here.backend.request()
      t.equal(field(headers, `x-${round}`), `theirs ${round}`)
      t.equal(field(headers, 'x-a'), undefined)
    }
  })

  t.test('a block that was right as headers is wrong as trailers, also when it comes again', async t => {
    const here = await rig(t, pairing)
    const block = (await open(here)).backend.encoder.encode(RESPONSE)
    for (let time = 0; time < 3; time++) {
      const call = await open(here)
      call.backend.headerBlock(call.backendId, block)
      await call.client.next('headers', call.id)
      call.backend.headerBlock(call.backendId, block, { endStream: true })
      await broken(t, call, 13)
    }
    await goesOn(t, here)
  })
}

function pings(t: Test, pairing: Pairing): void {
  t.test('each PING is answered by its own bytes on its hop, in order, and goes no further', async t => {
    const call = await open(await rig(t, pairing))
    const ends = [call.client, call.backend]
    for (const [at, end] of ends.entries()) {
      for (let ping = 0; ping < 5; ping++) end.ping(Buffer.from(`end ${at} ${ping} `))
      // Probes of the proxy's own are caused by DATA.
      const body = pattern(100_000, at)
      await end.upload(at === 0 ? call.id : call.backendId, at === 0 ? body : Buffer.alloc(0))
    }
    for (const [at, end] of ends.entries()) {
      await end.roundTrip()
      const acks = end.log.filter(item => item.kind === 'ping' && item.ack).slice(0, 5)
      t.same(
        acks.map(item => item.kind === 'ping' && item.data.toString()),
        [0, 1, 2, 3, 4].map(ping => `end ${at} ${ping} `),
      )
      const foreign = end.log.filter(
        item => item.kind === 'ping' && !item.ack && item.data.toString().startsWith('end'),
      )
      t.equal(foreign.length, 0, 'none came through')
    }
  })
}
