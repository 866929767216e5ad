/** Floods of clients: `limits.floods` of the configuration, and the names under which src/wire/allowance.ts has them. */
import t from 'tap'
import { answer, RESPONSE, requestFields } from '../contract/rig.ts'
import { Code, Flag, FrameType, Setting } from '../support/frames.ts'
import type { ClientOptions, RawClient } from '../support/raw-client.ts'
import { idle } from '../support/until.ts'
import { attacker, callOn, type Limits, leftAlone, lost, type Scene, scene, untouched } from './scene.ts'

type FloodName = keyof NonNullable<Limits['floods']>

interface Attack {
  readonly what: string
  /** Does it so many times. */
  readonly act: (client: RawClient, times: number, here: Scene) => void | Promise<void>
  /** Besides the flood's own. */
  readonly limits?: Limits
  readonly client?: ClientOptions
}

interface Flood {
  readonly name: FloodName
  readonly token: string
  readonly attacks: readonly Attack[]
}

const BURST = 20
/** One more is what a connection does by itself: its first SETTINGS, the PING of a test. */
const BELOW = BURST - 1
/** So far above that no pause of a busy machine gives enough back. */
const ABOVE = 10 * BURST

const OPAQUE = Buffer.from('not ours', 'latin1')

/** One attack on a stream of its own, so many times. */
function each(act: (client: RawClient, id: number) => void, endStream = false): Attack['act'] {
  return (client, times) => {
    for (let i = 0; i < times; i++) act(client, client.request(requestFields([], '/attack/It'), { endStream }))
  }
}

/** So many frames on one stream, whose call is open. */
function onOne(act: (client: RawClient, id: number) => void): Attack['act'] {
  return (client, times) => {
    const id = client.request(requestFields([], '/attack/It'))
    for (let i = 0; i < times; i++) act(client, id)
  }
}

/** So many frames, by themselves. */
function plain(act: (client: RawClient) => void): Attack['act'] {
  return (client, times) => {
    for (let i = 0; i < times; i++) act(client)
  }
}

/** Refused requests with these fields. */
const refusals = (...fields: Parameters<typeof requestFields>[0] & {}): Attack['act'] =>
  plain(client => client.request(requestFields(fields), { endStream: true }))

const data = (flags: number, payload: Buffer) => (client: RawClient, streamId: number) =>
  client.frame({ type: FrameType.DATA, flags, streamId, payload })

const STREAMS = 4

/** More streams than allowed; and one place is made free again, which is a reset itself. */
function tooManyStreams(client: RawClient, times: number): void {
  const ids = Array.from({ length: STREAMS + times }, () => client.request(requestFields([], '/attack/It')))
  client.rst(ids[0]!, Code.CANCEL)
}

/** A window of one byte, again and again, each answered by a DATA frame of one byte. */
async function crumbs(client: RawClient, times: number, here: Scene): Promise<void> {
  const call = await callOn(here.backend, client, '/attack/Crumbs', { endStream: true })
  call.backend.headers(call.backendId, RESPONSE)
  call.backend.data(call.backendId, Buffer.alloc(10_000))
  await client.next('headers', call.id)
  for (let i = 0; i < times; i++) {
    client.windowUpdate(call.id, 1)
    const came = await client.next('data', call.id).then(
      () => true,
      () => false,
    )
    if (!came) return
  }
  client.settings({ [Setting.INITIAL_WINDOW_SIZE]: 65_535 })
}

const FLOODS: readonly Flood[] = [
  {
    name: 'maxResets',
    token: 'reset-flood',
    attacks: [
      { what: 'rapid reset (CVE-2023-44487)', act: each((client, id) => client.rst(id, Code.CANCEL)) },
      { what: 'rapid reset of whole requests', act: each((client, id) => client.rst(id, Code.CANCEL), true) },
      // CVE-2025-8671: what makes the proxy reset the stream itself.
      { what: 'a malformed field', act: refusals(['X-Upper', '1']) },
      { what: 'HEADERS without fields', act: plain(client => client.request([], { endStream: true })) },
      { what: 'a content-length that is wrong', act: refusals(['content-length', '1']) },
      { what: 'more streams than allowed', act: tooManyStreams, limits: { maxConcurrentStreams: STREAMS } },
      { what: 'DATA after END_STREAM', act: each((client, id) => client.data(id, 'x'), true) },
      { what: 'trailers without END_STREAM', act: each((client, id) => client.headers(id, [['x-t', '1']])) },
      { what: 'WINDOW_UPDATE of 0', act: each((client, id) => client.windowUpdate(id, 0)) },
      { what: 'WINDOW_UPDATE past 2^31-1', act: each((client, id) => client.windowUpdate(id, 2 ** 31 - 1)) },
      {
        what: 'PRIORITY of a wrong length',
        act: each((client, streamId) =>
          client.frame({ type: FrameType.PRIORITY, flags: 0, streamId, payload: Buffer.alloc(4) }),
        ),
      },
      { what: 'padded DATA without a pad length', act: each(data(Flag.PADDED, Buffer.alloc(0))) },
      { what: 'DATA above MAX_FRAME_SIZE', act: each(data(0, Buffer.alloc(16_385))) },
    ],
  },
  {
    name: 'maxPings',
    token: 'ping-flood',
    attacks: [
      { what: 'PING', act: plain(client => client.ping()) },
      { what: 'ACKs of PINGs that nobody sent', act: plain(client => client.ping(OPAQUE, { ack: true })) },
    ],
  },
  {
    name: 'maxSettings',
    token: 'settings-flood',
    attacks: [
      { what: 'SETTINGS', act: plain(client => client.settings({})) },
      {
        what: 'SETTINGS that change a table',
        act: plain(client => client.settings({ [Setting.HEADER_TABLE_SIZE]: 100 })),
      },
      { what: 'GOAWAY', act: plain(client => client.goaway(0, Code.NO_ERROR)) },
    ],
  },
  {
    name: 'maxPriorities',
    token: 'priority-flood',
    attacks: [
      {
        what: 'PRIORITY',
        act: plain(client =>
          client.frame({ type: FrameType.PRIORITY, flags: 0, streamId: 2 ** 30 + 1, payload: Buffer.alloc(5) }),
        ),
      },
    ],
  },
  {
    name: 'maxUnknownFrames',
    token: 'unknown-frame-flood',
    attacks: [
      {
        what: 'frames of an unknown type',
        act: plain(client => client.frame({ type: 0x2a, flags: 0xff, streamId: 0, payload: OPAQUE })),
      },
    ],
  },
  {
    name: 'maxEmptyData',
    token: 'empty-data-flood',
    attacks: [
      { what: 'empty DATA', act: onOne((client, id) => client.data(id, '')) },
      { what: 'DATA that is all padding', act: onOne(data(Flag.PADDED, Buffer.from([3, 0, 0, 0]))) },
    ],
  },
  {
    name: 'maxWindowUpdates',
    token: 'window-update-flood',
    attacks: [
      { what: 'WINDOW_UPDATE of the connection', act: plain(client => client.windowUpdate(0, 1)) },
      { what: 'WINDOW_UPDATE of a stream', act: onOne((client, id) => client.windowUpdate(id, 1)) },
      {
        what: 'windows of one byte',
        act: crumbs,
        client: { settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 }, auto: { window: false } },
      },
    ],
  },
  {
    name: 'maxIgnoredHeaders',
    token: 'ignored-headers-flood',
    attacks: [
      {
        what: 'HEADERS on a stream that was reset',
        act: (client, times) => {
          const id = client.request(requestFields([['X-Upper', '1']]))
          for (let i = 0; i < times; i++) client.headers(id, [['x-t', '1']], { endStream: true })
        },
      },
    ],
  },
]

for (const { name, token, attacks } of FLOODS) {
  for (const { what, act, client: options, limits } of attacks) {
    const set: Limits = { ...limits, floods: { [name]: { burst: BURST, perSecond: 1 } } }

    t.test(`${name}: ${what}, too often: costs the connection`, async t => {
      const here = await scene(t, set)
      const client = await attacker(t, here, options)
      await act(client, ABOVE, here)
      await lost(t, here, client, client.address, { token })
      await untouched(t, here)
      await idle(here.proxy)
    })

    t.test(`${name}: ${what}, as often as allowed`, async t => {
      const here = await scene(t, set)
      const client = await attacker(t, here, options)
      await act(client, BELOW, here)
      await leftAlone(t, here, client, token)
    })
  }
}

/** "A client that cancels 2,000 calls a second for a while is not an attack" (nodejs/node#56306). */
t.test('with the default limits, 2,000 cancelled calls at once, among calls that complete', async t => {
  const here = await scene(t)
  const client = await attacker(t, here)
  const whole = new Set<number>()
  for (let i = 0; i < 2_000; i++) {
    client.rst(client.request(requestFields([], '/cancelled/Call')), Code.CANCEL)
    if (i % 10 === 0) whole.add(client.request(requestFields([], '/whole/Call'), { endStream: true }))
  }
  for (const _ of whole) {
    const { connection, streamId } = await here.backend.request(({ headers }) =>
      headers.fields.some(({ value }) => value === '/whole/Call'),
    )
    answer({ backend: connection, backendId: streamId })
  }
  for (const id of whole) {
    const last = (await client.ended(id)).at(-1)
    if (last?.kind !== 'headers') t.fail(`call ${id}`, { last })
  }
  t.equal(whole.size, 200)
  t.same(here.proxy.violations(), {})
  await leftAlone(t, here, client, 'reset-flood')
})
