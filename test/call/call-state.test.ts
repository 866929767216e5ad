/** Calls in flight as whoever looks sees them: where each is, what it waits for, and how old it is. */
import t from 'tap'
import { type CallState, stateOfCall } from '../../src/call/call-state.ts'
import { type LiveCall, LiveCalls } from '../../src/call/live-calls.ts'
import { CallRig, PATH, RESPONSE, request, TRAILERS } from './rig.ts'

const AS_IT_IS = (text: string) => text

function states(rig: CallRig): CallState[] {
  const view = { nowMs: rig.clock.now(), shown: AS_IT_IS, shownPath: AS_IT_IS, shownAuthority: AS_IT_IS }
  return rig.context.live.oldest(0, 100).map(({ parts }) => stateOfCall(parts, view))
}

t.test('from phase to phase', async t => {
  const rig = new CallRig({ cold: true })
  rig.clock.advance(1_000)
  const { down } = rig.open(request({ 'grpc-timeout': '10S' }))
  down.data('\0\0\0\0\x02hi')
  rig.clock.advance(400)
  const call = {
    ...{ path: PATH, authority: 'api.example.com', peer: '192.0.2.9:1234', backend: 'main', retries: 0 },
    ...{ requestMessages: 1, responseMessages: 0, responseWaitingBytes: 0 },
  }
  const at = { ageMs: 400, deadlineInMs: 9_600 }
  t.strictSame(states(rig), [
    { ...call, ...at, phase: 'waiting', waitsFor: 'queue', endpoint: '', requestWaitingBytes: 7 },
  ])
  rig.session.ready()
  const there = { ...call, ...at, endpoint: 'http://192.0.2.1:50051' }
  t.strictSame(states(rig), [{ ...there, phase: 'forwarding', waitsFor: 'messages', requestWaitingBytes: 0 }])
  down.data('', true)
  t.match(states(rig), [{ phase: 'forwarding', waitsFor: 'backend' }])
  const { up } = rig
  up.headers(RESPONSE)
  up.data('\0\0\0\0\x05hello')
  t.match(states(rig), [{ phase: 'responding', waitsFor: 'backend', responseMessages: 1 }])
  down.queuedBytes = 10
  t.match(states(rig), [{ phase: 'responding', waitsFor: 'client-window', responseWaitingBytes: 10 }])
  up.trailers(TRAILERS)
  const [answered] = states(rig)
  t.match(answered, { phase: 'answered', waitsFor: 'client-window' })
  t.notOk('deadlineInMs' in answered!, 'it has none any more')
  down.queuedBytes = 0
  t.match(states(rig), [{ phase: 'answered', waitsFor: 'client' }])
  down.settle()
  t.same(states(rig), [])
})

t.test('a director that has not answered, and a backend that takes no more of the request', async t => {
  const asked = Promise.withResolvers<{ backend: string }>()
  const rig = new CallRig({ director: () => asked.promise })
  const { down } = rig.open()
  t.match(states(rig), [{ phase: 'routing', waitsFor: 'director', backend: '', endpoint: '' }])
  asked.resolve({ backend: 'main' })
  await asked.promise
  down.data('\0\0\0\0\x02hi')
  rig.up.queuedBytes = 7
  t.match(states(rig), [{ phase: 'forwarding', waitsFor: 'backend-window', requestWaitingBytes: 7 }])
})

t.test('where nobody is told of calls, no age is invented', async t => {
  const rig = new CallRig({ silent: true })
  rig.clock.advance(1_000)
  rig.open()
  const [call] = states(rig)
  for (const field of ['ageMs', 'requestMessages', 'responseMessages']) t.notOk(field in call!, field)
})

function liveCall(i: number): LiveCall {
  return {
    previousLive: undefined,
    nextLive: undefined,
    abort() {},
    get parts(): never {
      throw new Error(`nobody asked for ${i}`)
    },
  }
}

t.test('of a hundred thousand calls a part is looked at, the oldest first', async t => {
  const live = new LiveCalls()
  const calls = Array.from({ length: 100_000 }, (_, i) => liveCall(i))
  for (const call of calls) live.add(call)
  t.same(
    live.oldest(0, 3).map(call => calls.indexOf(call)),
    [0, 1, 2],
  )
  t.same(
    live.oldest(99_998, 5).map(call => calls.indexOf(call)),
    [99_998, 99_999],
  )
  t.same(live.oldest(100_000, 5), [])
  t.same(live.oldest(0, 0), [])
})

t.test('calls that end anywhere in the list leave the others in their order', async t => {
  const live = new LiveCalls()
  const calls = Array.from({ length: 6 }, (_, i) => liveCall(i))
  for (const call of calls) live.add(call)
  const left = new Set(calls)
  for (const gone of [0, 5, 3, 1, 2, 4]) {
    live.remove(calls[gone]!)
    left.delete(calls[gone]!)
    t.strictSame(live.oldest(0, 10), [...left], `without ${gone}`)
  }
  live.add(calls[2]!)
  t.strictSame(live.oldest(0, 10), [calls[2]])
})
