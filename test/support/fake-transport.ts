/**
 * A transport without a network: a test plays the peer, and sees what the proxy does with its
 * sessions and streams. What the seam's rules forbid is kept in `misuse`.
 */

import type {
  ClientSession,
  ClientSessionOwner,
  ClientTransport,
  DialAddress,
  HeaderBlock,
  Stream,
  StreamEnd,
  StreamOwner,
} from '../../src/transport/transport.ts'
import type { ErrorCode } from '../../src/wire/errors.ts'
import { LENT, type LentBuffer } from '../../src/wire/lent.ts'

/** A block of names and values. */
export function block(fields: Readonly<Record<string, string>> | readonly (readonly [string, string])[]): HeaderBlock {
  const pairs = Array.isArray(fields) ? (fields as [string, string][]) : Object.entries(fields)
  return pairs.map(([name, value]) => ({ name, value, neverIndexed: false }))
}

export type Sent =
  | { readonly kind: 'headers'; readonly block: HeaderBlock; readonly endStream: boolean }
  | { readonly kind: 'data'; readonly bytes: string; readonly endStream: boolean }
  | { readonly kind: 'trailers'; readonly block: HeaderBlock }
  | { readonly kind: 'reset'; readonly code: ErrorCode }

/** Lent to `onData`, and overwritten after it: who keeps the range is found out. */
const lent: LentBuffer = Buffer.alloc(4096)
lent[LENT] = true
const MARGIN = 7

export class FakeStream implements Stream {
  queuedBytes = 0
  /** Undefined on a downstream stream until its owner is known. */
  owner: StreamOwner | undefined
  readonly sent: Sent[] = []
  readonly misuse: string[] = []
  /** What `sendData` answers. */
  writable = true
  /** Thrown by the next `sendHeaders` or `sendTrailers`. */
  refuses: Error | undefined
  received = 0
  released = 0
  resetWith: ErrorCode | undefined
  /** Waits for what is queued. */
  resetDue: ErrorCode | undefined
  /** How the owner was told that it is over. */
  ended: StreamEnd | undefined
  readonly #onEnded: (() => void) | undefined
  #headersSent = false
  #endSent = false
  #endReceived = false

  constructor(owner?: StreamOwner, onEnded?: () => void) {
    this.owner = owner
    this.#onEnded = onEnded
  }

  // ---- as the proxy uses it

  sendHeaders(fields: HeaderBlock, endStream: boolean, more?: HeaderBlock): void {
    this.#throwIfRefused()
    if (this.#ignored('sendHeaders')) return
    if (this.#headersSent) this.misuse.push('headers sent twice')
    this.#headersSent = true
    if (endStream) this.#endSent = true
    this.sent.push({ kind: 'headers', block: more === undefined ? fields : [...fields, ...more], endStream })
  }

  sendData(bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    if (this.#ignored('sendData')) return true
    if (!this.#headersSent) this.misuse.push('data before headers')
    if (endStream) this.#endSent = true
    this.sent.push({ kind: 'data', bytes: bytes.toString('latin1', start, end), endStream })
    return this.writable
  }

  sendTrailers(fields: HeaderBlock): void {
    this.#throwIfRefused()
    if (this.#ignored('sendTrailers')) return
    if (!this.#headersSent) this.misuse.push('trailers before headers')
    this.#endSent = true
    this.sent.push({ kind: 'trailers', block: fields })
  }

  reset(code: ErrorCode): void {
    if (this.over) return
    if (code === 0 && this.#endSent && this.queuedBytes > 0) return this.resetWhenSent(code)
    this.resetWith = code
    this.sent.push({ kind: 'reset', code })
  }

  /** Queued bytes are gone only when a test says `sentAll`. */
  resetWhenSent(code: ErrorCode): void {
    if (this.#endSent && this.queuedBytes > 0) this.resetDue = code
    else this.reset(code)
  }

  release(bytes: number): void {
    if (bytes < 0) this.misuse.push(`released ${bytes}`)
    this.released += bytes
    if (this.released > this.received) this.misuse.push(`released ${this.released} of ${this.received}`)
  }

  muted = false

  mute(): void {
    this.muted = true
  }

  #throwIfRefused(): void {
    const error = this.refuses
    this.refuses = undefined
    if (error !== undefined) throw error
  }

  /** "A stream that is already over ignores every call." */
  #ignored(what: string): boolean {
    if (this.over) return true
    if (this.#endSent) this.misuse.push(`${what} after END_STREAM`)
    return this.#endSent
  }

  // ---- as the peer, and as a test looks at it

  /** Reset by the proxy, or its owner was told the end. */
  get over(): boolean {
    return this.resetWith !== undefined || this.ended !== undefined
  }

  get endReceived(): boolean {
    return this.#endReceived
  }

  get endSent(): boolean {
    return this.#endSent
  }

  /** What the proxy forwarded. */
  get body(): string {
    return this.sent.map(item => (item.kind === 'data' ? item.bytes : '')).join('')
  }

  get kinds(): string[] {
    return this.sent.map(item => item.kind)
  }

  headers(fields: HeaderBlock, endStream = false): void {
    if (endStream) this.#endReceived = true
    this.owner!.onHeaders(fields, endStream)
  }

  data(text: string, endStream = false): void {
    const start = MARGIN
    const end = start + lent.write(text, start, 'latin1')
    this.received += end - start
    if (endStream) this.#endReceived = true
    this.owner!.onData(lent, start, end, endStream)
    lent.fill(0xee)
  }

  trailers(fields: HeaderBlock): void {
    this.#endReceived = true
    this.owner!.onTrailers(fields)
  }

  /** The peer took what was queued. */
  sentAll(): void {
    this.queuedBytes = 0
    if (this.resetDue !== undefined) this.reset(this.resetDue)
    else this.drained()
  }

  /** Room again after `writable = false`. */
  drained(): void {
    this.writable = true
    this.owner!.onWritable()
  }

  close(end: StreamEnd): void {
    if (this.ended !== undefined) throw new Error('a stream ends once')
    this.ended = end
    this.#onEnded?.()
    this.owner!.onClosed(end)
  }

  /** What a transport does a turn later: ends what was reset by the proxy, or finished by both sides. */
  settle(): void {
    if (this.ended !== undefined) return
    if (this.resetWith !== undefined) this.close({ kind: 'reset', code: this.resetWith, by: 'self' })
    else if (this.#endSent && this.#endReceived) this.close({ kind: 'clean' })
  }
}

export class FakeSession implements ClientSession {
  readonly address: DialAddress
  readonly owner: ClientSessionOwner
  readonly opened: FakeStream[] = []
  streams = 0
  answered = false
  received = 0
  pings = 0
  destroys = 0
  /** What it was destroyed for. */
  destroyedFor: string | undefined
  retired = 0
  /** What a stream's `sendData` answers at first. */
  writable = true
  /** SETTINGS came. */
  isReady = false
  /** GOAWAY came, or its stream numbers are used up. */
  isDraining = false
  #maxStreams = 0
  /** Somebody asked for room, and there was none: only then is it told when there is some. */
  #wasFull = false

  constructor(address: DialAddress, owner: ClientSessionOwner) {
    this.address = address
    this.owner = owner
  }

  get free(): number {
    const free = Math.max(0, this.#maxStreams - this.streams)
    if (free === 0) this.#wasFull = true
    return free
  }

  open(owner: StreamOwner): FakeStream {
    if (this.free <= 0) throw new Error('opened a stream on a session without room')
    this.streams++
    const stream = new FakeStream(owner, () => this.streamEnded())
    stream.writable = this.writable
    this.opened.push(stream)
    return stream
  }

  streamEnded(): void {
    this.streams--
    if (!this.#wasFull || this.#maxStreams <= this.streams) return
    this.#wasFull = false
    this.owner.onFree(this)
  }

  retire(): void {
    this.retired++
    this.#maxStreams = 0
  }

  ping(): void {
    this.pings++
  }

  destroy(reason?: string): void {
    this.destroys++
    this.destroyedFor ??= reason
    this.#maxStreams = 0
  }

  /** SETTINGS arrived: the first, or new ones. */
  ready(maxStreams = 100): void {
    this.isReady = true
    this.#maxStreams = maxStreams
    this.owner.onReady(this)
  }

  settings(maxStreams: number): void {
    this.#maxStreams = maxStreams
    this.owner.onFree(this)
  }

  goaway(code = 0, debug = ''): void {
    this.isDraining = true
    this.#maxStreams = 0
    this.owner.onDraining(this, code, debug)
  }

  /** All stream numbers are used. */
  spent(): void {
    this.isDraining = true
    this.#maxStreams = 0
    this.owner.onSpent(this)
  }

  /** The connection is gone, or could not be had. */
  closed(reason: string): void {
    this.#maxStreams = 0
    this.owner.onSessionClosed(this, reason)
  }
}

export class FakeTransport implements ClientTransport {
  readonly name = 'native'
  /** In the order in which they were dialled. */
  readonly sessions: FakeSession[] = []

  connect(address: DialAddress, owner: ClientSessionOwner): FakeSession {
    const session = new FakeSession(address, owner)
    this.sessions.push(session)
    return session
  }

  /** Sessions dialled to `name`. */
  to(name: string): FakeSession[] {
    return this.sessions.filter(session => session.address.name === name)
  }
}
