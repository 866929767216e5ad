/** `grpc.health.v1.Health` answered by the proxy: grpc/grpc doc/health-checking.md, as frames. */
import type { Test } from 'tap'
import { healthRequest, ServingStatus } from '../../src/grpc/health-message.ts'
import { prefixed } from '../../src/grpc/message.ts'
import { Code, Setting } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import {
  answer,
  answered,
  field,
  goesOn,
  message,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  type Rig,
  refused,
  requestFields,
  rig,
  TRAILERS,
} from './rig.ts'

const CHECK = '/grpc.health.v1.Health/Check'
const WATCH = '/grpc.health.v1.Health/Watch'
const SERVICES = { healthService: { services: { 'greeter.Greeter': 'main' } } }
const LONG_MS = 60_000

function ask(client: RawClient, path: string, service: string): number {
  const id = client.request(requestFields([], path))
  client.data(id, prefixed(healthRequest(service)), { endStream: true })
  return id
}

/** HealthCheckResponse, with the prefix of a message. */
function told(status: number): Buffer {
  return Buffer.from(status === ServingStatus.UNKNOWN ? [0, 0, 0, 0, 0] : [0, 0, 0, 0, 2, 8, status])
}

async function gets(t: Test, client: RawClient, id: number, ...statuses: number[]): Promise<void> {
  const bytes = Buffer.concat(statuses.map(told))
  await client.received(id, bytes.length)
  t.same([...client.body(id)], [...bytes])
}

async function checked(t: Test, client: RawClient, service: string, status: number): Promise<void> {
  const id = ask(client, CHECK, service)
  const came = await client.ended(id)
  const [head, last] = [came[0], came.at(-1)]
  t.match(head, { kind: 'headers', endStream: false })
  if (head?.kind === 'headers') t.same(pairs(head.fields), RESPONSE)
  t.same([...client.body(id)], [...told(status)])
  t.match(last, { kind: 'headers', endStream: true })
  if (last?.kind === 'headers') t.same(pairs(last.fields), TRAILERS)
  t.notOk(
    client.stream(id).some(item => item.kind === 'rst'),
    'no reset',
  )
}

const here = (t: Test, pairing: Pairing, proxy: object = {}): Promise<Rig> =>
  rig(t, pairing, { proxy: { ...SERVICES, ...proxy } })

export function healthService(t: Test, pairing: Pairing): void {
  t.test('health: Check of the proxy and of a service; nothing of it reaches a backend', async t => {
    const all = await here(t, pairing)
    await checked(t, all.client, '', ServingStatus.SERVING)
    await checked(t, all.client, 'greeter.Greeter', ServingStatus.SERVING)
    await refused(t, all.client, ask(all.client, CHECK, 'nobody.Knows'), 5, 'unknown service')
    await refused(t, all.client, ask(all.client, CHECK, '__proto__'), 5)
    t.equal(all.backend.requests.length, 0)
    await goesOn(t, all)
  })

  t.test('health: without the option such calls are forwarded as any other', async t => {
    const all = await rig(t, pairing)
    const call = await open(all, { path: CHECK, endStream: true })
    t.equal(field(call.headers, ':path'), CHECK)
    answer(call)
    await answered(t, call)
  })

  t.test('health: it is answered before gates and routes, and what only looks like it is not', async t => {
    const denied = { require: () => () => undefined, routes: [{ match: { service: 'other' }, backend: 'main' }] }
    const all = await here(t, pairing, { ...denied, acceptNonGrpc: true })
    await checked(t, all.client, '', ServingStatus.SERVING)
    const plain = requestFields([], CHECK).filter(([name]) => name !== 'content-type')
    const other = all.client.request([...plain, ['content-type', 'text/plain']], { endStream: true })
    t.equal(field((await all.client.ended(other))[0], 'grpc-status'), '12', 'it has no route')
  })

  t.test('health: requests that are none', async t => {
    const { client } = await here(t, pairing)
    const cases: readonly [what: string, body: Buffer, status: number][] = [
      ['no message', Buffer.alloc(0), 12],
      ['two messages', Buffer.concat([prefixed(healthRequest('')), prefixed(healthRequest(''))]), 12],
      ['a compressed message', Buffer.from([1, 0, 0, 0, 0]), 12],
      ['half of a message', prefixed(healthRequest('greeter.Greeter')).subarray(0, 9), 13],
      ['garbage', message('\xff\xff\xff'), 13],
      ['a name that is no UTF-8', prefixed(Buffer.from([0x0a, 1, 0xff])), 13],
      ['a name that is longer than the message', prefixed(Buffer.from([0x0a, 9, 0x61])), 13],
    ]
    for (const [what, body, status] of cases) {
      for (const path of [CHECK, WATCH]) {
        const id = client.request(requestFields([], path))
        client.data(id, body, { endStream: true })
        t.comment(what)
        await refused(t, client, id, status)
      }
    }
    const unknown = client.request(requestFields([], '/grpc.health.v1.Health/List'), { endStream: true })
    await refused(t, client, unknown, 12)
    await checked(t, client, '', ServingStatus.SERVING)
  })

  t.test('health: a request that does not end takes little, and an unknown method needs none of it', async t => {
    const { client } = await here(t, pairing)
    const large = client.request(requestFields([], CHECK))
    client.data(large, Buffer.alloc(5_000))
    const [only] = await client.ended(large)
    t.equal(field(only, 'grpc-status'), '8')
    t.match(await client.next('rst', large), { code: Code.NO_ERROR })
    const unknown = client.request(requestFields([], '/grpc.health.v1.Health/Nothing'))
    t.equal(field((await client.ended(unknown))[0], 'grpc-status'), '12')
    await checked(t, client, '', ServingStatus.SERVING)
  })

  t.test('health: Watch tells at once, then what changes, also of services that are not there', async t => {
    const { client, proxy, backend } = await here(t, pairing)
    const service = ask(client, WATCH, 'greeter.Greeter')
    const nobody = ask(client, WATCH, 'nobody.Knows')
    await gets(t, client, service, ServingStatus.SERVING)
    await gets(t, client, nobody, ServingStatus.SERVICE_UNKNOWN)
    proxy.backend('main').setEndpoints([])
    await gets(t, client, service, ServingStatus.SERVING, ServingStatus.NOT_SERVING)
    proxy.backend('main').setEndpoints([backend.url])
    await gets(t, client, service, ServingStatus.SERVING, ServingStatus.NOT_SERVING, ServingStatus.SERVING)
    await gets(t, client, nobody, ServingStatus.SERVICE_UNKNOWN)
    client.rst(service, Code.CANCEL)
    await checked(t, client, '', ServingStatus.SERVING)
  })

  t.test('health: one session has 32 watches', async t => {
    const { client, port } = await here(t, pairing)
    const watches = Array.from({ length: 32 }, () => ask(client, WATCH, ''))
    for (const id of watches) await gets(t, client, id, ServingStatus.SERVING)
    await refused(t, client, ask(client, WATCH, ''), 8, 'too many calls watch already')
    const other = await RawClient.connect(t, port)
    await gets(t, other, ask(other, WATCH, ''), ServingStatus.SERVING)
    client.rst(watches[0]!, Code.CANCEL)
    await client.roundTrip()
    await gets(t, client, ask(client, WATCH, ''), ServingStatus.SERVING)
  })

  t.test('health: a drain tells watchers, ends their calls, and does not wait for those that do not read', async t => {
    const { client, proxy, port } = await here(t, pairing)
    const reads = ask(client, WATCH, '')
    await gets(t, client, reads, ServingStatus.SERVING)
    const deaf = await RawClient.connect(t, port, {
      auto: { window: false },
      settings: { [Setting.INITIAL_WINDOW_SIZE]: 7 },
    })
    const deafened = ask(deaf, WATCH, 'greeter.Greeter')
    await gets(t, deaf, deafened, ServingStatus.SERVING)
    const drained = proxy.drain(LONG_MS)
    const last = (await client.ended(reads)).at(-1)
    t.same([...client.body(reads)], [...told(ServingStatus.SERVING), ...told(ServingStatus.NOT_SERVING)])
    t.equal(field(last, 'grpc-status'), '14')
    t.equal(field(last, 'grpc-message'), 'the proxy is shutting down')
    t.match(await deaf.next('rst', deafened), { code: Code.ENHANCE_YOUR_CALM })
    await drained
    await client.closed
  })
}
