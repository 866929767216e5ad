import t from 'tap'
import { RoundRobin } from '../../src/backend/balance/round-robin.ts'
import { BackendRig, shares } from './rig.ts'

t.test('a warm backend gives each endpoint every third call, in turn', async t => {
  const rig = new BackendRig({ endpoints: 'abc' })
  rig.warm(1_000)
  const calls = rig.calls(9)
  const order = calls.map(call => call.at).join('')
  t.match(order, /^(abcabcabc|bcabcabca|cabcabcab)$/)
  t.same(shares([...calls, ...rig.calls(990)]), { a: 333, b: 333, c: 333 })
})

t.test('a cold start is as exact: 1,000 calls over endpoints that become ready at different times', async t => {
  for (const order of ['abc', 'cba', 'bca']) {
    const rig = new BackendRig({ endpoints: 'abc' })
    const calls = rig.calls(250)
    t.equal(rig.transport.sessions.length, 3, 'each is dialled once')
    for (const name of order) {
      rig.clock.advance(60)
      rig.session(name).ready(1_000)
      calls.push(...rig.calls(250))
    }
    const share = shares(calls)
    t.same(Object.values(share).sort(), [333, 333, 334], JSON.stringify(share))
    t.ok(calls.every(call => call.told === 1))
    t.same([rig.backend.waiting, rig.wheel.size, rig.clock.pending], [0, 0, 0])
  }
})

t.test('endpoints that become ready in one turn share those that wait as they were shared out', async t => {
  const rig = new BackendRig({ endpoints: 'abc', turn: 'held' })
  const calls = rig.calls(60)
  rig.turn.end()
  for (const name of 'bca') rig.session(name).ready(1_000)
  rig.turn.end()
  t.same(shares(calls), { a: 20, b: 20, c: 20 })
})

t.test('endpoints that become ready in one turn: one that is full leaves its calls to the others', async t => {
  const rig = new BackendRig({ endpoints: 'ab', turn: 'held' })
  const calls = rig.calls(20)
  rig.turn.end()
  rig.session('a').ready(2)
  rig.session('b').ready(1_000)
  rig.turn.end()
  t.same(shares(calls), { a: 2, b: 18 })
})

t.test('calls that wait for the same endpoint are served in the order in which they came', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.calls(6)
  rig.session('b').ready()
  rig.session('a').ready()
  t.same(rig.served, ['call 2', 'call 4', 'call 6', 'call 1', 'call 3', 'call 5'])
})

t.test('a full endpoint is passed over', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.warm(2)
  rig.session('b').settings(100)
  t.same(shares(rig.calls(20)), { a: 2, b: 18 })
})

t.test('an endpoint that fails is passed over while another lives, and the rest stays exact', async t => {
  const rig = new BackendRig({ endpoints: 'abc' })
  const cold = rig.calls(6)
  rig.session('a').ready()
  rig.session('c').ready()
  rig.session('b').closed('connect ECONNREFUSED')
  t.same(shares(cold), { a: 3, c: 3 }, 'those that waited for it go to the others')
  t.same(shares(rig.calls(40)), { a: 20, c: 20 })
})

t.test('an endpoint that comes back takes its turn again', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.warm()
  rig.session('a').closed('bye')
  rig.call()
  rig.call()
  rig.session('a').closed('connect ECONNREFUSED')
  t.same(shares(rig.calls(10)), { b: 10 })
  rig.clock.advance(1_000)
  rig.call()
  rig.session('a').ready()
  t.same(shares(rig.calls(10)), { a: 5, b: 5 })
})

t.test(
  'a walk asks each once, from the one behind the last that was asked; if none takes the call, no turn is over',
  async t => {
    const names = (balancer: RoundRobin, most: number): string => {
      let asked = ''
      for (let at = balancer.first(); at !== undefined; at = balancer.next()) {
        asked += at.address.name
        if (asked.length === most) break
      }
      return asked
    }
    const { endpoints } = new BackendRig({ endpoints: 'abc' }).backend
    const balancer = new RoundRobin(endpoints, 1)
    t.same(
      [1, 9, 2, 9, 1].map(most => names(balancer, most)),
      ['b', 'cab', 'ca', 'bca', 'b'],
    )
    t.equal(new RoundRobin([], 0).first(), undefined)
    t.same(
      [0, 1, 2].map(turn => new RoundRobin(endpoints, turn).first()?.address.name),
      ['a', 'b', 'c'],
    )
  },
)

t.test('proxies that start together do not all begin with the same endpoint', async t => {
  const first = (start: number) => {
    const rig = new BackendRig({ endpoints: 'abcd', start: () => start })
    rig.call()
    return rig.transport.sessions[0]!.address.name
  }
  t.same([0, 0.3, 0.5, 0.99].map(first), ['a', 'b', 'c', 'd'])
})
