/** Who a client is by its certificate, from its handshake to what a backend reads in `x-forwarded-client-cert`. */
import { createHash, X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { createProxy, type ProxyOptions } from '../../src/index.ts'
import { answer, requestFields } from '../contract/rig.ts'
import { authority, certificates, type Identity, issue } from '../support/certs.ts'
import type { Field } from '../support/hpack.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'

type Mode = NonNullable<NonNullable<ProxyOptions['headers']>['xForwardedClientCert']>

const { ca } = await certificates()
const own = await issue(ca, { name: 'localhost', uris: ['spiffe://example/proxy'], usage: 'serverAuth' })
const web = await issue(ca, {
  name: 'web',
  names: ['web.example'],
  uris: ['spiffe://example/web'],
  usage: 'clientAuth',
})
const stranger = await issue(await authority('somebody else'), { name: 'web', usage: 'clientAuth' })

const digestOf = ({ cert }: Identity) => createHash('sha256').update(new X509Certificate(cert).raw).digest('hex')
const WEB = `By=spiffe://example/proxy;Hash=${digestOf(web)};Subject="CN=web";URI=spiffe://example/web;DNS=web.example`
const NAME = 'x-forwarded-client-cert'
const FORGED: Field = [NAME, 'Hash=00;Subject="CN=root"']

async function started(t: Test, transport: 'frames' | 'native', mode: Mode) {
  const backend = await RawServer.listen(t)
  const tls = { cert: own.cert, key: own.key, clientCa: ca.cert, requireClientCertificate: false }
  const proxy = createProxy({
    log: { level: 'silent' },
    listeners: [{ address: '127.0.0.1:0', transport, tls }],
    backends: { main: { endpoints: [backend.url], transport } },
    headers: { xForwardedClientCert: mode },
  })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  const connect = (identity?: Identity, more: { session?: Buffer } = {}) =>
    RawClient.connect(t, bound!.port, { tls: { ca: ca.cert, ...identity, ...more, maxVersion: 'TLSv1.2' } })
  /** What the backend is told of a call. */
  const told = async (client: RawClient, sent: readonly Field[] = [FORGED]) => {
    const id = client.request(requestFields(sent), { endStream: true })
    const { connection, streamId, headers } = await backend.request()
    answer({ backend: connection, backendId: streamId })
    await client.ended(id)
    return headers.fields.filter(({ name }) => name === NAME).map(({ value }) => value)
  }
  return { connect, told }
}

for (const transport of ['frames', 'native'] as const) {
  t.test(`${transport}: a backend is told who a verified client is, and believes nobody else`, async t => {
    const { connect, told } = await started(t, transport, 'set')
    const client = await connect(web)
    t.same(await told(client), [WEB], 'in the place of what it sent')
    t.same(await told(client, []), [WEB])
    t.same(await told(client, [FORGED, FORGED]), [WEB])
    t.same(await told(await connect()), [], 'a client without a certificate')
    t.same(await told(await connect(stranger)), [], 'one that nobody here has issued')
  })

  t.test(`${transport}: a TLS session that is resumed is the same client`, async t => {
    const { connect, told } = await started(t, transport, 'set')
    const first = await connect(web)
    t.same(await told(first), [WEB])
    const session = (first.socket as TLSSocket).getSession()!
    // The ticket says who it is: the client shows no certificate now.
    const again = await connect(undefined, { session })
    t.equal((again.socket as TLSSocket).isSessionReused(), true)
    t.same(await told(again), [WEB])
  })
}

t.test('append: behind what a verified client says of those before it', async t => {
  const { connect, told } = await started(t, 'frames', 'append')
  const client = await connect(web)
  t.same(await told(client), [`${FORGED[1]},${WEB}`])
  t.same(await told(client, []), [WEB])
  t.same(await told(await connect()), [])
  t.same(await told(await connect(stranger)), [])
})
