/** A session for calls of the proxy's own: when it is dialled, kept, and given up. */
import t from 'tap'
import { OwnSession } from '../../src/rpc/own-session.ts'
import type { ClientSession } from '../../src/transport/transport.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type FakeSession, FakeTransport } from '../support/fake-transport.ts'

class Scene {
  readonly clock = new FakeClock()
  readonly transport = new FakeTransport()
  readonly own = new OwnSession({ name: 'a' }, this.transport, this.clock)
  readonly told: (ClientSession | string)[] = []

  get(timeoutMs = 100): void {
    this.own.get(timeoutMs, (session, why) => this.told.push(session ?? why))
  }

  get last(): FakeSession {
    return this.transport.sessions.at(-1)!
  }
}

t.test('it is dialled once, and kept', async t => {
  const scene = new Scene()
  scene.get()
  t.same(scene.told, [], 'not before the SETTINGS')
  scene.last.ready()
  scene.get()
  t.same(scene.told, [scene.last, scene.last])
  t.equal(scene.transport.sessions.length, 1)
  t.equal(scene.clock.pending, 0, 'no timer is left')
  t.ok(scene.own.inUse)
})

t.test('no connection in time', async t => {
  const scene = new Scene()
  scene.get(100)
  scene.clock.advance(100)
  t.same(scene.told, ['no connection within 100 ms'])
  t.equal(scene.last.destroys, 1)
  scene.last.closed('closed by the proxy')
  t.equal(scene.told.length, 1, 'told once')
  t.notOk(scene.own.inUse)
})

t.test('a connection that is refused', async t => {
  const scene = new Scene()
  scene.get()
  scene.last.closed('ECONNREFUSED')
  t.same(scene.told, ['ECONNREFUSED'])
  scene.get()
  t.equal(scene.transport.sessions.length, 2, 'the next time it is dialled again')
})

t.test('a peer that allows no streams', async t => {
  const scene = new Scene()
  scene.get()
  scene.last.ready(0)
  t.same(scene.told, ['it allows no streams'])
  t.equal(scene.last.destroys, 1)
})

t.test('one that allowed some, and none any more, is dialled anew', async t => {
  const scene = new Scene()
  scene.get()
  scene.last.ready()
  scene.last.settings(0)
  scene.get()
  t.equal(scene.transport.sessions[0]!.destroys, 1)
  scene.last.ready()
  t.equal(scene.told[1], scene.last)
})

t.test('GOAWAY, or the last stream number: the next call gets another', async t => {
  for (const end of [(one: FakeSession) => one.goaway(), (one: FakeSession) => one.spent()]) {
    const scene = new Scene()
    scene.get()
    scene.last.ready()
    end(scene.last)
    t.equal(scene.last.retired, 1, 'it ends with the call that it has')
    t.notOk(scene.own.inUse)
    scene.get()
    t.equal(scene.transport.sessions.length, 2)
  }
})

t.test('GOAWAY instead of SETTINGS', async t => {
  const scene = new Scene()
  scene.get()
  scene.last.goaway(11, 'enough')
  t.same(scene.told, ['GOAWAY "enough"'])
})

t.test('given up: at once, or with its last call; who waits hears nothing', async t => {
  for (const how of ['close', 'retire'] as const) {
    const scene = new Scene()
    scene.get()
    scene.own[how]()
    t.equal(scene.last[how === 'close' ? 'destroys' : 'retired'], 1)
    scene.last.ready()
    scene.last.closed('over')
    scene.clock.advance(1_000)
    t.same(scene.told, [])
    t.notOk(scene.own.inUse)
  }
})

t.test('this process stood still: what came meanwhile is read before it is too late', async t => {
  const scene = new Scene()
  scene.get(100)
  scene.clock.pause(10_000)
  t.same(scene.told, [])
  scene.last.ready()
  t.same(scene.told, [scene.last])
  const other = new Scene()
  other.get(100)
  other.clock.pause(10_000)
  other.clock.advance(200)
  t.same(other.told, ['no connection within 100 ms'])
})
