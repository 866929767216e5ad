/** An endpoint of the fault runs on Node's own HTTP/2, with the same orders as its sister in Go: `PORT LEDGER MAX_AGE_MS`. */
import { openSync, writeSync } from 'node:fs'
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { flakyFails, ROTATED, type Treatment } from './endpoint.ts'

const SLOW_FACTOR = 100
const LEAST_USUAL_MS = 2
const USUAL_SPREAD_US = 6_000
/** As many as grpc-go and nghttp2 allow by themselves. */
const MAX_CONCURRENT_STREAMS = 100
/** gRFC A9: so that not all sessions end at once. */
const AGE_JITTER = 0.1
const RESPONSE = { ':status': 200, 'content-type': 'application/grpc' }
const WITH_TRAILERS = { waitForTrailers: true, sendDate: false }

const PREVIOUS = 'grpc-previous-rpc-attempts'
const HEALTH_PATH = '/grpc.health.v1.Health/Check'
/** HealthCheckResponse { status }, in gRPC's frame. */
const SERVING = Buffer.from([0, 0, 0, 0, 2, 8, 1])
const NOT_SERVING = Buffer.from([0, 0, 0, 0, 2, 8, 2])

const [port = '0', ledgerPath = '/dev/null', maxAgeMs = '0'] = process.argv.slice(2)
const ledger = openSync(ledgerPath, 'a')
let treatment: Treatment = 'answer'

/** The same for the same call on each kind of endpoint: 2 to 8 ms. */
function usualMs(id: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193)
  return LEAST_USUAL_MS + ((hash >>> 0) % USUAL_SPREAD_US) / 1_000
}

function answer(stream: ServerHttp2Stream, body: Buffer): void {
  if (stream.destroyed) return
  stream.respond(RESPONSE, WITH_TRAILERS)
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(body)
}

function serve(stream: ServerHttp2Stream, id: string, previous: string | undefined): void {
  const as = treatment
  // One write, at once: what a process that is killed had received is known all the same.
  writeSync(ledger, `${id} ${as}\n`)
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('error', () => {})
  stream.on('end', () => {
    if (as === 'silent' || stream.destroyed) return
    if (as === 'unavailable' || (as === 'flaky' && flakyFails(id, previous)))
      return stream.respond({ ...RESPONSE, 'grpc-status': '14', 'grpc-message': 'told to' }, { endStream: true })
    const ms = usualMs(id) * (as === 'slow' ? SLOW_FACTOR : 1)
    setTimeout(answer, ms, stream, Buffer.concat(chunks))
  })
}

/** As an endpoint's program would: what keeps it from answering calls keeps it from answering this. */
function checked(stream: ServerHttp2Stream): void {
  const as = treatment
  stream.on('error', () => {})
  stream.resume()
  stream.on('end', () => as !== 'silent' && answer(stream, as === 'unavailable' ? NOT_SERVING : SERVING))
}

const sessions = new Set<ServerHttp2Session>()

function limitAge(session: ServerHttp2Session, ageMs: number): void {
  const rotate = (): void => {
    writeSync(ledger, `${ROTATED}\n`)
    session.close()
  }
  const timer = setTimeout(rotate, ageMs * (1 + AGE_JITTER * (2 * Math.random() - 1)))
  session.on('close', () => clearTimeout(timer))
}

const server = http2.createServer({ settings: { maxConcurrentStreams: MAX_CONCURRENT_STREAMS } })
server.on('stream', (anyStream, headers) => {
  const stream = anyStream as ServerHttp2Stream
  if (headers[':path'] === HEALTH_PATH) checked(stream)
  else serve(stream, headers[':path']!.split('/').at(-1)!, headers[PREVIOUS] as string | undefined)
})
server.on('sessionError', () => {})
server.on('session', session => {
  sessions.add(session)
  session.on('close', () => sessions.delete(session))
  if (Number(maxAgeMs) > 0) limitAge(session, Number(maxAgeMs))
})
server.listen(Number(port), '127.0.0.1', () => {
  console.log(`listening on ${(server.address() as AddressInfo).port}, node:http2 of ${process.version}`)
})

const orders = createInterface({ input: process.stdin })
orders.on('line', order => {
  if (order === 'leave') {
    server.close(() => process.exit(0))
    for (const session of sessions) session.close()
    return
  }
  treatment = order as Treatment
  console.log(`now ${order}`)
})
// Nobody is there any more.
orders.on('close', () => process.exit(0))
