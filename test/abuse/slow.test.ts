/** Peers that begin and do not go on: no preface, no acknowledgement of SETTINGS, header blocks without an end. */
import { once } from 'node:events'
import t from 'tap'
import { requestFields } from '../contract/rig.ts'
import { Code, Flag, FrameType, PREFACE, writeFrame } from '../support/frames.ts'
import { type ClientOptions, dial, type RawClient } from '../support/raw-client.ts'
import { closing } from '../support/teardown.ts'
import { idle, until } from '../support/until.ts'
import { attacker, callOn, type Limits, leftAlone, lost, type Scene, scene, served, untouched } from './scene.ts'

/** Long enough for the neighbour, whose connection was in time, on a busy machine. */
const SHORT_MS = 1_000
/** At a time: each waits for its own timeout, and nobody for the others. */
t.jobs = 8

interface Slow {
  readonly what: string
  readonly token: string
  readonly code?: number
  readonly limits: Limits
  readonly client?: ClientOptions
  readonly act: (client: RawClient, here: Scene) => void | Promise<void>
  /** It comes after all, and the time was not over. */
  readonly late: (client: RawClient, here: Scene) => void | Promise<void>
}

const BLOCK_PATH = '/attack/Block'

/** A request's HEADERS without END_HEADERS. @returns what would end it */
function begin(client: RawClient, fragment = 1): () => void {
  const streamId = client.newStreamId()
  const block = client.encoder.encode(requestFields([], BLOCK_PATH))
  client.frame({ type: FrameType.HEADERS, flags: Flag.END_STREAM, streamId, payload: block.subarray(0, fragment) })
  const payload = block.subarray(fragment)
  return () => client.frame({ type: FrameType.CONTINUATION, flags: Flag.END_HEADERS, streamId, payload })
}

const SLOW: readonly Slow[] = [
  {
    what: 'SETTINGS without an acknowledgement',
    token: 'settings-timeout',
    code: Code.SETTINGS_TIMEOUT,
    limits: { settingsTimeoutMs: SHORT_MS },
    client: { auto: { settings: false } },
    act: async (client, here) => {
      await served(t, here.backend, client, '/attack/Unacknowledged')
    },
    late: async (client, here) => {
      await served(t, here.backend, client, '/attack/Unacknowledged')
      client.settings({}, { ack: true })
    },
  },
  {
    what: 'HEADERS without END_HEADERS',
    token: 'slow-headers',
    limits: { headersTimeoutMs: SHORT_MS },
    act: client => {
      begin(client)
    },
    late: async (client, here) => {
      const end = begin(client)
      // Meanwhile others are served.
      await served(t, here.backend, here.neighbour, '/neighbour/Meanwhile')
      end()
    },
  },
  {
    what: 'CONTINUATIONs without END_HEADERS',
    token: 'slow-headers',
    limits: { headersTimeoutMs: SHORT_MS, maxContinuations: 1_000 },
    act: client => {
      // The request is all there: what follows is decoded as it comes.
      begin(client, 10_000)
      const streamId = 1
      for (let i = 0; i < 100; i++)
        client.frame({ type: FrameType.CONTINUATION, flags: 0, streamId, payload: Buffer.from([0x82]) })
    },
    late: async (client, here) => {
      const end = begin(client, 10)
      await served(t, here.backend, here.neighbour, '/neighbour/Meanwhile')
      end()
    },
  },
]

for (const { what, limits, client: options, act, late, ...rule } of SLOW) {
  t.test(`${what}: costs the connection in time`, async t => {
    const here = await scene(t, limits)
    const client = await attacker(t, here, options)
    // What it acknowledges was read: by itself, before the attack.
    await client.roundTrip()
    await act(client, here)
    await lost(t, here, client, client.address, rule)
    await untouched(t, here)
    await idle(here.proxy)
  })

  t.test(`${what}, until it comes: nothing is lost`, async t => {
    const here = await scene(t)
    const client = await attacker(t, here, options)
    await late(client, here)
    await leftAlone(t, here, client, rule.token)
  })
}

/** A header block that does not end, in ways that are easy to overlook. */
interface Unended {
  readonly what: string
  readonly act: (client: RawClient) => void
}

const UNENDED: readonly Unended[] = [
  {
    what: 'a HEADERS frame whose length says 16,384 bytes, of which one comes',
    act: client => {
      client.settings({}, { ack: true })
      const whole = { type: FrameType.HEADERS, flags: Flag.END_HEADERS, streamId: 1, payload: Buffer.alloc(16_384) }
      client.raw(writeFrame(whole).subarray(0, 10))
    },
  },
  {
    what: 'HEADERS without END_HEADERS in one read with the acknowledgement of SETTINGS',
    act: client => {
      const ack = writeFrame({ type: FrameType.SETTINGS, flags: Flag.ACK, streamId: 0, payload: Buffer.alloc(0) })
      const head = writeFrame({ type: FrameType.HEADERS, flags: 0, streamId: 1, payload: Buffer.from([0x83]) })
      client.raw(Buffer.concat([ack, head]))
    },
  },
]

for (const { what, act } of UNENDED) {
  t.test(`${what}: costs the connection in time`, async t => {
    const here = await scene(t, { headersTimeoutMs: SHORT_MS, settingsTimeoutMs: 60_000 })
    const client = await attacker(t, here, { auto: { settings: false } })
    act(client)
    await lost(t, here, client, client.address, { token: 'slow-headers' })
    await untouched(t, here)
    await idle(here.proxy)
  })
}

const FIRST = writeFrame({ type: FrameType.SETTINGS, flags: 0, streamId: 0, payload: Buffer.alloc(6) })

/** There is no session to say GOAWAY, or no SETTINGS yet to say it after: test/proxy/silence.test.ts has them all. */
for (const [what, bytes] of [
  ['nothing', Buffer.alloc(0)],
  ['the preface but its last byte', PREFACE.subarray(0, -1)],
  ['the preface and SETTINGS but its last byte', Buffer.concat([PREFACE, FIRST.subarray(0, -1)])],
] as const) {
  t.test(`slow preface, ${what}: it is closed, and the neighbour does not hear of it`, async t => {
    const here = await scene(t, { prefaceTimeoutMs: SHORT_MS })
    const socket = closing(t, await dial(here.port))
    socket.on('error', () => {})
    socket.resume()
    const closed = once(socket, 'close')
    socket.write(bytes)
    await closed
    await until('it is forgotten', () => here.proxy.counts().clientConnections === 1)
    t.same(here.proxy.violations(), {})
    await untouched(t, here)
    await idle(here.proxy)
  })
}

t.test('a preface in pieces, in time', async t => {
  const here = await scene(t)
  const client = await attacker(t, here, { greet: false })
  for (const byte of PREFACE.subarray(0, 20)) client.raw(Buffer.from([byte]))
  await served(t, here.backend, here.neighbour, '/neighbour/Meanwhile')
  client.raw(Buffer.concat([PREFACE.subarray(20), FIRST]))
  await client.next('settings', item => !item.ack)
  client.settings({}, { ack: true })
  const call = await callOn(here.backend, client, '/attack/Slow')
  client.rst(call.id, Code.CANCEL)
  await leftAlone(t, here, client, 'settings-timeout')
})

/** Of one call, so that few fill the kernel's buffers; of all, if nothing stops them. */
const TOKEN = 'x'.repeat(7_000)
const MOST_CALLS = 10_000

t.test('a backend that reads nothing, while callers give up and try again: it gets no more calls', async t => {
  const here = await scene(t, { floods: { maxResets: { burst: MOST_CALLS } } })
  const client = await attacker(t, here)
  const { socket } = here.open.backend
  socket.pause()
  const waiting = () => here.proxy.counts().waitingCalls
  let calls = 0
  while (waiting() === 0 && calls < MOST_CALLS) {
    const id = client.request(requestFields([['x-token', `${calls++}${TOKEN}`]], '/attack/Unread'), { endStream: true })
    await client.roundTrip()
    if (waiting() === 0) client.rst(id, Code.CANCEL)
  }
  t.ok(calls < MOST_CALLS, `call ${calls} waits`)
  socket.resume()
  await until('the backend has it', () => waiting() === 0)
  client.socket.destroy()
  await untouched(t, here, 1, { replaced: true })
  await idle(here.proxy)
})
