/** A limit for each endpoint: one that is full lets another take the call, and no client fills them all. */
import t from 'tap'
import { Client } from '../../src/backend/client-share.ts'
import { endpointSpecs } from '../../src/backend/endpoint-source.ts'
import { BackendRig, type Call, named, QUEUE_TIMEOUT_MS, shares } from './rig.ts'

const finish = { kind: 'clean' } as const

function served(calls: readonly Call[]): number {
  return calls.filter(({ lease }) => lease !== undefined).length
}

/** As many clients as calls: none has more than its part. */
function callsOfMany(rig: BackendRig, count: number): Call[] {
  return Array.from({ length: count }, () => rig.call(undefined, new Client()))
}

t.test('an endpoint that has as many calls as it may is passed over, and no session is opened for more', async t => {
  const rig = new BackendRig({ endpoints: 'abc', endpointLimit: { maxCalls: 4 } })
  rig.warm()
  rig.update({ balancer: 'pick-first' })
  const calls = callsOfMany(rig, 12)
  t.same(shares(calls), { a: 4, b: 4, c: 4 })
  t.same([rig.dials('a'), rig.dials('b'), rig.dials('c')], [1, 1, 1])
  const next = rig.call(undefined, new Client())
  t.equal(next.told, 0)
  calls[5]!.stream!.close(finish)
  t.equal(next.at, 'b', 'where a call has ended')
  rig.backend.close()
})

t.test('one endpoint with a limit that is cold: what it cannot take goes to others as they connect', async t => {
  const rig = new BackendRig({ endpoints: 'ab', balancer: 'pick-first', endpointLimit: { maxCalls: 2 } })
  const calls = callsOfMany(rig, 4)
  rig.session('a').ready()
  t.equal(served(calls), 2)
  rig.session('b').ready()
  t.same(shares(calls), { a: 2, b: 2 })
  rig.backend.close()
})

t.test('a loud client with calls that never end fills no endpoint: a fifth of each is for who has few', async t => {
  const rig = new BackendRig({ endpoints: 'ab', endpointLimit: { maxCalls: 10 } })
  rig.warm()
  const [loud, quiet, late] = [new Client(), new Client(), new Client()]
  const many = rig.calls(40, loud)
  t.same(shares(many.filter(({ lease }) => lease !== undefined)), { a: 8, b: 8 })
  t.equal(served(rig.calls(10, quiet)), 1)
  t.equal(served(rig.calls(10, late)), 1)
  rig.backend.close()
})

t.test('the limit is taken away, set and changed under calls that wait', async t => {
  const rig = new BackendRig({ endpointLimit: { maxCalls: 2 } })
  rig.warm()
  const calls = callsOfMany(rig, 20)
  t.equal(served(calls), 2)
  rig.update({ endpointLimit: { maxCalls: 5 } })
  t.equal(served(calls), 5)
  rig.update({ endpointLimit: undefined })
  t.equal(served(calls), 20)
  rig.update({ endpointLimit: { maxCalls: 3 } })
  t.equal(rig.call(undefined, new Client()).told, 0)
  rig.backend.close()
})

t.test('a full endpoint leaves, and comes back: its calls are still counted', async t => {
  const rig = new BackendRig({ endpoints: 'ab', endpointLimit: { maxCalls: 1 } })
  rig.warm()
  const [first] = callsOfMany(rig, 2)
  const waiting = rig.call(undefined, new Client())
  rig.setEndpoints('b')
  first!.stream!.close(finish)
  t.equal(waiting.told, 0, 'an endpoint that has left gives no place')
  rig.setEndpoints('ab')
  rig.session('a').ready()
  t.equal(waiting.at, 'a')
  rig.backend.close()
})

t.test('nobody has room for a call: it waits as long as calls may', async t => {
  const rig = new BackendRig({ endpointLimit: { maxCalls: 1 } })
  rig.warm()
  rig.call()
  const second = rig.call()
  rig.clock.advance(QUEUE_TIMEOUT_MS + 20)
  t.match(second.failed, ['queue-timeout'])
})

t.test('a limit by latency that grows lets those who wait go on', async t => {
  const rig = new BackendRig({ endpointLimit: { kind: 'gradient', min: 2, max: 8, windowMs: 100, tolerance: 2 } })
  rig.warm()
  const [endpoint] = rig.backend.endpoints
  const waiting = callsOfMany(rig, 8)
  t.equal(served(waiting), 2)
  for (let i = 0; i < 12; i++) {
    rig.clock.advance(10)
    endpoint!.outcomes!.listeners[0]!.onHeaders!(5, waiting[0]!.share, false, rig.clock.now())
  }
  t.equal(endpoint!.limit!.maxCalls, 4)
  t.equal(served(waiting), 4)
  rig.backend.close()
})

t.test('the own locality is full by its limit: another one takes calls, before any wait', async t => {
  const sessions = { max: 4 }
  const specs = endpointSpecs([...'ab'].map(name => ({ ...named(name), locality: name })))
  const start = () => {
    const rig = new BackendRig({ sessions, locality: { own: 'a' }, endpointLimit: { maxCalls: 5 } })
    rig.backend.setEndpoints(specs)
    rig.call()
    rig.session('a').ready()
    return rig
  }
  const rig = start()
  const calls = callsOfMany(rig, 4)
  t.same(shares(calls), { a: 4 })
  const next = callsOfMany(rig, 5)
  rig.session('b').ready()
  t.same([shares(next), rig.dials('a')], [{ b: 5 }, 1])
  calls[0]!.stream!.close(finish)
  t.equal(rig.call(undefined, new Client()).at, 'a', 'where there is room again')
  rig.backend.close()
  const other = start()
  const loud = other.calls(7, new Client())
  other.session('b').ready()
  t.same(shares(loud), { a: 3, b: 4 }, 'the places that are kept do not hold a loud client there')
  other.backend.close()
})
