/**
 * What one bulk stream does to small calls beside it on the same session, a process of its own:
 * `fairness.ts '{"port":…}'` (FairnessOptions) keeps small calls open for some seconds, with a bulk stream beside them
 * or without, and prints a FairnessReport. A call that fails ends it with code 1.
 */
import { LoadSession } from '../../src/bench/session.ts'
import type { StreamEnd, WireStream, WireStreamOwner } from '../../src/wire/index.ts'
import { type CallPlan, metadataOf, planOf } from './call-plan.ts'
import { Latency } from './latency.ts'
import { MessageCheck } from './message-check.ts'
import { messageOf } from './messages.ts'
import type { Percentiles, Shape } from './shape.ts'

export interface FairnessOptions {
  readonly port: number
  readonly seconds: number
  readonly smallCalls: number
  readonly bulk: boolean
}

export interface FairnessReport {
  /** Small ones. */
  readonly calls: number
  /** Of small calls, from their beginning. */
  readonly latency: Percentiles
  readonly bulkBytesPerSecond: number
}

const SMALL: Shape = { kind: 'unary', requestBytes: 39, responseBytes: 39 }
const BULK: Shape = { kind: 'server-stream', messages: 4_096, messageBytes: 16_384 }
/** The client's own windows hold up neither. */
const LIMITS = { maxStreamWindow: 1_048_576, initialStreamWindow: 262_144 }

/** One call after the other: small ones are timed, of bulk the bytes are counted. */
class Repeated implements WireStreamOwner {
  readonly #client: Client
  readonly #plan: CallPlan
  readonly #timed: boolean
  #stream: WireStream | undefined
  #startedMs = 0
  #status: string | undefined
  #check: MessageCheck

  constructor(client: Client, shape: Shape, timed: boolean) {
    this.#client = client
    this.#plan = planOf(shape)
    this.#timed = timed
    this.#check = new MessageCheck(this.#plan.response)
  }

  call(): void {
    const { path, request, response } = this.#plan
    const fields = {
      ':method': 'POST',
      ':scheme': 'http',
      ':path': path,
      ':authority': `127.0.0.1:${this.#client.port}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...Object.fromEntries(metadataOf(this.#plan)),
    }
    const message = messageOf(request.bytes)
    this.#status = undefined
    this.#check = new MessageCheck(response)
    this.#startedMs = performance.now()
    this.#stream = this.#client.session!.call(this)
    this.#stream.sendHeaders(
      Object.entries(fields).map(([name, value]) => ({ name, value, neverIndexed: false })),
      false,
    )
    this.#stream.sendData(message, 0, message.length, true)
  }

  onHeaders(): void {}
  onWritable(): void {}

  onTrailers(block: Parameters<WireStreamOwner['onTrailers']>[0]): void {
    this.#status = block.find(({ name }) => name === 'grpc-status')?.value
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#stream!.release(end - start)
    const problem = this.#check.push(bytes, start, end)
    if (problem !== undefined) throw new Error(problem)
    if (!this.#timed) this.#client.bulkBytes += end - start
  }

  onClosed(end: StreamEnd): void {
    if (this.#client.done) return
    if (end.kind !== 'clean' || this.#status !== '0') {
      throw new Error(`a call ended by ${JSON.stringify(end)} with grpc-status ${this.#status}`)
    }
    const problem = this.#check.end()
    if (problem !== undefined) throw new Error(problem)
    if (this.#timed) this.#client.latency.record(performance.now() - this.#startedMs)
    setImmediate(() => this.#client.done || this.call())
  }
}

class Client {
  readonly port: number
  readonly latency = new Latency()
  session: LoadSession | undefined
  bulkBytes = 0
  done = false

  constructor(port: number) {
    this.port = port
  }

  async run({ seconds, smallCalls, bulk }: FairnessOptions): Promise<FairnessReport> {
    const target = { name: `127.0.0.1:${this.port}`, tcp: { host: '127.0.0.1', port: this.port } }
    const onLost = (reason: string): never => {
      throw new Error(reason)
    }
    this.session = await LoadSession.open(target, { onLost }, { limits: LIMITS })
    if (bulk) new Repeated(this, BULK, false).call()
    for (let i = 0; i < smallCalls; i++) new Repeated(this, SMALL, true).call()
    await new Promise(resolve => setTimeout(resolve, seconds * 1_000))
    this.done = true
    this.session.close()
    const { count: calls } = this.latency
    if (calls === 0) throw new Error(`no small call ended within ${seconds} s`)
    return { calls, latency: this.latency.percentiles(), bulkBytesPerSecond: this.bulkBytes / seconds }
  }
}

const options = JSON.parse(process.argv[2]!) as FairnessOptions
console.log(JSON.stringify(await new Client(options.port).run(options)))
process.exit(0)
