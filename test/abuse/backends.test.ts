/**
 * Backends that attack: it costs their session, and the calls on that one. Calls on other endpoints do not hear
 * of it, nor does any client's connection; and the next call to the same endpoint gets a new session.
 */
import t, { type Test } from 'tap'
import type { GrpcProxy } from '../../src/index.ts'
import { answer, answered, type Call, field, RESPONSE, running } from '../contract/rig.ts'
import { PAIRING } from '../proxy/rig.ts'
import { Code, Flag, FrameType } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import type { RawConnection } from '../support/raw-connection.ts'
import { RawServer, type ServerOptions } from '../support/raw-server.ts'
import { idle } from '../support/until.ts'
import { callOn, type Limits, type Line, listening, lost, served } from './scene.ts'

const BURST = 20
const BELOW = BURST - 1
const ABOVE = 10 * BURST

interface Attack {
  readonly what: string
  readonly token: string
  readonly code?: number
  readonly limits?: Limits
  /** `id`: a stream of the proxy's that waits for its response. */
  readonly act: (backend: RawConnection, id: number) => void
  /** What it may do; nothing: there is no such number. */
  readonly below?: (backend: RawConnection, id: number) => void
  /** Why the attack is not told off yet. */
}

type FloodName = keyof NonNullable<Limits['floods']>

function flood(
  name: FloodName,
  token: string,
  what: string,
  one: (backend: RawConnection, id: number) => void,
  before: (backend: RawConnection, id: number) => void = () => {},
): Attack {
  const times = (count: number) => (backend: RawConnection, id: number) => {
    before(backend, id)
    for (let i = 0; i < count; i++) one(backend, id)
  }
  const limits = { floods: { [name]: { burst: BURST, perSecond: 1 } } }
  return { what, token, limits, act: times(ABOVE), below: times(BELOW) }
}

const EMPTY = Buffer.alloc(0)
const OPAQUE = Buffer.from('not ours', 'latin1')
const frame =
  (type: number, flags: number, payload: Buffer, onStream = false) =>
  (backend: RawConnection, id: number) =>
    backend.frame({ type, flags, streamId: onStream ? id : 0, payload })

const FLOODS: readonly Attack[] = [
  flood('maxPings', 'ping-flood', 'PING', backend => backend.ping()),
  flood('maxPings', 'ping-flood', 'ACKs of PINGs that nobody sent', backend => backend.ping(OPAQUE, { ack: true })),
  flood('maxSettings', 'settings-flood', 'SETTINGS', backend => backend.settings({})),
  flood('maxUnknownFrames', 'unknown-frame-flood', 'unknown frames', frame(0x2a, 0, OPAQUE)),
  flood('maxWindowUpdates', 'window-update-flood', 'WINDOW_UPDATE', backend => backend.windowUpdate(0, 1)),
  flood('maxPriorities', 'priority-flood', 'PRIORITY', frame(FrameType.PRIORITY, 0, Buffer.alloc(5), true)),
  flood(
    'maxEmptyData',
    'empty-data-flood',
    'empty DATA',
    (backend, id) => backend.data(id, ''),
    (backend, id) => backend.headers(id, RESPONSE),
  ),
  flood('maxInformational', 'informational-flood', 'responses of 1xx', (backend, id) =>
    backend.headers(id, [[':status', '103']]),
  ),
]

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, COMPRESSION_ERROR } = Code

const BROKEN: readonly Attack[] = [
  {
    what: 'a CONTINUATION flood',
    token: 'too-many-continuations',
    limits: { maxContinuations: 4 },
    act: (backend, id) => {
      frame(FrameType.HEADERS, 0, Buffer.from([0x88]), true)(backend, id)
      for (let i = 0; i < 10; i++) frame(FrameType.CONTINUATION, 0, Buffer.from([0x88]), true)(backend, id)
    },
  },
  {
    what: 'HEADERS without END_HEADERS',
    token: 'slow-headers',
    limits: { headersTimeoutMs: 500 },
    act: frame(FrameType.HEADERS, 0, Buffer.from([0x88]), true),
  },
  {
    what: 'DATA on stream 0',
    token: 'data-on-stream-0',
    code: PROTOCOL_ERROR,
    act: frame(FrameType.DATA, 0, OPAQUE),
  },
  {
    what: 'a frame above MAX_FRAME_SIZE',
    token: 'frame-too-large',
    code: FRAME_SIZE_ERROR,
    act: frame(FrameType.HEADERS, Flag.END_HEADERS, Buffer.alloc(16_385), true),
  },
  {
    what: 'PUSH_PROMISE',
    token: 'push-disabled',
    code: PROTOCOL_ERROR,
    act: frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, Buffer.from([0, 0, 0, 2, 0x82]), true),
  },
  {
    what: 'an index that HPACK has not',
    token: 'hpack-bad-index',
    code: COMPRESSION_ERROR,
    act: frame(FrameType.HEADERS, Flag.END_HEADERS, Buffer.from([0xff, 0x7f]), true),
  },
  {
    what: 'WINDOW_UPDATE of 0',
    token: 'window-update-0',
    code: PROTOCOL_ERROR,
    act: backend => backend.windowUpdate(0, 0),
  },
  {
    what: 'PING of no bytes',
    token: 'ping-length',
    code: FRAME_SIZE_ERROR,
    act: frame(FrameType.PING, 0, EMPTY),
  },
]

interface Scene {
  readonly proxy: GrpcProxy
  readonly lines: Line[]
  readonly client: RawClient
  readonly hostile: RawServer
  readonly other: RawServer
  /** The client's, on either. */
  readonly attacked: Call
  readonly open: Call
}

/** Two endpoints, and a client that has a call open on each, over one connection. */
async function scene(t: Test, limits: Limits = {}, server: ServerOptions = {}): Promise<Scene> {
  const { logger, lines } = listening()
  const [hostile, other] = [await RawServer.listen(t, server), await RawServer.listen(t)]
  const backends = {
    hostile: { endpoints: [hostile.url], transport: PAIRING.upstream, sessions: { max: 1 } },
    other: { endpoints: [other.url], transport: PAIRING.upstream, sessions: { max: 1 } },
  }
  const director = ({ path }: { readonly path: string }) => ({
    backend: path.startsWith('/hostile/') ? 'hostile' : 'other',
  })
  const { proxy, port } = await running(t, PAIRING, { backends, director, limits, logger })
  const client = await RawClient.connect(t, port)
  const open = await callOn(other, client, '/other/Open', { endStream: true })
  const attacked = await callOn(hostile, client, '/hostile/Open', { endStream: true })
  return { proxy, lines, client, hostile, other, open, attacked }
}

/** The call on the other endpoint ends, and new ones work on both; the client keeps its connection. */
async function goesOn(t: Test, here: Scene, sessions: number): Promise<void> {
  const { client, hostile, other, open, proxy } = here
  answer(open)
  await answered(t, open)
  t.equal((await served(t, other, client, '/other/Next')).backend, open.backend, 'the same session')
  await served(t, hostile, client, '/hostile/Next')
  t.equal(hostile.connections.length, sessions)
  t.equal(other.connections.length, 1)
  t.notOk(
    [client, open.backend].some(connection => connection.log.some(item => item.kind === 'goaway')),
    'GOAWAY neither to the client nor to the other endpoint',
  )
  await idle(proxy)
}

/** The call did not end as if it were whole. */
function failed(t: Test, call: Call): void {
  const last = call.client.stream(call.id).at(-1)
  if (last?.kind !== 'rst') t.equal(field(last, 'grpc-status'), '14', 'UNAVAILABLE')
}

for (const { what, act, limits, ...rule } of [...FLOODS, ...BROKEN]) {
  t.test(`a backend's attack costs its session: ${what}`, async t => {
    const here = await scene(t, limits)
    const { backend, backendId, client, id } = here.attacked
    act(backend, backendId)
    await lost(t, here, backend, here.hostile.url, rule)
    await client.ended(id)
    failed(t, here.attacked)
    await goesOn(t, here, 2)
  })
}

for (const { what, token, limits, below } of FLOODS) {
  t.test(`as often as a backend may: ${what}`, async t => {
    const here = await scene(t, limits)
    const { attacked } = here
    below!(attacked.backend, attacked.backendId)
    await attacked.backend.roundTrip()
    if (token !== 'empty-data-flood') answer(attacked)
    else attacked.backend.headers(attacked.backendId, [['grpc-status', '0']], { endStream: true })
    const last = (await attacked.client.ended(attacked.id)).at(-1)
    t.equal(field(last, 'grpc-status'), '0')
    t.same(here.proxy.violations(), {})
    t.same(here.lines, [])
    await goesOn(t, here, 1)
  })
}

t.test("a backend's attack costs its session: SETTINGS without an acknowledgement", async t => {
  const here = await scene(t, { settingsTimeoutMs: 1_000 }, { auto: { settings: false } })
  const { attacked, hostile } = here
  await lost(t, here, attacked.backend, hostile.url, { token: 'settings-timeout', code: Code.SETTINGS_TIMEOUT })
  await attacked.client.ended(attacked.id)
  failed(t, attacked)
  await goesOn(t, here, 2)
})
