/** What a peer would be blamed for though only its configuration is: windows that hold bulk up, fields nobody asked for. */
import { once } from 'node:events'
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { Contender } from '../../../bench/subjects/contender.ts'
import { nghttpx } from '../../../bench/subjects/nghttpx.ts'
import { byHand, http2Proxy } from '../../../bench/subjects/node-program.ts'
import { grpcMessage, SMALL_BYTES, SMALL_PATH, type World } from '../../../bench/subjects/world.ts'
import { arrival } from '../../support/arrival.ts'
import { connect } from './one-call.ts'

const SERVER = 'the backend'

interface Seen {
  /** Of the backend. */
  readonly session: ServerHttp2Session
  /** What it got. */
  readonly request: http2.IncomingHttpHeaders
  /** What the client got of its answer. */
  readonly response: http2.IncomingHttpHeaders
}

/** One call through a subject to a backend that looks at it. */
async function seenThrough(t: Test, { start }: Contender): Promise<Seen> {
  const backend = http2.createServer()
  const came = once(backend, 'stream') as Promise<[ServerHttp2Stream, http2.IncomingHttpHeaders]>
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  t.teardown(() => backend.close())
  const world: Pick<World, 'folder' | 'backends'> = {
    folder: t.testdir(),
    backends: [(backend.address() as AddressInfo).port],
  }
  const { child, port } = await start(world as World)
  t.teardown(() => child?.kill())
  const client = await connect(port)
  t.teardown(() => client.destroy())
  const call = client.request({ ':method': 'POST', ':path': SMALL_PATH, 'content-type': 'application/grpc' })
  const answered = arrival(call, 'response') as Promise<[http2.IncomingHttpHeaders]>
  call.end(grpcMessage(SMALL_BYTES))
  const [stream, request] = await came
  const session = stream.session as ServerHttp2Session
  t.teardown(() => session.destroy())
  stream.on('error', () => {})
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', server: SERVER }, { waitForTrailers: true })
  stream.end(grpcMessage(SMALL_BYTES))
  stream.resume()
  const [response] = await answered
  call.resume()
  await once(call, 'close')
  return { session, request, response }
}

for (const contender of [byHand, http2Proxy]) {
  const found = contender.find()
  const skip = 'missing' in found ? found.install : false
  t.test(`responses of ${contender.name} do not share 64 KiB of window`, { skip }, async t => {
    const { session } = await seenThrough(t, contender)
    // What it may send now, all streams together.
    t.ok(session.state.remoteWindowSize! > 1_000_000, `${session.state.remoteWindowSize} bytes`)
  })
}

const found = nghttpx.find()
t.test('nghttpx adds no field and writes none anew', { skip: 'missing' in found ? found.install : false }, async t => {
  const { request, response } = await seenThrough(t, nghttpx)
  t.strictSame(
    Object.keys(request).filter(name => /^(via|forwarded|x-forwarded-.*)$/.test(name)),
    [],
  )
  t.notOk('via' in response)
  t.equal(response.server, SERVER)
})
