import t from 'tap'
import { GrpcError } from '../../src/grpc/status.ts'
import type { Director, Target } from '../../src/routing/director.ts'
import { CallRig, CLIENT_CANCELS, NOTHING_LEFT, ownAnswer, request, resetByPeer, TRAILERS } from './rig.ts'

/** A director that answers when it is told to. */
function late(): {
  director: Director
  calls: Parameters<Director>[0][]
  resolve(target?: Target): Promise<void>
  reject(error: unknown): Promise<void>
} {
  const { promise, resolve, reject } = Promise.withResolvers<Target | undefined>()
  const calls: Parameters<Director>[0][] = []
  const turn = () => new Promise<void>(done => setImmediate(done))
  return {
    director: call => {
      calls.push(call)
      return promise
    },
    calls,
    resolve: target => {
      resolve(target)
      return turn()
    },
    reject: error => {
      reject(error)
      return turn()
    },
  }
}

t.test('a director that takes its time', async t => {
  const { director, resolve, calls } = late()
  const rig = new CallRig({ director })
  const { down } = rig.open()
  down.data('hello', true)
  t.same([rig.ups.length, down.released], [0, 0])
  await resolve({ backend: 'main' })
  t.equal(rig.up.body, 'hello')
  t.equal(down.released, 5)
  t.equal(calls[0]!.signal.aborted, false)
})

t.test('a director that denies after a while', async t => {
  const { director, reject } = late()
  const rig = new CallRig({ director })
  const { down } = rig.open(request(), true)
  await reject(new GrpcError('UNAUTHENTICATED', 'who?'))
  t.match(ownAnswer(down), { status: '16', message: 'who?', token: 'denied' })
})

t.test('the client left before the director answered', async t => {
  for (const answer of ['resolve', 'reject'] as const) {
    const { director, calls, ...answers } = late()
    const rig = new CallRig({ director })
    const { down } = rig.open()
    const { signal } = calls[0]!
    down.close(CLIENT_CANCELS)
    t.equal(signal.aborted, true)
    await (answer === 'resolve' ? answers.resolve({ backend: 'main' }) : answers.reject(signal.reason))
    t.same([rig.ups.length, rig.records.length, down.sent], [0, 1, []])
    t.match(rig.record, { endedBy: 'client', reason: 'reset-CANCEL', backend: '' })
    t.same(rig.left, NOTHING_LEFT)
    t.same(rig.faults, [], `${answer}: giving up, as the signal asks, is no fault`)
  }
})

t.test('a director that resolves to nonsense fails the call, not the process', async t => {
  for (const nonsense of [null, 'main', 7, {}]) {
    const { director, resolve } = late()
    let escaped: unknown
    // A promise whose callbacks' exceptions are kept, instead of ending the process.
    class Kept<T> extends Promise<T> {
      static override get [Symbol.species]() {
        return Promise
      }

      // biome-ignore lint/suspicious/noThenProperty: that is what is observed
      override then(...callbacks: Parameters<Promise<T>['then']>): never {
        return super.then(...callbacks).catch(error => {
          escaped = error
        }) as never
      }
    }
    const kept: Director = call => new Kept(resolve => resolve(director(call)))
    const rig = new CallRig({ director: kept })
    const { down } = rig.open(request(), true)
    await resolve(nonsense as never)
    t.equal(escaped, undefined, `${nonsense}`)
    // In plain JavaScript null says what undefined says: no route.
    t.match(ownAnswer(down), { status: nonsense === null ? '12' : '13' }, `${nonsense}`)
  }
})

/** A table of other routes, as a change makes it, and the streams of its backend. */
function replaced(rig: CallRig) {
  const endpoint = 'http://192.0.2.2:50051'
  const backend = rig.backendTo(endpoint)
  const [session] = rig.transport.to(endpoint)
  session!.ready()
  const asked: string[] = []
  rig.context = {
    ...rig.context,
    routes: {
      director: call => {
        asked.push(call.path)
        return { backend: 'main' }
      },
      backend: named => (named === 'main' ? backend : undefined),
    },
  }
  return { asked, streams: session!.opened }
}

t.test('the routes are replaced while a director thinks: its answer is read by the table that was asked', async t => {
  const { director, resolve } = late()
  const rig = new CallRig({ director })
  const before = rig.session
  rig.open(request(), true)
  const { asked, streams } = replaced(rig)
  rig.open(request(), true)
  t.same([asked.length, streams.length, before.opened.length], [1, 1, 0], 'a new call goes by the new table')
  await resolve({ backend: 'main' })
  t.same([asked.length, streams.length, before.opened.length], [1, 1, 1])
})

t.test('the routes are replaced, and a call is sent again: to the backend that it was routed to', async t => {
  const rig = new CallRig()
  const before = rig.session
  const { down } = rig.open(request(), true)
  const { asked, streams } = replaced(rig)
  rig.up.close(resetByPeer(7))
  t.same([before.opened.length, streams.length, asked], [2, 0, []])
  before.opened[1]!.headers(TRAILERS, true)
  t.same(down.kinds, ['headers'])
})
