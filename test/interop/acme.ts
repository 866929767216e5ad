/**
 * Certificates from a real authority, pebble of Let's Encrypt, by both challenges, both transports, and for several workers,
 * and renewals while clients connect all the time: `npm run test:acme`. It takes some three minutes.
 */
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as after } from 'node:timers/promises'
import tls from 'node:tls'
import pino from 'pino'
import { ConfiguredProxy, resolveOptions } from '../../src/config/configured-proxy.ts'
import type { ProxyOptions, TransportOption } from '../../src/config/options.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import { Primary } from '../../src/workers/primary.ts'
import { certificates } from '../support/certs.ts'
import { findOrInstall, main, start } from './go-program.ts'

/** So that the first renewal, when a third is left, is a minute after it began. */
const VALID_S = 90
const TIMEOUT_MS = 240_000
/** A name that leads to this machine. */
const DOMAIN = 'localhost'

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** What a server says that has a certificate of this authority. */
async function pageOf(url: string, ca: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    try {
      const request = get(url, { ca })
      const [response] = await once(request, 'response')
      return await text(response)
    } catch (error) {
      if (tries === 50) throw error
      await after(100)
    }
  }
}

/** The serial number of the certificate that a client gets and verifies. */
async function handshake(port: number, ca: string): Promise<string> {
  const socket = tls.connect({ port, host: '127.0.0.1', servername: DOMAIN, ca, ALPNProtocols: ['h2'] })
  try {
    await once(socket, 'secureConnect')
    if (socket.alpnProtocol !== 'h2') throw new Error(`the protocol is ${socket.alpnProtocol}`)
    return socket.getPeerX509Certificate()!.serialNumber
  } finally {
    socket.destroy()
  }
}

interface Scene {
  readonly transport: TransportOption
  readonly challenge: 'tls-alpn-01' | 'http-01'
  readonly pebble: string
  readonly renews: boolean
  /** Processes; without it the proxy is this one. */
  readonly workers?: number
}

/** A proxy as this check needs it. */
interface Secured {
  start(): Promise<unknown>
  notReady(): Promise<readonly string[]>
  close(): Promise<unknown>
}

function secured(options: ProxyOptions, workers: number | undefined): Secured {
  if (workers === undefined) {
    const proxy = new ConfiguredProxy(resolveOptions(options))
    return { start: () => proxy.start(), notReady: async () => proxy.notReady, close: () => proxy.close() }
  }
  // A logger cannot go to another process: workers have their own.
  const primary = new Primary(resolveConfig({ ...options, log: { level: 'warn' }, workers }))
  return { start: () => primary.start(), notReady: () => primary.notReady, close: () => primary.drain() }
}

async function scene({ transport, challenge, pebble, renews, workers }: Scene): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'grpc-verbatim-acme-'))
  const [port, httpPort, caPort, rootPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  const { ca, server } = await certificates()
  for (const [name, pem] of Object.entries({ 'ca.pem': ca.cert, 'cert.pem': server.cert, 'key.pem': server.key }))
    writeFileSync(path.join(folder, name), pem, { mode: 0o600 })
  const config = {
    pebble: {
      listenAddress: `127.0.0.1:${caPort}`,
      managementListenAddress: `127.0.0.1:${rootPort}`,
      certificate: path.join(folder, 'cert.pem'),
      privateKey: path.join(folder, 'key.pem'),
      httpPort,
      tlsPort: port,
      profiles: { short: { description: 'short', validityPeriod: VALID_S } },
    },
  }
  writeFileSync(path.join(folder, 'pebble.json'), JSON.stringify(config))
  const env = { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20' }
  const authority = start(pebble, ['-config', path.join(folder, 'pebble.json')], { env, timeoutMs: TIMEOUT_MS })
  const said: string[] = []
  const proxyOf = () => {
    const logger = pino({ level: 'info' }, { write: (line: string) => void said.push(JSON.parse(line).msg) })
    const acme = {
      domains: [DOMAIN],
      agreeToTerms: true as const,
      email: 'who@example.com',
      storage: path.join(folder, 'storage'),
      directory: `https://localhost:${caPort}/dir`,
      ca: ca.cert,
      challenge: challenge === 'http-01' ? { http01: `127.0.0.1:${httpPort}` } : challenge,
    }
    const listeners = [{ address: `127.0.0.1:${port}`, transport, tls: { acme } }]
    return secured({ listeners, backends: { main: { endpoints: ['127.0.0.1:1'] } }, logger }, workers)
  }
  let proxy = proxyOf()
  try {
    const root = await pageOf(`https://localhost:${rootPort}/roots/0`, ca.cert)
    await proxy.start()
    if (!(await proxy.notReady()).some(why => why.includes('no certificate yet')))
      throw new Error('it is ready at once')
    const beganMs = Date.now()
    const first = await firstCertificate(port, root, said)
    const by = workers === undefined ? '' : `, ${workers} workers`
    console.log(`${transport}, ${challenge}${by}: a certificate after ${Date.now() - beganMs} ms`)
    const notReady = (await proxy.notReady()).join()
    if (notReady !== '') throw new Error(`not ready: ${notReady}`)
    checkModes(path.join(folder, 'storage'))
    await proxy.close()
    proxy = proxyOf()
    await proxy.start()
    if ((await handshake(port, root)) !== first) throw new Error('a second start uses another certificate')
    const asked = said.filter(line => line.startsWith('asking ')).length
    if (asked !== 1) throw new Error(`${asked} orders`)
    if (renews) await renewal(port, root, first)
  } catch (error) {
    console.log(said.join('\n'))
    throw error
  } finally {
    await proxy.close()
    process.kill(authority.pid)
    const { output } = await authority.ended
    if (process.env.VERBOSE) console.log(output)
    rmSync(folder, { recursive: true })
  }
}

async function firstCertificate(port: number, root: string, said: readonly string[]): Promise<string> {
  for (let tries = 0; ; tries++) {
    try {
      return await handshake(port, root)
    } catch (error) {
      if (tries === 300) throw error
      if (said.some(line => line.includes('no certificate from'))) throw new Error('the order failed')
      await after(100)
    }
  }
}

/** Nobody but the owner reads what is stored. */
function checkModes(storage: string): void {
  for (const entry of readdirSync(storage, { recursive: true, withFileTypes: true })) {
    const mode = statSync(path.join(entry.parentPath, entry.name)).mode & 0o777
    if (mode !== (entry.isDirectory() ? 0o700 : 0o600)) throw new Error(`${entry.name} has mode ${mode.toString(8)}`)
  }
}

/** Clients connect all the time; none fails, and in the end they get the next certificate. */
async function renewal(port: number, root: string, first: string): Promise<void> {
  const patienceEnds = Date.now() + VALID_S * 1_000
  let handshakes = 0
  let newest = first
  const connecting = Array.from({ length: 2 }, async () => {
    while (newest === first) {
      if (Date.now() > patienceEnds) throw new Error('it was not renewed')
      newest = await handshake(port, root)
      handshakes++
      await after(5)
    }
  })
  await Promise.all(connecting)
  // Where there are workers, all have it a moment after the first.
  await after(500)
  for (let i = 0; i < 100; i++) if ((await handshake(port, root)) !== newest) throw new Error('an older one came again')
  console.log(`renewed under ${handshakes} handshakes, of which none failed`)
}

await main('test:acme', async () => {
  const pebble = await findOrInstall({ name: 'pebble', package: 'github.com/letsencrypt/pebble/v2/cmd/pebble' })
  await scene({ transport: 'frames', challenge: 'tls-alpn-01', pebble, renews: true })
  await scene({ transport: 'native', challenge: 'tls-alpn-01', pebble, renews: false })
  await scene({ transport: 'frames', challenge: 'http-01', pebble, renews: false })
  await scene({ transport: 'frames', challenge: 'http-01', pebble, renews: false, workers: 2 })
  await scene({ transport: 'frames', challenge: 'tls-alpn-01', pebble, renews: true, workers: 2 })
  return true
})
