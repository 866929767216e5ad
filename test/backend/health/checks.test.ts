/** When endpoints are asked how they are, on which session, and what becomes of the answers. Time and network are a test's. */
import t from 'tap'
import { block, type FakeStream } from '../../support/fake-transport.ts'
import { Code } from '../../support/frames.ts'
import { shares } from '../rig.ts'
import { answering, CLEAN, failing, INTERVAL_MS, notServing, RESPONSE, Scene, says, serving, silent } from './scene.ts'

t.test('what is asked', async t => {
  const scene = new Scene({ service: 'pkg.Service' })
  scene.pass(300, { a: silent })
  const [{ sent }] = scene.checks('b') as [FakeStream]
  t.match(sent[0], { kind: 'headers', endStream: false })
  if (sent[0]?.kind !== 'headers') return
  t.match(Object.fromEntries(sent[0].block.map(({ name, value }) => [name, value])), {
    ':path': '/grpc.health.v1.Health/Check',
    ':authority': '192.0.2.1:98',
    ':scheme': 'http',
  })
  t.same(sent[1], { kind: 'data', bytes: '\0\0\0\0\x0d\x0a\x0bpkg.Service', endStream: true })
})

t.test('at the start all take calls until they say otherwise', async t => {
  const scene = new Scene()
  t.equal(scene.bar(), undefined)
  scene.pass(300, { a: notServing })
  t.equal(scene.bar(), 'it says NOT_SERVING')
  t.equal(scene.bar('b'), undefined)
  t.same(
    scene.rig.events.filter(event => /healthy/.test(event)),
    ['a unhealthy'],
  )
})

t.test('an endpoint that joins those that are healthy takes calls once it has answered', async t => {
  const scene = new Scene()
  scene.pass(300)
  scene.rig.setEndpoints('abc')
  t.equal(scene.bar('c'), 'it has not been checked yet')
  scene.pass(300)
  t.equal(scene.bar('c'), undefined)
  t.same(
    scene.rig.events.filter(event => /healthy/.test(event)),
    [],
    'which is worth no line in the log',
  )
})

t.test('a first answer that is only late bars nobody at the start', async t => {
  const scene = new Scene()
  scene.pass(500, { a: silent })
  t.equal(scene.checks().length, 1)
  t.equal(scene.bar(), undefined)
  scene.pass(1_500, { a: silent })
  t.equal(scene.bar(), 'the health check had no answer within 100 ms')
})

t.test('one that joins and is not ready yet: the bar says why, and one good answer is enough', async t => {
  const scene = new Scene()
  scene.pass(300)
  scene.rig.setEndpoints('abc')
  scene.pass(500, { c: failing })
  t.equal(scene.bar('c'), 'the health check ended with UNAVAILABLE "busy"')
  scene.pass(INTERVAL_MS)
  t.equal(scene.bar('c'), undefined)
  t.same(
    scene.rig.events.filter(event => /healthy/.test(event)),
    [],
  )
})

t.test('where those that were healthy leave, what is not known yet takes calls', async t => {
  const scene = new Scene()
  scene.pass(300)
  scene.rig.setEndpoints('abcd')
  t.ok(scene.bar('c'))
  scene.rig.setEndpoints('cd')
  t.equal(scene.bar('c'), undefined)
  t.equal(scene.bar('d'), undefined)
  scene.pass(300, { c: notServing })
  t.equal(scene.bar('c'), 'it says NOT_SERVING')
  t.equal(scene.bar('d'), undefined)
})

t.test('so many in a row, both ways', async t => {
  const scene = new Scene({ unhealthyThreshold: 3, healthyThreshold: 2 })
  scene.pass(300)
  const asked = () => scene.checks().length
  const passOne = (answer: (stream: FakeStream) => void) => {
    const before = asked()
    while (asked() === before || scene.open() !== undefined) scene.pass(5, { a: answer })
  }
  passOne(failing)
  passOne(failing)
  passOne(serving)
  passOne(failing)
  passOne(failing)
  t.equal(scene.bar(), undefined, 'never three in a row')
  passOne(failing)
  t.equal(scene.bar(), 'the health check ended with UNAVAILABLE "busy"')
  passOne(notServing)
  t.equal(scene.bar(), 'it says NOT_SERVING', 'the reason is the latest')
  passOne(serving)
  t.ok(scene.bar())
  passOne(failing)
  passOne(serving)
  t.ok(scene.bar())
  passOne(serving)
  t.equal(scene.bar(), undefined)
  passOne(notServing)
  t.equal(scene.bar(), 'it says NOT_SERVING', 'what it says itself it need not say twice')
  t.same(
    scene.rig.events.filter(event => /healthy/.test(event)),
    ['a unhealthy', 'a healthy', 'a unhealthy'],
  )
})

/** Answers, and whether an endpoint that gives them is healthy; else why not. */
const ANSWERS: Readonly<Record<string, [answer: (stream: FakeStream) => void, why: string | undefined]>> = {
  SERVING: [serving, undefined],
  'UNIMPLEMENTED (gRFC A17)': [answering('', { 'grpc-status': '12' }), undefined],
  NOT_SERVING: [notServing, 'it says NOT_SERVING'],
  UNKNOWN: [answering('\0\0\0\0\0'), 'it says UNKNOWN'],
  SERVICE_UNKNOWN: [answering(says(3)), 'its health service does not know the service "pkg.Service"'],
  NOT_FOUND: [answering('', { 'grpc-status': '5' }), 'its health service does not know the service "pkg.Service"'],
  'another number': [answering(says(9)), 'its answer to the health check was 9, which is no serving status'],
  garbage: [answering('\0\0\0\0\x03\xff\xff\xff'), 'its answer to the health check was no HealthCheckResponse'],
  'no message': [answering(''), 'its answer to the health check was no message'],
  '1 MiB': [
    stream => {
      stream.headers(RESPONSE)
      for (let i = 0; i < 2; i++) stream.data('x'.repeat(3_000))
      stream.settle()
    },
    'its answer to the health check was a response of more than 4096 bytes',
  ],
  'a web page': [
    stream => {
      stream.headers(block({ ':status': '404' }), true)
      stream.close(CLEAN)
    },
    'its answer to the health check was HTTP status 404',
  ],
  PERMISSION_DENIED: [answering('', { 'grpc-status': '7' }), 'the health check ended with PERMISSION_DENIED'],
  'a reset': [
    stream => stream.close({ kind: 'reset', by: 'peer', code: Code.INTERNAL_ERROR }),
    'the health check was lost: the stream was reset: INTERNAL_ERROR',
  ],
  silence: [silent, 'the health check had no answer within 100 ms'],
}

for (const [what, [answer, why]] of Object.entries(ANSWERS)) {
  t.test(what, async t => {
    const scene = new Scene({ service: 'pkg.Service' })
    scene.pass(2_500, { a: answer })
    t.equal(scene.bar(), why)
    t.ok(scene.rig.transport.to('a').every(({ opened }) => opened.every(({ misuse }) => misuse.length === 0)))
  })
}

t.test('that there is no health service is said once', async t => {
  const scene = new Scene()
  scene.pass(5_000, { a: answering('', { 'grpc-status': '12' }) })
  t.same(
    scene.rig.events.filter(event => /healthy/.test(event)),
    ['a healthy'],
  )
})

t.test('a refusal is asked again, once', async t => {
  const scene = new Scene()
  let asked = 0
  const refusing = (stream: FakeStream) => {
    asked++
    stream.close({ kind: 'reset', by: 'peer', code: Code.REFUSED_STREAM })
  }
  scene.pass(300, { a: stream => (asked === 0 ? refusing(stream) : serving(stream)) })
  t.equal(scene.bar(), undefined)
  t.equal(scene.checks().length, 2)
  asked = 0
  scene.pass(3_000, { a: refusing })
  t.equal(scene.bar(), 'the health check was lost: the stream was reset: REFUSED_STREAM')
})

t.test('an unhealthy endpoint is asked on, and calls go elsewhere', async t => {
  const scene = new Scene()
  scene.rig.warm(1_000)
  scene.pass(3_000, { a: notServing })
  const before = scene.checks().length
  scene.pass(3_000, { a: notServing })
  t.ok(Math.abs(scene.checks().length - before - 3) <= 1, 'once an interval')
  t.same(shares(scene.rig.calls(10)), { b: 10 })
})

t.test('kind connect: a new session each time, up to its SETTINGS', async t => {
  const scene = new Scene({ kind: 'connect' }, { endpoints: 'a' })
  scene.pass(3_500)
  t.ok(Math.abs(scene.rig.dials() - 4) <= 1)
  t.ok(scene.rig.transport.sessions.every(({ opened, retired }) => opened.length === 0 && retired === 1))
  t.equal(scene.bar(), undefined)
  const before = scene.rig.dials()
  scene.rig.clock.advance(4_000)
  t.ok(scene.rig.dials() >= before + 2)
  t.equal(scene.bar(), 'it cannot be reached: no connection within 100 ms')
})

t.test('after this process stood still nobody is unhealthy for it, and checks are not made up for', async t => {
  const scene = new Scene({ unhealthyThreshold: 1 }, { endpoints: 'abcdef' })
  scene.pass(2_000)
  while (scene.open('c') === undefined) scene.pass(5, { c: silent })
  const before = 'abcdef'.split('').map(name => scene.checks(name).length)
  scene.rig.clock.pause(60_000)
  t.ok(scene.open('c'), 'what came meanwhile has not been read')
  serving(scene.open('c')!)
  scene.pass(500)
  t.equal(scene.rig.backend.endpoints.filter(({ barred }) => barred).length, 0)
  const after = 'abcdef'.split('').map(name => scene.checks(name).length)
  t.ok(
    after.every((count, i) => count - before[i]! <= 1),
    `${before} to ${after}`,
  )
})

t.test('a thousand endpoints are asked one after the other', async t => {
  const names = Array.from({ length: 1_000 }, (_, i) => String.fromCharCode(0x4e00 + i)).join('')
  const scene = new Scene({ intervalMs: 10_000 }, { endpoints: names })
  const { rig } = scene
  let seed = 7
  rig.random = () => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
    return seed / 0x80000000
  }
  const perMs: number[] = []
  const asked = new Map<string, number[]>()
  let seen = 0
  for (let at = 0; at < 32_000; at++) {
    rig.clock.advance(1)
    const fresh = rig.transport.sessions.slice(seen)
    seen = rig.transport.sessions.length
    for (const session of fresh) {
      asked.set(session.address.name, [...(asked.get(session.address.name) ?? []), at])
      session.closed('ECONNREFUSED')
    }
    perMs.push(fresh.length)
  }
  t.ok(Math.max(...perMs) <= 12, `${Math.max(...perMs)} in one ms`)
  const gaps = [...asked.values()].flatMap(times => times.slice(2).map((time, i) => time - times[i + 1]!))
  t.ok(Math.min(...gaps) > 8_000 && Math.max(...gaps) < 12_000, `${Math.min(...gaps)} to ${Math.max(...gaps)} ms`)
})

t.test('if many hang, at most 256 checks run', async t => {
  const names = Array.from({ length: 1_000 }, (_, i) => String.fromCharCode(0x4e00 + i)).join('')
  const { rig } = new Scene({ intervalMs: 10_000, timeoutMs: 9_000 }, { endpoints: names })
  let most = 0
  for (let at = 0; at < 20_000; at += 10) {
    rig.clock.advance(10)
    most = Math.max(most, rig.transport.sessions.filter(({ destroys }) => destroys === 0).length)
  }
  t.equal(most, 256)
  t.ok(
    new Set(rig.transport.sessions.map(({ address }) => address.name)).size > 256,
    'and those behind have their turn',
  )
})

t.test('an endpoint that leaves, and settings that change, leave nothing behind', async t => {
  const scene = new Scene()
  scene.pass(300, { a: notServing })
  scene.pass(1_000, { a: silent, b: silent })
  const endpoints = scene.rig.backend.endpoints
  scene.rig.setEndpoints('b')
  t.ok(scene.rig.transport.to('a').every(({ destroys }) => destroys > 0))
  t.equal(endpoints[0]!.bars.size, 0)
  scene.rig.update({ endpoints: 'b', health: undefined })
  t.ok(scene.rig.transport.sessions.every(({ destroys }) => destroys > 0))
  t.equal(scene.bar('b'), undefined)
  t.equal(scene.rig.clock.pending, 0, 'no timer')
  t.equal(scene.rig.wheel.size, 0)
})
