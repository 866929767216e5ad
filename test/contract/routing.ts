/** Routing cannot be passed by: behind a `deny` and a route for all the rest, nothing that is denied reaches a backend. */
import type { Test } from 'tap'
import { Code } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import { ODD_AUTHORITIES, ODD_HOSTS, ODD_METADATA, ODD_PATHS } from '../support/passing-by.ts'
import { field, goesOn, type Pairing, type Rig, requestFields, rig } from './rig.ts'

const DENY = 'PERMISSION_DENIED' as const

/** Trailers-Only with this status; or, where nghttp2 itself finds the request malformed, a reset. */
async function unserved(
  t: Test,
  { downstream }: Pairing,
  here: Rig,
  fields: readonly Field[],
  status: number,
  token: string,
) {
  const came = await here.client.ended(here.client.request(fields, { endStream: true }))
  const [first] = came
  if (downstream === 'native' && first?.kind === 'rst') return t.equal(first.code, Code.PROTOCOL_ERROR)
  t.match(came, [{ kind: 'headers', endStream: true }])
  t.equal(came.length, 1, 'one frame')
  t.equal(field(first, 'grpc-status'), String(status))
  return t.equal(field(first, 'x-grpc-verbatim-error'), token)
}

function withFields(changed: Readonly<Record<string, string>>, extra: readonly Field[] = []): Field[] {
  const fields = requestFields(extra, '/after.Deny/Call')
  return fields.map(([name, value]): Field => [name, changed[name] ?? value])
}

export function routing(t: Test, pairing: Pairing): void {
  t.test('a path that is not /service/method reaches no backend behind a deny: UNIMPLEMENTED', async t => {
    const routes = [{ match: { service: 'pkg.Service' }, deny: DENY }, { backend: 'main' }]
    const here = await rig(t, pairing, { proxy: { routes } })
    for (const path of ODD_PATHS) {
      t.comment(path)
      await unserved(t, pairing, here, withFields({ ':path': path }), 12, 'bad-path')
    }
    await unserved(t, pairing, here, withFields({ ':path': '/PKG.service/Method' }), 7, 'denied')
    t.equal(here.backend.requests.length, 0)
    await goesOn(t, here)
  })

  t.test('the same authority in another spelling is denied too', async t => {
    const routes = [{ match: { authority: 'internal.test' }, deny: DENY }, { backend: 'main' }]
    const here = await rig(t, pairing, { proxy: { routes } })
    for (const authority of ODD_AUTHORITIES) {
      t.comment(authority)
      await unserved(t, pairing, here, withFields({ ':authority': authority }), 7, 'denied')
    }
    const unclear = withFields({ ':authority': 'internal.test/' })
    await unserved(t, pairing, here, unclear, 12, 'no-route')
    t.equal(here.backend.requests.length, 0)
    await goesOn(t, here)
  })

  t.test('a host that contradicts :authority, or comes twice, is refused: INTERNAL', async t => {
    const here = await rig(t, pairing)
    for (const hosts of ODD_HOSTS) {
      const fields = withFields({ ':authority': 'public.test' }, hosts)
      await unserved(t, pairing, here, fields, 13, 'bad-authority')
    }
    t.equal(here.backend.requests.length, 0)
    here.client.request(withFields({ ':authority': 'public.test' }, [['host', 'Public.Test.:80']]), { endStream: true })
    const { headers } = await here.backend.request()
    t.equal(field(headers, 'host'), 'Public.Test.:80', 'the same in another spelling goes on, as it came')
    t.equal(field(headers, ':authority'), 'public.test')
  })

  t.test('a value more does not get past a deny, nor into a route', async t => {
    const match = { metadata: { 'x-admin': '1' } }
    const denying = await rig(t, pairing, { proxy: { routes: [{ match, deny: DENY }, { backend: 'main' }] } })
    const letting = await rig(t, pairing, { proxy: { routes: [{ match, backend: 'main' }] } })
    for (const values of ODD_METADATA) {
      t.comment(JSON.stringify(values))
      const extra = values.map((value): Field => ['x-admin', value])
      await unserved(t, pairing, denying, withFields({}, extra), 7, 'denied')
      await unserved(t, pairing, letting, withFields({}, extra), 12, 'no-route')
    }
    t.equal(denying.backend.requests.length + letting.backend.requests.length, 0)
    await goesOn(t, denying)
  })

  t.test('other requests, where they are let through, keep their paths; matches hold for them', async t => {
    const routes = [{ match: { service: 'pkg.Service' }, deny: DENY }, { backend: 'main' }]
    const here = await rig(t, pairing, { proxy: { routes, acceptNonGrpc: true } })
    const web = (path: string) => withFields({ ':path': path, 'content-type': 'application/json', ':method': 'GET' })
    for (const path of [
      '/pkg.Service/Method?q=1',
      '/pkg%2eService/Method',
      '/pkg.Service;v/Method/',
      '/PKG.Service/x/y',
    ]) {
      await unserved(t, pairing, here, web(path), 7, 'denied')
    }
    for (const path of [
      '/x/%2e%2e/pkg.Service/Method',
      '/./pkg.Service/Method',
      '/x/..%2Fpkg.Service/Method',
      '//x/y',
    ]) {
      const [first] = await here.client.ended(here.client.request(web(path), { endStream: true }))
      t.equal(field(first, ':status'), '400', path)
      t.equal(field(first, 'x-grpc-verbatim-error'), 'bad-path')
    }
    t.equal(here.backend.requests.length, 0)
    here.client.request(web('/a%20page/of/it?q=%2F..'), { endStream: true })
    t.equal(field((await here.backend.request()).headers, ':path'), '/a%20page/of/it?q=%2F..', 'untouched')
  })
}
