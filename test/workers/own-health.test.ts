/** `grpc.health.v1.Health` answered by a proxy of several processes: each worker answers, and knows what it knows itself. */
import { once } from 'node:events'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import t from 'tap'
import { healthRequest, readHealthResponse, ServingStatus } from '../../src/grpc/health-message.ts'
import { prefixed } from '../../src/grpc/message.ts'
import { until } from '../support/until.ts'
import { backend, call, connect, pidsOf, serve } from './rig.ts'

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = ServingStatus

/** A call of the health service, and what it was told so far. */
class Asked {
  readonly told: (number | undefined)[] = []
  readonly ended: Promise<string>
  readonly #stream: ClientHttp2Stream

  constructor(session: ClientHttp2Session, method: 'Check' | 'Watch', service: string) {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/grpc.health.v1.Health/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    let status = 'lost'
    const seen = (headers: { readonly 'grpc-status'?: unknown }) => {
      if (typeof headers['grpc-status'] === 'string') status = headers['grpc-status']
    }
    stream.on('response', seen).on('trailers', seen)
    stream.on('error', () => {})
    // A message of it is one DATA frame: five bytes, and two.
    stream.on('data', (bytes: Buffer) => this.told.push(readHealthResponse(bytes.subarray(5))))
    this.ended = once(stream, 'close').then(() => status)
    stream.end(prefixed(healthRequest(service)))
    this.#stream = stream
  }

  /** The message of this number, from 1 on; undefined: the call has ended without. */
  async hears(number: number): Promise<number | undefined> {
    await until(`message ${number}`, () => this.told.length >= number || this.#stream.closed)
    return this.told[number - 1]
  }
}

/** A status of the service, or how the call ended without. */
async function check(session: ClientHttp2Session, service: string): Promise<number | string> {
  const asked = new Asked(session, 'Check', service)
  const ended = await asked.ended
  return asked.told[0] ?? `status ${ended}`
}

t.test('each worker answers for itself, through a reload, the death of a worker and a drain', async t => {
  const { url, calls } = await backend(t)
  const yaml = (services: string) => `listeners: [{ address: 127.0.0.1:0 }]
backends:
  main: { endpoints: ["${url}"], required: true }
  gone: { endpoints: ["unix:FOLDER/nobody.sock"], backoff: { initialMs: 60000, maxMs: 60000 } }
routes: [{ match: { service: gone.* }, backend: gone }, { backend: main }]
healthService: { services: { ${services} } }
log: { access: false }
workers: 2`
  const served = await serve(t, yaml('main.Main: main, gone.Gone: gone'))
  const sessions = [await connect(t, served.address), await connect(t, served.address)]
  const all = (service: string) => Promise.all(sessions.map(session => check(session, service)))
  t.same(await all(''), [SERVING, SERVING], 'the proxy is ready, though no worker listens')
  t.same(await all('main.Main'), [SERVING, SERVING])
  t.same(await all('nobody'), ['status 5', 'status 5'])

  // One of the workers has tried the backend that is gone, the other has not: each says what it knows.
  t.equal(await call(sessions[0]!, '/gone.Gone/C'), '14')
  t.same(await all('gone.Gone'), [NOT_SERVING, SERVING])

  const watches = sessions.map(session => new Asked(session, 'Watch', 'new.New'))
  for (const watch of watches) t.equal(await watch.hears(1), SERVICE_UNKNOWN)
  served.write(yaml('new.New: main'))
  t.match(JSON.parse(await served.page('/reload', 'POST')), { kind: 'applied' })
  for (const watch of watches) t.equal(await watch.hears(2), SERVING, 'a reload brings the name, in both')
  t.same(await all('main.Main'), ['status 5', 'status 5'], 'and takes the other')

  const [victim] = await pidsOf(served)
  process.kill(victim!, 'SIGKILL')
  // Which of the two the first worker had is chance.
  const [lost, ended] = await Promise.race(watches.map(async (watch, i) => [i, await watch.ended] as const))
  t.equal(ended, 'lost')
  const [session, watch] = [sessions[1 - lost]!, watches[1 - lost]!]
  t.equal(await check(session, ''), SERVING, 'the other worker goes on')
  await served.proxy.output(/worker 1 was ended by SIGKILL/)
  const next = await connect(t, served.address)
  t.equal(await check(next, 'new.New'), SERVING, 'whoever serves now has the last configuration')

  served.proxy.child.kill('SIGTERM')
  t.equal(await watch.hears(3), NOT_SERVING, 'a drain tells those who watch')
  t.equal(await watch.ended, '14')
  t.equal((await served.proxy.exit).code, 0, 'and does not wait for them')
  t.equal(calls(), 0, 'the backend was asked nothing')
})
