/** Two connections back to back under random calls, sizes, windows and resets. Peers that are wrong: fuzz/. */
import fc from 'fast-check'
import t from 'tap'
import type { Stream, StreamOwner } from '../../src/transport/transport.ts'
import { Connection } from '../../src/wire/connection.ts'
import type { ConnectionLimits, ConnectionOwner } from '../../src/wire/connection-options.ts'
import type { StreamEnd, WireStream, WireStreamOwner } from '../../src/wire/stream.ts'
import { block, REQUEST, RESPONSE, TRAILERS } from './connection-rig.ts'

t.test('streams and their owners are those of the seam', async t => {
  const streams: (stream: WireStream) => Stream = stream => stream
  const owners: (owner: StreamOwner) => WireStreamOwner = owner => owner
  t.type(streams, 'function')
  t.type(owners, 'function')
})

/** Byte `at` of what stream `seed` sends. */
const byteAt = (seed: number, at: number) => (seed * 31 + at * 7 + (at >> 8)) & 0xff

interface Plan {
  readonly up: readonly number[]
  readonly down: readonly number[]
  /** After how many steps who resets: no one if undefined. */
  readonly reset: { readonly step: number; readonly by: 'client' | 'server' } | null
  readonly trailers: boolean
}

/** One half of a call: sends its sizes as it may, checks what it gets, releases it late. */
class Half implements WireStreamOwner {
  readonly seed: number
  stream!: WireStream
  #toSend: readonly number[]
  #sent = 0
  #at = 0
  #blocked = false
  received = 0
  ended = false
  end: StreamEnd | undefined
  #unreleased = 0
  #client: boolean
  #plan: Plan
  #done = false

  constructor(seed: number, plan: Plan, client: boolean) {
    this.seed = seed
    this.#plan = plan
    this.#client = client
    this.#toSend = client ? plan.up : plan.down
  }

  /** All that came and was kept, also after a clean end. */
  release(): void {
    this.stream.release(this.#unreleased)
    this.#unreleased = 0
  }

  /** One step. */
  step(step: number): void {
    if (step % 3 === 0) this.release()
    if (this.end !== undefined) return
    const { reset } = this.#plan
    if (reset?.step === step && (reset.by === 'client') === this.#client) return this.stream.reset(8)
    if (this.#blocked || this.#done) return
    const size = this.#toSend[this.#at++]
    if (size !== undefined) {
      const bytes = Buffer.alloc(size)
      for (let i = 0; i < size; i++) bytes[i] = byteAt(this.seed, this.#sent + i)
      this.#sent += size
      this.#blocked = !this.stream.sendData(bytes, 0, size, false)
      bytes.fill(0)
      return
    }
    this.#done = true
    if (this.#plan.trailers || !this.#client) this.stream.sendTrailers(block(TRAILERS))
    else this.stream.sendData(Buffer.alloc(0), 0, 0, true)
  }

  #alive(): void {
    if (this.end !== undefined) throw new Error('told after onClosed')
  }
  onHeaders(_: unknown, endStream: boolean): void {
    this.#alive()
    this.ended ||= endStream
  }
  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#alive()
    for (let i = start; i < end; i++)
      if (bytes[i] !== byteAt(this.seed, this.received++)) throw new Error(`another byte at ${this.received - 1}`)
    this.#unreleased += end - start
    this.ended ||= endStream
  }
  onTrailers(): void {
    this.#alive()
    this.ended = true
  }
  onWritable(): void {
    this.#alive()
    this.#blocked = false
  }
  onClosed(end: StreamEnd): void {
    this.#alive()
    this.end = end
  }
}

/** The other end of a call has the same seed. */
class Side implements ConnectionOwner {
  readonly connection: Connection
  readonly halves: Half[] = []
  readonly plans: readonly Plan[]
  constructor(role: 'server' | 'client', limits: ConnectionLimits, plans: readonly Plan[]) {
    this.plans = plans
    this.connection = new Connection({ role, limits, owner: this })
    this.connection.start()
  }
  onPending(): void {}
  onReady(): void {}
  onFree(): void {}
  onGoaway(): void {}
  onDrained(): void {}
  onPong(): void {}
  onStreamError(error: Error): void {
    throw error
  }
  onFailed(error: Error): void {
    throw error
  }
  onStream(stream: WireStream): Half {
    const i = this.halves.length
    const half = new Half(i, this.plans[i]!, false)
    half.stream = stream
    this.halves.push(half)
    stream.sendHeaders(block(RESPONSE), false)
    return half
  }
  open(): void {
    const i = this.halves.length
    const half = new Half(i, this.plans[i]!, true)
    half.stream = this.connection.openStream(half)
    this.halves.push(half)
    half.stream.sendHeaders(block(REQUEST), false)
  }
}

const anySizes = fc.array(fc.oneof(fc.nat(100), fc.nat(40_000)), { maxLength: 6 })
const anyPlan: fc.Arbitrary<Plan> = fc.record({
  up: anySizes,
  down: anySizes,
  reset: fc.option(fc.record({ step: fc.nat(20), by: fc.constantFrom('client' as const, 'server' as const) }), {
    freq: 4,
  }),
  trailers: fc.boolean(),
})
const anyLimits: fc.Arbitrary<ConnectionLimits> = fc.record({
  initialStreamWindow: fc.integer({ min: 1_000, max: 100_000 }),
  maxStreamWindow: fc.integer({ min: 100_000, max: 200_000 }),
  initialConnectionWindow: fc.integer({ min: 65_535, max: 200_000 }),
  maxConnectionWindow: fc.constant(200_000),
  maxConcurrentStreams: fc.integer({ min: 1, max: 10 }),
  maxOutputBytes: fc.integer({ min: 20_000, max: 262_144 }),
  headerTableSize: fc.constantFrom(0, 100, 4_096, 8_192),
})

/** Gives `bytes` in pieces; the memory of each is overwritten afterwards. */
function give(to: Connection, bytes: Buffer, pieces: number): void {
  for (let at = 0; at < bytes.length; at += pieces) {
    const chunk = Buffer.from(bytes.subarray(at, at + pieces))
    to.receive(chunk)
    chunk.fill(0)
  }
}

function run(plans: readonly Plan[], limits: readonly [ConnectionLimits, ConnectionLimits], pieces: number): void {
  const client = new Side('client', limits[0], plans)
  const server = new Side('server', limits[1], plans)
  const over = () =>
    client.halves.length === plans.length && client.connection.streams + server.connection.streams === 0
  for (let step = 0; step < 3_000; step++) {
    while (client.connection.free > 0 && client.halves.length < plans.length) client.open()
    for (const half of [...client.halves, ...server.halves]) half.step(step)
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      const bytes = Buffer.concat(from.connection.flush())
      from.connection.reuse()
      give(to.connection, bytes, pieces)
    }
    if (over() && step > 30) break
  }
  if (!over()) throw new Error('calls without an end')
  for (const side of [client, server]) {
    side.connection.flush()
    for (const half of side.halves) half.release()
    if (side.connection.heldBytes !== 0) throw new Error(`${side.connection.heldBytes} bytes held`)
    if (side.halves.some(half => half.end === undefined)) throw new Error('an owner was not told')
  }
  plans.forEach((plan, i) => {
    // A reset may meet the other's last frame on its way: then it is one only for who sent it.
    const reset = [client, server].some(side => side.halves[i]!.end!.kind === 'reset')
    if (plan.reset !== null && reset) return
    const [up, down] = [plan.up, plan.down].map(sizes => sizes.reduce((sum, size) => sum + size, 0))
    const [a, b] = [client.halves[i]!, server.halves[i]!]
    if (a.received !== down || !a.ended || a.end!.kind !== 'clean') throw new Error(`response ${i}`)
    if (b.received !== up || !b.ended || b.end!.kind !== 'clean') throw new Error(`request ${i}`)
  })
}

const anyPieces = fc.constantFrom(1_000_000, 65_536, 1_000, 17)

t.test('random calls: every byte once and in order, every end told, every window given back', async t => {
  fc.assert(
    fc.property(
      fc.array(anyPlan, { minLength: 1, maxLength: 12 }),
      fc.tuple(anyLimits, anyLimits),
      anyPieces,
      (plans, limits, pieces) => {
        run(plans, limits, pieces)
      },
    ),
    { numRuns: Number(process.env.PAIR_RUNS ?? 150) },
  )
  t.pass()
})
