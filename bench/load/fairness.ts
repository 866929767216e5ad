/**
 * Measures what one bulk stream does to small calls on the same session, in a process of its own:
 * `fairness.ts '{"port":…}'` (FairnessOptions) keeps small calls open for some seconds, with a bulk stream
 * or without one, and prints a FairnessReport. A call that fails ends it with code 1.
 */
import { newHistogram, recordMs } from '../../src/bench/histogram.ts'
import { LoadSession } from '../../src/bench/session.ts'
import type { HeaderField } from '../../src/wire/index.ts'
import { CallFields } from './call-fields.ts'
import { type CallPlan, planOf } from './call-plan.ts'
import { percentilesOf } from './outcome.ts'
import type { Percentiles, Shape } from './shape.ts'
import { StreamCall, type StreamCallOwner } from './stream-call.ts'

export interface FairnessOptions {
  readonly port: number
  readonly seconds: number
  readonly smallCalls: number
  readonly bulk: boolean
}

export interface FairnessReport {
  /** How many small calls ended. */
  readonly calls: number
  /** The latency of small calls, from their beginning. */
  readonly latency: Percentiles
  readonly bulkBytesPerSecond: number
}

const SMALL: Shape = { kind: 'unary', requestBytes: 39, responseBytes: 39 }
const BULK: Shape = { kind: 'server-stream', messages: 4_096, messageBytes: 16_384 }
const SMALL_PLAN = planOf(SMALL)
const BULK_PLAN = planOf(BULK)
/** The client's own windows slow neither of them. */
const LIMITS = { maxStreamWindow: 1_048_576, initialStreamWindow: 262_144 }

/** Makes one call after the other. Small calls are timed, and the bytes of bulk calls are counted. */
class Client implements StreamCallOwner {
  readonly #latency = newHistogram()
  readonly #session: LoadSession
  readonly #fields: readonly [small: readonly HeaderField[], bulk: readonly HeaderField[]]
  #bulk: StreamCall | undefined
  #bulkBytes = 0
  #done = false

  constructor(session: LoadSession, port: number) {
    this.#session = session
    const fieldsOf = (plan: CallPlan, shape: Shape) =>
      new CallFields(plan, { port, shape, connections: 1, mode: { kind: 'closed', streams: 1, calls: 1 } }, Math.random)
    this.#fields = [fieldsOf(SMALL_PLAN, SMALL).lists()[0]!, fieldsOf(BULK_PLAN, BULK).lists()[0]!]
  }

  async run({ seconds, smallCalls, bulk }: FairnessOptions): Promise<FairnessReport> {
    if (bulk) this.#begin(true)
    for (let i = 0; i < smallCalls; i++) this.#begin(false)
    await new Promise(resolve => setTimeout(resolve, seconds * 1_000))
    this.#done = true
    this.#session.close()
    const { totalCount: calls } = this.#latency
    if (calls === 0) throw new Error(`no small call ended within ${seconds} s`)
    const bulkBytes = this.#bulkBytes + (this.#bulk?.receivedBytes ?? 0)
    return { calls, latency: percentilesOf(this.#latency), bulkBytesPerSecond: bulkBytes / seconds }
  }

  onCallEnd(call: StreamCall, problem: string | undefined): void {
    if (this.#done) return
    if (problem !== undefined) throw new Error(problem)
    const bulk = call === this.#bulk
    if (bulk) this.#bulkBytes += call.receivedBytes
    else recordMs(this.#latency, performance.now() - call.intended)
    setImmediate(() => this.#done || this.#begin(bulk))
  }

  #begin(bulk: boolean): void {
    const call = new StreamCall(this, bulk ? BULK_PLAN : SMALL_PLAN, performance.now(), undefined)
    if (bulk) this.#bulk = call
    call.begin(this.#session.call(call), this.#fields[bulk ? 1 : 0])
  }
}

const options = JSON.parse(process.argv[2]!) as FairnessOptions
const { port } = options
const onLost = (reason: string): never => {
  throw new Error(reason)
}
const session = await LoadSession.open(
  { name: `127.0.0.1:${port}`, tcp: { host: '127.0.0.1', port } },
  { onLost },
  { limits: LIMITS },
)
console.log(JSON.stringify(await new Client(session, port).run(options)))
process.exit(0)
