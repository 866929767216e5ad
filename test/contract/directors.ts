/** Where a call goes, and what a client hears when it goes nowhere. */
import { createServer } from 'node:net'
import type { Test } from 'tap'
import { GrpcError } from '../../src/index.ts'
import { Code } from '../support/frames.ts'
import { RawServer } from '../support/raw-server.ts'
import { directed, goesOn, message, open, type Pairing, refused, requestFields, rig, rigTo } from './rig.ts'

export function directors(t: Test, pairing: Pairing): void {
  routes(t, pairing)
  thrown(t, pairing)
  later(t, pairing)
  unreachable(t, pairing)
}

function routes(t: Test, pairing: Pairing): void {
  t.test('no route: UNIMPLEMENTED', async t => {
    const routes = [{ match: { service: 'after' }, backend: 'main' }]
    const here = await rig(t, pairing, { proxy: { routes } })
    await refused(t, here.client, here.client.request(requestFields(), { endStream: true }), 12)
    await refused(t, here.client, here.client.request(requestFields()), 12)
    await goesOn(t, here)
  })

  t.test('a denying route: its status and message', async t => {
    const routes = [
      { match: { service: 'pkg.Service' }, deny: 'PERMISSION_DENIED' as const, message: 'not for 100 % of you' },
      { backend: 'main' },
    ]
    const here = await rig(t, pairing, { proxy: { routes } })
    const id = here.client.request(requestFields(), { endStream: true })
    await refused(t, here.client, id, 7, 'not for 100 %25 of you')
    await goesOn(t, here)
  })
}

function thrown(t: Test, pairing: Pairing): void {
  const afterAll = (call: { path: string }) => (call.path === '/after/all' ? { backend: 'main' } : undefined)

  for (const [how, wrap] of [
    ['', (fail: () => never) => fail()],
    ['later ', async (fail: () => never) => fail()],
  ] as const) {
    t.test(`a director that ${how}throws a GrpcError: its status, its message percent-encoded`, async t => {
      const here = await directed(t, pairing, call => {
        const fail = () => {
          throw new GrpcError('UNAUTHENTICATED', 'wer da? Ä\n50%')
        }
        return afterAll(call) ?? wrap(fail)
      })
      const id = here.client.request(requestFields(), { endStream: true })
      // PROTOCOL-HTTP2.md "Status-Message": percent-encoded UTF-8.
      await refused(t, here.client, id, 16, 'wer da? %C3%84%0A50%25')
      await goesOn(t, here)
    })

    t.test(`a director that ${how}throws anything else: INTERNAL, which does not tell what`, async t => {
      const here = await directed(t, pairing, call => {
        const fail = () => {
          throw new Error('secret: hunter2')
        }
        return afterAll(call) ?? wrap(fail)
      })
      const id = here.client.request(requestFields(), { endStream: true })
      await refused(t, here.client, id, 13)
      t.notMatch(here.client.describe(), /hunter2/)
      await goesOn(t, here)
    })
  }

  t.test('a director that answers nothing: UNIMPLEMENTED', async t => {
    const here = await directed(t, pairing, afterAll)
    await refused(t, here.client, here.client.request(requestFields(), { endStream: true }), 12)
    await goesOn(t, here)
  })

  t.test('a director that names an unknown backend: INTERNAL', async t => {
    const here = await directed(t, pairing, call => afterAll(call) ?? { backend: 'nowhere' })
    await refused(t, here.client, here.client.request(requestFields(), { endStream: true }), 13)
    await goesOn(t, here)
  })
}

function later(t: Test, pairing: Pairing): void {
  t.test('a director that answers later: what the client sent meanwhile follows the headers', async t => {
    const { promise, resolve } = Promise.withResolvers<{ backend: string }>()
    const here = await directed(t, pairing, () => promise)
    const id = here.client.request(requestFields())
    here.client.data(id, message('one'))
    here.client.data(id, message('two'), { endStream: true })
    await here.client.roundTrip()
    t.equal(here.backend.requests.length, 0)
    resolve({ backend: 'main' })
    const { connection, streamId } = await here.backend.request()
    await connection.ended(streamId)
    t.ok(connection.body(streamId).equals(Buffer.concat([message('one'), message('two')])))
  })

  t.test('the client gives up while the director thinks: its signal aborts, nothing is forwarded', async t => {
    const asked = Promise.withResolvers<AbortSignal>()
    const thinking = Promise.withResolvers<{ backend: string }>()
    const here = await directed(t, pairing, call => {
      if (call.path === '/after/all') return { backend: 'main' }
      asked.resolve(call.signal)
      return thinking.promise
    })
    const id = here.client.request(requestFields())
    const signal = await asked.promise
    const aborted = new Promise(resolve => signal.addEventListener('abort', resolve))
    here.client.rst(id, Code.CANCEL)
    await aborted
    thinking.resolve({ backend: 'main' })
    await goesOn(t, here)
    t.equal(here.backend.requests.length, 1)
  })
}

function unreachable(t: Test, pairing: Pairing): void {
  t.test('connect refused: UNAVAILABLE', async t => {
    const gone = await RawServer.listen(t)
    const { url } = gone
    await gone.destroy()
    const client = await rigTo(t, pairing, [url])
    await refused(t, client, client.request(requestFields(), { endStream: true }), 14)
    await refused(t, client, client.request(requestFields()), 14)
  })

  t.test('connect refused at one endpoint: the call goes to the other', async t => {
    const gone = await RawServer.listen(t)
    const { url } = gone
    await gone.destroy()
    const here = await rig(t, pairing, { upstream: {} })
    const { port } = here.backend
    const client = await rigTo(t, pairing, [url, `http://127.0.0.1:${port}`])
    for (let round = 0; round < 3; round++) await goesOn(t, { ...here, client })
    const call = await open({ ...here, client })
    call.client.rst(call.id, Code.CANCEL)
  })

  // Each is a backend that took a wrong port in its configuration.
  const wrong: readonly (readonly [string, string | undefined])[] = [
    ['speaks HTTP/1.1', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
    ['speaks garbage', '\0\0\0\0garbage that is no frame of HTTP/2'],
    ['hangs up', ''],
    ['says nothing', undefined],
  ]
  for (const [what, says] of wrong) {
    t.test(`a backend that ${what}: UNAVAILABLE`, async t => {
      const sockets = new Set<{ destroy(): void }>()
      const server = createServer(socket => {
        sockets.add(socket)
        socket.on('error', () => {})
        if (says !== undefined) socket.once('data', () => socket.end(says))
      })
      const listening = Promise.withResolvers<void>()
      server.listen(0, '127.0.0.1', () => listening.resolve())
      await listening.promise
      t.teardown(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
      const { port } = server.address() as { port: number }
      const client = await rigTo(t, pairing, [`http://127.0.0.1:${port}`], { connectTimeoutMs: 300 })
      await refused(t, client, client.request(requestFields(), { endStream: true }), 14)
    })
  }
}
