import t, { type Test } from 'tap'
import { CONTENDERS } from '../../../bench/subjects/all.ts'
import { busy, dropper, dropperBase } from '../../../bench/subjects/artificial.ts'
import { openWorld, SMALL_BYTES, SMALL_PATH, type WorldOptions } from '../../../bench/subjects/world.ts'
import { wholeOnly } from '../../support/whole.ts'
import { oneCall } from './one-call.ts'

/** The backend refuses it, as it says nothing of what it wants: the status must come through as it was. */
const REFUSED_PATH = '/verbatim.bench.Shapes/Unary'

t.test('every subject says what it is, and which version, or how it is installed', async t => {
  for (const { name, title, find } of CONTENDERS) {
    t.match(name, /^[a-z0-9-]+$/)
    t.not(title, '', name)
    const found = find()
    if ('missing' in found) {
      t.not(found.missing, '', name)
      t.not(found.install, '', name)
    } else {
      t.match(found.version, /^.{3,60}$/, `${name}: short enough for a table`)
    }
  }
  t.equal(new Set(CONTENDERS.map(({ name }) => name)).size, CONTENDERS.length, 'names are not used twice')
})

t.test('what proves the harness is in no list', async t => {
  for (const one of [busy, dropper, dropperBase]) t.notOk(CONTENDERS.some(({ name }) => name === one.name))
})

/** All at once: they have a core to share, and none is measured. */
async function forwards(t: Test, options: WorldOptions): Promise<void> {
  const world = await openWorld({ ...options, backend: 'own' })
  t.teardown(() => world.close())
  const direct = await oneCall(world.backends[0]!, REFUSED_PATH, world.tls)
  t.notMatch(direct.grpcStatus, /^0?$/, 'the backend refuses what it does not know')
  const subjects = CONTENDERS.map(({ name, find, unfit, start }) =>
    t.test(name, async t => {
      const found = find()
      if ('missing' in found) return t.pass(`skipped: ${found.missing}; ${found.install}`, { skip: found.install })
      const why = unfit?.(options)
      if (why !== undefined) return t.pass(`skipped: ${why}`, { skip: why })
      const { child, port } = await start(world)
      t.teardown(() => child?.kill())
      // More than there are endpoints.
      for (let i = 0; i <= world.backends.length; i++) {
        const { httpStatus, contentType, body, grpcStatus } = await oneCall(port, SMALL_PATH, world.tls)
        t.strictSame([httpStatus, contentType, body.length, grpcStatus], [200, 'application/grpc', SMALL_BYTES, '0'])
      }
      const { grpcStatus, grpcMessage } = await oneCall(port, REFUSED_PATH, world.tls)
      t.strictSame([grpcStatus, grpcMessage], [direct.grpcStatus, direct.grpcMessage], 'a status other than 0')
    }),
  )
  await Promise.all(subjects)
}

const all = { jobs: CONTENDERS.length, ...wholeOnly('starts every proxy that is here') }
t.test('every subject that is here forwards calls to three endpoints', all, t =>
  forwards(t, { backends: 3, tls: false }),
)

t.test('every subject that is here forwards calls with TLS on both sides', all, t =>
  forwards(t, { backends: 1, tls: true }),
)
