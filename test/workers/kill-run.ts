/**
 * `npm run kill`: workers are killed one after the other under calls at a rate, and their clients connect again; tells what
 * each death cost. Only the calls that were on the worker may be lost. `KILL_RATE`, `KILL_TIMES`, `KILL_WORKERS`.
 */
import { once } from 'node:events'
import http2, { type ClientHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { Scope } from '../support/teardown.ts'
import { until } from '../support/until.ts'
import { call, type Served, serve } from './rig.ts'

const RATE = Number(process.env.KILL_RATE ?? 2_000)
const TIMES = Number(process.env.KILL_TIMES ?? 6)
const WORKERS = Number(process.env.KILL_WORKERS ?? 2)
const CONNECTIONS = 16
/** A backend that takes a moment, so that calls are on the worker when it dies. */
const ANSWER_MS = 10
/** A machine that cannot do as many makes fewer. */
const MOST_AT_A_TIME = 400
const BETWEEN_MS = 1_500

const teardowns: (() => unknown)[] = []
const scope: Scope = { teardown: fn => void teardowns.push(fn) }

async function slowBackend(): Promise<string> {
  const server = http2.createServer()
  server.on('session', session => {
    session.on('error', () => {})
    scope.teardown(() => session.destroy())
  })
  server.on('stream', async (stream: ServerHttp2Stream) => {
    stream.on('error', () => {})
    stream.resume()
    await setTimeout(ANSWER_MS)
    if (stream.destroyed) return
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' }, { endStream: true })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  scope.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Connected {
  readonly session: ClientHttp2Session
  /** What the proxy knows it by. */
  readonly port: number
}

/** A client that connects again when its connection is lost. */
class Client {
  readonly #address: string
  #now: Connected | undefined
  onLost = (): void => {}

  constructor(address: string) {
    this.#address = address
  }

  get isConnected(): boolean {
    return this.#now?.session.destroyed === false
  }

  /** Undefined: it has none. */
  get port(): number | undefined {
    return this.#now?.port
  }

  /** Another connection, for its next calls; those that it has finish where they are. @returns how often there was none */
  async connect(): Promise<number> {
    for (let failures = 0; ; failures++) {
      const session = http2.connect(`http://${this.#address}`)
      session.on('error', () => {})
      const closed = new Promise<false>(resolve => session.once('close', () => resolve(false)))
      const greeted = new Promise<true>(resolve => session.once('remoteSettings', () => resolve(true)))
      if (!(await Promise.race([greeted, closed]))) continue
      const before = this.#now
      const now = { session, port: session.socket.localPort! }
      this.#now = now
      session.once('close', () => {
        if (this.#now !== now) return
        this.#now = undefined
        this.onLost()
      })
      before?.session.close()
      return failures
    }
  }

  /** @returns its status, and the connection that it was on */
  async call(): Promise<{ status: string; port: number }> {
    const { session, port } = this.#now!
    openCalls.set(port, (openCalls.get(port) ?? 0) + 1)
    const status = await call(session)
    openCalls.set(port, openCalls.get(port)! - 1)
    return { status, port }
  }

  close(): void {
    this.onLost = () => {}
    this.#now?.session.destroy()
  }
}

/** By the port of a connection. */
const openCalls = new Map<number, number>()
const served: Served = await serve(
  scope,
  `listeners: [{ address: 127.0.0.1:0 }]
backends: { main: { endpoints: ["${await slowBackend()}"] } }
log: { access: false }
workers: ${WORKERS}`,
)
const clients = Array.from({ length: CONNECTIONS }, () => new Client(served.address))
for (const client of clients) await client.connect()

let over = false
const total = { calls: 0, lost: 0, wrong: [] as string[] }
/** Of the death that is looked at. */
let lostOn: number[] = []
let slowestMs = 0

async function one(client: Client): Promise<void> {
  const begin = performance.now()
  const { status, port } = await client.call()
  total.calls++
  if (status === '0') slowestMs = Math.max(slowestMs, performance.now() - begin)
  else if (status === 'lost') lostOn.push(port)
  else total.wrong.push(`a call ended with ${status}`)
}

async function paced(): Promise<void> {
  const begin = performance.now()
  let open = 0
  for (let n = 0; !over; await setTimeout(1)) {
    for (const due = ((performance.now() - begin) * RATE) / 1_000; n < due; n++) {
      const client = clients[n % clients.length]!
      // Who has no connection waits for one.
      if (!client.isConnected || open >= MOST_AT_A_TIME) continue
      open++
      void one(client).finally(() => open--)
    }
  }
}

/** The connections that a worker has, by their ports, and its process. */
async function worker(number: number): Promise<{ ports: Set<number>; pid: number }> {
  const { sessions } = JSON.parse(await served.page(`/state?worker=${number}`)) as { sessions: { peer: string }[] }
  const { workers } = JSON.parse(await served.page('/state')) as { workers: { worker: number; pid: number }[] }
  const ports = new Set(sessions.map(({ peer }) => Number(peer.split(':').at(-1))))
  return { ports, pid: workers.find(one => one.worker === number)!.pid }
}

const load = paced()
await setTimeout(BETWEEN_MS)
const begin = performance.now()
const callsBefore = total.calls
for (let time = 0; time < TIMES; time++) {
  const number = (time % WORKERS) + 1
  const { ports, pid } = await worker(number)
  lostOn = []
  slowestMs = 0
  const again: Promise<number>[] = []
  for (const client of clients) client.onLost = () => void again.push(client.connect())
  const theirs = clients.filter(({ port }) => ports.has(port ?? -1)).length
  const open = [...ports].reduce((sum, port) => sum + (openCalls.get(port) ?? 0), 0)
  const killed = performance.now()
  process.kill(pid, 'SIGKILL')
  await until('its connections are gone', () => again.length === theirs)
  const refused = (await Promise.all(again)).reduce((sum, one) => sum + one, 0)
  const connectedMs = performance.now() - killed
  await served.ready(number)
  const readyMs = performance.now() - killed
  await setTimeout(BETWEEN_MS)
  const ofOthers = lostOn.filter(port => !ports.has(port)).length
  total.lost += lostOn.length
  console.log(
    [
      `worker ${number} of ${WORKERS}, with ${theirs} of ${CONNECTIONS} connections and ${open} calls:`,
      `${lostOn.length - ofOthers} calls lost on them with those sent before the clients knew, ${ofOthers} on others;`,
      `all were connected again after ${connectedMs.toFixed(0)} ms (${refused} tries more than connections),`,
      `the worker served again after ${readyMs.toFixed(0)} ms; the slowest call took ${slowestMs.toFixed(0)} ms`,
    ].join(' '),
  )
  if (ofOthers > 0) total.wrong.push(`${ofOthers} calls of other workers were lost`)
  if (refused > 1) total.wrong.push(`${refused} new connections were lost: one may have been on its way to the worker`)
  // Those that had to connect again are all at the other workers now.
  for (const client of clients) await client.connect()
  await setTimeout(BETWEEN_MS)
}
const seconds = (performance.now() - begin) / 1_000
over = true
await load
console.log(
  `${total.calls - callsBefore} calls, ${((total.calls - callsBefore) / seconds).toFixed(0)} a second; ${total.lost} lost by ${TIMES} deaths`,
)
for (const line of total.wrong) console.log(`FAILED  ${line}`)
for (const client of clients) client.close()
for (const fn of teardowns.reverse()) await fn()
process.exit(total.wrong.length > 0 ? 1 : 0)
