/** Server-sent events: who hears them, how many may, and what becomes of those who do not read. */
import http from 'node:http'
import net from 'node:net'
import t, { type Test } from 'tap'
import { EventStream } from '../../src/admin/event-stream.ts'
import { AdminServer } from '../../src/admin/server.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'

async function scene(t: Test, { token, text = () => 'x' }: { token?: string; text?: (n: number) => string } = {}) {
  const clock = new FakeClock()
  const faults: unknown[] = []
  const made = { events: 0, idle: 0 }
  const source = {
    next: async () => text(++made.events),
    idle: () => void made.idle++,
    onFault: (error: unknown) => void faults.push(error),
  }
  const events = new EventStream(source, clock)
  const routes = new Map([['GET /events', { access: 'operator', handle: () => ({ events }) } as const]])
  const options = { host: '127.0.0.1', port: 0, ...(token !== undefined && { token }) }
  const server = new AdminServer(options, routes, error => faults.push(error))
  const port = Number((await server.listen()).split(':').at(-1))
  t.teardown(async () => {
    events.close()
    await server.close()
  })
  return { clock, events, made, faults, port, server }
}

interface Heard {
  readonly status: number
  text: string
  ended: boolean
  readonly headers: http.IncomingHttpHeaders
  leave(): void
}

function hear(port: number, headers: Record<string, string> = {}, method = 'GET'): Promise<Heard> {
  const { promise, resolve, reject } = Promise.withResolvers<Heard>()
  const request = http.request({ host: '127.0.0.1', port, path: '/events', headers, method, agent: false })
  request.on('error', reject).on('response', response => {
    const { statusCode: status, headers: of } = response
    const heard = { status: status!, text: '', ended: false, headers: of, leave: () => request.destroy() }
    response.setEncoding('utf8').on('data', part => (heard.text += part))
    response.on('error', () => {}).on('close', () => (heard.ended = true))
    resolve(heard)
  })
  request.end()
  return promise
}

t.test('one text for all, once a second; while nobody listens nothing is made', async t => {
  const { clock, made, events, port } = await scene(t, { text: n => `{"n":${n}}` })
  clock.advance(60_000)
  t.equal(made.events, 0)
  t.equal(clock.pending, 0)
  const one = await hear(port)
  t.match(one, { status: 200, headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } })
  await until('the first', () => one.text === 'data: {"n":1}\n\n')
  const other = await hear(port)
  await until('who comes later gets the last one', () => other.text === one.text)
  t.equal(made.events, 1)
  clock.advance(1_000)
  await until('both hear the next', () => [one, other].every(({ text }) => text.endsWith('data: {"n":2}\n\n')))
  one.leave()
  other.leave()
  await until('nobody listens', () => events.listeners === 0)
  t.equal(made.idle, 1)
  t.equal(clock.pending, 0)
  clock.advance(60_000)
  t.equal(made.events, 2)
  const third = await hear(port)
  await until('it begins anew', () => third.text === 'data: {"n":3}\n\n')
  third.leave()
})

t.test('sixteen may listen; the next is told so, and one that leaves makes room', async t => {
  const { events, port } = await scene(t)
  const all = await Promise.all(Array.from({ length: 16 }, () => hear(port)))
  const late = await hear(port)
  await until('it is told', () => late.ended)
  t.match(late, { status: 503, text: /too many look already/ })
  all[0]!.leave()
  await until('there is room', () => events.hasRoom)
  t.equal((await hear(port)).status, 200)
})

t.test('who does not read is dropped, and costs nobody else an event', async t => {
  const { clock, events, port, made } = await scene(t, { text: n => `${n} ${'x'.repeat(1_000_000)}` })
  const slow = net.connect(port, '127.0.0.1')
  t.teardown(() => slow.destroy())
  slow.pause().write('GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await until('it listens', () => events.listeners === 1)
  const good = await hear(port)
  let heard = 0
  for (let i = 0; i < 60 && events.listeners === 2; i++) {
    await until('the good one has it', () => good.text.length > heard && good.text.endsWith('\n\n'))
    heard = good.text.length
    const before = made.events
    clock.advance(1_000)
    await until('it is made', () => made.events > before)
  }
  t.equal(events.listeners, 1)
  t.notOk(good.ended)
})

t.test('a source that fails costs one event', async t => {
  const { clock, faults, port } = await scene(t, {
    text: n => {
      if (n === 1) throw new Error('not now')
      return 'good'
    },
  })
  const heard = await hear(port)
  await until('it is told', () => faults.length === 1)
  clock.advance(1_000)
  await until('the next comes', () => heard.text === 'data: good\n\n')
})

t.test('the same access as for everything else, and no body for HEAD', async t => {
  const token = 'a-token-that-nobody-guesses'
  const { port, made } = await scene(t, { token })
  t.equal((await hear(port)).status, 401)
  t.equal((await hear(port, { authorization: `Bearer ${token}`, 'sec-fetch-site': 'cross-site' })).status, 403)
  t.equal((await hear(port, { authorization: `Bearer ${token}` }, 'HEAD')).status, 200)
  t.equal(made.events, 0)
  t.equal((await hear(port, { authorization: `Bearer ${token}` })).status, 200)
})
