/** What a call is to be: its shape, its sizes, what its client does and what its backend does to it. A seed and a number say all. */
import { Code } from '../../support/frames.ts'
import { LARGEST_MESSAGE } from './payload.ts'
import { Random } from './random.ts'

/** The pool of backends that a call goes to: nothing bad ever happens to `calm` ones. */
export type Pool = 'calm' | 'storm'

export type Shape = 'unary' | 'large' | 'server-stream' | 'client-stream' | 'ping-pong' | 'duplex'

/** What the backend does with a call when it has come. */
export type Treatment =
  | { readonly kind: 'answer'; readonly afterMs: number }
  /** No byte in answer; the deadline or the client ends it. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'trailers-only'; readonly status: number }
  /** The whole response before the request was read, then RST_STREAM(NO_ERROR). */
  | { readonly kind: 'early' }
  /** END_STREAM on the last DATA. */
  | { readonly kind: 'no-trailers' }
  | { readonly kind: 'reset'; readonly code: number; readonly when: 'at-once' | 'after-headers' | 'half-way' }
  /** So many times, on whichever endpoint. */
  | { readonly kind: 'refuse'; readonly times: number }
  /** Gives no window for a while, then reads on. */
  | { readonly kind: 'stall'; readonly forMs: number }

export interface Plan {
  readonly id: number
  readonly pool: Pool
  readonly shape: Shape
  /** Bytes of each message. */
  readonly up: readonly number[]
  readonly down: readonly number[]
  readonly treatment: Treatment
  /** Sent as `grpc-timeout`. */
  readonly deadlineMs: number | undefined
  /** The client resets the call then, if it has not ended. */
  readonly cancelAfterMs: number | undefined
  /** The client reads so much at a time, so often. */
  readonly slowReader: { readonly bytes: number; readonly everyMs: number } | undefined
  readonly metadata: readonly (readonly [string, string])[]
}

/** A deadline of at least this must not pass: everything that is injected takes less. */
export const LONG_DEADLINE_MS = 12_000

/** HTTP_1_1_REQUIRED has no status in PROTOCOL-HTTP2.md; the rest of RFC 9113 §7. */
const RESET_CODES = Object.values(Code).filter(code => code !== Code.REFUSED_STREAM)

function sizes(random: Random, shape: Shape): Pick<Plan, 'up' | 'down'> {
  const some = (most: number, least: number, bytes: number) =>
    Array.from({ length: random.between(1, most) }, () => random.spread(least, bytes))
  const large = () => random.between(LARGEST_MESSAGE >> 3, LARGEST_MESSAGE)
  const small = () => (random.chance(0.1) ? 0 : random.spread(1, 2_000))
  switch (shape) {
    case 'unary':
      return { up: [small()], down: [small()] }
    case 'large': {
      const way = random.pick(['up', 'down', 'both'])
      return { up: [way === 'down' ? small() : large()], down: [way === 'up' ? small() : large()] }
    }
    case 'server-stream':
      return { up: [small()], down: some(20, 1, 30_000) }
    case 'client-stream':
      return { up: some(20, 1, 30_000), down: [small()] }
    case 'ping-pong': {
      const up = some(12, 1, 5_000)
      return { up, down: up.map(() => random.spread(1, 5_000)) }
    }
    case 'duplex':
      return { up: some(10, 1, 60_000), down: some(10, 1, 60_000) }
  }
}

function treatment(random: Random): Treatment {
  const kind = random.weighted({
    answer: 60,
    'trailers-only': 6,
    early: 5,
    'no-trailers': 3,
    reset: 14,
    refuse: 6,
    stall: 6,
  })
  switch (kind) {
    case 'answer':
      return { kind, afterMs: random.chance(0.3) ? random.between(1, 60) : 0 }
    case 'trailers-only':
      return { kind, status: random.between(1, 16) }
    case 'reset':
      return { kind, code: random.pick(RESET_CODES), when: random.pick(['at-once', 'after-headers', 'half-way']) }
    case 'refuse':
      return { kind, times: random.weighted({ once: 3, always: 1 }) === 'once' ? 1 : 100 }
    case 'stall':
      return { kind, forMs: random.between(20, 800) }
    default:
      return { kind }
  }
}

function metadata(random: Random): [string, string][] {
  if (random.chance(0.7)) return []
  const big = random.chance(0.25)
  return Array.from({ length: random.between(1, big ? 40 : 6) }, () => {
    const name = `soak-${random.pick(['a', 'b', 'c', 'trace', 'long-name-of-a-field'])}`
    const value = String.fromCharCode(97 + random.between(0, 25)).repeat(random.spread(1, big ? 700 : 60))
    return random.chance(0.2) ? [`${name}-bin`, Buffer.from(value).toString('base64')] : [name, value]
  })
}

/** Calls with a client that waits for nothing are planned by it; see `cancelAfterMs`. */
export function planOf(seed: number, id: number): Plan {
  const random = Random.of(seed, id)
  const pool: Pool = random.chance(0.35) ? 'calm' : 'storm'
  const shape = random.weighted<Shape>({
    unary: 52,
    large: 7,
    'server-stream': 12,
    'client-stream': 9,
    'ping-pong': 12,
    duplex: 8,
  })
  const fate = random.weighted({ wait: 84, late: 6, cancel: 8, slow: 6 })
  const quiet: Treatment = { kind: 'answer', afterMs: random.chance(0.2) ? random.between(1, 40) : 0 }
  const late: Treatment = random.chance(0.7) ? { kind: 'silent' } : { kind: 'answer', afterMs: random.between(1, 300) }
  return {
    id,
    pool,
    shape,
    ...sizes(random, shape),
    treatment: fate === 'late' ? late : pool === 'storm' ? treatment(random) : quiet,
    deadlineMs: fate === 'late' ? random.between(10, 300) : random.chance(0.4) ? LONG_DEADLINE_MS : undefined,
    cancelAfterMs: fate === 'cancel' ? random.between(0, 150) : undefined,
    slowReader: fate === 'slow' ? { bytes: random.spread(4_000, 60_000), everyMs: random.between(1, 20) } : undefined,
    metadata: metadata(random),
  }
}
