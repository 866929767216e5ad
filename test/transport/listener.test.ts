/** What a listening socket does for the connections that it accepts, and where it listens. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import { createProxy, type GrpcProxy } from '../../src/index.ts'
import { goesOn, rig, running } from '../contract/rig.ts'
import { PAIRING } from '../proxy/rig.ts'
import { certificates } from '../support/certs.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

const BACKENDS = { backends: { main: { endpoints: ['127.0.0.1:1'] } } }

/** Of /proc/net/tcp, "tr": a keepalive timer is what the connection waits for. */
const KEEPALIVE_TIMER = '02'

/** Which timer the accepted end of a connection on this machine has, as Linux shows it. */
function timerOf(port: number, clientPort: number): string | undefined {
  const hex = (number: number) => number.toString(16).toUpperCase().padStart(4, '0')
  const lines = readFileSync('/proc/net/tcp', 'latin1').split('\n')
  const line = lines.find(one => one.includes(`0100007F:${hex(port)} 0100007F:${hex(clientPort)} `))
  return line?.trim().split(/\s+/)[5]?.slice(0, 2)
}

async function hasKeepalive(t: Test, port: number, client: RawClient, wanted = true): Promise<void> {
  await client.roundTrip()
  const timer = () => timerOf(port, client.socket.localPort!)
  // Until our last bytes are acknowledged the timer is that of retransmission.
  await until('nothing is on its way', () => timer() !== '01')
  t.equal(timer() === KEEPALIVE_TIMER, wanted, `timer ${timer()}`)
}

const skip = process.platform === 'linux' ? false : 'only Linux shows the timers of a socket'

t.test('TCP asks whether a client that is silent is still there', { skip }, async t => {
  const made = await certificates()
  for (const transport of ['frames', 'native'] as const) {
    const pairing = { ...PAIRING, downstream: transport }
    const plain = await running(t, pairing, BACKENDS)
    await hasKeepalive(t, plain.port, await RawClient.connect(t, plain.port))
    const secure = await running(t, pairing, BACKENDS, made)
    await hasKeepalive(t, secure.port, await RawClient.connect(t, secure.port, { tls: { ca: made.ca.cert } }))
    const off = await running(t, pairing, { ...BACKENDS, limits: { tcpKeepaliveMs: 0 } })
    await hasKeepalive(t, off.port, await RawClient.connect(t, off.port), false)
  }
})

t.test('also of connections that others accepted', { skip }, async t => {
  const proxy = createProxy(BACKENDS)
  t.teardown(() => proxy.close())
  const server = net.createServer(proxy.connection)
  t.teardown(() => server.close())
  const { port } = await new Promise<net.AddressInfo>(resolve => {
    server.listen(0, '127.0.0.1', () => resolve(server.address() as net.AddressInfo))
  })
  await hasKeepalive(t, port, await RawClient.connect(t, port))
})

t.test('and whether a backend that is silent is still there', { skip }, async t => {
  for (const upstream of ['frames', 'native'] as const) {
    const here = await rig(t, { ...PAIRING, upstream })
    await goesOn(t, here)
    const { socket } = here.backend.connections[0]!
    const timer = () => timerOf(socket.remotePort!, socket.localPort!)
    await until('nothing is on its way', () => timer() !== '01')
    t.equal(timer(), KEEPALIVE_TIMER, upstream)
  }
})

t.test('connections that others accepted: the longest idle one makes room for another', async t => {
  const { ca, server: identity } = await certificates()
  for (const over of ['TCP', 'TLS'] as const) {
    const proxy = createProxy({ ...BACKENDS, limits: { maxClientSessions: 2 }, log: { level: 'silent' } })
    t.teardown(() => proxy.close())
    const server =
      over === 'TCP'
        ? net.createServer(proxy.connection)
        : tls.createServer({ ...identity, ALPNProtocols: ['h2'] }, proxy.connection)
    t.teardown(() => server.close())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as net.AddressInfo
    const options = { tls: over === 'TLS' ? { ca: ca.cert } : undefined }
    const clients: RawClient[] = []
    for (let i = 0; i < 3; i++) clients.push(await RawClient.connect(t, port, options))
    await clients[0]!.next('goaway')
    await clients[0]!.closed
    for (const client of clients.slice(1)) await client.roundTrip()
    await until('it is forgotten', () => proxy.counts().clientConnections === 2)
  }
})

function proxyOf(t: Test): GrpcProxy {
  const proxy = createProxy({ ...BACKENDS, log: { level: 'silent' } })
  t.teardown(() => proxy.close())
  return proxy
}

/** With a short name: the path of a socket has 103 bytes at most. */
function folderOf(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'listener-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** What a process leaves that was killed: the file of a socket on which nobody listens. */
async function leaveSocket(file: string): Promise<void> {
  const made = `${file}.made`
  const server = net.createServer().listen(made)
  await once(server, 'listening')
  linkSync(made, file)
  // Node removes the file that it made.
  await new Promise(resolve => server.close(resolve))
}

async function answers(file: string): Promise<boolean> {
  const socket = net.connect(file)
  return new Promise(resolve => {
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

t.test('a unix socket that a killed process left is taken over', async t => {
  const folder = folderOf(t)
  const file = path.join(folder, 'proxy.sock')
  const script = `require('net').createServer().listen(${JSON.stringify(file)}, () => console.log('listening'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.ok(statSync(file).isSocket(), 'it is still there')
  t.match(await proxyOf(t).listen({ path: file }), { address: `unix:${file}`, port: 0 })
  t.equal(await answers(file), true)
  t.same(readdirSync(folder), ['proxy.sock'], 'and nothing beside it')
})

t.test('a unix socket that somebody listens on is not', async t => {
  const file = path.join(folderOf(t), 'proxy.sock')
  const other = net.createServer(socket => socket.destroy()).listen(file)
  await once(other, 'listening')
  t.teardown(() => other.close())
  await t.rejects(proxyOf(t).listen({ path: file }), { code: 'EADDRINUSE' })
  t.equal(await answers(file), true)
})

t.test('a file that is no socket stays, and the error says so', async t => {
  const folder = folderOf(t)
  writeFileSync(path.join(folder, 'proxy.sock'), 'precious')
  mkdirSync(path.join(folder, 'folder'))
  for (const name of ['proxy.sock', 'folder']) {
    const file = path.join(folder, name)
    await t.rejects(proxyOf(t).listen({ path: file }), {
      code: 'ENOTSOCK',
      message: `listen ENOTSOCK: there is a file that is not a socket, and it stays as it is: ${file}`,
    })
  }
  t.equal(readFileSync(path.join(folder, 'proxy.sock'), 'utf8'), 'precious')
  t.ok(statSync(path.join(folder, 'folder')).isDirectory())
})

t.test('of several that find the same stale socket at once one has it, and keeps it', async t => {
  const folder = folderOf(t)
  const rounds = Array.from({ length: 8 }, async (_, i) => {
    const file = path.join(folder, `${i}.sock`)
    await leaveSocket(file)
    const tries = await Promise.allSettled(Array.from({ length: 4 }, () => proxyOf(t).listen({ path: file })))
    const codes = tries.map(one => (one.status === 'fulfilled' ? 'listens' : one.reason.code)).sort()
    t.same(codes, ['EADDRINUSE', 'EADDRINUSE', 'EADDRINUSE', 'listens'])
    t.equal(await answers(file), true, 'where it said')
  })
  await Promise.all(rounds)
  t.equal(readdirSync(folder).length, 8, 'nothing is left beside them')
})

t.test('one that is slow to take a stale socket away does not take that of another', async t => {
  const file = path.join(folderOf(t), 'proxy.sock')
  await leaveSocket(file)
  const { rename, link } = fs
  t.teardown(() => {
    Object.assign(fs, { rename, link })
    syncBuiltinESMExports()
  })
  // The second to move it is quick, and listens; the first then moves that one's socket; the third finds none.
  const waits = [200, 0, 300]
  fs.rename = async (...args) => {
    await setTimeout(waits.shift() ?? 0)
    return rename(...args)
  }
  fs.link = async (...args) => {
    await setTimeout(200)
    return link(...args)
  }
  syncBuiltinESMExports()
  const tries = await Promise.allSettled(Array.from({ length: 3 }, () => proxyOf(t).listen({ path: file })))
  t.same(tries.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected'])
  t.equal(await answers(file), true)
})

t.test(
  'a path with no room for another name beside it',
  { skip: process.platform !== 'linux' && 'the lengths are those of Linux' },
  async t => {
    const folder = folderOf(t)
    const deep = path.join(folder, 'd'.repeat(107 - folder.length - 4))
    mkdirSync(deep)
    const file = path.join(deep, 's')
    const proxy = proxyOf(t)
    t.match(await proxy.listen({ path: file }), { address: `unix:${file}` })
    await t.rejects(proxyOf(t).listen({ path: file }), { code: 'EADDRINUSE' })
    t.equal(await answers(file), true)
    await proxy.close()
    t.same(readdirSync(deep), [])
  },
)

t.test('closed while it looks whether anybody listens: it does not listen', async t => {
  const file = path.join(folderOf(t), 'proxy.sock')
  await leaveSocket(file)
  const proxy = proxyOf(t)
  const refused = t.rejects(proxy.listen({ path: file }), { message: 'the proxy is closed' })
  await proxy.close()
  await refused
  t.equal(await answers(file), false)
})

const noModes = process.platform === 'win32' ? 'there are no modes' : false

t.test('the mode of a unix socket, whatever the umask is', { skip: noModes }, async t => {
  const folder = folderOf(t)
  const modeOf = (file: string) => statSync(file).mode & 0o777
  const before = process.umask(0o022)
  t.teardown(() => process.umask(before))
  for (const mode of [0o600, 0o660, 0o666, 0o777]) {
    const file = path.join(folder, mode.toString(8))
    await proxyOf(t).listen({ path: file, socketMode: mode })
    t.equal(modeOf(file), mode)
  }
  const plain = path.join(folder, 'plain')
  await proxyOf(t).listen({ path: plain })
  t.equal(modeOf(plain), 0o755, 'as the umask has it')
  t.equal(process.umask(), 0o022)

  const file = path.join(folder, 'configured')
  const listeners = [{ address: `unix:${file}`, socketMode: '0660' }]
  const configured = createProxy({ ...BACKENDS, listeners, log: { level: 'silent' } })
  t.teardown(() => configured.close())
  await configured.start()
  t.equal(modeOf(file), 0o660)
})
