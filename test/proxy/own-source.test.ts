import t from 'tap'
import type { OwnSource, OwnSourceSink } from '../../src/index.ts'
import { until } from '../support/until.ts'
import { ask, client, SILENT, server, started } from './change-rig.ts'
import { goesTo, LISTENERS, logged } from './source-rig.ts'

/** A registry in the test's own hands. */
class Registry implements OwnSource {
  readonly sinks: OwnSourceSink[] = []
  readonly called: string[] = []

  start(sink: OwnSourceSink): void {
    this.called.push('start')
    this.sinks.push(sink)
  }

  refresh(): void {
    this.called.push('refresh')
  }

  close(sink: OwnSourceSink): void {
    this.called.push(sink === this.sinks.at(-1) ? 'close' : 'close of another')
  }

  get sink(): OwnSourceSink {
    return this.sinks.at(-1)!
  }
}

t.test('a source of your own: calls wait for it, and go where it says', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const registry = new Registry()
  const { addresses } = await started(t, { ...SILENT, backends: { main: { source: registry } } })
  const by = client(t, addresses[0]!)
  const answer = ask(by)
  await until('it is started', () => registry.sinks.length === 1)
  registry.sink.onEndpoints([a.url])
  t.equal(await answer, 'a')
  const list = [{ address: b.url, weight: 2 }]
  registry.sink.onEndpoints(list)
  list.pop()
  t.equal(await ask(by), 'b', 'a list that is changed afterwards is read at once')
})

t.test('a source of your own tells what is wrong: the last list stays, and the log says it once', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const registry = new Registry()
  const { lines, options } = logged()
  const { addresses } = await started(t, { ...options, backends: { main: { source: registry } } })
  const by = client(t, addresses[0]!)
  await until('it is started', () => registry.sinks.length === 1)
  registry.sink.onEndpoints([a.url])
  t.equal(await ask(by), 'a')
  const details = () => lines.filter(({ msg }) => msg.startsWith('endpoints cannot be had')).map(line => line.detail)
  const trap = new Proxy([], {
    get() {
      throw new Error('trap')
    },
  })
  const wrong: [list: unknown, reason: RegExp][] = [
    [[], /^the list is empty$/],
    [undefined, /a list is needed here/],
    ['h:1', /expected a list, found "h:1"/],
    [[a.url, 'nowhere'], /^entry 2: "nowhere" has no port/],
    [[{ address: a.url, wieght: 1 }], /^entry 1: wieght: unknown key, did you mean "weight"\?/],
    [[{ address: a.url, weight: Number.NaN }], /^entry 1: weight: /],
    [[{ address: a.url, weight: -1 }], /^entry 1: weight: must be at least 0/],
    [new Array(100_001).fill(a.url), /100001 entries, more than 100000/],
    [trap, /trap/],
  ]
  for (const [list, reason] of wrong) {
    const before = details().length
    for (let i = 0; i < 2; i++) {
      registry.sink.onEndpoints(list as string[])
      await new Promise(resolve => setImmediate(resolve))
    }
    t.equal(details().length, before + 1, `${reason}: once`)
    t.match(details().at(-1), reason)
    t.equal(await ask(by), 'a')
  }
  registry.sink.onError('the registry is away')
  await until('it is logged', () => details().at(-1) === 'the registry is away')
  registry.sink.onEndpoints([b.url])
  await goesTo(by, 'b')
  t.equal(lines.filter(({ msg }) => msg === 'endpoints are known again').length, 1)
})

t.test('whatever a source of your own throws harms nobody', async t => {
  const a = await server(t, 'a')
  const thrown: unknown[] = [new Error('broken'), 'text', undefined, Object.create(null), Symbol('odd')]
  for (const what of thrown) {
    for (const late of [false, true]) {
      const fail = (): Promise<void> => {
        if (!late) throw what
        return Promise.reject(what)
      }
      const { lines, options } = logged()
      const backends = { main: { source: { start: fail, refresh: fail, close: fail } }, other: { endpoints: [a.url] } }
      const routes = [
        { match: { metadata: { to: 'main' } }, backend: 'main' },
        { match: {}, backend: 'other' },
      ]
      const { proxy, addresses } = await started(t, { ...options, backends, routes })
      t.equal(await ask(client(t, addresses[0]!)), 'a')
      await until('it is logged', () => lines.some(({ detail }) => detail?.startsWith('start() of the source failed')))
      await proxy.close()
    }
  }
})

t.test('a source of your own that is the same goes on; another one closes it; after that it tells nothing', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const [one, other] = [new Registry(), new Registry()]
  const options = (source: OwnSource, more: object = {}) => ({
    ...{ ...SILENT, listeners: LISTENERS, backends: { main: { source, ...more } } },
  })
  const { proxy, addresses } = await started(t, options(one))
  const by = client(t, addresses[0]!)
  await until('it is started', () => one.sinks.length === 1)
  one.sink.onEndpoints([a.url])
  t.equal(await ask(by), 'a')
  t.same((await proxy.apply(options(one))).backends.updated, [], 'the same')
  t.same((await proxy.apply(options(one, { balancer: 'pick-first' }))).backends.updated, ['main'])
  t.same(one.called, ['start'], 'it goes on')
  t.equal(await ask(by), 'a')
  t.same((await proxy.apply(options(other))).backends.updated, ['main'], 'alike, and another')
  await until('the other is started', () => other.sinks.length === 1)
  t.same(one.called, ['start', 'close'])
  one.sink.onEndpoints([b.url])
  one.sink.onError('too late')
  t.equal(await ask(by), 'a', 'until the other has told a list')
  other.sink.onEndpoints([b.url])
  await goesTo(by, 'b')
  await proxy.apply(options(one))
  await until('it is started again', () => one.sinks.length === 2)
  await proxy.close()
  t.same(one.called, ['start', 'close', 'start', 'close'])
})

t.test('a source of your own is asked when endpoints fail, at most once a second', async t => {
  const registry = new Registry()
  const { addresses } = await started(t, { ...SILENT, backends: { main: { source: registry } } })
  const by = client(t, addresses[0]!)
  await until('it is started', () => registry.sinks.length === 1)
  registry.sink.onEndpoints(Array.from({ length: 20 }, (_, i) => `127.0.0.1:${i + 1}`))
  await t.rejects(ask(by), { code: 14 })
  t.same(registry.called, ['start', 'refresh'])
})
