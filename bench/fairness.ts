/**
 * What one bulk stream does to small calls beside it on the same client session: their p99 with it and without it,
 * in turn, directly to the backend and through the proxy. `npm run bench:fairness [-- --rounds 5 --seconds 3]`
 *
 * The backend, the client and the kernel's socket buffers delay the small calls too: the direct line shows by how much.
 */
import net from 'node:net'
import { parseArgs } from 'node:util'
import {
  Connection,
  type ConnectionOwner,
  type WireStream,
  type WireStreamEnd,
  type WireStreamOwner,
} from '../src/wire/index.ts'
import { median, percentile } from './measure/statistics.ts'
import { moveTo, Subject } from './subjects/subject.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '3' } },
})
const ROUNDS = Number(values.rounds)
const SECONDS = Number(values.seconds)
const SMALL_CALLS = 100
const BULK_BYTES = 67_108_864
const MESSAGE = Buffer.concat([Buffer.from([0, 0, 0, 0, 34]), Buffer.alloc(34, 1)])
const REQUEST = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/bench.Bench/Call'],
  [':authority', 'bench'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
].map(([name, value]) => ({ name: name!, value: value!, neverIndexed: false }))

const LIMITS = { maxStreamWindow: 1_048_576, initialStreamWindow: 262_144 }

/** One call after the other on one stream's place: small ones are timed, of bulk the bytes are counted. */
class Caller implements WireStreamOwner {
  readonly #client: Client
  readonly #bulk: boolean
  #stream: WireStream | undefined
  #startedAt = 0

  constructor(client: Client, bulk: boolean) {
    this.#client = client
    this.#bulk = bulk
  }

  call(): void {
    const size = { name: 'x-response-bytes', value: String(this.#bulk ? BULK_BYTES : 39), neverIndexed: false }
    this.#startedAt = performance.now()
    this.#stream = this.#client.connection.openStream(this)
    this.#stream.sendHeaders([...REQUEST, size], false)
    this.#stream.sendData(MESSAGE, 0, MESSAGE.length, true)
  }

  onHeaders(): void {}
  onTrailers(): void {}
  onWritable(): void {}

  onData(_bytes: Buffer, start: number, end: number): void {
    this.#stream!.release(end - start)
    if (this.#bulk) this.#client.bulkBytes += end - start
  }

  onClosed(end: WireStreamEnd): void {
    if (this.#client.done) return
    if (end.kind !== 'clean') throw new Error(`a call ended by ${JSON.stringify(end)}`)
    if (!this.#bulk) this.#client.times.push(performance.now() - this.#startedAt)
    setImmediate(() => this.#client.done || this.call())
  }
}

class Client implements ConnectionOwner {
  readonly connection: Connection = new Connection({ role: 'client', owner: this, limits: LIMITS })
  readonly times: number[] = []
  bulkBytes = 0
  done = false
  readonly #socket: net.Socket
  readonly #withBulk: boolean

  constructor(port: number, withBulk: boolean) {
    this.#withBulk = withBulk
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, () => this.connection.start())
    this.#socket.on('data', (chunk: Buffer) => this.connection.receive(chunk))
    this.#socket.on('close', () => this.connection.closed('the socket closed'))
  }

  stop(): void {
    this.done = true
    this.#socket.destroy()
  }

  onPending(): void {
    setImmediate(() => {
      for (const span of this.connection.flush()) this.#socket.write(span)
      if (this.#socket.writableLength === 0) this.connection.reuse()
    })
  }

  onReady(): void {
    if (this.#withBulk) new Caller(this, true).call()
    for (let i = 0; i < SMALL_CALLS; i++) setImmediate(() => new Caller(this, false).call())
  }

  onFailed(error: Error): void {
    throw error
  }

  onStreamError(error: Error): void {
    throw error
  }

  onStream(): never {
    throw new Error('a server opened a stream')
  }

  onFree(): void {}
  onGoaway(): void {}
  onDrained(): void {}
  onPong(): void {}
}

async function p99Ms(port: number, withBulk: boolean): Promise<{ p99: number; bulkMBps: number }> {
  const client = new Client(port, withBulk)
  await new Promise(resolve => setTimeout(resolve, SECONDS * 1_000))
  client.stop()
  const times = Float64Array.from(client.times).sort()
  return { p99: percentile(times, 0.99), bulkMBps: client.bulkBytes / SECONDS / 1e6 }
}

moveTo(1)
const backend = await Subject.start('backend.ts', [], 1)
const url = `http://127.0.0.1:${backend.port}`
const subjects = { direct: backend, frames: await Subject.start('proxy.ts', [url, 'frames'], 0) }
const results = Object.keys(subjects).map(name => ({
  name,
  alone: [] as number[],
  beside: [] as number[],
  bulk: [] as number[],
}))
for (let round = 0; round <= ROUNDS; round++) {
  for (const { name, alone, beside, bulk } of results) {
    const { port } = subjects[name as keyof typeof subjects]
    const without = await p99Ms(port, false)
    const with_ = await p99Ms(port, true)
    if (round === 0) continue // warm-up
    alone.push(without.p99)
    beside.push(with_.p99)
    bulk.push(with_.bulkMBps)
  }
}
console.log(`${SMALL_CALLS} small calls at a time on one session, medians of ${ROUNDS} rounds of ${SECONDS} s`)
for (const { name, alone, beside, bulk } of results) {
  const ratios = alone.map((p99, i) => beside[i]! / p99)
  console.log(
    `${name.padEnd(8)} p99 ${median(alone).toFixed(2)} ms alone, ${median(beside).toFixed(2)} ms beside a bulk stream` +
      ` of ${median(bulk).toFixed(0)} MB/s: × ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} – ${Math.max(...ratios).toFixed(2)})`,
  )
}
for (const subject of Object.values(subjects)) subject.stop()
