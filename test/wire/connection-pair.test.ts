/** Two connections back to back under random calls, sizes, windows and resets; and mutated sessions. */
import fc from 'fast-check'
import t from 'tap'
import type { Stream, StreamOwner } from '../../src/transport/transport.ts'
import { Connection } from '../../src/wire/connection.ts'
import type { ConnectionLimits, ConnectionOwner } from '../../src/wire/connection-options.ts'
import type { WireStream, WireStreamEnd, WireStreamOwner } from '../../src/wire/stream.ts'
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
  end: WireStreamEnd | undefined
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

  /** One step. */
  step(step: number): void {
    if (this.end !== undefined) return
    if (this.#unreleased > 0 && step % 3 === 0) {
      this.stream.release(this.#unreleased)
      this.#unreleased = 0
    }
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
  onClosed(end: WireStreamEnd): void {
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

function run(
  plans: readonly Plan[],
  limits: readonly [ConnectionLimits, ConnectionLimits],
  pieces: number,
): Buffer[][] {
  const client = new Side('client', limits[0], plans)
  const server = new Side('server', limits[1], plans)
  const record: Buffer[][] = [[], []]
  const over = () =>
    client.halves.length === plans.length && client.connection.streams + server.connection.streams === 0
  for (let step = 0; step < 3_000; step++) {
    while (client.connection.free > 0 && client.halves.length < plans.length) client.open()
    for (const half of [...client.halves, ...server.halves]) half.step(step)
    for (const [i, from, to] of [
      [0, client, server],
      [1, server, client],
    ] as const) {
      const bytes = Buffer.concat(from.connection.flush())
      from.connection.reuse()
      record[i]!.push(bytes)
      give(to.connection, bytes, pieces)
    }
    if (over() && step > 30) break
  }
  if (!over()) throw new Error('calls without an end')
  for (const side of [client, server]) {
    side.connection.flush()
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
  return record
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

/** mulberry32: the inputs of a run are its seed's. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** Whole frames of one direction, the client's preface being the first piece. */
function framesOf(bytes: Buffer, client: boolean): Buffer[] {
  const frames: Buffer[] = client ? [bytes.subarray(0, 24)] : []
  for (let at = client ? 24 : 0; at < bytes.length; ) {
    const next = at + 9 + bytes.readUIntBE(at, 3)
    frames.push(bytes.subarray(at, next))
    at = next
  }
  return frames
}

function mutate(frames: Buffer[], random: (below: number) => number): void {
  const i = random(frames.length)
  const frame = Buffer.from(frames[i]!)
  frames[i] = frame
  if (frame.length < 9) return
  switch (random(8)) {
    case 0:
      frame.writeUIntBE(random(100), 0, 3)
      break
    case 1:
      frame[3] = random(11)
      break
    case 2:
      frame[4]! ^= 1 << random(8)
      break
    case 3:
      frame.writeUInt32BE([0, 1, 2, 3, 5, 7, 9, 0x7fffffff][random(8)]!, 5)
      break
    case 4:
      frames.splice(i, 1)
      break
    case 5:
      frames.splice(random(frames.length), 0, frame)
      break
    default:
      frame[9 + random(Math.max(1, frame.length - 9))] = random(256)
  }
}

class Refused extends Error {}

/** As a relay does: what cannot be sent costs the call. */
function orReset(stream: WireStream, send: () => void): void {
  try {
    send()
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    stream.reset(2)
  }
}

/** Answers everything, at once, and checks that nothing is told after the end. */
class Answering extends Half {
  override onHeaders(fields: unknown, endStream: boolean): void {
    super.onHeaders(fields, endStream)
    orReset(this.stream, () => {
      this.stream.sendHeaders(block(RESPONSE), false)
      this.stream.sendData(Buffer.alloc(3_000), 0, 3_000, false)
    })
  }
  override onData(_: Buffer, start: number, end: number): void {
    if (this.end !== undefined) throw new Error('told after onClosed')
    this.stream.release(end - start)
    this.stream.sendData(Buffer.alloc(100), 0, 100, false)
  }
  override onTrailers(): void {
    orReset(this.stream, () => this.stream.sendTrailers(block(TRAILERS)))
  }
}

const NO_PLAN: Plan = { up: [], down: [], reset: null, trailers: false }

function attack(role: 'server' | 'client', input: Buffer, pieces: number, streams: number): string {
  const halves: Half[] = []
  let failure = ''
  const add = (stream: WireStream) => {
    const half = role === 'server' ? new Answering(0, NO_PLAN, false) : halves[halves.length - 1]!
    half.stream = stream
    if (role === 'server') halves.push(half)
    return half
  }
  const told = () => {}
  const connection: Connection = new Connection({
    role,
    refuse: reason => new Refused(reason),
    owner: {
      onPending: told,
      onReady: () => {
        for (let i = 0; i < streams && connection.free > 0; i++) {
          const half = new Answering(0, NO_PLAN, true)
          half.onHeaders = () => {}
          half.stream = connection.openStream(half)
          halves.push(half)
          orReset(half.stream, () => half.stream.sendHeaders(block(REQUEST), false))
        }
      },
      onFree: told,
      onGoaway: told,
      onDrained: told,
      onPong: told,
      onStreamError: error => {
        failure += ` ${error.token}`
      },
      onFailed: error => {
        failure += ` ${error.token}`
      },
      onStream: add,
    },
  })
  connection.start()
  for (let at = 0; at < input.length; at += pieces) {
    connection.receive(Buffer.from(input.subarray(at, at + pieces)))
    connection.flush()
    connection.reuse()
  }
  connection.closed('the end')
  if (halves.some(half => half.end === undefined)) throw new Error('an owner was not told')
  if (connection.streams !== 0 || connection.heldBytes > 16_777_216) throw new Error('left behind')
  return failure
}

t.test('mutated sessions: never an exception, and every owner is told its end', async t => {
  const seed = Number(process.env.FUZZ_SEED ?? 9113)
  const random = generator(seed)
  const plain: ConnectionLimits = { maxConcurrentStreams: 8 }
  const sessions = fc.sample(fc.array(anyPlan, { minLength: 1, maxLength: 5 }), { numRuns: 30, seed }).map(plans =>
    run(
      plans.map(plan => ({ ...plan, up: plan.up.map(n => n % 2_000), down: plan.down.map(n => n % 2_000) })),
      [plain, plain],
      1_000_000,
    ),
  )
  const tokens = new Map<string, number>()
  const rounds = Number(process.env.FUZZ_ROUNDS ?? 6_000)
  for (let round = 0; round < rounds; round++) {
    const side = random(2)
    const frames = framesOf(Buffer.concat(sessions[random(sessions.length)]![side]!), side === 0)
    for (let n = 1 + random(4); n > 0; n--) mutate(frames, random)
    const input = Buffer.concat(frames)
    try {
      const found = attack(side === 0 ? 'server' : 'client', input, 1 + random(3_000), 5)
      for (const token of found.trim().split(' ')) tokens.set(token, (tokens.get(token) ?? 0) + 1)
    } catch (error) {
      t.error(error, `seed ${seed}, round ${round}`)
      break
    }
  }
  tokens.delete('')
  t.ok(tokens.size >= 15, `${tokens.size} kinds of rejection: ${[...tokens.keys()]}`)
})
