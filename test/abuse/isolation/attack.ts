/** What attacks have in common: what they are given, how often they strike, and that they come back. */
import type { Field } from '../../support/hpack.ts'
import { AttackConnection, type AttackOptions, blockOf, type Talk } from './attack-connection.ts'

/** What an attack knows of its field, and tells of itself. */
export interface Target {
  readonly port: number
  /** `limits.slowReaderTimeoutMs` of the proxy. */
  readonly slowReaderTimeoutMs: number
  /** It struck so many times more. */
  count(strikes: number): void
  /** A connection was ended by the proxy. */
  lost(): void
}

export interface Attack {
  /** Of the table, and of the test. */
  readonly name: string
  /** Strikes after which the quick form has seen enough. */
  readonly enough: number
  /** It takes all the CPU that it can get, of its backend too. */
  readonly cpu?: true
  /** Which field it wants, if not the usual one. */
  readonly field?: 'few-places' | 'memory' | 'limited'
  /** @param connections that it is spread over @returns how it is stopped */
  start(target: Target, connections: number): () => void
}

const PACE_MS = 10
/** An attacker whose turn comes late does not make up for more than this. */
const MOST_BEHIND_MS = 100
const REJOIN_MS = 50

const FIELDS: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'localhost'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
]

/** Of a call of the backend's (backend.ts). */
export function call(name: string, ...more: readonly Field[]): Buffer {
  return blockOf([[':path', `/attack.Calls/${name}`], ...FIELDS, ...more])
}

/** Calls without a `:path`, to be completed. */
export const PLAIN_FIELDS = FIELDS

/** A gRPC message of this size. */
export function message(bytes: number): Buffer {
  const out = Buffer.alloc(5 + bytes, 0x61)
  out.writeUInt8(0, 0)
  out.writeUInt32BE(bytes, 1)
  return out
}

/** So many a second, a few at a time. @returns how it is stopped */
export function paced(perSecond: number, strike: (times: number) => void): () => void {
  let doneMs = performance.now()
  let carry = 0
  const timer = setInterval(() => {
    const now = performance.now()
    carry += (Math.min(now - doneMs, MOST_BEHIND_MS) * perSecond) / 1_000
    doneMs = now
    const times = Math.floor(carry)
    carry -= times
    if (times > 0) strike(times)
  }, PACE_MS)
  return () => clearInterval(timer)
}

/** Connections that come back when they are ended. */
export class Crowd {
  readonly connections = new Set<AttackConnection>()
  readonly #target: Target
  readonly #talk: Talk
  readonly #options: AttackOptions
  readonly #stops: (() => void)[] = []
  #over = false
  #turn = 0

  constructor(target: Target, connections: number, talk: Talk, options: AttackOptions = {}) {
    this.#target = target
    this.#talk = talk
    this.#options = options
    for (let at = 0; at < connections; at++) this.#join()
  }

  #join(): void {
    if (this.#over) return
    const connection = new AttackConnection(this.#target.port, this.#talk, this.#options)
    this.connections.add(connection)
    connection.socket.on('close', () => {
      this.connections.delete(connection)
      if (this.#over) return
      this.#target.lost()
      setTimeout(() => this.#join(), REJOIN_MS)
    })
  }

  /** The next of those that can take something. */
  next(): AttackConnection | undefined {
    const all = [...this.connections]
    for (let at = 0; at < all.length; at++) {
      const connection = all[this.#turn++ % all.length]!
      if (!connection.congested) return connection
    }
    return undefined
  }

  /** Also this, until it is stopped. */
  also(stop: () => void): this {
    this.#stops.push(stop)
    return this
  }

  readonly stop = (): void => {
    this.#over = true
    for (const stop of this.#stops) stop()
    for (const connection of this.connections) connection.destroy()
  }
}
