/** A session on `native` that takes no more calls: what it tells the backend, and when. `frames`: test/wire/connection. */
import t from 'tap'
import { nativeClientTransport } from '../../src/transport/native/client.ts'
import type { ClientSession, ClientSessionOwner, StreamEnd, StreamOwner } from '../../src/transport/transport.ts'
import { requestFields } from '../contract/rig.ts'
import { block } from '../support/fake-transport.ts'
import { Code } from '../support/frames.ts'
import { RawServer } from '../support/raw-server.ts'

const LIMITS = { maxHeaderListBytes: 65_536, maxHeaderFields: 100, streamWindowBytes: 65_535 }

interface Owned {
  readonly session: ClientSession
  readonly closed: Promise<void>
}

async function connected(server: RawServer): Promise<Owned> {
  const target = { name: server.url, tcp: { host: '127.0.0.1', port: server.port } }
  let close = (): void => {}
  const closed = new Promise<void>(resolve => (close = resolve))
  const session = await new Promise<ClientSession>((resolve, reject) => {
    const owner: ClientSessionOwner = {
      onReady: resolve,
      onFree: () => {},
      onDraining: () => {},
      onSpent: () => {},
      onSessionClosed: (_session, reason) => {
        reject(new Error(reason))
        close()
      },
    }
    nativeClientTransport(LIMITS).connect(target, owner)
  })
  return { session, closed }
}

const OWNER: StreamOwner = {
  onHeaders: () => {},
  onData: () => {},
  onTrailers: () => {},
  onWritable: () => {},
  onClosed: () => {},
}

// python-h2 takes a GOAWAY for the end: what comes after it on that connection ends it, and grpclib cancels all calls.
t.test('no GOAWAY while it has a call that lasts; then the end', async t => {
  const server = await RawServer.listen(t)
  const { session, closed } = await connected(server)
  const stream = session.open(OWNER)
  stream.sendHeaders(block(Object.fromEntries(requestFields().map(([name, value]) => [name, value]))), false)
  const { connection, streamId } = await server.request()
  session.retire()
  t.equal(session.free, 0, 'no more calls')
  await connection.roundTrip()
  t.notOk(
    connection.log.some(item => item.kind === 'goaway'),
    'the backend is told nothing yet',
  )
  stream.reset(Code.CANCEL)
  t.match(await connection.next('rst', streamId), { code: Code.CANCEL })
  t.match(await connection.next('goaway'), { code: Code.NO_ERROR })
  await closed
})

t.test('one that has no call ends at once', async t => {
  const server = await RawServer.listen(t)
  const { session, closed } = await connected(server)
  session.retire()
  await closed
  await (await server.connection()).closed
})

t.test('a session that is told to end again and again ends once', async t => {
  const server = await RawServer.listen(t)
  const { session, closed } = await connected(server)
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const stream = session.open(OWNER)
  stream.sendHeaders(block(Object.fromEntries(requestFields().map(([name, value]) => [name, value]))), false)
  for (let i = 0; i < 20; i++) session.destroy()
  await closed
  t.same(warnings, [], 'Node has no complaint about listeners')
})

t.test('a call that was not sent when GOAWAY came is told so, and not that it was refused', async t => {
  const server = await RawServer.listen(t)
  const { session } = await connected(server)
  const connection = await server.connection()
  const end = await new Promise<StreamEnd>(onClosed => {
    // What Node is given here it sends in the next turn, and first it reads.
    setImmediate(() => {
      connection.goaway(2 ** 31 - 1, Code.NO_ERROR)
      const stream = session.open({ ...OWNER, onClosed })
      stream.sendHeaders(block(Object.fromEntries(requestFields().map(([name, value]) => [name, value]))), true)
    })
  })
  t.match(end, { kind: 'lost', unprocessed: true })
})
