/** What is counted of calls that are refused: by which gate, at which backend, and why nobody passes. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { GrpcProxy, ProxyOptions } from '../../src/index.ts'
import { requestFields } from '../contract/rig.ts'
import type { Field } from '../support/hpack.ts'
import { rig } from './rig.ts'

/** Samples of a metric, by their labels. */
function samples(proxy: GrpcProxy, name: string): Record<string, number> {
  const lines = proxy.metrics().split('\n')
  const own = lines.filter(line => line.startsWith(`grpc_verbatim_${name}{`))
  return Object.fromEntries(
    own.map(line => [line.slice(line.indexOf('{') + 1, line.lastIndexOf('}')), Number(line.split(' ').at(-1))]),
  )
}

t.test('refusals by the name of the gate and by reason', async t => {
  const { rateLimit } = await import('../../src/gates/index.ts')
  const proxy: Partial<ProxyOptions> = {
    metrics: true,
    allowFaults: true,
    gates: {
      lan: { network: { deny: ['127.0.0.0/8'] } },
      wan: { network: { allow: ['127.0.0.0/8'] } },
      keys: { apiKeys: { keys: [{ name: 'ci', sha256: '0'.repeat(64) }] } },
      partners: { apiKeys: { keys: [{ name: 'a', sha256: '1'.repeat(64) }], header: 'x-partner' } },
    },
    routes: [
      { match: { method: 'Lan' }, backend: 'main', require: 'lan' },
      { match: { method: 'Any' }, backend: 'main', require: { any: ['keys', 'partners', 'lan'] } },
      { match: { method: 'All' }, backend: 'main', require: ['partners', 'keys'] },
      { match: { method: 'Fault' }, backend: 'main', faults: { abort: { status: 'ABORTED', share: 1 } } },
      { match: { method: 'Code' }, backend: 'main', require: rateLimit({ perSecond: 0.001, burst: 1 }) as never },
      { match: { method: 'Gone' }, backend: 'gone' },
      {
        match: { method: 'Within' },
        backend: 'main',
        require: ['wan', rateLimit({ perSecond: 0.001, burst: 1 })] as never,
      },
    ],
  }
  const here = await rig(t, {
    proxy: { ...proxy, backends: { main: { endpoints: ['127.0.0.1:1'] }, gone: { endpoints: ['127.0.0.1:1'] } } },
  })
  const ask = async (method: string, extra: readonly Field[] = []) => {
    await here.client.ended(here.client.request(requestFields(extra, `/p.S/${method}`), { endStream: true }))
  }
  for (const method of ['Lan', 'Lan', 'Any', 'All', 'Fault', 'Code', 'Code', 'Gone', 'None']) await ask(method)
  for (const method of ['Within', 'Within']) await ask(method)
  t.same(samples(here.proxy, 'gate_refusals_total'), {
    'reason="forbidden",gate="lan"': 3,
    'reason="unauthenticated",gate="partners"': 1,
    'reason="fault-injected",gate="faults"': 1,
    'reason="rate-limited",gate="code"': 2,
  })
  t.same(samples(here.proxy, 'call_failures_total'), {
    'reason="forbidden",backend=""': 3,
    'reason="unauthenticated",backend=""': 1,
    'reason="fault-injected",backend=""': 1,
    'reason="unreachable",backend="main"': 2,
    'reason="rate-limited",backend=""': 2,
    'reason="unreachable",backend="gone"': 1,
    'reason="no-route",backend=""': 1,
  })
})

t.test('what a director refuses is no refusal of the gates before it', async t => {
  const { refusal } = await import('../../src/gates/index.ts')
  for (const late of [false, true]) {
    const director = () => {
      throw refusal('forbidden', 'not you')
    }
    const here = await rig(t, {
      proxy: {
        metrics: true,
        gates: { lan: { network: { allow: ['127.0.0.0/8'] } } },
        require: 'lan',
        director: late ? async () => director() : director,
      },
    })
    await here.client.ended(here.client.request(requestFields(), { endStream: true }))
    t.same(samples(here.proxy, 'gate_refusals_total'), { 'reason="forbidden",gate="code"': 1 })
  }
})

t.test('the keys of issuers: how often they were fetched well and not, and how old they are', async t => {
  let status = 200
  const server = http.createServer((_, response) => response.writeHead(status).end('{"keys":[]}'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  const issuer = (name: string) => ({ jwt: { issuer: `https://${name}.test`, audience: 'a', jwks: { url } } })
  const here = await rig(t, {
    proxy: {
      metrics: true,
      gates: { one: issuer('one'), again: issuer('one'), other: issuer('other') },
      routes: ['one', 'again', 'other'].map(name => ({ match: { method: name }, backend: 'main', require: name })),
    },
  })
  const ask = async (method: string) => {
    const extra: Field[] = [['authorization', 'Bearer eyJhbGciOiJSUzI1NiJ9.e30.AAAA']]
    await here.client.ended(here.client.request(requestFields(extra, `/p.S/${method}`), { endStream: true }))
  }
  t.same(samples(here.proxy, 'key_age_seconds'), {})
  await ask('one')
  await ask('again')
  status = 503
  await ask('other')
  t.same(samples(here.proxy, 'key_fetches_total'), {
    'issuer="https://one.test",outcome="ok"': 2,
    'issuer="https://one.test",outcome="failed"': 0,
    'issuer="https://other.test",outcome="ok"': 0,
    'issuer="https://other.test",outcome="failed"': 1,
  })
  t.same(Object.keys(samples(here.proxy, 'key_age_seconds')), ['issuer="https://one.test"'])
  t.same(samples(here.proxy, 'gate_refusals_total'), {
    'reason="unauthenticated",gate="one"': 1,
    'reason="unauthenticated",gate="again"': 1,
    'reason="gate-failed",gate="other"': 1,
  })
})
