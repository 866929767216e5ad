/** The endpoints of a backend change while calls wait for them and run at them. */
import t from 'tap'
import { endpointSpecs } from '../../src/backend/endpoint-source.ts'
import { BackendRig, DRAIN_GRACE_MS, named, QUEUE_TIMEOUT_MS, shares } from './rig.ts'

const finish = { kind: 'clean' } as const

t.test(
  'an endpoint that stays keeps its sessions; one that is new is dialled; one that has left gets no call',
  async t => {
    const rig = new BackendRig({ endpoints: 'ab' })
    rig.warm()
    const kept = rig.session('b')
    rig.setEndpoints('bc')
    const calls = rig.calls(4)
    rig.session('c').ready()
    t.same(shares(calls), { b: 2, c: 2 })
    t.equal(rig.session('b'), kept)
    t.same([rig.dials('a'), rig.dials('b'), rig.dials('c')], [1, 1, 1])
    t.same([rig.session('a').retired, rig.session('a').destroys, kept.retired], [1, 0, 0], 'told to go, and not ended')
  },
)

t.test('the same list again, in whatever order: nothing is dialled, ended, or moved', async t => {
  const rig = new BackendRig({ endpoints: 'abc' })
  rig.warm()
  for (const names of ['abc', 'cab', 'bca']) rig.setEndpoints(names)
  const specs = endpointSpecs([...'abc'].map(named))
  rig.backend.setEndpoints([...specs, ...specs])
  t.equal(rig.transport.sessions.length, 3)
  t.ok(rig.transport.sessions.every(({ retired }) => retired === 0))
  t.same(shares(rig.calls(9)), { a: 3, b: 3, c: 3 })
})

t.test('a list that is the same does not begin again at its first', async t => {
  const rig = new BackendRig({ endpoints: 'abc' })
  rig.warm()
  const order = Array.from({ length: 6 }, () => {
    rig.setEndpoints('abc')
    return rig.call().at
  })
  t.match(order.join(''), /^(abcabc|bcabca|cabcab)$/)
})

t.test('calls at an endpoint that has left run to their end, and its session goes with the last', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.warm()
  const [one, two] = rig.calls(4).filter(({ at }) => at === 'a')
  const [endpoint] = rig.backend.endpoints
  rig.setEndpoints('b')
  t.equal(endpoint!.state, 'closed')
  t.equal(endpoint!.inFlight, 2)
  t.same([one!.stream!.over, two!.stream!.over], [false, false])
  t.same(rig.backend.open, { sessions: 2, streams: 4 }, 'it still counts')
  one!.stream!.close(finish)
  two!.stream!.close(finish)
  t.equal(endpoint!.inFlight, 0)
  rig.session('a').closed('drained')
  t.same(rig.backend.open, { sessions: 1, streams: 2 })
  await endpoint!.retire()
  t.equal(rig.clock.pending, 0, 'its grace has no timer any more')
  t.equal(rig.dials('a'), 1)
})

t.test('calls at an endpoint that has left end when the grace is over', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.warm()
  rig.calls(2)
  rig.setEndpoints('b')
  rig.clock.advance(DRAIN_GRACE_MS - 1)
  t.equal(rig.session('a').destroys, 0)
  rig.clock.advance(1)
  t.same([rig.session('a').destroys, rig.session('b').destroys], [1, 0])
  rig.session('a').closed('destroyed')
  t.equal(rig.backend.open.sessions, 1)
})

t.test('more draining sessions than maxDraining: an endpoint that leaves ends none of them for that', async t => {
  const rig = new BackendRig({ endpoints: 'ab', sessions: { max: 4, maxDraining: 1 } })
  rig.warm(1)
  const calls = rig.calls(4)
  rig.session('a').ready(1)
  rig.session('b').ready(1)
  rig.setEndpoints('b')
  t.same(shares(calls), { a: 2, b: 2 })
  t.same(
    rig.transport.to('a').map(({ retired, destroys }) => [retired, destroys]),
    [
      [1, 0],
      [1, 0],
      [0, 1],
    ],
    'the third was on its way',
  )
})

t.test('calls that wait for an endpoint that leaves go to another, and keep their place and their time', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  const calls = rig.calls(4)
  rig.clock.advance(QUEUE_TIMEOUT_MS - 1_000)
  rig.setEndpoints('b')
  t.equal(rig.session('a').destroys, 1, 'nobody needs what is on its way')
  rig.session('b').ready(3)
  t.same(rig.served, ['call 1', 'call 2', 'call 3'])
  rig.clock.advance(1_010)
  t.match(calls[3]!.failed, ['queue-timeout'])
  rig.session('a').ready()
  t.equal(rig.session('a').opened.length, 0, 'one that is given up gets none')
})

t.test('all endpoints are full and calls wait: a new one takes them', async t => {
  const rig = new BackendRig()
  rig.calls(3)
  rig.session('a').ready(1)
  t.equal(rig.backend.waiting, 2)
  rig.setEndpoints('ab')
  rig.session('b').ready()
  t.same([rig.backend.waiting, rig.served.length], [0, 3])
})

t.test('no endpoints: calls fail at once, those that wait too, and those in flight finish', async t => {
  const rig = new BackendRig()
  const running = rig.call()
  rig.session().ready(1)
  const waiting = rig.call()
  rig.setEndpoints('')
  for (const call of [waiting, rig.call()]) {
    t.same(call.failed, ['unreachable', 'the backend has no endpoints'])
    t.equal(call.told, 1)
  }
  t.equal(running.stream!.over, false)
  running.stream!.close(finish)
  rig.session().closed('drained')
  rig.setEndpoints('a')
  const call = rig.call()
  rig.session().ready()
  t.equal(call.at, 'a')
  t.equal(rig.dials(), 2)
})

t.test('an endpoint that leaves and comes back: its old session finishes, and a new one takes its calls', async t => {
  const rig = new BackendRig()
  rig.warm()
  const old = rig.session()
  const before = rig.call()
  rig.setEndpoints('b')
  rig.setEndpoints('a')
  const after = rig.call()
  rig.session().ready()
  t.equal(before.lease!.session, old)
  t.equal(after.lease!.session, rig.session())
  t.not(old, rig.session())
  t.same(rig.backend.open, { sessions: 2, streams: 2 })
})

t.test('what the balancer goes by may change: the endpoint stays', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.warm()
  const specs = endpointSpecs([named('a'), named('b')])
  const [first] = rig.backend.endpoints
  rig.backend.setEndpoints(specs.map(spec => ({ ...spec, weight: 3, locality: 'eu', priority: 1 })))
  t.equal(rig.backend.endpoints[0], first)
  t.match(first!.spec, { weight: 3, locality: 'eu', priority: 1 })
  t.equal(rig.transport.sessions.length, 2)
})

t.test('sessions.ready holds for endpoints that are new, and not for those that have left', async t => {
  const rig = new BackendRig({ endpoints: 'a', sessions: { max: 2, ready: 2 } })
  rig.session('a').ready()
  t.equal(rig.dials('a'), 2)
  rig.setEndpoints('b')
  t.same([rig.dials('a'), rig.dials('b')], [2, 1])
  t.equal(rig.transport.to('a')[1]!.destroys, 1)
  rig.transport.to('a')[1]!.closed('given up')
  rig.transport.to('a')[0]!.closed('drained')
  rig.session('b').closed('no')
  rig.clock.advance(60_000)
  t.equal(rig.dials('a'), 2)
  t.ok(rig.dials('b') > 1)
  rig.backend.close()
})

t.test('sessions in reserve and apart go with their endpoint', async t => {
  const rig = new BackendRig({ endpoints: 'a' })
  const apart = rig.client()
  rig.call()
  rig.session().ready()
  apart.shareOf(rig.backend).held(2_000)
  const call = rig.call('apart', apart)
  rig.session().ready()
  rig.setEndpoints('b')
  t.same(
    rig.transport.to('a').map(({ retired }) => retired),
    [1, 1],
  )
  t.equal(call.stream!.over, false)
  rig.call('apart again', apart)
  t.equal(rig.dials('a'), 2)
})

t.test('a change of one endpoint of many touches no other: no dial, no end, no new object', async t => {
  const at = (i: number) => ({
    name: `10.0.${i >> 8}.${i & 255}:1`,
    tcp: { host: `10.0.${i >> 8}.${i & 255}`, port: 1 },
  })
  const addresses = Array.from({ length: 3_000 }, (_, i) => at(i))
  const rig = new BackendRig({ endpoints: '', sessions: { max: 1, ready: 1 } })
  rig.backend.setEndpoints(endpointSpecs(addresses))
  const before = rig.backend.endpoints
  const known = before.map(endpoint => ({ endpoint, spec: endpoint.spec }))
  const dials = rig.transport.sessions.length
  const changed = addresses.with(1_500, at(5_000))
  rig.backend.setEndpoints(endpointSpecs(changed))
  const after = rig.backend.endpoints
  const others = known.filter(({ endpoint, spec }) => after.includes(endpoint) && endpoint.spec === spec)
  t.equal(others.length, 2_999)
  t.equal(rig.transport.sessions.length, dials + 1, 'the new one is dialled')
  t.equal(
    rig.transport.sessions.filter(({ retired, destroys }) => retired + destroys > 0).length,
    1,
    'and the connect to the old one is given up',
  )
  rig.backend.setEndpoints(endpointSpecs(changed))
  t.equal(rig.backend.endpoints, after, 'the same list is no change at all')
  rig.backend.close()
})
