/** Copies of calls: how they end beside their calls, and that they take nothing of them. */
import t from 'tap'
import type { MirrorRecord } from '../../src/call/observer.ts'
import type { CallPolicy } from '../../src/routing/policy.ts'
import { definePolicy } from '../../src/routing/policy.ts'
import { CallRig, CLEAN, RESPONSE, request, TRAILERS } from './rig.ts'

/** A rig whose calls are copied to a second backend, and what was told of the copies. */
function mirrored(policy: CallPolicy = {}, memoryBytes = 1e9) {
  const told: MirrorRecord[] = []
  const chances: number[] = []
  const rig = new CallRig({
    director: () => ({ backend: 'main', policy: definePolicy({ mirror: { backend: 'next' }, ...policy }) }),
    memoryBytes,
    observer: { onEnd: () => {}, onMirrored: record => told.push(record) },
  })
  const main = rig.session
  const next = rig.backendTo('http://192.0.2.2:50051')
  const { routes } = rig.context
  rig.context = {
    ...rig.context,
    routes: { ...routes, backend: named => (named === 'next' ? next : routes.backend(named)) },
    random: () => chances.shift()!,
  }
  rig.session.ready()
  return { rig, told, chances, main, copies: () => rig.session.opened }
}

t.test('latency and status of both are told, however late the copy is up to ten seconds', async t => {
  const { rig, told, main, copies } = mirrored()
  const { down } = rig.open(request(), true)
  const up = main.opened[0]!
  rig.clock.advance(20)
  up.headers(RESPONSE)
  up.trailers(TRAILERS)
  up.settle()
  down.close(CLEAN)
  rig.clock.advance(9_000)
  copies()[0]!.headers(RESPONSE)
  copies()[0]!.trailers(TRAILERS)
  copies()[0]!.settle()
  t.match(told, [{ outcome: 'same', status: 0, mirroredStatus: 0, durationMs: 20, mirroredDurationMs: 9_020 }])
  t.equal(rig.wheel.size, 0)
  t.equal(rig.context.memory.heldBytes, 0)
})

t.test('a copy that is later is given up', async t => {
  const { rig, told, main, copies } = mirrored()
  const { down } = rig.open(request(), true)
  const up = main.opened[0]!
  up.headers(RESPONSE)
  up.trailers(TRAILERS)
  down.close(CLEAN)
  rig.clock.advance(10_100)
  t.match(told, [{ outcome: 'dropped', reason: 'late' }])
  t.same(copies()[0]!.sent.at(-1), { kind: 'reset', code: 8 })
  t.equal(rig.context.memory.heldBytes, 0)
})

t.test('copies have what one client may have of the memory, and calls what is left', async t => {
  const { rig, told, main } = mirrored({}, 18_000)
  const calls = Array.from({ length: 3 }, () => rig.open(request(), true))
  t.equal(main.opened.length, 3, 'no call is refused')
  t.same(
    told.map(({ reason }) => reason),
    ['memory'],
    'the third copy has no room',
  )
  for (const [i, { down }] of calls.entries()) {
    main.opened[i]!.headers(TRAILERS, true)
    down.close(CLEAN)
  }
  rig.clock.advance(10_100)
  t.equal(rig.context.memory.heldBytes, 0)
})

t.test('a share of the calls', async t => {
  const { rig, chances, main, copies } = mirrored({ mirror: { backend: 'next', share: 0.25 } })
  chances.push(0.249, 0.25)
  rig.open(request(), true)
  rig.open(request(), true)
  t.same([main.opened.length, copies().length], [2, 1])
})

t.test('a mirror that names no backend is a fault, and the call goes on', async t => {
  const { rig, told, main } = mirrored({ mirror: { backend: 'nowhere' } })
  rig.open(request(), true)
  t.equal(main.opened.length, 1)
  t.match(rig.faults, [['a mirror names an unknown backend']])
  t.same(told, [])
})

t.test('a policy that cannot be meant is refused', async t => {
  const of = (mirror: unknown) => () => definePolicy({ mirror: mirror as never })
  t.throws(of({ backend: 'a', share: 2 }), { message: 'the share of a mirror is from 0 to 1, it is 2' })
  t.throws(of({}), { message: 'a mirror has a backend, it is undefined' })
})
