/** Connections that die take their calls with them, and the other side is told the truth. */
import { pino } from 'pino'
import type { Test } from 'tap'
import { Code } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import type { RawConnection } from '../support/raw-connection.ts'
import { until } from '../support/until.ts'
import {
  answer,
  answered,
  arrived,
  broken,
  goesOn,
  isReady,
  message,
  neverEnded,
  open,
  type Pairing,
  RESPONSE,
  refused,
  requestFields,
  rig,
} from './rig.ts'

const DEATHS: readonly (readonly [string, (connection: RawConnection) => void])[] = [
  ['an end', connection => connection.socket.end()],
  ['a TCP reset', connection => connection.resetConnection()],
]

export function losses(t: Test, pairing: Pairing): void {
  for (const [what, die] of DEATHS) {
    // protocol.md "Messages and ends": client disconnect → RST_STREAM(CANCEL) upstream.
    t.test(`client disconnects with ${what}: the backend sees CANCEL on each of its streams`, async t => {
      const here = await rig(t, pairing)
      const calls = [await open(here), await open(here, { endStream: true }), await open(here)]
      calls[2]!.backend.headers(calls[2]!.backendId, RESPONSE)
      await here.client.next('headers', calls[2]!.id)
      die(here.client)
      for (const { backend, backendId } of calls) {
        t.match(await backend.next('rst', backendId), { code: Code.CANCEL })
      }
      neverEnded(t, calls[0]!.backend, calls[0]!.backendId)
      const other = await RawClient.connect(t, here.port)
      await goesOn(t, { ...here, client: other })
      t.equal(here.backend.connections.length, 1, 'the session to the backend stays')
    })

    // protocol.md "When the proxy must answer by itself": connection loss is UNAVAILABLE.
    t.test(`backend connection lost with ${what} before a response: UNAVAILABLE`, async t => {
      const here = await rig(t, pairing)
      const first = await open(here, { endStream: true })
      const second = await open(here)
      die(first.backend)
      await refused(t, first.client, first.id, 14)
      await refused(t, second.client, second.id, 14)
      t.equal(here.backend.requests.length, 2, 'not retried: they may have been processed')
      await goesOn(t, here)
    })

    t.test(`backend connection lost with ${what} between two messages: UNAVAILABLE, as direct`, async t => {
      const here = await rig(t, pairing)
      const calls = [await open(here, { endStream: true }), await open(here)]
      for (const call of calls) {
        call.backend.headers(call.backendId, RESPONSE)
        call.backend.data(call.backendId, message('one'))
        await call.client.received(call.id, message('one').length)
      }
      die(calls[0]!.backend)
      for (const call of calls) {
        await broken(t, call, 14, 'upstream-lost')
        t.ok(call.client.body(call.id).equals(message('one')))
      }
      t.match(await here.client.next('rst', calls[1]!.id), { code: Code.NO_ERROR }, 'the request is not wanted')
      await goesOn(t, here)
    })

    t.test(`backend connection lost with ${what} in the middle of a message: a reset, never a clean end`, async t => {
      const here = await rig(t, pairing)
      const call = await open(here, { endStream: true })
      call.backend.headers(call.backendId, RESPONSE)
      const part = message('half').subarray(0, -1)
      call.backend.data(call.backendId, part)
      await call.client.received(call.id, part.length)
      die(call.backend)
      t.not((await call.client.next('rst', call.id)).code, Code.NO_ERROR)
      neverEnded(t, call.client, call.id)
      await goesOn(t, here)
    })
  }

  t.test('who ended the connection of a call is in its log line: the backend, the client or the proxy', async t => {
    const lines: Record<string, unknown>[] = []
    const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) })
    const here = await rig(t, pairing, { upstream: { sessions: { maxDraining: 1 } }, proxy: { logger } })
    const told = async (path: string) => {
      const line = () => lines.find(line => line.path === path)
      await until(`the line of ${path}`, () => line() !== undefined)
      return [line()!.endedBy, line()!.reason]
    }
    const begin = async (path: string) => {
      const call = await arrived(here, here.client.request(requestFields([], path)))
      call.backend.headers(call.backendId, RESPONSE)
      await here.client.next('headers', call.id)
      return call
    }
    const lost = await begin('/a/lost')
    lost.backend.resetConnection()
    t.same(await told('/a/lost'), ['backend', 'upstream-lost'])
    for (const path of ['/a/oldest', '/a/open']) {
      const call = await begin(path)
      call.backend.goaway(call.backendId, Code.NO_ERROR)
      await call.backend.roundTrip()
    }
    t.same(await told('/a/oldest'), ['proxy', 'upstream-lost'], 'one session more than may drain')
    here.client.resetConnection()
    t.same(await told('/a/open'), ['client', 'disconnected'])
  })

  t.test('no address of a backend in what a client reads of a lost or refused connection', async t => {
    const upstream = { queue: { maxCalls: 1, timeoutMs: 50 }, sessions: { max: 1, ready: 1 } }
    const here = await rig(t, pairing, { upstream })
    await isReady(here)
    const [call, other] = [await open(here, { endStream: true }), await open(here, { endStream: true })]
    const { port } = here.backend
    await here.backend.refuse()
    call.backend.rst(call.backendId, Code.INTERNAL_ERROR)
    await refused(t, here.client, call.id, 13)
    other.backend.resetConnection()
    await refused(t, here.client, other.id, 14)
    await refused(t, here.client, here.client.request(requestFields(), { endStream: true }), 14)
    for (const item of here.client.log) {
      if (item.kind !== 'headers') continue
      for (const { name, value } of item.fields) {
        t.notMatch(value, new RegExp(`127\\.0\\.0\\.1|localhost|${port}|ECONN`), `${name}: ${value}`)
      }
    }
  })

  t.test('a backend that dies does not touch calls of another connection', async t => {
    const here = await rig(t, pairing)
    const first = await open(here, { endStream: true })
    first.backend.goaway(first.backendId, Code.NO_ERROR)
    await first.backend.roundTrip()
    const second = await open(here, { endStream: true })
    t.ok(first.backend !== second.backend, 'another session')
    first.backend.destroy()
    await refused(t, first.client, first.id, 14)
    answer(second)
    await answered(t, second)
  })
}
