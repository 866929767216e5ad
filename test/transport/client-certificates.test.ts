/** Certificates of clients and endpoints that are revoked, and sessions that are resumed: in real handshakes. */
import { once } from 'node:events'
import tls, { type ConnectionOptions } from 'node:tls'
import pino from 'pino'
import t, { type Test } from 'tap'
import { ConfiguredProxy, resolveOptions } from '../../src/config/configured-proxy.ts'
import type { ProxyOptions } from '../../src/index.ts'
import { readCrl, subjectOf } from '../../src/transport/crl.ts'
import { TicketKeys } from '../../src/transport/ticket-keys.ts'
import { staleCertificate } from '../../src/transport/tls-refusal.ts'
import { authority, certificates, type Identity, issue } from '../support/certs.ts'
import { revocationList } from '../support/crl.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

const { ca, server, client } = await certificates()
const NOWHERE = { main: { endpoints: ['127.0.0.1:1'] } }
type ListenerTls = NonNullable<NonNullable<ProxyOptions['listeners']>[number]['tls']>

/** A proxy with one listener, and why it refused connections. */
async function listening(t: Test, transport: 'frames' | 'native', own: Partial<ListenerTls>) {
  const refused: string[] = []
  const write = (line: string) => {
    const { msg, detail } = JSON.parse(line)
    if (msg === 'connection refused') refused.push(detail)
  }
  const logger = pino({ level: 'info' }, { write })
  const options = (own: Partial<ListenerTls>): ProxyOptions => ({
    listeners: [{ address: '127.0.0.1:0', transport, tls: { cert: server.cert, key: server.key, ...own } }],
    backends: NOWHERE,
    logger,
  })
  const proxy = new ConfiguredProxy(resolveOptions(options(own)))
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  return { proxy, refused, port: bound!.port, apply: (own: Partial<ListenerTls>) => proxy.apply(options(own)) }
}

const AS_CLIENT = { ca: ca.cert, cert: client.cert, key: client.key }

/** @returns whether its first bytes of HTTP/2 were answered */
async function isServed(t: Test, port: number, identity: Identity): Promise<boolean> {
  const connecting = RawClient.connect(t, port, { tls: { ca: ca.cert, cert: identity.cert, key: identity.key } })
  return connecting.then(
    () => true,
    () => false,
  )
}

t.test('a list is read: its issuer, and when it expires', async t => {
  const nextUpdate = new Date(Date.UTC(2031, 4, 6, 7, 8, 9))
  const list = readCrl(revocationList(ca, { revoked: [client], nextUpdate }))
  t.equal(list.nextUpdateMs, nextUpdate.getTime())
  const { X509Certificate } = process.getBuiltinModule('node:crypto')
  t.ok(list.issuer.equals(subjectOf(new X509Certificate(ca.cert).raw)))
  const pem = revocationList(ca).split('\n')
  const bytes = Buffer.from(pem.slice(1, -2).join(''), 'base64')
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.subarray(0, length).toString('base64')
    t.throws(() => readCrl(`-----BEGIN X509 CRL-----\n${cut}\n-----END X509 CRL-----`), `${length} bytes`)
  }
})

for (const transport of ['frames', 'native'] as const) {
  t.test(`${transport}: a client that is revoked is refused from then on, and the log says why`, async t => {
    const other = await issue(ca, { name: 'other', usage: 'clientAuth' })
    const { port, refused, apply } = await listening(t, transport, { clientCa: ca.cert, crl: revocationList(ca) })
    t.equal(await isServed(t, port, client), true)
    await apply({ clientCa: ca.cert, crl: revocationList(ca, { revoked: [client] }) })
    t.equal(await isServed(t, port, client), false)
    await until('it is told', () => refused.includes('the certificate of the client is revoked'))
    t.equal(await isServed(t, port, other), true)
  })
}

t.test('a list that has expired refuses every client, and is refused where there is a better one', async t => {
  const expired = revocationList(ca, { nextUpdate: new Date(Date.now() - 3_600_000) })
  const { port, refused, apply } = await listening(t, 'frames', { clientCa: ca.cert, crl: expired })
  t.equal(await isServed(t, port, client), false)
  await until('it is told', () => refused.some(line => line.startsWith('the list of revoked certificates has expired')))
  await apply({ clientCa: ca.cert, crl: revocationList(ca) })
  t.equal(await isServed(t, port, client), true)
  await t.rejects(apply({ clientCa: ca.cert, crl: expired }), {
    message: /^listeners\[0\]\.tls\.crl: the given PEM expired on .*: with it every client is refused$/,
  })
  await t.rejects(apply({ clientCa: ca.cert, crl: server.cert }), {
    message: /has no PEM list of revoked certificates/,
  })
  await t.rejects(apply({ crl: expired }), { message: /listeners\[0\]\.tls\.crl: needs clientCa/ })
})

t.test('an authority without a list is a warning, as its clients are refused; several lists are all used', async t => {
  const second = await authority('second')
  const both = `${ca.cert}\n${second.cert}`
  const options = (crl: string) =>
    resolveOptions({
      listeners: [{ address: '127.0.0.1:0', tls: { cert: server.cert, key: server.key, clientCa: both, crl } }],
      backends: NOWHERE,
    })
  t.match(options(revocationList(ca)).warnings, [
    {
      path: 'listeners[0].tls.crl',
      message: 'the given PEM has no list of CN=second: certificates that it issued are refused',
    },
  ])
  const lists = revocationList(ca) + revocationList(second)
  t.same(options(lists).warnings, [])
  const { port } = await listening(t, 'frames', { clientCa: both, crl: lists })
  t.equal(await isServed(t, port, client), true)
  t.equal(await isServed(t, port, await issue(second, { name: 'of second', usage: 'clientAuth' })), true)
})

/** A connection, what it may be resumed by, and whether it was. */
async function connect(port: number, options: ConnectionOptions): Promise<{ resumed: boolean; session: Buffer }> {
  const socket = tls.connect({
    ...{ port, host: '127.0.0.1', servername: 'localhost', ALPNProtocols: ['h2'] },
    ...options,
  })
  socket.on('error', () => {})
  const session = new Promise<Buffer>(resolve => socket.once('session', resolve))
  await once(socket, 'secureConnect')
  const resumed = socket.isSessionReused()
  // The tickets of TLS 1.3 come after a whole handshake; who resumes gets none.
  const ticket = socket.getProtocol() === 'TLSv1.3' && !resumed ? await session : socket.getSession()!
  socket.destroy()
  return { resumed, session: ticket }
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(
    `${maxVersion}: sessions are resumed, also when the certificate was renewed, and not when clients are verified otherwise`,
    async t => {
      const options = { ...AS_CLIENT, maxVersion }
      const { port, apply } = await listening(t, 'frames', { clientCa: ca.cert, crl: revocationList(ca) })
      const first = await connect(port, options)
      t.equal(first.resumed, false)
      t.equal((await connect(port, { ...options, session: first.session })).resumed, true)
      const renewed = await issue(ca)
      await apply({ ...renewed, clientCa: ca.cert, crl: revocationList(ca) })
      const after = await connect(port, { ...options, session: first.session })
      t.equal(after.resumed, false, 'another list of revoked certificates')
      const list = revocationList(ca)
      await apply({ ...renewed, clientCa: ca.cert, crl: list })
      const { session } = await connect(port, options)
      await apply({ ...(await issue(ca)), clientCa: ca.cert, crl: list })
      t.equal((await connect(port, { ...options, session })).resumed, true, 'another certificate of ours')
      await apply({ ...renewed, clientCa: `${ca.cert}\n${(await authority('more')).cert}`, crl: list })
      t.equal((await connect(port, { ...options, session })).resumed, false, 'another authority')
    },
  )

  t.test(`${maxVersion}: a ticket of one process is known in another that has its secret`, async t => {
    const secret = Buffer.alloc(32, 7)
    const made = await Promise.all(
      [secret, secret, Buffer.alloc(32, 8)].map(async ticketSecret => {
        const resolution = resolveOptions({
          listeners: [{ address: '127.0.0.1:0', tls: { cert: server.cert, key: server.key } }],
          backends: NOWHERE,
        })
        const config = { ...resolution.config, tls: { ...resolution.config.tls, ticketSecret } }
        const proxy = new ConfiguredProxy({ ...resolution, config })
        t.teardown(() => proxy.close())
        return { proxy, config, port: (await proxy.start())[0]!.port }
      }),
    )
    const [one, two, three] = made
    const options = { ca: ca.cert, maxVersion }
    const { session } = await connect(one!.port, options)
    t.equal((await connect(two!.port, { ...options, session })).resumed, true)
    t.equal((await connect(three!.port, { ...options, session })).resumed, false, 'another secret')
    await two!.proxy.change({ ...two!.config, tls: { ...two!.config.tls, ticketSecret: Buffer.alloc(32, 9) } })
    t.equal((await connect(two!.port, { ...options, session })).resumed, false, 'the secret was replaced')
  })
}

t.test('keys of tickets are replaced after their time, and nobody waits for that who has none', async t => {
  const clock = new FakeClock()
  let changes = 0
  const keys = new TicketKeys({ ticketKeyMs: 1_000 }, clock, () => changes++)
  t.equal(clock.pending, 0)
  const before = keys.keyFor('a')
  t.equal(before.length, 48)
  t.same(keys.keyFor('a'), before)
  t.notSame(keys.keyFor('b'), before)
  clock.advance(1_000)
  t.equal(changes, 1)
  t.notSame(keys.keyFor('a'), before)
  keys.update({ ticketKeyMs: 5_000 })
  clock.advance(4_000)
  t.equal(changes, 1)
  clock.advance(1_000)
  t.equal(changes, 2)
  keys.keyFor('a')
  keys.close()
  t.equal(clock.pending, 0)
})

t.test('a client whose certificate has expired since its session began is not resumed', async t => {
  const { X509Certificate } = process.getBuiltinModule('node:crypto')
  const certificate = new X509Certificate(client.cert)
  const resumed = (isSessionReused: boolean) =>
    ({ isSessionReused: () => isSessionReused, getPeerX509Certificate: () => certificate }) as tls.TLSSocket
  const after = new Date(certificate.validToDate.getTime() + 1)
  t.match(staleCertificate(resumed(true), after), /has expired since its session began/)
  t.equal(staleCertificate(resumed(true), certificate.validToDate), undefined)
  t.equal(staleCertificate(resumed(false), after), undefined, 'OpenSSL has looked')
})

t.test('an endpoint whose certificate is revoked gets no calls', async t => {
  const bad = await issue(ca)
  const backend = async ({ cert, key }: Identity) => {
    const made = tls.createServer({ cert, key, ALPNProtocols: ['h2'] }, socket => socket.on('error', () => {}))
    await once(made.listen(0, '127.0.0.1'), 'listening')
    t.teardown(() => made.close())
    return (made.address() as import('node:net').AddressInfo).port
  }
  const failures: string[] = []
  const write = (line: string) => {
    const { msg, detail } = JSON.parse(line)
    if (msg === 'endpoint connect-failed') failures.push(detail)
  }
  const endpoints = [`https://localhost:${await backend(bad)}`]
  const main = { endpoints, tls: { ca: ca.cert, crl: revocationList(ca, { revoked: [bad] }) }, sessions: { ready: 1 } }
  const proxy = new ConfiguredProxy(resolveOptions({ backends: { main }, logger: pino({ level: 'info' }, { write }) }))
  t.teardown(() => proxy.close())
  await until('it is told', () => failures.length > 0)
  t.match(failures[0], /revoked/)
})
