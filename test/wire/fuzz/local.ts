/**
 * The local side of a connection under test: its owner and those of its streams, who act at random, and who see to
 * it that they are told what they are promised.
 */
import { Connection } from '../../../src/wire/connection.ts'
import type { ConnectionOwner } from '../../../src/wire/connection-options.ts'
import { HPACK_TOKENS } from '../../../src/wire/hpack/hpack-error.ts'
import { MemoryBudget } from '../../../src/wire/memory-budget.ts'
import { ConnectionError, PROTOCOL_TOKENS, StreamError } from '../../../src/wire/protocol-error.ts'
import type { WireStream } from '../../../src/wire/stream.ts'
import { Work } from '../../../src/wire/work.ts'
import { Actor, Refused } from './actor.ts'
import type { ConnectionInput } from './connection-input.ts'
import { PeerView } from './peer-view.ts'
import { chance, must, pick, type Random } from './random.ts'
import type { Side } from './sessions.ts'

/** Streams that a client opens beside those that the session is about. */
const MORE_STREAMS = 6
const PATTERN_FROM = 60_000

export class Local implements ConnectionOwner {
  readonly role: Side
  readonly random: Random
  readonly connection: Connection
  readonly orderly: boolean
  /** Its owners hardly ever consume what comes. */
  readonly lazy: boolean
  /** Tokens of what was rejected. */
  readonly tokens: string[] = []
  protected readonly input: ConnectionInput
  protected readonly view: PeerView
  protected readonly budget: MemoryBudget
  protected readonly work: Work = new Work()
  protected readonly actors: Actor[] = []
  /** The chunk that is being read, if it may be changed. */
  protected rewritable: Buffer | undefined
  /** `onPending` was told since the last flush. */
  protected noticed = false
  protected failure: ConnectionError | undefined
  /** Bytes of control frames that what happened since the last flush may have caused. */
  protected may = 1_000
  /** How deep callbacks act: more than 0 keeps them from it. */
  protected depth = 0
  /** A stream was opened whose HEADERS come later: by then the peer may have lowered its limit. */
  protected late = false
  /** `drain` was called. */
  protected drains = false
  readonly #byId = new Map<number, Actor>()
  #calling = false
  #drained = false
  #goaway = false

  constructor(input: ConnectionInput, random: Random) {
    this.input = input
    this.role = input.role
    this.random = random
    this.orderly = input.honest
    this.lazy = chance(random, 4)
    this.view = new PeerView(input.role, id => this.#byId.get(id))
    this.budget = new MemoryBudget(chance(random, 3) ? 100_000 : Number.POSITIVE_INFINITY)
    const { role, limits } = input
    const refuse = (reason: string) => new Refused(reason)
    this.connection = new Connection({ role, limits, owner: this, refuse, budget: this.budget, work: this.work })
  }

  // What it is told

  told(what: string): void {
    must(!this.#calling, `${what} inside a call of the owner`)
  }
  onPending(): void {
    this.noticed = true
  }
  onReady(): void {
    this.told('onReady')
    if (this.role === 'client') for (let i = 0; i < this.input.streams; i++) this.#open()
  }
  onStream(stream: WireStream): Actor {
    this.told('onStream')
    const actor = new Actor(this, this.random(PATTERN_FROM))
    actor.stream = stream
    this.actors.push(actor)
    this.numbered(actor)
    if (chance(this.random, 8)) actor.begin()
    return actor
  }
  onFree(): void {
    this.told('onFree')
    must(this.connection.free > 0, 'onFree, but there is none')
    if (chance(this.random, 4) && this.actors.length < this.input.streams + MORE_STREAMS) this.#open()
  }
  onGoaway(): void {
    this.told('onGoaway')
    this.#goaway = true
    must(this.connection.free === 0, 'free streams after GOAWAY')
  }
  onDrained(): void {
    this.told('onDrained')
    must(!this.#drained && this.connection.streams === 0, 'drained twice, or with streams')
    must(this.drains || (this.role === 'client' && this.#goaway), 'drained, and nobody asked for it')
    this.#drained = true
  }
  onPong(): void {
    this.told('onPong')
  }
  onStreamError(error: StreamError): void {
    this.told('onStreamError')
    must(error instanceof StreamError && error.token in PROTOCOL_TOKENS, `a StreamError without a token: ${error}`)
    must(!this.input.honest, `an honest session, and: ${error}`)
    this.tokens.push(error.token)
  }
  onFailed(error: ConnectionError): void {
    this.told('onFailed')
    // What an owner threw, which `receive` throws next.
    if (error.token === 'internal-error') return
    must(this.failure === undefined, 'onFailed twice')
    const known = error.token in PROTOCOL_TOKENS || error.token in HPACK_TOKENS
    must(error instanceof ConnectionError && known, `a ConnectionError without a token: ${error.stack}`)
    must(!this.input.honest, `an honest session, and: ${error}`)
    this.failure = error
    this.tokens.push(error.token)
  }

  // What its actors need

  /** The stream has its number. */
  numbered(actor: Actor): void {
    if (actor.stream.id !== 0) this.#byId.set(actor.stream.id, actor)
  }

  isRewritable(bytes: Buffer): boolean {
    return bytes === this.rewritable
  }

  /** A call that tells nobody anything, and causes at most so many bytes. */
  own<T>(bytes: number, call: () => T): T {
    this.may += bytes
    this.#calling = true
    try {
      return call()
    } finally {
      this.#calling = false
    }
  }

  /** Inside a callback: does something with the same stream or with another. */
  inside(actor: Actor): void {
    if (this.depth > 0 || !chance(this.random, 3)) return
    this.depth++
    if (chance(this.random, 6)) pick(this.random, this.actors).act()
    else actor.act()
    this.depth--
  }

  #open(): void {
    const { connection, random } = this
    if (connection.free < 1) return must(!this.input.honest || this.#goaway, 'no stream is free')
    const actor = new Actor(this, random(PATTERN_FROM))
    actor.stream = this.own(0, () => connection.openStream(actor))
    this.actors.push(actor)
    if (this.input.honest || !chance(random, 10)) actor.begin(this.input.honest)
    if (actor.stream.id === 0 && actor.stream.end === undefined) this.late = true
  }
}
