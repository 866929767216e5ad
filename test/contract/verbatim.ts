/**
 * What goes through octet for octet: the borders of DATA frames, and how each header field stands in its block.
 * node:http2 tells of neither, so that it takes frames on both sides.
 */
import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { Flag, FrameType, type RawFrame, Setting, writeFrame } from '../support/frames.ts'
import type { Field, Representation } from '../support/hpack.ts'
import { RawClient } from '../support/raw-client.ts'
import type { RawConnection } from '../support/raw-connection.ts'
import {
  arrived,
  type Call,
  goesOn,
  message,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  type Rig,
  requestFields,
  rig,
  TRAILERS,
} from './rig.ts'

const PLENTY = 2 ** 30
const WIDE = { settings: { [Setting.INITIAL_WINDOW_SIZE]: PLENTY } }
const WIDE_PROXY = { limits: { streamWindowBytes: PLENTY, sessionWindowBytes: PLENTY } }
const FRAME_BYTES = 16_384

export function verbatim(t: Test, pairing: Pairing): void {
  const frames = pairing.downstream === 'frames' && pairing.upstream === 'frames'
  const skip = !frames && 'node:http2 tells neither the borders of DATA frames nor representations'
  t.test('DATA frames keep their borders', { skip }, async t => borders(t, pairing))
  t.test('header fields keep their representation', { skip }, async t => representations(t, pairing))
}

/** No window is in the way, on any side. */
async function wide(t: Test, pairing: Pairing): Promise<Rig> {
  const here = await rig(t, pairing, { client: WIDE, backend: WIDE, proxy: WIDE_PROXY })
  here.client.windowUpdate(0, PLENTY)
  return here
}

/** Connections of backends that have given their window. */
const widened = new WeakSet<RawConnection>()

interface Side {
  readonly connection: RawConnection
  readonly streamId: number
}

/** An open call whose response has begun, as the two ends of one direction. */
async function ends(here: Rig, direction: 'up' | 'down'): Promise<{ from: Side; to: Side; call: Call }> {
  const call = await open(here)
  // Once a connection: twice is more than 2^31-1 (RFC 9113 §6.9.1).
  if (!widened.has(call.backend)) call.backend.windowUpdate(0, PLENTY)
  widened.add(call.backend)
  call.backend.headers(call.backendId, RESPONSE)
  await call.client.next('headers', call.id)
  const client = { connection: call.client, streamId: call.id }
  const backend = { connection: call.backend, streamId: call.backendId }
  return direction === 'up' ? { from: client, to: backend, call } : { from: backend, to: client, call }
}

function dataFrame(streamId: number, data: Buffer, padding?: number): RawFrame {
  if (padding === undefined) return { type: FrameType.DATA, flags: Flag.NONE, streamId, payload: data }
  const payload = Buffer.concat([Buffer.from([padding]), data, Buffer.alloc(padding)])
  return { type: FrameType.DATA, flags: Flag.PADDED, streamId, payload }
}

/** The DATA that came on a stream, frame by frame. */
function came({ connection, streamId }: Side): Buffer[] {
  return connection.stream(streamId).flatMap(item => (item.kind === 'data' ? [item.data] : []))
}

function sameFrames(t: Test, side: Side, sent: readonly Buffer[], what: string): void {
  const got = came(side)
  t.same(
    got.map(data => data.length),
    sent.map(data => data.length),
    `${what}: the borders`,
  )
  t.ok(Buffer.concat(got).equals(Buffer.concat(sent)), `${what}: the bytes`)
}

const total = (parts: readonly Buffer[]) => parts.reduce((sum, part) => sum + part.length, 0)

function borders(t: Test, pairing: Pairing): void {
  for (const direction of ['up', 'down'] as const) {
    t.test(`${direction}: small and large frames in one write`, async t => {
      const { from, to } = await ends(await wide(t, pairing), direction)
      const sizes = [1, 5, 100, FRAME_BYTES, 1, 4096, 4095, FRAME_BYTES - 1, 2, FRAME_BYTES, FRAME_BYTES]
      const sent = sizes.map(size => randomBytes(size))
      from.connection.raw(Buffer.concat(sent.map(data => writeFrame(dataFrame(from.streamId, data)))))
      await to.connection.received(to.streamId, total(sent))
      sameFrames(t, to, sent, direction)
    })

    // RFC 9113 §6.1: padding is for those between whom it was agreed; §10.7: "an intermediary might wish to remove it".
    t.test(`${direction}: padding is dropped, what it padded is kept`, async t => {
      const { from, to } = await ends(await wide(t, pairing), direction)
      const padded = [
        [100, 0],
        [1, 255],
        [FRAME_BYTES - 256, 255],
        [9000, 1],
      ] as const
      const sent = padded.map(([size]) => randomBytes(size))
      const frames = padded.map(([, padding], i) => dataFrame(from.streamId, sent[i]!, padding))
      // Only padding: nothing of it is left.
      frames.splice(1, 0, dataFrame(from.streamId, Buffer.alloc(0), 50))
      from.connection.raw(Buffer.concat(frames.map(writeFrame)))
      await to.connection.received(to.streamId, total(sent))
      sameFrames(t, to, sent, direction)
      const flow = to.connection.log.filter(item => item.kind === 'data').map(item => item.flowBytes)
      t.same(
        flow,
        sent.map(data => data.length),
        'without padding of our own',
      )
    })

    t.test(`${direction}: whole frames over five streams in one write, again and again`, async t => {
      const here = await wide(t, pairing)
      const calls = []
      for (let i = 0; i < 5; i++) calls.push(await ends(here, direction))
      await interleaved(t, calls)
    })
  }

  t.test('down: whole frames to the streams of two clients in one write', async t => {
    const here = await wide(t, pairing)
    const second = await RawClient.connect(t, here.port, WIDE)
    second.windowUpdate(0, PLENTY)
    const calls = []
    for (let i = 0; i < 6; i++) calls.push(await ends(i % 2 === 0 ? here : { ...here, client: second }, 'down'))
    t.equal(here.backend.connections.length, 1, 'one session to the backend')
    await interleaved(t, calls)
    await goesOn(t, here)
  })

  t.test('up: whole frames of two clients on one session to the backend', async t => {
    const here = await wide(t, pairing)
    const second = await RawClient.connect(t, here.port, WIDE)
    const calls = []
    for (let i = 0; i < 6; i++) calls.push(await ends(i % 2 === 0 ? here : { ...here, client: second }, 'up'))
    t.equal(here.backend.connections.length, 1, 'one session to the backend')
    await interleaved(t, calls)
    await goesOn(t, here)
  })
}

/** More of it than the proxy's largest read buffer, so that its memory is written again and again. */
const ROUNDS = 40

/** Each round writes two 16 KiB frames of each stream, in turns, and is checked before the next begins. */
async function interleaved(t: Test, calls: readonly { from: Side; to: Side }[]): Promise<void> {
  const sent = calls.map((): Buffer[] => [])
  for (let round = 0; round < ROUNDS; round++) {
    const writes = new Map<RawConnection, Buffer[]>()
    for (let turn = 0; turn < 2; turn++) {
      for (const [i, { from }] of calls.entries()) {
        const data = randomBytes(FRAME_BYTES)
        sent[i]!.push(data)
        const write = writes.get(from.connection) ?? []
        writes.set(from.connection, write)
        write.push(writeFrame(dataFrame(from.streamId, data)))
      }
    }
    for (const [connection, frames] of writes) connection.raw(Buffer.concat(frames))
    for (const [i, { to }] of calls.entries()) {
      let left = 2
      while (left > 0) {
        const { data } = await to.connection.next('data', to.streamId)
        const expected = sent[i]!.at(-left)!
        if (!data.equals(expected))
          t.fail(`round ${round}, stream ${to.streamId}: ${data.length} bytes, not those sent`)
        left--
      }
    }
  }
  for (const [i, { to }] of calls.entries())
    t.equal(came(to).length, sent[i]!.length, `frames of stream ${to.streamId}`)
}

const MIXED: readonly Field[] = [
  ['x-first', 'literal', 'literal'],
  ['x-repeats', 'incremental', 'incremental'],
  ['x-secret', 'never', 'never'],
  ['x-first', 'literal again', 'literal'],
  ['x-repeats', 'another', 'incremental'],
]

type Decoded = { readonly name: string; readonly value: string; readonly representation: Representation }
const stood = (fields: readonly Decoded[]) => fields.map(field => [field.name, field.value, field.representation])
/** As it stands once both tables have what its sender inserted. */
const again = (fields: readonly Field[]): Field[] =>
  fields.map(([name, value, how]) => [name, value, how === 'incremental' ? 'indexed' : how])

function representations(t: Test, pairing: Pairing): void {
  // RFC 7541 §6.2.3 asks it of never-indexed literals; the sender of the others knows best what repeats.
  t.test('request: literals as such, incremental once, then indexed, never-indexed always', async t => {
    const here = await rig(t, pairing)
    const first = await open(here, { extra: MIXED })
    t.same(stood(first.headers.fields.slice(6)), MIXED)
    for (let round = 0; round < 3; round++) {
      const next = await open(here, { extra: again(MIXED) })
      t.same(stood(next.headers.fields.slice(6)), again(MIXED))
    }
  })

  t.test('request: what a client indexed is inserted where the session to the backend has not seen it', async t => {
    const here = await rig(t, pairing)
    await open(here, { extra: MIXED })
    const first = here.backend.connections[0]!
    first.goaway(2 ** 31 - 1, 0)
    await first.roundTrip()
    const next = await open(here, { extra: again(MIXED) })
    t.not(next.backend, first)
    t.same(stood(next.headers.fields.slice(6)), MIXED)
  })

  t.test('response and trailers', async t => {
    const here = await rig(t, pairing)
    for (let round = 0; round < 3; round++) {
      const fields = round === 0 ? MIXED : again(MIXED)
      const call = await open(here, { endStream: true })
      call.backend.headers(call.backendId, [...RESPONSE, ...fields])
      call.backend.data(call.backendId, message('x'))
      // The table has them since the head.
      call.backend.headers(call.backendId, [...TRAILERS, ...again(MIXED)], { endStream: true })
      const [head, , last] = await call.client.ended(call.id)
      if (head?.kind === 'headers') t.same(stood(head.fields.slice(2)), fields)
      if (last?.kind === 'headers') t.same(stood(last.fields.slice(1)), again(MIXED))
      t.match(last, { kind: 'headers', endStream: true })
    }
  })

  // RFC 9113 §8.3 has them before the others, in any order.
  t.test('request: pseudo-header fields in the order in which they came', async t => {
    const here = await rig(t, pairing)
    const [method, scheme, path, authority, ...rest] = requestFields()
    const fields = [authority!, path!, method!, scheme!, ...rest]
    t.same(pairs((await arrived(here, here.client.request(fields))).headers.fields), fields)
  })
}
