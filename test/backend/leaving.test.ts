/** Endpoints that leave a backend, with real sockets, on both transports. */
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { Backend, type Lease, type Waiter } from '../../src/backend/backend.ts'
import { DEFAULT } from '../../src/backend/call-priority.ts'
import { Client } from '../../src/backend/client-share.ts'
import { endpointSpecs } from '../../src/backend/endpoint-source.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import { Carriers } from '../../src/proxy/carriers.ts'
import { systemClock } from '../../src/transport/clock.ts'
import { TimerWheel } from '../../src/transport/timer-wheel.ts'
import type { HeaderBlock, Stream, StreamEnd, StreamOwner, TransportName } from '../../src/transport/transport.ts'
import { loopTurn } from '../../src/transport/turn.ts'
import { message, RESPONSE, requestFields, TRAILERS } from '../contract/rig.ts'
import { block } from '../support/fake-transport.ts'
import { type Incoming, RawServer } from '../support/raw-server.ts'
import { until } from '../support/until.ts'

/** A call, from the backend's door on; tells how it ended. */
class Call implements Waiter, StreamOwner {
  ticket: Waiter['ticket']
  arriving = false
  readonly hash = 0
  readonly priority = DEFAULT
  readonly share: Waiter['share']
  readonly ended: Promise<string>
  #stream: Stream | undefined
  #lease: Lease | undefined
  #body = ''
  #status = 'no status'
  #tell: (how: string) => void = () => {}

  constructor(share: Waiter['share']) {
    this.share = share
    this.ended = new Promise(resolve => (this.#tell = resolve))
  }

  onLease(lease: Lease): void {
    this.#lease = lease
    this.#stream = lease.open(this)
    this.share.streamOpened(lease)
    this.#stream.sendHeaders(block(Object.fromEntries(requestFields().map(([name, value]) => [name, value]))), true)
  }

  onUnavailable(why: string, detail: string): void {
    this.#tell(`${why}: ${detail}`)
  }

  onHeaders(): void {}
  onWritable(): void {}

  onData(bytes: Buffer, start: number, end: number): void {
    this.#body += bytes.toString('latin1', start + 5, end)
    this.#stream!.release(end - start)
  }

  onTrailers(fields: HeaderBlock): void {
    this.#status = fields.find(({ name }) => name === 'grpc-status')!.value
  }

  onClosed(end: StreamEnd): void {
    this.share.streamEnded(this.#lease!)
    this.#lease!.ended({ stream: this.#stream!, seen: true })
    this.#tell(end.kind === 'clean' ? `${this.#body} ${this.#status}` : end.kind)
  }
}

class Scene {
  readonly backend: Backend
  readonly wheel = new TimerWheel(systemClock)
  readonly a: RawServer
  readonly b: RawServer
  readonly #client = new Client()

  constructor(t: Test, transport: TransportName, drainGraceMs: number, a: RawServer, b: RawServer) {
    this.a = a
    this.b = b
    const sessions = { drainGraceMs }
    const { config } = resolveConfig({ backends: { main: { endpoints: [a.url, b.url], transport, sessions } } })
    const carriers = new Carriers(config.limits, {
      wheel: this.wheel,
      log: pino({ level: 'silent' }),
      onViolation: t.fail,
    })
    const context = {
      clock: systemClock,
      wheel: this.wheel,
      turn: loopTurn,
      random: Math.random,
      clientHeldBytes: () => 1e6,
    }
    this.backend = new Backend(config.backends.main!, { ...context, transport: carriers.client(transport) })
    t.teardown(() => this.backend.close())
  }

  static async on(t: Test, transport: TransportName, drainGraceMs = 600_000): Promise<Scene> {
    return new Scene(t, transport, drainGraceMs, await RawServer.listen(t), await RawServer.listen(t))
  }

  calls(count: number): Call[] {
    return Array.from({ length: count }, () => {
      const call = new Call(this.#client.shareOf(this.backend))
      this.backend.acquire(call)
      return call
    })
  }

  only(...servers: RawServer[]): void {
    const addresses = servers.map(({ url, port }) => ({ name: url, tcp: { host: '127.0.0.1', port } }))
    this.backend.setEndpoints(endpointSpecs(addresses))
  }
}

async function came(server: RawServer, count: number): Promise<Incoming[]> {
  const requests: Incoming[] = []
  while (requests.length < count) requests.push(await server.request())
  return requests
}

function answer({ connection, streamId }: Incoming, text: string): void {
  connection.headers(streamId, RESPONSE)
  connection.data(streamId, message(text))
  connection.headers(streamId, TRAILERS, { endStream: true })
}

const all = (calls: readonly Call[]) => Promise.all(calls.map(({ ended }) => ended))

for (const transport of ['frames', 'native'] as const) {
  t.test(`${transport}: an endpoint that leaves finishes its calls, gets no new one, and its session ends`, async t => {
    const scene = await Scene.on(t, transport)
    const { a, b, backend } = scene
    const before = scene.calls(4)
    const [atA, atB] = [await came(a, 2), await came(b, 2)]
    scene.only(b)
    const after = scene.calls(4)
    for (const request of [...atB, ...(await came(b, 4))]) answer(request, 'b')
    t.same(await all(after), ['b 0', 'b 0', 'b 0', 'b 0'])
    const [{ connection }] = atA as [Incoming]
    await connection.roundTrip()
    t.notOk(
      connection.log.some(({ kind }) => kind === 'goaway' || kind === 'rst'),
      'it hears nothing while it has calls',
    )
    t.match(backend.open, { sessions: 2, streams: 2 }, 'and counts')
    for (const request of atA) answer(request, 'a')
    t.same((await all(before)).sort(), ['a 0', 'a 0', 'b 0', 'b 0'])
    await connection.closed
    t.match(connection.log.at(-1), { kind: 'goaway', code: 0 })
    await until('it is forgotten', () => backend.open.sessions === 1)
    t.same([a.connections.length, a.requests.length, b.connections.length], [1, 2, 1])
  })

  t.test(`${transport}: what an endpoint that left still has when the grace is over is ended`, async t => {
    const scene = await Scene.on(t, transport, 0)
    const calls = scene.calls(2)
    const [[atA], [atB]] = [await came(scene.a, 1), await came(scene.b, 1)]
    scene.only(scene.b)
    await atA!.connection.closed
    answer(atB!, 'b')
    t.same((await all(calls)).sort(), ['b 0', 'lost'])
    await until('it is forgotten', () => scene.backend.open.sessions === 1)
  })

  t.test(`${transport}: a backend that is retired finishes its calls, and is gone with the last`, async t => {
    const scene = await Scene.on(t, transport)
    const { a, b, backend } = scene
    const calls = scene.calls(2)
    const requests = [...(await came(a, 1)), ...(await came(b, 1))]
    const retired = backend.retire()
    calls.push(...scene.calls(1))
    requests.push(await Promise.race([a.request(), b.request()]))
    for (const request of requests) answer(request, 'served')
    t.same(await all(calls), ['served 0', 'served 0', 'served 0'])
    await retired
    t.same([backend.calls, backend.open], [0, { sessions: 0, streams: 0 }])
    t.same(await all(scene.calls(1)), ['unreachable: the backend has been removed'])
  })
}
