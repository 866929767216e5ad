import t from 'tap'
import { GrpcError } from '../../src/grpc/status.ts'
import type { Director, Target } from '../../src/routing/director.ts'
import { CallRig, CLIENT_CANCELS, NOTHING_LEFT, ownAnswer, request } from './rig.ts'

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
