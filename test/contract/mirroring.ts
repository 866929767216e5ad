/** Mirroring: a second backend gets the same frames, and whatever it does touches nothing of the call. */
import type { Test } from 'tap'
import { Code } from '../support/frames.ts'
import { RawServer, type ServerOptions } from '../support/raw-server.ts'
import { idle, until } from '../support/until.ts'
import {
  answer,
  answered,
  arrived,
  field,
  goesOn,
  message,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  type Rig,
  rig,
} from './rig.ts'

const MARK = ['x-grpc-verbatim-mirrored', '1']

interface Mirrored extends Rig {
  readonly mirror: RawServer
  /** How copies ended. */
  outcome(name: string): Promise<void>
}

async function mirrored(
  t: Test,
  pairing: Pairing,
  options: ServerOptions = {},
  replayBytes = 65_536,
): Promise<Mirrored> {
  const mirror = await RawServer.listen(t, options)
  const here = await rigTo(t, pairing, mirror.url, replayBytes)
  return { ...here, mirror }
}

async function rigTo(t: Test, pairing: Pairing, url: string, replayBytes = 65_536): Promise<Omit<Mirrored, 'mirror'>> {
  const backend = await RawServer.listen(t)
  const here = await rig(t, pairing, {
    proxy: {
      backends: {
        main: { endpoints: [backend.url], transport: pairing.upstream },
        next: { endpoints: [url], transport: pairing.upstream },
      },
      routes: [
        { match: { service: 'pkg.Service' }, backend: 'main', mirror: { backend: 'next' } },
        { backend: 'main' },
      ],
      metrics: true,
      limits: { replayBytes },
    },
  })
  const outcome = async (name: string): Promise<void> => {
    const line = `grpc_verbatim_mirrored_calls_total{backend="main",mirror="next",outcome="${name}"} 1`
    await until(
      `one copy is ${name}`,
      () => here.proxy.metrics().includes(line),
      () =>
        here.proxy
          .metrics()
          .match(/.*mirrored_calls_total.*/g)
          ?.join('\n') ?? 'none',
    )
    await idle(here.proxy)
  }
  return { ...here, backend, outcome }
}

export function mirroring(t: Test, pairing: Pairing): void {
  t.test('the copy is the request, marked; its answer goes nowhere, and a different status is counted', async t => {
    const here = await mirrored(t, pairing)
    const call = await open(here, {
      extra: [
        ['x-a', '1'],
        ['x-grpc-verbatim-mirrored', 'no'],
      ],
    })
    call.client.data(call.id, message('one'))
    call.client.data(call.id, message('two'), { endStream: true })
    const copy = await here.mirror.request()
    await copy.connection.ended(copy.streamId)
    const same = pairs(call.headers.fields).filter(([name]) => name !== MARK[0])
    t.same(pairs(copy.headers.fields), [...same, MARK])
    t.equal(field(call.headers, MARK[0]!), 'no', 'what the client says goes on as it came')
    t.ok(copy.connection.body(copy.streamId).equals(Buffer.concat([message('one'), message('two')])))
    copy.connection.headers(copy.streamId, [...RESPONSE, ['grpc-status', '13']], { endStream: true })
    await call.backend.ended(call.backendId)
    answer(call)
    await answered(t, call)
    await here.outcome('different')
    t.match(here.proxy.metrics(), /grpc_verbatim_mirrored_duration_seconds_count\{.*of="copy"\} 1/)
    await goesOn(t, here)
  })

  t.test('the same status; and the copy may end after its call', async t => {
    const here = await mirrored(t, pairing)
    const call = await open(here, { endStream: true })
    const copy = await here.mirror.request()
    answer(call)
    await answered(t, call)
    answer({ backend: copy.connection, backendId: copy.streamId }, 'something else')
    await here.outcome('same')
  })

  t.test('a call that is sent again has one copy', async t => {
    const here = await mirrored(t, pairing)
    const first = await open(here)
    first.client.data(first.id, message('one'))
    await first.backend.received(first.backendId, 8)
    const copy = await here.mirror.request()
    first.backend.rst(first.backendId, Code.REFUSED_STREAM)
    const second = await arrived(here, first.id)
    first.client.data(first.id, message('two'), { endStream: true })
    const body = Buffer.concat([message('one'), message('two')])
    await copy.connection.ended(copy.streamId)
    t.ok(copy.connection.body(copy.streamId).equals(body))
    await second.backend.ended(second.backendId)
    t.ok(second.backend.body(second.backendId).equals(body))
    answer(second)
    answer({ backend: copy.connection, backendId: copy.streamId })
    await answered(t, second)
    await here.outcome('same')
    t.equal(here.mirror.requests.length, 1)
  })

  t.test('a backend of copies that is not there', async t => {
    const gone = await RawServer.listen(t)
    const { url } = gone
    gone.destroy()
    const here = await rigTo(t, pairing, url)
    const call = await open(here, { endStream: true })
    answer(call)
    await answered(t, call)
    await here.outcome('unreachable')
  })

  t.test('one that resets the copy, and one that ends the connection', async t => {
    for (const how of ['rst', 'destroy'] as const) {
      const here = await mirrored(t, pairing)
      const call = await open(here, { endStream: true })
      const copy = await here.mirror.request()
      if (how === 'rst') copy.connection.rst(copy.streamId, Code.INTERNAL_ERROR)
      else copy.connection.destroy()
      answer(call)
      await answered(t, call)
      await here.outcome('different')
    }
  })

  t.test('one that reads nothing: the copy is given up, and all of the request reaches the call', async t => {
    const here = await mirrored(t, pairing, { auto: { window: false } }, 20_000)
    const call = await open(here)
    const copy = await here.mirror.request()
    const body = Buffer.alloc(500_000, '0123456789abc')
    await call.client.upload(call.id, body)
    call.client.data(call.id, '', { endStream: true })
    await call.backend.ended(call.backendId)
    t.ok(call.backend.body(call.backendId).equals(body))
    t.match(await copy.connection.next('rst', copy.streamId), { code: Code.CANCEL })
    answer(call)
    await answered(t, call)
    await here.outcome('behind')
  })

  t.test('one that answers without end: the copy is given up', async t => {
    const here = await mirrored(t, pairing)
    const call = await open(here, { endStream: true })
    const copy = await here.mirror.request()
    copy.connection.headers(copy.streamId, RESPONSE)
    const flood = copy.connection.upload(copy.streamId, Buffer.alloc(3_000_000))
    t.match(await copy.connection.next('rst', copy.streamId), { code: Code.CANCEL })
    await Promise.race([flood, new Promise(setImmediate)])
    answer(call)
    await answered(t, call)
    await here.outcome('answers-more')
  })

  t.test('the client leaves: the copy is cancelled with its call', async t => {
    const here = await mirrored(t, pairing)
    const call = await open(here)
    const copy = await here.mirror.request()
    call.client.rst(call.id, Code.CANCEL)
    t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
    t.match(await copy.connection.next('rst', copy.streamId), { code: Code.CANCEL })
    await here.outcome('call-ended')
    await goesOn(t, here)
  })
}
