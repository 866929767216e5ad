/** Where endpoints come from, and what calls do until that is known. */
import t from 'tap'
import {
  type EndpointSink,
  type EndpointSource,
  type EndpointSpec,
  endpointSpecs,
  keyOf,
  StaticSource,
} from '../../src/backend/endpoint-source.ts'
import type { SourceSetup } from '../../src/backend/settings.ts'
import type { DialAddress } from '../../src/transport/transport.ts'
import { BackendRig, named, QUEUE_TIMEOUT_MS, shares } from './rig.ts'

/** Says what a test lets it say. */
class FakeSource implements EndpointSource, SourceSetup {
  readonly name = 'fake'
  sink: EndpointSink | undefined
  refreshes = 0
  closes = 0

  open(): EndpointSource {
    return this
  }

  start(sink: EndpointSink): void {
    if (this.sink !== undefined) throw new Error('started twice')
    this.sink = sink
  }

  refresh(): void {
    this.refreshes++
  }

  close(): void {
    this.closes++
  }

  /** One letter each. */
  tell(names: string): void {
    this.sink!.onEndpoints(endpointSpecs([...names].map(named)))
  }
}

const tls = { serverName: 'api.test', ca: 'CA', cert: 'CERT', key: 'KEY' }
const connect = () => {
  throw new Error('not dialled')
}

t.test('a key is the same where all that makes a session is the same, and else another', async t => {
  const base = { ...named('a'), tls }
  t.equal(keyOf(base), keyOf({ ...named('a'), tls: { ...tls, ca: Buffer.from('CA') } }), 'text or bytes')
  t.notMatch(keyOf(base), /KEY/, 'a private key is in nobody else’s hands')
  const others: DialAddress[] = [
    base,
    named('a'),
    { ...base, tcp: { host: '192.0.2.2', port: 97 } },
    { ...base, tcp: { host: '192.0.2.1', port: 98 } },
    { ...base, name: 'b' },
    { ...base, tls: { ...tls, serverName: 'other.test' } },
    { ...base, tls: { ...tls, ca: 'CB' } },
    { ...base, tls: { ...tls, cert: 'CB' } },
    { ...base, tls: { ...tls, key: 'CB' } },
    { ...base, tls: { serverName: 'api.test' } },
    { name: 'a', unix: '/run/a.sock' },
    { name: 'a', connect },
    { name: 'a', connect: () => connect() },
  ]
  const keys = others.map(keyOf)
  t.equal(new Set(keys).size, others.length)
  t.same(others.map(keyOf), keys, 'asked again')
})

t.test('the list of the configuration: all alike, and who is there twice is two endpoints', async t => {
  const told: (readonly EndpointSpec[])[] = []
  const source = new StaticSource(['a', 'b', 'a'].map(named))
  source.start({ onEndpoints: all => told.push(all), onError: t.fail })
  source.refresh()
  source.close()
  t.equal(told.length, 1)
  const [specs] = told
  t.same(
    specs!.map(spec => [spec.address.name, spec.weight, spec.locality, spec.priority]),
    ['a', 'b', 'a'].map(name => [name, 1, '', 0]),
  )
  t.equal(new Set(specs!.map(spec => spec.key)).size, 3)
  const rig = new BackendRig({ endpoints: 'aba' })
  rig.calls(3)
  for (const session of rig.transport.sessions) session.ready()
  t.same(shares(rig.calls(9)), { a: 6, b: 3 }, 'two shares')
})

t.test('until the source has said which endpoints there are calls wait', async t => {
  const source = new FakeSource()
  const rig = new BackendRig({ source, endpoints: 'z' })
  const calls = rig.calls(4)
  t.same([rig.backend.waiting, rig.transport.sessions.length], [4, 0])
  source.tell('ab')
  rig.session('a').ready()
  rig.session('b').ready()
  t.same(shares(calls), { a: 2, b: 2 })
  t.equal(rig.dials('a') + rig.dials('b'), 2)
})

t.test('and no longer than the queue lets them', async t => {
  const rig = new BackendRig({ source: new FakeSource() })
  const call = rig.call()
  rig.clock.advance(QUEUE_TIMEOUT_MS + 10)
  t.match(call.failed, ['queue-timeout'])
  t.same([rig.wheel.size, rig.clock.pending], [0, 0])
})

t.test('a source that cannot say which endpoints there are: unavailable with its reason, until it can', async t => {
  const source = new FakeSource()
  const rig = new BackendRig({ source })
  const calls = rig.calls(2)
  source.sink!.onError('queryA ESERVFAIL backend.test')
  calls.push(rig.call())
  for (const call of calls) t.same([call.failed, call.told], [['unreachable', 'queryA ESERVFAIL backend.test'], 1])
  source.tell('a')
  const call = rig.call()
  rig.session().ready()
  t.equal(call.at, 'a')
  source.sink!.onError('queryA ESERVFAIL backend.test')
  t.equal(rig.call().at, 'a', 'those that it told last stay')
})

t.test('a source that says that there are no endpoints: unavailable at once', async t => {
  const source = new FakeSource()
  const rig = new BackendRig({ source })
  const waiting = rig.call()
  source.tell('')
  for (const call of [waiting, rig.call()]) t.same(call.failed, ['unreachable', 'the backend has no endpoints'])
})

t.test('a lost session, and one that cannot be had, are a reason to ask the source', async t => {
  const source = new FakeSource()
  const rig = new BackendRig({ source })
  source.tell('a')
  rig.call()
  rig.session().ready()
  t.equal(source.refreshes, 0)
  rig.session().closed('read ECONNRESET')
  t.equal(source.refreshes, 1)
  rig.call()
  rig.session().closed('connect ECONNREFUSED')
  t.equal(source.refreshes, 2)
})
