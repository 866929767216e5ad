/** Which session a health check goes on, and what becomes of that. */
import t from 'tap'
import type { FakeSession } from '../../support/fake-transport.ts'
import { CLEAN, INTERVAL_MS, Scene, serving, silent } from './scene.ts'

t.test('on a shared session, where that has room to spare', async t => {
  const scene = new Scene()
  scene.rig.warm(2)
  const dials = scene.rig.dials()
  scene.pass(300)
  t.equal(scene.checks().length, 1)
  t.equal(scene.rig.dials(), dials, 'nothing was dialled for it')
  t.equal(scene.rig.backend.endpoints[0]!.inFlight, 0, 'it is no call in flight')
})

t.test('never the last stream: a session of its own then, which ends when there is room again', async t => {
  const scene = new Scene({}, { endpoints: 'a' })
  scene.rig.warm(2)
  const call = scene.rig.call()
  scene.pass(300)
  t.equal(scene.rig.dials(), 2)
  const own = scene.rig.session()
  t.equal(own.opened.length, 1, 'asked there')
  t.equal(scene.rig.call().at, 'a', 'the last stream was for a call')
  scene.pass(2_000)
  t.equal(scene.rig.dials(), 2, 'it is kept')
  call.stream!.close(CLEAN)
  scene.rig.transport.to('a')[0]!.settings(10)
  scene.pass(2_000)
  t.equal(own.retired, 1)
})

t.test('its session is the only one where nobody calls, and is no session of the pool', async t => {
  const scene = new Scene({}, { endpoints: 'a' })
  scene.pass(5_000)
  t.equal(scene.rig.dials(), 1, 'dialled once, for all checks')
  t.equal(scene.rig.backend.endpoints[0]!.state, 'idle')
})

t.test('a session that no call uses is closed in its time, although checks go there', async t => {
  const scene = new Scene({}, { endpoints: 'a', sessions: { idleTimeoutMs: 5_000 } })
  scene.rig.warm(100)
  scene.pass(3_500)
  t.ok(scene.checks().length >= 3)
  t.equal(scene.rig.dials(), 1, 'on the session of the calls')
  scene.pass(5_000)
  t.equal(scene.rig.transport.to('a')[0]!.retired, 1)
  t.equal(scene.rig.dials(), 2, 'and then on one of its own')
  t.equal(scene.bar(), undefined)
})

t.test('a session of its own that is silent is not asked twice', async t => {
  const scene = new Scene({}, { endpoints: 'a' })
  scene.pass(300)
  const [first] = scene.rig.transport.to('a') as [FakeSession]
  scene.pass(1_500, { a: silent })
  t.equal(first.destroys, 1)
  scene.pass(3_000)
  t.equal(scene.bar(), undefined, 'a new one answered')
})

t.test('all sessions full, and no more connections: nothing is learned, and it stays what it was', async t => {
  const scene = new Scene({}, { endpoints: 'a', sessions: { reserve: 0 } })
  scene.rig.warm(1)
  scene.rig.call()
  for (let at = 0; at < 5_000; at += 5) {
    scene.rig.clock.advance(5)
    for (const session of scene.rig.transport.to('a').slice(1)) if (!session.isDraining) refuse(session)
  }
  t.ok(scene.rig.dials() > 3)
  t.equal(scene.bar(), undefined)
})

function refuse(session: FakeSession): void {
  session.isDraining = true
  session.closed('ECONNREFUSED')
}

t.test(
  'an endpoint that is back is dialled for calls at once, however long the wait after failures still is',
  async t => {
    const scene = new Scene()
    const { rig } = scene
    rig.warm(100)
    scene.pass(500)
    let refuses = true
    rig.session('a').closed('ECONNRESET')
    const pass = (ms: number) => {
      for (let at = 0; at < ms; at += 50) {
        rig.clock.advance(50)
        for (const session of rig.transport.sessions) {
          if (session.isReady || session.isDraining || session.destroys > 0) continue
          if (refuses && session.address.name === 'a') refuse(session)
          else session.ready()
        }
        for (const name of 'ab') if (scene.open(name) !== undefined) serving(scene.open(name)!)
        scene.at('a').connect()
      }
    }
    pass(60_000)
    t.equal(scene.at('a').state, 'backoff')
    t.ok(scene.bar())
    refuses = false
    pass(2 * INTERVAL_MS + 500)
    t.equal(scene.bar(), undefined)
    t.equal(scene.at('a').state, 'ready')
  },
)
