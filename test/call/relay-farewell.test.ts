/** How the proxy ends a response that has begun, and what it passes on of a refusal. */
import t from 'tap'
import { HeadersRefused } from '../../src/transport/transport.ts'
import { block, type FakeStream } from '../support/fake-transport.ts'
import {
  CallRig,
  CLIENT_CANCELS,
  ENDED_BY_US,
  lost,
  NOTHING_LEFT,
  RESPONSE,
  request,
  resetByPeer,
  TRAILERS,
} from './rig.ts'

const MESSAGE = '\0\0\0\0\x05hello'
const PATIENCE_MS = 5_000

interface Scene {
  readonly rig: CallRig
  readonly down: FakeStream
  readonly relay: ReturnType<CallRig['open']>['relay']
}

/** How a call fails whose response has begun, and what the client and the record are told of it. */
interface Way {
  readonly name: string
  readonly fail: (scene: Scene) => void
  readonly status: number
  readonly token: string
  /** In the middle of a message; undefined: the end of the client's session says it. */
  readonly code?: number
  readonly endedBy?: string
}

const WAYS: readonly Way[] = [
  {
    name: 'the backend is lost',
    fail: ({ rig }) => rig.up.close(lost()),
    status: 14,
    token: 'upstream-lost',
    code: 2,
    endedBy: 'backend',
  },
  {
    name: 'the backend resets with CANCEL',
    fail: ({ rig }) => rig.up.close(resetByPeer(8)),
    status: 1,
    token: 'upstream-reset',
    code: 8,
    endedBy: 'backend',
  },
  {
    name: 'the backend resets with NO_ERROR',
    fail: ({ rig }) => rig.up.close(resetByPeer(0)),
    status: 13,
    token: 'upstream-reset',
    code: 0,
    endedBy: 'backend',
  },
  {
    name: 'the deadline passes',
    fail: ({ rig }) => rig.clock.advance(1_010),
    status: 4,
    token: 'deadline',
    code: 8,
  },
  {
    name: 'the grace period of a drain is over',
    fail: ({ relay }) => relay.abort(),
    status: 14,
    token: 'shutting-down',
  },
]

function begun(silent: boolean, body: string, fields = RESPONSE): Scene {
  const rig = new CallRig({ silent })
  const opened = rig.open(request({ 'grpc-timeout': '1S' }))
  rig.up.headers(fields)
  for (const byte of body) rig.up.data(byte)
  return { rig, ...opened }
}

/** Trailers of the proxy's own, as they were sent. */
function trailersOf(down: FakeStream): Record<string, string> | undefined {
  const sent = down.sent.find(item => item.kind === 'trailers')
  return sent?.kind === 'trailers' ? Object.fromEntries(sent.block.map(({ name, value }) => [name, value])) : undefined
}

for (const way of WAYS) {
  for (const silent of [false, true]) {
    const how = silent ? ', nobody counts messages' : ''
    for (const body of ['', MESSAGE, MESSAGE + MESSAGE]) {
      t.test(`${way.name} after ${body.length} bytes, all of them whole messages${how}: trailers`, async t => {
        const scene = begun(silent, body)
        way.fail(scene)
        const { rig, down } = scene
        t.match(trailersOf(down), { 'grpc-status': String(way.status), 'x-grpc-verbatim-error': way.token })
        t.ok(trailersOf(down)!['grpc-message'])
        t.equal(down.body, body)
        t.equal(down.resetWith, 0, 'the rest of the request is not wanted')
        for (const up of rig.ups) up.settle()
        down.settle()
        if (!silent) t.match(rig.record, { status: way.status, reason: way.token, endedBy: way.endedBy ?? 'proxy' })
        t.same(rig.left, NOTHING_LEFT)
        t.same(
          [down, rig.up].flatMap(stream => stream.misuse),
          [],
        )
      })
    }

    for (const bytes of [1, 4, 5, 9, MESSAGE.length + 1]) {
      t.test(`${way.name} after ${bytes} bytes, in the middle of a message${how}: no trailers`, async t => {
        const scene = begun(silent, (MESSAGE + MESSAGE).slice(0, bytes))
        way.fail(scene)
        const { rig, down, relay } = scene
        t.equal(trailersOf(down), undefined)
        t.equal(down.resetWith, way.code)
        if (way.code === undefined) {
          relay.abort()
          t.equal(down.resetWith, 8, 'a session that goes on: told the second time')
        }
        for (const up of rig.ups) up.settle()
        down.settle()
        if (!silent) t.match(rig.record, { status: way.status, reason: way.token })
        t.same(rig.left, NOTHING_LEFT)
      })
    }
  }
}

t.test('a drain in the middle of a message: the end of the session ends the call', async t => {
  const { rig, down, relay } = begun(false, MESSAGE.slice(0, 7))
  relay.abort()
  t.same(
    down.kinds.filter(kind => kind !== 'data'),
    ['headers'],
    'not a word',
  )
  t.equal(rig.up.resetWith, 8)
  down.close(ENDED_BY_US)
  t.match(rig.record, { status: 14, reason: 'shutting-down' })
  rig.up.settle()
  t.same(rig.left, NOTHING_LEFT)
})

const NOT_OURS_TO_END = {
  'is no gRPC': block({ ':status': '200', 'content-type': 'text/html' }),
  'has no content type': block({ ':status': '200' }),
  'has another status': block({ ':status': '503', 'content-type': 'application/grpc' }),
  'said how long it is': block({ ':status': '200', 'content-type': 'application/grpc', 'content-length': '10' }),
}

for (const [what, fields] of Object.entries(NOT_OURS_TO_END)) {
  t.test(`a response that ${what} is not ended by trailers`, async t => {
    const { rig, down } = begun(false, '', fields)
    rig.up.close(lost())
    t.same(down.kinds, ['headers', 'reset'])
    t.equal(down.resetWith, 2)
  })
}

t.test('trailers that cannot be sent: ours instead', async t => {
  const { rig, down } = begun(false, MESSAGE)
  down.refuses = new HeadersRefused('too big')
  rig.up.trailers(TRAILERS)
  t.match(trailersOf(down), { 'x-grpc-verbatim-error': 'unsendable-headers' })
  t.equal(rig.up.resetWith, 8)
})

/** The client has not taken what came. */
function queued(body = MESSAGE): Scene {
  const scene = begun(false, '')
  scene.down.writable = false
  scene.rig.up.data(body)
  scene.down.queuedBytes = body.length
  return scene
}

t.test('what a client has not taken goes before our trailers, and counts as held until it did', async t => {
  const { rig, down } = queued(MESSAGE.repeat(16))
  rig.up.close(lost())
  t.match(trailersOf(down), { 'grpc-status': '14' })
  t.equal(rig.up.released, 0)
  rig.clock.advance(PATIENCE_MS - 10)
  down.queuedBytes = 100
  rig.clock.advance(PATIENCE_MS - 10)
  t.same([down.resetWith, down.resetDue], [undefined, 0], 'slow, but it takes some')
  down.sentAll()
  t.equal(down.resetWith, 0)
  down.settle()
  t.equal(rig.up.released, MESSAGE.length * 16)
  t.same(rig.left, NOTHING_LEFT)
})

t.test('a client that takes nothing before our trailers: reset', async t => {
  const { rig, down } = queued()
  rig.up.close(lost())
  rig.clock.advance(PATIENCE_MS + 10)
  t.equal(down.resetWith, 2)
  down.settle()
  t.equal(rig.up.released, MESSAGE.length)
  t.same(rig.left, NOTHING_LEFT)
})

for (const [what, fail, code] of [
  ['the deadline passes', (scene: Scene) => scene.rig.clock.advance(1_010), 8],
  ['its room is needed', (scene: Scene) => scene.rig.up.owner!.onOverdue!(), 0xb],
] as const) {
  t.test(`a client that has not taken what came, and ${what}: reset at once, and nothing is held`, async t => {
    const scene = queued()
    fail(scene)
    t.equal(trailersOf(scene.down), undefined)
    t.equal(scene.down.resetWith, code)
    t.equal(scene.rig.up.released, MESSAGE.length)
  })
}

for (const code of [0, 2, 8, 7]) {
  t.test(`a whole response that waits for the client, and a reset with ${code}: the response first`, async t => {
    const { rig, down } = queued()
    rig.up.trailers(TRAILERS)
    rig.up.close(resetByPeer(code))
    t.equal(down.resetWith, undefined)
    t.equal(down.resetDue, code)
    t.equal(rig.up.released, 0, 'held until the client has it')
    down.sentAll()
    t.equal(down.resetWith, code)
    down.settle()
    t.equal(rig.up.released, MESSAGE.length)
    t.match(rig.record, { status: 0, endedBy: 'backend' })
    t.same(rig.left, NOTHING_LEFT)
  })
}

t.test('a whole response that waits for a client that goes: nothing is left', async t => {
  const { rig, down } = queued()
  rig.up.trailers(TRAILERS)
  rig.up.close(resetByPeer(8))
  down.close(CLIENT_CANCELS)
  t.equal(rig.up.released, MESSAGE.length)
  t.same(rig.left, NOTHING_LEFT)
})

for (const [what, end, endedBy] of [
  ['REFUSED_STREAM', resetByPeer(7), 'backend'],
  ['a GOAWAY below it', lost(true), 'backend'],
] as const) {
  t.test(`${what} for a request that is not kept: the client may send it again`, async t => {
    const rig = new CallRig({ replayBytes: 10 })
    const { down } = rig.open()
    down.data('more than is kept')
    rig.up.close(end)
    t.same(down.sent, [{ kind: 'reset', code: 7 }])
    t.equal(rig.ups.length, 1)
    down.settle()
    t.match(rig.record, { status: 14, reason: 'upstream-refused', endedBy, retries: 0 })
    t.same(rig.left, NOTHING_LEFT)
  })
}
