/**
 * Peers that are honest but odd: they do much of what floods are made of, in proportion to what they are served,
 * for ever. Nobody is punished: no GOAWAY, no call lost, nothing counted. Allowances are so small here that only the
 * proportion can hold.
 */
import t, { type Test } from 'tap'
import { FLOOD_LIMITS } from '../../src/wire/allowance.ts'
import { answer, type Call, message, RESPONSE, requestFields, TRAILERS } from '../contract/rig.ts'
import { Code, FrameType, Setting } from '../support/frames.ts'
import type { ClientOptions, RawClient } from '../support/raw-client.ts'
import type { RawConnection } from '../support/raw-connection.ts'
import type { ServerOptions } from '../support/raw-server.ts'
import { idle } from '../support/until.ts'
import { attacker, callOn, type Limits, type Scene, scene, untouched } from './scene.ts'

const BURST = 50
/** Far more than `BURST` of anything. */
const TIMES = 400
/** `perSecond` gives next to nothing back while a test runs. */
const STRICT: Limits['floods'] = Object.fromEntries(
  Object.keys(FLOOD_LIMITS).map(name => [name, { burst: BURST, perSecond: 1 }]),
)
const { maxResets } = FLOOD_LIMITS
const STRICT_BUT_RESETS: Limits['floods'] = { ...STRICT, maxResets: { burst: maxResets.burst, perSecond: 1 } }

const CALLS_AT_ONCE = 100
const GREASE = 0x0b + 0x1f * 2
const ALTSVC = 0x0a
const OPAQUE = Buffer.from('not ours', 'latin1')

interface Odd {
  readonly what: string
  readonly client?: ClientOptions
  readonly backend?: ServerOptions
  readonly floods?: Limits['floods']
  readonly act: (t: Test, here: Scene, client: RawClient) => Promise<void>
}

const unknown = (peer: RawConnection, type: number) => peer.frame({ type, flags: 0, streamId: 0, payload: OPAQUE })

/** So many small calls, some at a time, and what is done beside each. */
function calls(times: number, beside: (call: Call, at: number) => void): Odd['act'] {
  return async (t, here, client) => {
    for (let at = 0; at < times; at += CALLS_AT_ONCE) {
      const ids = Array.from({ length: CALLS_AT_ONCE }, () =>
        client.request(requestFields([], '/odd/Call'), { endStream: true }),
      )
      for (const id of ids) {
        const { connection, streamId, headers } = await here.backend.request()
        const call = { client, id, backend: connection, backendId: streamId, headers }
        beside(call, at)
        answer(call)
      }
      for (const id of ids) {
        const end = (await client.ended(id)).at(-1)
        if (end?.kind !== 'headers') t.fail(`call ${id}`, { end })
      }
    }
  }
}

/** One call, whose response or request is many small messages; and what the one that gets them does after each. */
function stream(
  direction: 'down' | 'up',
  between: (sender: RawConnection, streamId: number) => void,
  after: (receiver: RawConnection, streamId: number) => void,
): Odd['act'] {
  return async (t, here, client) => {
    const call = await callOn(here.backend, client, '/odd/Stream')
    if (direction === 'down') call.backend.headers(call.backendId, RESPONSE)
    const [sender, senderId, receiver, receiverId] =
      direction === 'down'
        ? ([call.backend, call.backendId, client, call.id] as const)
        : ([client, call.id, call.backend, call.backendId] as const)
    const text = message('small')
    for (let at = 0; at < TIMES; at++) {
      sender.data(senderId, text)
      between(sender, senderId)
      await receiver.next('data', receiverId)
      after(receiver, receiverId)
    }
    await over(t, call, text.length * TIMES)
  }
}

/** All that a window holds is under way before the first is answered. */
async function pingsLate(t: Test, here: Scene, client: RawClient): Promise<void> {
  const call = await callOn(here.backend, client, '/odd/Late')
  call.backend.headers(call.backendId, RESPONSE)
  const text = message('small')
  for (let at = 0; at < TIMES; at++) call.backend.data(call.backendId, text)
  await client.received(call.id, text.length * TIMES)
  for (let at = 0; at < TIMES; at++) client.ping()
  await over(t, call, text.length * TIMES)
}

/** As many as a client may that cancels 2,000 a second for five seconds: all at once. */
async function cancels(_t: Test, _here: Scene, client: RawClient): Promise<void> {
  for (let at = 0; at < 8_000; at++) client.rst(client.request(requestFields([], '/odd/Cancel')), Code.CANCEL)
}

/** Both end the call; all that was sent has come. */
async function over(t: Test, call: Call, bytes: number): Promise<void> {
  const { client, id, backend, backendId } = call
  client.data(id, '', { endStream: true })
  await backend.ended(backendId)
  const begun = client.stream(id).length > 0
  backend.headers(backendId, begun ? TRAILERS : [...RESPONSE, ...TRAILERS], { endStream: true })
  t.match((await client.ended(id)).at(-1), { kind: 'headers', endStream: true })
  t.equal(client.dataBytes(id) + backend.dataBytes(backendId), bytes, 'every byte')
}

const MESSAGE_BYTES = 105

/**
 * What golang.org/x/net of January 2022 does (`noteBodyRead`): it reads the five bytes before a message and then the
 * message, and each read returns its bytes to the connection and to the stream.
 */
async function readByMessages(receiver: RawConnection, streamId: number, messages: number): Promise<void> {
  let [came, read] = [0, 0]
  while (read < messages) {
    const { data } = await receiver.next('data', streamId)
    came += data.length
    for (; (read + 1) * MESSAGE_BYTES <= came; read++) {
      for (const bytes of [5, MESSAGE_BYTES - 5]) {
        receiver.windowUpdate(0, bytes)
        receiver.windowUpdate(streamId, bytes)
      }
    }
  }
}

/** Many messages a frame, and the windows are used up before the first is read. */
function slowerThanSent(direction: 'down' | 'up'): Odd['act'] {
  return async (t, here, client) => {
    const messages = 2_000
    const body = Buffer.alloc(messages * MESSAGE_BYTES, 'm')
    const call = await callOn(here.backend, client, '/odd/Slow')
    if (direction === 'down') call.backend.headers(call.backendId, RESPONSE)
    const sending =
      direction === 'down'
        ? [call.backend.upload(call.backendId, body), readByMessages(client, call.id, messages)]
        : [client.upload(call.id, body), readByMessages(call.backend, call.backendId, messages)]
    await Promise.all(sending)
    await over(t, call, body.length)
  }
}

/** Frames of ten bytes that wait in the proxy, as the first window is small; each that comes returns both windows. */
function chattyWindows(direction: 'down' | 'up', frameBytes: number, frames: number): Odd['act'] {
  return async (t, here, client) => {
    const call = await callOn(here.backend, client, '/odd/Windows')
    if (direction === 'down') call.backend.headers(call.backendId, RESPONSE)
    const [sender, id] = direction === 'down' ? [call.backend, call.backendId] : [client, call.id]
    for (let at = 0; at < frames; at++) sender.data(id, Buffer.alloc(frameBytes, 'w'))
    await over(t, call, frameBytes * frames)
  }
}

const small = (bytes: number) => ({ settings: { [Setting.INITIAL_WINDOW_SIZE]: bytes } })
const NOT_AUTOMATIC = { auto: { window: false } } as const
const nothing = () => {}
const emptyData = (peer: RawConnection, id: number) => peer.data(id, '')
const ping = (peer: RawConnection) => peer.ping()

const LARGE = 60_000
/** Field lists just below `maxHeaderListBytes`. */
const HUGE = [['x-huge', 'h'.repeat(LARGE)]] as const

async function hugeMetadata(t: Test, here: Scene, client: RawClient): Promise<void> {
  for (let at = 0; at < 5; at++) {
    const id = client.request(requestFields(HUGE, '/odd/Huge'), { endStream: true })
    const { connection, streamId, headers } = await here.backend.request()
    t.equal(headers.fields.at(-1)?.value.length, LARGE)
    connection.headers(streamId, [...RESPONSE, ...HUGE])
    connection.headers(streamId, [...TRAILERS, ...HUGE], { endStream: true })
    const [first, last] = await client.ended(id)
    for (const item of [first, last])
      if (item?.kind !== 'headers' || item.fields.at(-1)?.value.length !== LARGE) t.fail(`call ${at}`)
  }
}

/** Many at once: each has had its answer before its request was over, and ends the rest by a reset. */
function endedEarly(by: 'client' | 'backend'): Odd['act'] {
  return async (t, here, client) => {
    for (let at = 0; at < TIMES; at++) {
      const call = await callOn(here.backend, client, `/odd/Early${at}`)
      call.backend.headers(call.backendId, RESPONSE)
      call.backend.headers(call.backendId, TRAILERS, { endStream: true })
      if (by === 'backend') call.backend.rst(call.backendId, Code.NO_ERROR)
      const came = await client.ended(call.id)
      if (came.at(-1)?.kind !== 'headers') t.fail(`call ${at}`, { came })
      if (by === 'client') client.rst(call.id, Code.CANCEL)
    }
  }
}

/** The backend's answers are on their way when the client's reset is. */
async function answersToCancelled(_t: Test, here: Scene, client: RawClient): Promise<void> {
  for (let at = 0; at < TIMES; at++) {
    const call = await callOn(here.backend, client, `/odd/Cancelled${at}`)
    client.rst(call.id, Code.CANCEL)
    await call.backend.next('rst', call.backendId)
    answer(call)
  }
}

const DOWNSTREAM: readonly Odd[] = [
  { what: 'both windows for each frame of ten bytes', client: small(100), act: chattyWindows('down', 10, 2_000) },
  { what: 'both windows for each frame of one byte', client: small(100), act: chattyWindows('down', 1, 2_000) },
  { what: 'windows for each read, slower than it is sent', client: NOT_AUTOMATIC, act: slowerThanSent('down') },
  { what: 'a window of 100 bytes', client: small(100), act: chattyWindows('down', 1_000, 20) },
  { what: 'a window of 10 bytes', client: small(10), act: chattyWindows('down', 1_000, 5) },
  { what: 'a window of one byte', client: small(1), floods: {}, act: chattyWindows('down', 1_000, 2) },
  { what: 'PING for each message', act: stream('down', nothing, ping) },
  { what: 'PING for each message, when all have come', act: pingsLate },
  { what: 'empty DATA after each message', act: stream('up', emptyData, nothing) },
  { what: 'RST_STREAM, 8,000 times', floods: {}, act: cancels },
  { what: 'PING before each call', act: calls(TIMES, ({ client }) => client.ping()) },
  {
    what: 'SETTINGS before each call',
    act: calls(TIMES, ({ client }, at) => client.settings({ [Setting.INITIAL_WINDOW_SIZE]: 65_535 + (at % 2) })),
  },
  {
    what: 'PRIORITY twice a call',
    act: calls(TIMES, ({ client, id }) => {
      for (const streamId of [id, 2 ** 30 + 1])
        client.frame({ type: FrameType.PRIORITY, flags: 0, streamId, payload: Buffer.alloc(5) })
    }),
  },
  {
    what: 'PRIORITY_UPDATE and GREASE for each call',
    act: calls(TIMES, ({ client }) => {
      unknown(client, 0x10)
      unknown(client, GREASE)
    }),
  },
  { what: 'metadata just within the limits', act: hugeMetadata },
  { what: 'a reset after each response that came early', act: endedEarly('client') },
  {
    what: '5,000 calls',
    act: calls(5_000, ({ client }, at) => {
      if (at % 2 === 0) client.ping()
    }),
  },
]

const UPSTREAM: readonly Odd[] = [
  { what: 'both windows for each frame of ten bytes', backend: small(100), act: chattyWindows('up', 10, 2_000) },
  { what: 'both windows for each frame of one byte', backend: small(100), act: chattyWindows('up', 1, 2_000) },
  { what: 'windows for each read, slower than it is sent', backend: NOT_AUTOMATIC, act: slowerThanSent('up') },
  { what: 'a window of 100 bytes', backend: small(100), act: chattyWindows('up', 1_000, 20) },
  { what: 'a window of 10 bytes', backend: small(10), act: chattyWindows('up', 1_000, 5) },
  { what: 'a window of one byte', backend: small(1), floods: {}, act: chattyWindows('up', 1_000, 2) },
  { what: 'PING for each message', act: stream('up', nothing, ping) },
  { what: 'empty DATA after each message', act: stream('down', emptyData, nothing) },
  { what: 'PING for each call', act: calls(TIMES, ({ backend }) => backend.ping()) },
  {
    what: 'MAX_CONCURRENT_STREAMS up and down in each call',
    act: calls(TIMES, ({ backend }) => {
      backend.settings({ [Setting.MAX_CONCURRENT_STREAMS]: 99 })
      backend.settings({ [Setting.MAX_CONCURRENT_STREAMS]: 100 })
    }),
  },
  {
    what: 'ALTSVC and GREASE for each call',
    act: calls(TIMES, ({ backend }) => {
      unknown(backend, ALTSVC)
      unknown(backend, GREASE)
    }),
  },
  {
    what: 'three responses of 1xx before each',
    act: calls(TIMES, ({ backend, backendId }) => {
      for (const status of ['100', '102', '103']) backend.headers(backendId, [[':status', status]])
    }),
  },
  { what: 'answers to calls that were cancelled', floods: STRICT_BUT_RESETS, act: answersToCancelled },
  { what: 'a reset after each response that came early', act: endedEarly('backend') },
  { what: 'metadata just within the limits', act: hugeMetadata },
]

for (const [side, rows] of [
  ['a client', DOWNSTREAM],
  ['a backend', UPSTREAM],
] as const) {
  for (const { what, act, client: options, backend, floods = STRICT } of rows)
    t.test(`${side} that is honest and sends ${what}`, async t => {
      const here = await scene(t, { floods }, backend)
      const client = await attacker(t, here, options)
      await act(t, here, client)
      await client.roundTrip()
      await here.open.backend.roundTrip()
      const ends = [client, ...here.backend.connections].filter(peer => peer.log.some(item => item.kind === 'goaway'))
      t.equal(ends.length, 0, 'no GOAWAY')
      t.same(here.proxy.violations(), {}, 'nothing is counted')
      t.same(here.lines, [], 'nothing in the log')
      await untouched(t, here, 2, { apart: true })
      client.destroy()
      await idle(here.proxy)
    })
}
