/** Balancers that measure or hash, in a backend: what they know belongs to its endpoints, and is counted and said. */
import t from 'tap'
import { DEFAULTS } from '../../../src/backend/balance/kinds.ts'
import type { Endpoint } from '../../../src/backend/endpoint.ts'
import { seededRandom } from '../../../src/bench/random.ts'
import { RoutedCall } from '../../../src/call/call-info.ts'
import { readHead } from '../../../src/grpc/metadata.ts'
import type { CallInfo } from '../../../src/routing/director.ts'
import { CallRig, request } from '../../call/rig.ts'
import { block } from '../../support/fake-transport.ts'
import { BackendRig, shares } from '../rig.ts'

function endpoint(rig: BackendRig, name: string): Endpoint {
  return rig.backend.endpoints.find(({ address }) => address.name === name)!
}

function callOf(extra: Record<string, string>, address = '192.0.2.9:1234'): CallInfo {
  const fields = request(extra)
  return new RoutedCall(readHead(fields), fields, { address, encrypted: false })
}

t.test('nobody listens to attempts, and no call is hashed, unless the balancer asks for it', async t => {
  for (const balancer of [undefined, 'round-robin', 'least-request', 'pick-first'] as const) {
    const rig = new BackendRig({ endpoints: 'ab', balancer })
    t.same([rig.backend.hash, endpoint(rig, 'a').outcomes, endpoint(rig, 'a').known], [undefined, undefined, {}])
  }
  const hashing = new BackendRig({ endpoints: 'ab', balancer: { kind: 'maglev', key: 'method', tableSize: 251 } })
  t.ok(hashing.backend.hash !== undefined)
  t.equal(endpoint(hashing, 'a').outcomes, undefined)
  for (const balancer of ['peak-ewma', 'weighted-round-robin'] as const) {
    const rig = new BackendRig({ endpoints: 'ab', balancer })
    t.ok(endpoint(rig, 'a').outcomes !== undefined)
    rig.update({ balancer: 'round-robin' })
    t.equal(endpoint(rig, 'a').outcomes, undefined, 'and not any more with another balancer')
  }
})

t.test('what was measured outlives the list, and other balancers of the same kind', async t => {
  const rig = new BackendRig({ endpoints: 'abc', balancer: 'peak-ewma', sessions: { ready: 1 } })
  rig.random = seededRandom(1)
  for (const name of 'abc') rig.session(name).ready(1_000)
  const [a, b] = [endpoint(rig, 'a'), endpoint(rig, 'b')]
  const known = a.known.latency!
  for (const each of rig.backend.endpoints) {
    const attempt = each.outcomes!.begin({})
    rig.clock.advance(each === a ? 900 : 2)
    attempt.onHeaders(false)
    attempt.answered(0, block({ 'grpc-status': '0' }))
  }
  const few = (calls: readonly { at: string | undefined }[]) => calls.filter(({ at }) => at === 'a').length
  t.ok(few(rig.calls(100)) < 5)
  rig.setEndpoints('dabc')
  t.equal(endpoint(rig, 'a').known.latency, known)
  b.bar('health', 'a test')
  b.unbar('health')
  rig.setEndpoints('abc')
  t.equal(endpoint(rig, 'a').known.latency, known)
  t.ok(few(rig.calls(100)) < 5)
  rig.update({ balancer: { ...DEFAULTS['peak-ewma'], decayMs: 500 } })
  t.not(endpoint(rig, 'a').known.latency, known, 'other settings measure anew')
})

t.test('any balancer may come after any other while calls run', async t => {
  const key = 'method'
  const kinds = [
    'round-robin',
    'peak-ewma',
    'weighted-round-robin',
    { kind: 'maglev', key, tableSize: 251 },
    'least-request',
    { kind: 'ring-hash', key, pointsPerWeight: 64, boundedLoad: 1.25 },
    'pick-first',
  ] as const
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.random = seededRandom(2)
  rig.warm(10_000)
  for (const from of kinds) {
    for (const balancer of kinds) {
      rig.update({ balancer: from })
      rig.update({ balancer })
      const calls = rig.calls(10)
      t.ok(
        calls.every(({ at }) => at !== undefined),
        `${JSON.stringify(balancer)} after ${JSON.stringify(from)}`,
      )
    }
  }
  t.equal(rig.dials('a') + rig.dials('b'), 2, 'the sessions stay')
})

t.test('a report that cannot be read is counted each time, and said once for each endpoint', async t => {
  const oddities: unknown[] = []
  const rig = new BackendRig({ endpoints: 'ab', balancer: 'weighted-round-robin' })
  rig.onOddity = (...oddity) => oddities.push(oddity)
  rig.warm()
  const report = (name: string, text: string) =>
    endpoint(rig, name)
      .outcomes!.begin({})
      .answered(0, block({ 'grpc-status': '0', 'endpoint-load-metrics-bin': text }))
  report('a', '!')
  report('a', '!')
  rig.clock.advance(100)
  report('a', 'A'.repeat(20_000))
  report('b', '!')
  rig.clock.advance(100)
  report('b', '')
  t.same(oddities, [
    ['load-report', 'a', 'its load report is ignored: it is not base64', false],
    ['load-report', 'a', 'its load report is ignored: it is too long', true],
    ['load-report', 'b', 'its load report is ignored: it is not base64', false],
  ])
  t.same(shares(rig.calls(40)), { a: 20, b: 20 })
})

t.test('keys: what they are made of', async t => {
  const hashWith = (key: Parameters<typeof maglev>[0]) => new BackendRig({ balancer: maglev(key) }).backend.hash!
  const one = (key: Parameters<typeof maglev>[0], ...calls: CallInfo[]) =>
    new Set(calls.map(call => hashWith(key).of(call))).size
  const method = callOf({ ':path': '/a.B/C' })
  t.equal(one('method', method, callOf({ ':path': '/a.B/C', 'x-user': '1' })), 1)
  t.equal(one('method', method, callOf({ ':path': '/a.B/D' })), 2)
  t.equal(one('authority', callOf({ ':authority': 'a' }), callOf({ ':authority': 'b' })), 2)
  t.equal(one('client-address', callOf({}, '192.0.2.9:1'), callOf({}, '192.0.2.9:2')), 1)
  t.equal(one('client-address', callOf({}, '192.0.2.9:1'), callOf({}, '192.0.2.8:1')), 2)
  t.equal(one('client-address', callOf({}, '[2001:db8::1]:1'), callOf({}, '[2001:db8::1]:2')), 1)
  t.equal(one('client-address', callOf({}, '[2001:db8::1]:1'), callOf({}, '[2001:db8::2]:1')), 2)
  const user = { metadata: 'x-user' }
  t.equal(one(user, callOf({ 'x-user': 'ann' }), callOf({ 'x-user': 'ann', other: '1' })), 1)
  t.equal(one(user, callOf({ 'x-user': 'ann' }), callOf({ 'x-user': 'bob' })), 2)
  const several = [
    ...request(),
    ...block([
      ['x-user', 'a'],
      ['x-user', 'b'],
    ]),
  ]
  const joined = new RoutedCall(readHead(several), several, { address: '192.0.2.9:1', encrypted: false })
  t.equal(one(user, joined, callOf({ 'x-user': 'a,b' })), 1, 'several values are one')
  t.equal(
    one((call: CallInfo) => call.service, callOf({}), callOf({})),
    1,
  )
})

function maglev(
  key: 'method' | 'authority' | 'client-address' | { metadata: string } | ((call: CallInfo) => string | undefined),
) {
  return { kind: 'maglev', key, tableSize: 251 } as const
}

t.test('a call without its key goes anywhere', async t => {
  const rig = new BackendRig({ balancer: maglev({ metadata: 'x-user' }) })
  let chance = 0
  rig.random = () => (chance += 0.125)
  t.same([rig.backend.hash!.of(callOf({})), rig.backend.hash!.of(callOf({ 'x-user': '' }))], [2 ** 28, 2 ** 29])
  const sockets = new BackendRig({ balancer: maglev('client-address') })
  sockets.random = () => 0.5
  t.equal(sockets.backend.hash!.of(callOf({}, 'unix')), 2 ** 30, 'a unix socket has no address')
})

t.test('a relay is placed by the hash of its backend, and by none without', async t => {
  const rig = new CallRig()
  t.equal(rig.open(request(), true).relay.hash, 0)
  rig.backend.hash = new BackendRig({ balancer: maglev('method') }).backend.hash
  const { relay } = rig.open(request(), true)
  t.ok(relay.hash > 0)
  t.equal(rig.open(request({ 'x-user': '1' }), true).relay.hash, relay.hash)
  t.not(rig.open(request({ ':path': '/pkg.Service/Other' }), true).relay.hash, relay.hash)
})
