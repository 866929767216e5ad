/** Endpoints that are barred, whoever bars them, and those who watch endpoints. */
import t from 'tap'
import type { Endpoint } from '../../src/backend/endpoint.ts'
import type { EndpointWatch } from '../../src/backend/endpoint-watch.ts'
import { Watches } from '../../src/backend/watches.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { BackendRig, shares } from './rig.ts'

function endpoint(rig: BackendRig, name: string): Endpoint {
  return rig.backend.endpoints.find(({ address }) => address.name === name)!
}

t.test('a barred endpoint gets no new calls, and its calls go on', async t => {
  const rig = new BackendRig({ endpoints: 'abc' })
  rig.warm(1_000)
  const before = rig.calls(3)
  endpoint(rig, 'b').bar('health', 'it says NOT_SERVING')
  t.same(shares(rig.calls(100)), { a: 50, c: 50 })
  t.ok(before.every(({ stream }) => !stream!.over))
  endpoint(rig, 'b').unbar('health')
  t.same(shares(rig.calls(99)), { a: 33, b: 33, c: 33 })
})

t.test('what two have barred gets calls again when both have taken it back', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.warm(1_000)
  const b = endpoint(rig, 'b')
  b.bar('health', 'it hangs')
  b.bar('outlier', 'it fails')
  t.same([...b.bars.values()], ['it hangs', 'it fails'])
  b.unbar('health')
  t.same(shares(rig.calls(4)), { a: 4 })
  b.unbar('outlier')
  t.same(shares(rig.calls(4)), { a: 2, b: 2 })
})

t.test('with all of them barred all are used', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.warm(1_000)
  for (const each of rig.backend.endpoints) each.bar('health', 'it hangs')
  t.same(shares(rig.calls(10)), { a: 5, b: 5 })
})

t.test('a call that waits for an endpoint is placed again when that one is barred', async t => {
  const rig = new BackendRig({ endpoints: 'ab', turn: 'held' })
  const [one, other] = rig.calls(2)
  rig.turn.end()
  endpoint(rig, 'a').bar('health', 'it hangs')
  rig.session('b').ready(100)
  rig.turn.end()
  t.same([one!.at, other!.at], ['b', 'b'], 'not where one is being dialled')
  t.equal(rig.backend.waiting, 0)
})

t.test('room at a barred endpoint is not for calls that wait', async t => {
  const rig = new BackendRig({ endpoints: 'ab', sessions: { reserve: 0 } })
  rig.warm(1)
  const [, inB] = rig.calls(2).sort((one, other) => (one.at! < other.at! ? -1 : 1))
  const waiting = rig.call()
  endpoint(rig, 'b').bar('outlier', 'it fails')
  inB!.stream!.close({ kind: 'clean' })
  t.equal(waiting.at, undefined)
  endpoint(rig, 'b').unbar('outlier')
  t.equal(waiting.at, 'b')
})

t.test('bars that come in one turn rebuild the list once', async t => {
  const rig = new BackendRig({ endpoints: 'abcd', turn: 'held', panicThreshold: 0 })
  for (const each of rig.backend.endpoints.slice(1)) each.bar('health', 'it hangs')
  rig.turn.end()
  const calls = rig.calls(3)
  rig.turn.end()
  rig.session('a').ready(100)
  rig.turn.end()
  t.same(shares(calls), { a: 3 })
})

t.test(
  'watches: told of each endpoint once, made anew when their settings change, closed with the backend',
  async t => {
    const told: string[] = []
    const watch = (name: string): EndpointWatch => ({
      watch({ address }) {
        told.push(`${name} watches ${address.name}`)
        return { onHeaders() {} }
      },
      unwatch: ({ address }) => told.push(`${name} leaves ${address.name}`),
      onConnectFailed: ({ address }) => told.push(`${name} hears of ${address.name}`),
      close: () => told.push(`${name} is closed`),
    })
    let made = 0
    const rig = new BackendRig({ endpoints: 'ab' })
    const [a, b] = rig.backend.endpoints
    const settings = (maxCalls: number) => ({ queue: { maxCalls, timeoutMs: 1 } }) as never
    const context = { clock: new FakeClock() } as never
    const watches = new Watches(settings(1), context, [{ settings: 'queue', make: () => watch(`watch ${++made}`) }])
    watches.add(a!)
    watches.add(b!)
    t.ok(a!.outcomes !== undefined)
    watches.onConnectFailed(a!)
    watches.remove(a!)
    watches.update(settings(1))
    watches.update(settings(2))
    watches.close()
    t.equal(b!.outcomes, undefined)
    t.same(told, [
      'watch 1 watches a',
      'watch 1 watches b',
      'watch 1 hears of a',
      'watch 1 leaves a',
      'watch 1 is closed',
      'watch 2 watches b',
      'watch 2 is closed',
    ])
  },
)
