/** Files of certificates that change while the proxy runs: what clients and endpoints see, and what is refused. */
import { once } from 'node:events'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import pino from 'pino'
import t, { type Test } from 'tap'
import { ConfiguredProxy, resolveOptions } from '../../src/config/configured-proxy.ts'
import { parseConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/config/problems.ts'
import type { ProxyOptions } from '../../src/index.ts'
import { field, requestFields } from '../contract/rig.ts'
import { authority, certificates, type Identity, issue } from '../support/certs.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

const { ca, server, stranger } = await certificates()
const NOWHERE = { main: { endpoints: ['127.0.0.1:1'] } }
const DAY_MS = 86_400_000

/** A proxy in code, and what it logged. */
async function running(t: Test, options: ProxyOptions) {
  const said: string[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void said.push(JSON.parse(line).msg) })
  const proxy = new ConfiguredProxy(resolveOptions({ backends: NOWHERE, ...options, logger }))
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  const says = (line: RegExp) =>
    until(
      String(line),
      () => said.some(each => line.test(each)),
      () => said.join('\n'),
    )
  return { proxy, said, says, port: bound?.port ?? 0 }
}

function write(folder: string, { cert, key }: Identity): void {
  writeFileSync(join(folder, 'server.pem'), cert)
  writeFileSync(join(folder, 'server.key'), key, { mode: 0o600 })
}

/** The serial number of the certificate that a new connection gets. @throws where the handshake fails */
async function handshake(port: number, servername = 'localhost', authorities = ca.cert): Promise<string> {
  const socket = tls.connect({ port, host: '127.0.0.1', servername, ca: authorities, ALPNProtocols: ['h2'] })
  await once(socket, 'secureConnect')
  const { serialNumber } = socket.getPeerX509Certificate()!
  socket.destroy()
  return serialNumber
}

const serialOf = ({ cert }: Identity) =>
  new (process.getBuiltinModule('node:crypto').X509Certificate)(cert).serialNumber

/** How files are replaced. Both leave a moment in which certificate and key do not belong together, or there is neither. */
const WAYS: Readonly<Record<string, (folder: string, next: Identity, number: number) => void>> = {
  'renamed one after the other': (folder, next) => {
    for (const [name, text] of [['server.pem', next.cert] as const, ['server.key', next.key] as const]) {
      writeFileSync(join(folder, `${name}.new`), text, { mode: 0o600 })
      renameSync(join(folder, `${name}.new`), join(folder, name))
    }
  },
  'as Kubernetes does with a secret': (folder, next, number) => {
    const version = `..version_${number}`
    mkdirSync(join(folder, version))
    write(join(folder, version), next)
    symlinkSync(version, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    rmSync(join(folder, `..version_${number - 1}`), { recursive: true, force: true })
  },
}

const SWAPS = 50
/** After so many the last one is waited for. */
const A_REST = 10

for (const [way, swap] of Object.entries(WAYS)) {
  t.test(
    `${way}: ${SWAPS} times under new connections, no handshake fails, and none gets an older one again`,
    async t => {
      const all = await Promise.all(Array.from({ length: SWAPS + 1 }, () => issue(ca)))
      const serials = all.map(serialOf)
      const folder = t.testdir()
      if (way.includes('Kubernetes')) {
        for (const name of ['server.pem', 'server.key']) symlinkSync(`..data/${name}`, join(folder, name))
      }
      swap(folder, all[0]!, 0)
      const listener = {
        address: '127.0.0.1:0',
        tls: { cert: join(folder, 'server.pem'), key: join(folder, 'server.key') },
      }
      const { port, proxy } = await running(t, { listeners: [listener] })

      let ended = false
      let handshakes = 0
      /** Which of them was seen last, by each who connects. */
      let newest = 0
      const connecting = Array.from({ length: 3 }, async () => {
        let last = 0
        while (!ended) {
          const index = serials.indexOf(await handshake(port))
          if (index < last) throw new Error(`certificate ${index} was served after ${last}`)
          last = index
          newest = Math.max(newest, index)
          handshakes++
        }
      })
      for (let number = 1; number <= SWAPS; number++) {
        swap(folder, all[number]!, number)
        if (number % A_REST === 0) await until(`number ${number} is served`, () => newest === number)
        else await handshake(port)
      }
      ended = true
      await Promise.all(connecting)
      t.equal(newest, SWAPS)
      t.ok(handshakes > SWAPS, `${handshakes} handshakes`)
      t.equal(String(proxy.setup.listeners[0]?.tls?.cert), all[SWAPS]!.cert)
    },
  )
}

t.test('one half of a pair is not used, and the other half ends it; a listener beside it is renewed', async t => {
  const [before, after] = [await issue(ca), await issue(ca)]
  const folder = t.testdir({ other: {} })
  write(folder, before)
  write(join(folder, 'other'), before)
  const at = (folder: string) => ({
    address: '127.0.0.1:0',
    tls: { cert: join(folder, 'server.pem'), key: join(folder, 'server.key') },
  })
  const { says, said, proxy } = await running(t, { listeners: [at(folder), at(join(folder, 'other'))] })
  const certs = () => proxy.setup.listeners.map(({ tls }) => String(tls!.cert))
  writeFileSync(join(folder, 'server.pem'), after.cert)
  await says(/listeners\[0\]\.tls\.key: .* does not belong to the certificate/)
  await says(/these files are not used/)
  write(join(folder, 'other'), after)
  await until('the other is renewed', () => certs()[1] === after.cert)
  t.equal(certs()[0], before.cert)
  t.equal(said.filter(line => line.includes('does not belong')).length, 1, 'told once, however often it is tried')
  writeFileSync(join(folder, 'server.key'), after.key)
  await until('the pair is whole', () => certs()[0] === after.cert)
})

t.test('not noticed where it is turned off', async t => {
  const folder = t.testdir()
  write(folder, server)
  const listener = {
    address: '127.0.0.1:0',
    tls: { cert: join(folder, 'server.pem'), key: join(folder, 'server.key') },
  }
  const { proxy } = await running(t, { listeners: [listener], tls: { watchFiles: false } })
  t.same([...proxy.watchedFiles], [])
})

const inDays = (days: number) => new Date(Date.now() + days * DAY_MS)

t.test('what is not valid now is refused where something valid is in force; at the start it is a warning', async t => {
  const folder = t.testdir()
  const listener = {
    address: '127.0.0.1:0',
    tls: { cert: join(folder, 'server.pem'), key: join(folder, 'server.key') },
  }
  const expired = await issue(ca, { notBefore: inDays(-9), notAfter: inDays(-2) })
  write(folder, expired)
  const { says, said, proxy, port } = await running(t, { listeners: [listener] })
  t.match(said.join('\n'), /listeners\[0\]\.tls\.cert: certificate 1 in .*server\.pem expired on/)
  const options = { backends: NOWHERE, listeners: [listener], logger: proxy.log }
  await proxy.apply({ ...options, drain: { graceMs: 5 } })
  t.equal(proxy.setup.drain.graceMs, 5, 'what expired while it was in force keeps nothing else from being changed')
  write(folder, server)
  await says(/files of certificates have changed/)
  const told = async (identity: Identity): Promise<string> => {
    write(folder, identity)
    const error: unknown = await proxy.apply(options).then(undefined, error => error)
    return error instanceof ConfigError ? error.message : String(error)
  }
  t.match(await told(expired), /^listeners\[0\]\.tls\.cert: certificate 1 in .*server\.pem expired on/)
  const early = await issue(ca, { notBefore: inDays(1), notAfter: inDays(9) })
  t.match(await told(early), /^listeners\[0\]\.tls\.cert: certificate 1 in .*server\.pem is not valid before/)
  const weak = await issue(undefined, { keyType: 'rsa', keySize: 1_024 })
  t.match(await told(weak), /^listeners\[0\]\.tls\.cert: the key of .*server\.pem is too weak: RSA with 1024 bits/)
  t.match(
    await told({ cert: server.cert, key: stranger.key }),
    /^listeners\[0\]\.tls\.key: .*server\.key does not belong/,
  )
  await says(/these files are not used/)
  t.equal(await handshake(port), serialOf(server), 'the last good one is served')
})

t.test('a certificate without a name that is wanted is refused, with its line', async t => {
  const folder = t.testdir()
  write(folder, await issue(ca, { names: ['a.example', '*.b.example'] }))
  const text = (names: string) =>
    `listeners:\n  - address: 127.0.0.1:0\n    tls:\n      cert: server.pem\n      key: server.key\n      names: [${names}]\nbackends: { main: { endpoints: ["127.0.0.1:1"] } }\n`
  const told = (names: string) => {
    try {
      parseConfig(text(names), join(folder, 'proxy.yaml'))
    } catch (error) {
      return (error as Error).message.replace(`${folder}/`, '')
    }
    return ''
  }
  t.equal(told('a.example, "*.b.example", x.b.example'), '')
  t.equal(
    told('a.example, c.example'),
    'proxy.yaml:6:7 listeners[0].tls.names: server.pem is not a certificate for c.example: it is for a.example, *.b.example',
  )
  t.match(told('a b'), /names\[0\]: is a host name, or `\*\.` and a host name/)
})

t.test('when they expire is a metric, by the option that names them', async t => {
  // Before the authority, which is in the same file.
  const end = inDays(1 / 2)
  const listener = { address: '127.0.0.1:0', tls: await issue(ca, { notAfter: end }) }
  const main = {
    endpoints: ['https://localhost:1'],
    tls: { ca: `${ca.cert}\n${(await issue(ca, { notAfter: end })).cert}` },
  }
  const { proxy } = await running(t, { listeners: [listener], backends: { main }, metrics: true })
  const lines = proxy
    .metrics()
    .split('\n')
    .filter(line => line.includes('certificate_expiry'))
  const seconds = Math.floor(end.getTime() / 1_000)
  t.same(lines.slice(2), [
    `grpc_verbatim_certificate_expiry_timestamp_seconds{option="listeners[0].tls.cert"} ${seconds}`,
    `grpc_verbatim_certificate_expiry_timestamp_seconds{option="backends.main.tls.ca"} ${seconds}`,
  ])
})

/** A backend that wants certificates of clients, and answers every call. */
async function backend(
  t: Test,
  identity: Identity,
  clients: Identity,
): Promise<{ server: Http2SecureServer; port: number }> {
  const made = createSecureServer({ ...identity, ca: clients.cert, requestCert: true, rejectUnauthorized: true })
  made.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true })
  })
  made.on('sessionError', () => {})
  await once(made.listen(0, '127.0.0.1'), 'listening')
  const sessions = new Set<{ destroy(): void }>()
  made.on('session', session => sessions.add(session))
  t.teardown(() => {
    made.close()
    for (const session of sessions) session.destroy()
  })
  return { server: made, port: (made.address() as AddressInfo).port }
}

for (const transport of ['frames', 'native'] as const) {
  t.test(
    `toward endpoints over ${transport}: another authority and another certificate of ours, under calls`,
    async t => {
      const [firstCa, secondCa] = [await authority('first'), await authority('second')]
      const ours = (ca: Identity) => issue(ca, { name: 'proxy', usage: 'clientAuth' })
      const folder = t.testdir({ 'ca.pem': firstCa.cert })
      write(folder, await ours(firstCa))
      const { server, port: at } = await backend(t, await issue(firstCa), firstCa)
      const main = {
        endpoints: [`https://localhost:${at}`],
        transport,
        tls: { ca: join(folder, 'ca.pem'), cert: join(folder, 'server.pem'), key: join(folder, 'server.key') },
      }
      const { proxy, port } = await running(t, { listeners: [{ address: '127.0.0.1:0' }], backends: { main } })
      const client = await RawClient.connect(t, port)
      const call = async () => {
        const [head] = await client.ended(client.request(requestFields(), { endStream: true }))
        return field(head, 'grpc-status')
      }
      t.equal(await call(), '0')
      const before = proxy.state().backends[0]!.totals.connects
      // As an authority is replaced: first both are trusted, then all have certificates of the new one.
      writeFileSync(join(folder, 'ca.pem'), firstCa.cert + secondCa.cert)
      await until('both are trusted', () =>
        String(proxy.setup.backends.main?.endpoints[0]?.tls?.ca).includes(secondCa.cert),
      )
      server.setSecureContext({ ...(await issue(secondCa)), ca: [firstCa.cert, secondCa.cert] })
      t.equal(await call(), '0')
      write(folder, await ours(secondCa))
      const cert = () => String(proxy.setup.backends.main?.endpoints[0]?.tls?.cert)
      const old = cert()
      await until('our own is another', () => cert() !== old)
      t.equal(await call(), '0')
      server.setSecureContext({ ...(await issue(secondCa)), ca: secondCa.cert })
      t.equal(await call(), '0')
      t.ok(proxy.state().backends[0]!.totals.connects > before, 'by new sessions')
    },
  )
}
