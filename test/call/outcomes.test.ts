/** What those who listen to an endpoint are told of each attempt there. */
import t from 'tap'
import { Outcomes } from '../../src/backend/outcome.ts'
import { block } from '../support/fake-transport.ts'
import { CallRig, CLEAN, CLIENT_CANCELS, lost, RESPONSE, request, resetByPeer, TRAILERS } from './rig.ts'

interface Told {
  readonly headersMs?: number
  /** The headers were the whole response. */
  readonly whole?: boolean
  readonly status: number
  readonly by: string
  readonly refused: boolean
  readonly latencyMs: number
  readonly trailers: boolean
}

function rigThatListens(): { rig: CallRig; told: Told[] } {
  const rig = new CallRig()
  const told: Told[] = []
  let headers: { headersMs: number; whole: boolean } | undefined
  rig.backend.endpoints[0]!.outcomes = new Outcomes(rig.clock, [
    {
      onHeaders: (headersMs, _, whole, nowMs) => {
        t.equal(nowMs, rig.clock.now())
        headers = { headersMs, whole }
      },
      onEnd: ({ status, by, refused, latencyMs, headersMs, endMs, trailers }) => {
        t.same([headersMs, endMs], [headers?.headersMs ?? -1, rig.clock.now()])
        told.push({ ...headers, status, by, refused, latencyMs, trailers: trailers !== undefined })
        headers = undefined
      },
    },
  ])
  return { rig, told }
}

t.test('a whole response: when its headers came, when it ended, and with what', async t => {
  const { rig, told } = rigThatListens()
  rig.open(request(), true)
  rig.clock.advance(20)
  rig.up.headers(RESPONSE, false)
  rig.clock.advance(30)
  rig.up.trailers(block({ 'grpc-status': '14' }))
  rig.up.close(CLEAN)
  t.same(told, [
    { headersMs: 20, whole: false, status: 14, by: 'backend', refused: false, latencyMs: 50, trailers: true },
  ])
})

t.test('an answer that is headers alone', async t => {
  const { rig, told } = rigThatListens()
  rig.open(request(), true)
  rig.clock.advance(5)
  rig.up.headers(block({ ':status': '200', 'content-type': 'application/grpc', 'grpc-status': '5' }), true)
  rig.up.close(CLEAN)
  t.same(told, [{ headersMs: 5, whole: true, status: 5, by: 'backend', refused: false, latencyMs: 5, trailers: true }])
})

t.test('a client that leaves says nothing about the endpoint, nor does what comes after it', async t => {
  const { rig, told } = rigThatListens()
  const { down } = rig.open(request(), true)
  rig.clock.advance(7)
  down.close(CLIENT_CANCELS)
  rig.up.headers(RESPONSE, false)
  rig.up.close(resetByPeer(8))
  t.match(told, [{ status: 1, by: 'client', latencyMs: 7 }])
  t.equal(told.length, 1)
})

t.test('a deadline that passes is told as the proxy ends the call', async t => {
  const { rig, told } = rigThatListens()
  rig.open(request({ 'grpc-timeout': '50m' }), true)
  rig.clock.advance(50)
  t.match(told, [{ status: 4, by: 'proxy', refused: false }])
})

t.test('a stream that the backend ends by itself', async t => {
  const { rig, told } = rigThatListens()
  rig.open(request(), true)
  rig.up.close(resetByPeer(2))
  t.match(told, [{ status: 13, by: 'backend', refused: false, trailers: false }])
})

t.test('a refused attempt and the one that is made in its place are two', async t => {
  const { rig, told } = rigThatListens()
  rig.open(request(), true)
  rig.up.close(resetByPeer(7))
  rig.up.headers(RESPONSE, false)
  rig.up.trailers(TRAILERS)
  rig.up.close(CLEAN)
  t.match(told, [
    { by: 'backend', refused: true },
    { status: 0, by: 'backend', refused: false },
  ])
})

t.test('a connection that is lost', async t => {
  const { rig, told } = rigThatListens()
  rig.open(request(), true)
  rig.up.close(lost())
  t.match(told, [{ status: 14, by: 'backend', refused: false }])
})
