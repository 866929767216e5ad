/**
 * A client that stops reading while its backend sends without end: the proxy holds what the windows
 * allow and no more, and other calls go on. `SOAK_SECONDS=60` for the whole minute.
 */
import { once } from 'node:events'
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createProxy } from '../../src/index.ts'
import { arrival } from '../support/arrival.ts'
import { WHOLE } from '../support/whole.ts'

/** A minute shows it; longer soaks are for faults.test.ts. */
const SECONDS = Math.min(60, Number(process.env.SOAK_SECONDS ?? (WHOLE ? 3 : 1)))
const STALLED = 20
const STREAM_WINDOW = 65_536
const CHUNK = Buffer.alloc(16_384, 7)
/**
 * Bytes that a backend can get rid of before it stalls: the client's window (64 KiB), the proxy's
 * stream window, what Node's write buffers take on the backend's and the proxy's side (a high-water
 * mark and one chunk each), and the chunk that it counted before it stalled.
 */
const BOUND_BYTES = 65_535 + STREAM_WINDOW + 2 * (65_536 + CHUNK.length) + CHUNK.length

const RESPOND = { waitForTrailers: true, sendDate: false }

function floodingBackend() {
  const written: number[] = []
  const server = http2.createServer()
  server.on('stream', (anyStream, headers) => {
    const stream = anyStream as ServerHttp2Stream
    stream.on('error', () => {})
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, RESPOND)
    if (!String(headers[':path']).endsWith('/Flood')) {
      stream.end(Buffer.alloc(5))
      return
    }
    const index = written.push(0) - 1
    const pour = () => {
      if (stream.destroyed) return
      written[index]! += CHUNK.length
      if (stream.write(CHUNK)) setImmediate(pour)
      else stream.once('drain', pour)
    }
    pour()
  })
  return { server, written }
}

function request(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  stream.on('error', () => {})
  stream.end()
  return stream
}

async function smallCall(session: ClientHttp2Session): Promise<unknown> {
  const stream = request(session, '/soak.Service/Small').resume()
  const [trailers] = (await arrival(stream, 'trailers')) as [Record<string, unknown>]
  await once(stream, 'close')
  return trailers['grpc-status']
}

t.test('readers that stop hold up their own backends and nobody else', { timeout: (SECONDS + 600) * 1000 }, async t => {
  const { server, written } = floodingBackend()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = createProxy({
    backends: { main: { endpoints: [`127.0.0.1:${(server.address() as AddressInfo).port}`] } },
    log: { level: 'silent' },
    limits: { streamWindowBytes: STREAM_WINDOW },
  })
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  const slow = http2.connect(`http://127.0.0.1:${port}`)
  const lively = http2.connect(`http://127.0.0.1:${port}`)
  t.teardown(async () => {
    slow.destroy()
    lively.destroy()
    await proxy.close()
    server.close()
  })
  // The session's window must not be what stops the streams.
  await once(slow, 'connect')
  slow.setLocalWindowSize(16 * 1024 * 1024)

  const stalled = Array.from({ length: STALLED }, () => request(slow, '/soak.Service/Flood'))
  await Promise.all(stalled.map(stream => arrival(stream, 'response')))
  const until = Date.now() + SECONDS * 1000
  let calls = 0
  while (Date.now() < until || calls < 500) {
    // On the stalled streams' own connection, and on another.
    const status = await smallCall(calls % 2 === 0 ? slow : lively)
    if (status !== '0') return t.fail(`a small call beside them ended with grpc-status ${status}`)
    calls++
  }
  const most = Math.max(...written)
  t.equal(written.length, STALLED)
  t.ok(most <= BOUND_BYTES, `a backend got rid of ${most} bytes at most, the bound is ${BOUND_BYTES}`)
  t.comment(`${calls} other calls in ${SECONDS} s beside ${STALLED} stalled streams`)

  const before = [...written]
  const first = stalled[0]!
  let received = 0
  first.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received > 4 * BOUND_BYTES) first.close(http2.constants.NGHTTP2_CANCEL)
  })
  await once(first, 'close')
  t.ok(written[0]! > before[0]!, 'a reader that goes on gets more')
})
