/** Certificates that are replaced while a proxy of several processes has load: no handshake fails, on either side. */
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import http2, { type ClientHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import tls, { type TLSSocket } from 'node:tls'
import t from 'tap'
import { arrival } from '../support/arrival.ts'
import { type Certificates, certificates, type Identity, type IssueOptions, issue } from '../support/certs.ts'
import type { Scope } from '../support/teardown.ts'
import { until } from '../support/until.ts'
import { call, connectionsOf, eventually, pidsOf, type Served, serve } from './rig.ts'

const ROTATIONS = 5
const WORKERS = 2

/** A pair as whoever renews certificates puts it there: one file after the other, so that for a moment they do not fit. */
function put(folder: string, name: string, { cert, key }: Identity): void {
  for (const [file, text] of [[`${name}.pem`, cert] as const, [`${name}.key`, key] as const]) {
    writeFileSync(join(folder, `${file}.new`), text, { mode: 0o600 })
    renameSync(join(folder, `${file}.new`), join(folder, file))
  }
}

const serialOf = ({ cert }: Identity) =>
  new (process.getBuiltinModule('node:crypto').X509Certificate)(cert).serialNumber

/** Answers who shows a certificate of `ca`. */
async function demanding(t: Scope, { ca, server }: Pick<Certificates, 'ca' | 'server'>) {
  const seen = new Set<string>()
  const failed: string[] = []
  const made = http2.createSecureServer({ ...server, ca: ca.cert, requestCert: true })
  made.on('tlsClientError', error => failed.push(error.message))
  made.on('session', session => {
    session.on('error', () => {})
    t.teardown(() => session.destroy())
    seen.add((session.socket as TLSSocket).getPeerX509Certificate()!.serialNumber)
  })
  made.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' }, { endStream: true })
  })
  await once(made.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => made.close())
  return { url: `https://localhost:${(made.address() as AddressInfo).port}`, seen, failed }
}

interface Client {
  readonly session: ClientHttp2Session
  /** Of the certificate that it was shown. */
  readonly serial: string
}

/** @throws where the handshake fails, or the connection ends before it is one of HTTP/2 */
async function connect(t: Scope, address: string, ca: Identity): Promise<Client> {
  const [host, port] = address.split(':')
  const tcp = connectTcp(Number(port), host)
  t.teardown(() => tcp.destroy())
  const socket = tls.connect({ socket: tcp, servername: 'localhost', ca: ca.cert, ALPNProtocols: ['h2'] })
  await once(socket, 'secureConnect')
  const { serialNumber: serial } = socket.getPeerX509Certificate()!
  const session = http2.connect('https://localhost', { createConnection: () => socket })
  await arrival(session, 'remoteSettings')
  session.on('error', () => {})
  return { session, serial }
}

const HOUR_MS = 3_600_000
const BEGIN_MS = Math.ceil(Date.now() / 1_000) * 1_000

/** Each ends an hour later than the one before, so that the metric says which one is in force. */
const endOf = (number: number) => new Date(BEGIN_MS + (24 + number) * HOUR_MS)

function inTurn(ca: Identity, options: IssueOptions): Promise<Identity[]> {
  return Promise.all(Array.from({ length: ROTATIONS + 1 }, (_, n) => issue(ca, { ...options, notAfter: endOf(n) })))
}

/** The certificates, of both sides, that the worker which is behind all others has. */
async function inAll(served: Served): Promise<number[]> {
  const ends = await served.metrics('grpc_verbatim_certificate_expiry_timestamp_seconds{')
  return [...ends].filter(([name]) => name.includes('tls.cert')).map(([, end]) => hoursFrom(end))
}

const hoursFrom = (endSeconds: number) => (endSeconds * 1_000 - BEGIN_MS) / HOUR_MS - 24

t.test(`${ROTATIONS} rotations with ${WORKERS} workers under load: no handshake and no call fails`, async t => {
  const { ca, server } = await certificates()
  const shown = await inTurn(ca, {})
  const own = await inTurn(ca, { name: 'proxy', usage: 'clientAuth' })
  const serials = shown.map(serialOf)
  const backend = await demanding(t, { ca, server })
  const pair = (name: string) => `cert: FOLDER/${name}.pem, key: FOLDER/${name}.key`
  const served = await serve(
    t,
    `listeners: [{ address: 127.0.0.1:0, tls: { ${pair('server')} } }]
backends: { main: { endpoints: ["${backend.url}"], tls: { ca: FOLDER/ca.pem, ${pair('proxy')} } } }
log: { access: false }
workers: ${WORKERS}`,
    {
      files: {
        ...{ 'ca.pem': ca.cert, 'server.pem': shown[0]!.cert, 'server.key': shown[0]!.key },
        ...{ 'proxy.pem': own[0]!.cert, 'proxy.key': own[0]!.key },
      },
    },
  )

  /** All workers have this one: who connects from now on is shown no older one. */
  let inForce = 0
  let over = false
  const count = { handshakes: 0, calls: 0 }
  const wrong: string[] = []
  const connecting = async () => {
    while (!over) {
      const least = inForce
      const { session, serial } = await connect(t, served.address, ca)
      count.handshakes++
      const index = serials.indexOf(serial)
      if (index < least) wrong.push(`certificate ${index} was shown when all had ${least}`)
      const status = await call(session)
      if (status !== '0') wrong.push(`a call on a new connection: ${status}`)
      session.destroy()
    }
  }
  const staying = async () => {
    const { session } = await connect(t, served.address, ca)
    for (; !over; count.calls++) {
      const status = await call(session)
      if (status !== '0') wrong.push(`a call on a connection from before: ${status}`)
    }
    session.destroy()
  }
  const failed = (error: unknown) => wrong.push(String(error))
  const load = [connecting, connecting, connecting, staying, staying].map(one => one().catch(failed))
  for (let number = 1; number <= ROTATIONS; number++) {
    put(served.folder, 'server', shown[number]!)
    put(served.folder, 'proxy', own[number]!)
    await eventually(
      `number ${number} is in all workers, on both sides`,
      async () => (await inAll(served)).join() === `${number},${number}`,
    )
    inForce = number
    const enough = { handshakes: count.handshakes + 10, calls: count.calls + 10 }
    await until(
      'the load goes on',
      () => wrong.length > 0 || (count.handshakes >= enough.handshakes && count.calls >= enough.calls),
    )
  }
  over = true
  await Promise.all(load)
  t.same(wrong, [])
  t.same(backend.failed, [], 'nor did a handshake with the backend')
  t.ok(backend.seen.has(serialOf(own[ROTATIONS]!)), 'which was shown the last one too')

  // Whoever is started later has the certificates of now, not those of the start.
  const [victim] = await pidsOf(served)
  process.kill(victim!, 'SIGKILL')
  await served.proxy.output(/worker 1 was ended by SIGKILL/)
  await served.ready(1)
  await eventually('the connections of the load are gone', async () =>
    (await connectionsOf(served)).every(open => open === 0),
  )
  const late = await Promise.all(Array.from({ length: 2 * WORKERS }, () => connect(t, served.address, ca)))
  t.same(await connectionsOf(served), [2, 2])
  t.same(new Set(late.map(({ serial }) => serial)), new Set([serials[ROTATIONS]]))
  t.same(new Set(await Promise.all(late.map(({ session }) => call(session)))), new Set(['0']))
})
