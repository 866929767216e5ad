/**
 * The local owner of one stream, acting at random within its rules, and judging what it is told: in order, once,
 * never after `onClosed`, never from within a call of its own.
 */
import type { HeaderFieldLike } from '../../../src/wire/hpack/header-field.ts'
import type { StreamEnd, WireStream, WireStreamOwner } from '../../../src/wire/stream.ts'
import { type Given, PATTERN_MOST, pattern } from './given.ts'
import type { Local } from './local.ts'
import { chance, must, pick } from './random.ts'

/** What `sendHeaders` and `sendTrailers` throw for a block that cannot be sent. */
export class Refused extends Error {}

const of = (...pairs: readonly string[]): HeaderFieldLike[] =>
  Array.from({ length: pairs.length / 2 }, (_, i) => ({
    name: pairs[2 * i]!,
    value: pairs[2 * i + 1]!,
    neverIndexed: pairs[2 * i] === 'x-secret',
  }))

const REQUEST = of(':method', 'POST', ':scheme', 'http', ':path', '/a.B/C', ':authority', 'x', 'te', 'trailers')
const RESPONSE = of(':status', '200', 'content-type', 'application/grpc')
const EARLY = of(':status', '103', 'link', 'x')
const TRAILERS = of('grpc-status', '0', 'grpc-message', 'fine')
const WRONG = [of('Upper', 'case'), of('x-wide', '\u0100'), of('x-line', 'a\nb'), of('connection', 'close')]
const EXTRAS = [
  of('x-secret', 'never indexed'),
  of('x-a', '1', 'x-a', '2'),
  of('x-long', 'v'.repeat(700)),
  of('x-latin', '\xe9\xff\x80', 'x-empty', ''),
]
const HUGE = of('x-huge', 'w'.repeat(40_000))

/** Bytes that one stream queues at most. */
const MOST_QUEUED = 200_000

const scratch = Buffer.alloc(PATTERN_MOST)

export class Actor implements WireStreamOwner, Given {
  readonly blocks: string[] = []
  readonly from: number
  bytes = 0
  ended = false
  stream!: WireStream
  /** Received and not released. */
  held = 0
  closed: StreamEnd | undefined
  readonly #play: Local
  /** HEADERS that are not of 1xx were sent. */
  #begun = false
  #blocked = false
  #resetCalled = false
  /** It was told nothing yet. */
  #fresh: boolean
  /** What came: HEADERS, the end. */
  #headers = false
  #over = false
  /** Fields that came, to be sent on as a proxy does. */
  #forward: readonly HeaderFieldLike[] = []

  constructor(play: Local, from: number) {
    this.#play = play
    this.from = from
    this.#fresh = play.role === 'server'
  }

  // What it is told

  #told(what: string): void {
    this.#play.told(what)
    must(this.closed === undefined, `${what} after onClosed`)
    // HEADERS follow on `onStream` whatever it did.
    must(!this.#resetCalled || what === 'onClosed' || this.#fresh, `${what} after reset`)
    this.#fresh = false
    must(!this.#over || what === 'onClosed' || what === 'onWritable', `${what} after the end of the message`)
  }

  onHeaders(block: readonly HeaderFieldLike[], endStream: boolean): void {
    this.#told('onHeaders')
    must(!this.#headers, 'onHeaders twice')
    const early = this.#play.role === 'client' && block[0]!.value[0] === '1'
    must(!early || !endStream, 'a response of 1xx with END_STREAM')
    this.#headers = !early
    this.#over = endStream
    this.#forward = block.filter(({ name }) => name[0] !== ':')
    this.#play.inside(this)
  }

  onOversized(_block: readonly HeaderFieldLike[], endStream: boolean): void {
    this.#told('onOversized')
    this.#headers = true
    this.#over = endStream
    // A server may answer; a client has nothing to say but this.
    if (this.#play.role === 'client') this.#reset(8)
    this.#play.inside(this)
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#told('onData')
    must(this.#headers, 'onData before onHeaders')
    must(start < end || endStream, 'onData of nothing')
    this.held += end - start
    this.#over = endStream
    if (this.#play.isRewritable(bytes)) this.#echo(bytes, start, end)
    else bytes.fill(0xee, start, end)
    if (!this.#play.lazy && chance(this.#play.random, 2)) this.#release(this.held)
    this.#play.inside(this)
  }

  onTrailers(block: readonly HeaderFieldLike[]): void {
    this.#told('onTrailers')
    must(this.#headers, 'onTrailers before onHeaders')
    this.#over = true
    must(
      block.every(({ name }) => name[0] !== ':'),
      'pseudo-header fields in trailers',
    )
    this.#play.inside(this)
  }

  onWritable(): void {
    this.#told('onWritable')
    must(this.#blocked && this.stream.queuedBytes === 0, 'onWritable, not asked for')
    this.#blocked = false
    this.#play.inside(this)
  }

  onClosed(end: StreamEnd): void {
    this.#told('onClosed')
    must(this.stream.end === end, 'another end than the stream’s')
    must(end.kind !== 'clean' || this.#resetCalled || (this.#over && this.ended), 'a clean end of half a call')
    this.closed = end
    this.#play.inside(this)
  }

  // What it does

  /** Waits for `onWritable`. */
  get blocked(): boolean {
    return this.#blocked && this.closed === undefined && !this.#resetCalled
  }

  act(): void {
    const { random } = this.#play
    switch (random(12)) {
      case 0:
      case 1:
        return this.begin()
      case 2:
      case 3:
      case 4:
      case 5:
        return this.#data(chance(random, 6))
      case 6:
        return this.#trailers()
      case 7:
      case 8:
        return this.#release(this.held)
      case 9:
        return this.#release(random(this.held + 1))
      case 10:
        return chance(random, 2) ? this.#data(true) : undefined
      default:
        if (chance(random, 3)) this.#reset(random(4) === 0 ? 0 : random(14))
    }
  }

  /** HEADERS, now and then one of 1xx, or one that ends it. */
  begin(plain = false): void {
    const { random, role } = this.#play
    if (this.#begun && (this.stream.end === undefined || chance(random, 4))) return
    if (role === 'client') this.#block(REQUEST, !plain && chance(random, 8), plain)
    else if (chance(random, 8)) this.#block(EARLY, false, true)
    else this.#block([...RESPONSE, ...(chance(random, 3) ? this.#forward : [])], chance(random, 8), false)
  }

  #block(block: readonly HeaderFieldLike[], end: boolean, plain: boolean): void {
    const { random } = this.#play
    const early = block === EARLY
    let all = block
    if (!plain && chance(random, 4)) all = [...block, ...EXTRAS[random(EXTRAS.length)]!]
    if (!plain && chance(random, 60)) all = [...block, ...(chance(random, 2) ? pick(random, WRONG) : HUGE)]
    const lives = this.#takes
    if (!this.#orReset(all, () => this.stream.sendHeaders(all, end)) || !lives) return
    if (!early) this.#begun = true
    this.ended ||= end
    this.blocks.push(textOf(all))
    this.#play.numbered(this)
  }

  #data(end: boolean): void {
    const { random } = this.#play
    if (!this.#begun || this.stream.queuedBytes > MOST_QUEUED || (this.#blocked && !chance(random, 4))) return
    const dice = random(100)
    const size = dice < 65 ? random(100) : dice < 90 ? random(3_000) : dice < 98 ? random(20_000) : random(PATTERN_MOST)
    const lives = this.#takes
    const at = random(8)
    if (at + size > scratch.length) return
    pattern(this.from, this.bytes, size).copy(scratch, at)
    if (lives) {
      this.bytes += size
      this.ended ||= end
    }
    const all = this.#play.own(size + 60, () => this.stream.sendData(scratch, at, at + size, end))
    // It is ours again.
    scratch.fill(0xdd, at, at + size)
    must(all || lives, 'a dead stream that waits')
    if (!all) this.#blocked = true
  }

  /** Hands on what came, as a relay does: a long frame then goes out from where it lies. */
  #echo(bytes: Buffer, start: number, end: number): void {
    if (!this.#begun || !this.#takes || this.#blocked || end - start > PATTERN_MOST) return
    if (chance(this.#play.random, 4)) end -= this.#play.random(end - start + 1)
    pattern(this.from, this.bytes, end - start).copy(bytes, start)
    this.bytes += end - start
    if (!this.#play.own(end - start + 60, () => this.stream.sendData(bytes, start, end, false)) && start < end)
      this.#blocked = true
  }

  #trailers(): void {
    if (!this.#begun) return
    const { random } = this.#play
    const all = chance(random, 30)
      ? pick(random, WRONG)
      : chance(random, 4)
        ? [...TRAILERS, ...EXTRAS[random(EXTRAS.length)]!]
        : TRAILERS
    const lives = this.#takes
    // They may go out within the call.
    const sent = this.#orReset(all, () => this.stream.sendTrailers(all))
    if (!sent || !lives) return
    this.ended = true
    this.blocks.push(textOf(all))
  }

  /** Whether it still takes something to send. */
  get #takes(): boolean {
    return this.stream.end === undefined && !this.ended
  }

  #orReset(block: readonly HeaderFieldLike[], send: () => void): boolean {
    try {
      this.#play.own(40 + 2 * block.reduce((sum, f) => sum + f.name.length + f.value.length + 20, 0), send)
      return true
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      if (!chance(this.#play.random, 3)) this.#reset(2)
      return false
    }
  }

  #release(bytes: number): void {
    if (bytes > this.held || (this.#play.lazy && !chance(this.#play.random, 20))) return
    this.held -= bytes
    this.#play.own(40, () => this.stream.release(bytes))
  }

  #reset(code: number): void {
    if (this.#play.orderly && this.stream.id === 0) return
    this.#resetCalled = true
    this.#play.own(40, () => this.stream.reset(code as 0))
  }
}

const textOf = (block: readonly HeaderFieldLike[]) => block.map(f => `${f.name}\0${f.value}\0`).join('')
