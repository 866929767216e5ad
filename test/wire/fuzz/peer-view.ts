/**
 * What an honest peer sees of a connection under test: everything that it sends must be a valid sequence of frames
 * (RFC 9113 §3.4, §5.1, §6), in the windows that the peer gave, with field blocks that decode to what their owner
 * gave and DATA that is byte by byte what its owner gave. Independent of src/wire.
 */
import { Flag, FrameReader, FrameType, PREFACE, type RawFrame, Setting } from '../../support/frames.ts'
import { HpackDecoder } from '../../support/hpack.ts'
import { type Given, pattern, sizeUpdateOf } from './given.ts'
import { must } from './random.ts'
import type { Side } from './sessions.ts'

/** A stream as the peer sees it. */
class Seen {
  /** WINDOW_UPDATE of the peer, less DATA that came. Its window is this and INITIAL_WINDOW_SIZE. */
  credit = 0
  blocks = 0
  bytes = 0
  begun = false
  ended = false
  reset = false
  /** What the peer itself did. */
  peerOpened = false
  peerEnded = false
  peerReset = false
}

export class PeerView {
  readonly #role: Side
  readonly #givenOf: (streamId: number) => Given | undefined
  readonly #reader = new FrameReader()
  readonly #decoder = new HpackDecoder()
  readonly #streams = new Map<number, Seen>()
  #preface: number
  #first = true
  #block: { readonly id: number; readonly parts: Buffer[]; readonly end: boolean } | undefined
  /** SETTINGS of the peer that were not acknowledged. */
  readonly #settings: (readonly [id: number, value: number])[][] = []
  readonly #pings: Buffer[] = []
  #initialWindow = 65_535
  #maxFrame = 16_384
  #maxStreams = 0xffffffff
  /** A size update that the next block must begin with, at most; −1: none. */
  #owed = -1
  /** Of the connection. */
  credit = 65_535
  /** What we may still send to it. */
  receiveWindow = 65_535
  /** Last id and code of each GOAWAY, and its debug data. */
  readonly goaways: (readonly [last: number, code: number, debug: string])[] = []
  /** Of all DATA that came. */
  dataBytes = 0
  /** Streams of ours that are open. */
  #openByUs = 0
  tooManyStreams = false

  constructor(role: Side, givenOf: (streamId: number) => Given | undefined) {
    this.#role = role
    this.#givenOf = givenOf
    this.#preface = role === 'client' ? 0 : PREFACE.length
  }

  get unanswered(): string {
    return `${this.#settings.length} SETTINGS, ${this.#pings.length} PING`
  }

  /** Bytes of a frame or block that is not whole. */
  get unfinished(): boolean {
    return this.#reader.rest.length > 0 || this.#block !== undefined || this.#preface < PREFACE.length
  }

  windowOf(streamId: number): number {
    return this.#initialWindow + this.#seen(streamId).credit
  }

  #seen(streamId: number): Seen {
    const known = this.#streams.get(streamId)
    if (known !== undefined) return known
    const seen = new Seen()
    this.#streams.set(streamId, seen)
    return seen
  }

  /** The peer sent this frame, and the connection has it whole. */
  peerSent(type: number, flags: number, id: number, payload: Buffer): void {
    switch (type) {
      case FrameType.SETTINGS:
        if (flags & Flag.ACK || id !== 0 || payload.length % 6 !== 0) return
        this.#settings.push(
          Array.from({ length: payload.length / 6 }, (_, i) => [
            payload.readUInt16BE(6 * i),
            payload.readUInt32BE(6 * i + 2),
          ]),
        )
        return
      case FrameType.PING:
        if (!(flags & Flag.ACK)) this.#pings.push(payload)
        return
      case FrameType.WINDOW_UPDATE: {
        const by = payload.length === 4 ? payload.readUInt32BE() & 0x7fffffff : 0
        if (id === 0) this.credit += by
        else this.#seen(id).credit += by
        return
      }
      case FrameType.RST_STREAM: {
        const seen = this.#seen(id)
        this.#close(seen, () => {
          seen.peerReset = true
        })
        return
      }
      case FrameType.HEADERS:
      case FrameType.DATA: {
        if (type === FrameType.DATA) this.receiveWindow -= payload.length
        const seen = this.#seen(id)
        if (type === FrameType.HEADERS) seen.peerOpened = true
        if (flags & Flag.END_STREAM)
          this.#close(seen, () => {
            seen.peerEnded = true
          })
      }
    }
  }

  /** What was flushed. */
  got(bytes: Buffer): void {
    let at = 0
    while (this.#preface < PREFACE.length && at < bytes.length)
      must(bytes[at++] === PREFACE[this.#preface++], 'another preface than the client’s')
    for (const frame of this.#reader.push(bytes.subarray(at))) this.#frame(frame)
  }

  #frame({ type, flags, streamId: id, payload }: RawFrame): void {
    must(!this.#first || (type === FrameType.SETTINGS && flags === 0), 'the first frame is not SETTINGS')
    this.#first = false
    must(payload.length <= this.#maxFrame, `a frame of ${payload.length} bytes, ${this.#maxFrame} are allowed`)
    if (this.#block !== undefined) must(type === FrameType.CONTINUATION && id === this.#block.id, 'a block interrupted')
    const last = this.goaways.at(-1)
    must(last === undefined || last[2] === '', `a frame of type ${type} after the last GOAWAY`)
    switch (type) {
      case FrameType.DATA:
        return this.#data(id, flags, payload)
      case FrameType.HEADERS:
        must((flags & ~(Flag.END_STREAM | Flag.END_HEADERS)) === 0, 'flags of HEADERS')
        this.#block = { id, parts: [], end: (flags & Flag.END_STREAM) !== 0 }
        return this.#fragment(flags, payload)
      case FrameType.CONTINUATION:
        must(this.#block !== undefined, 'CONTINUATION alone')
        return this.#fragment(flags, payload)
      case FrameType.RST_STREAM:
        return this.#reset(id, payload)
      case FrameType.SETTINGS:
        must(id === 0, 'SETTINGS on a stream')
        if (flags & Flag.ACK) return this.#acknowledged(payload)
        return must(payload.length % 6 === 0, 'SETTINGS')
      case FrameType.PING:
        must(id === 0 && payload.length === 8, 'PING')
        if (flags & Flag.ACK) must(this.#pings.shift()?.equals(payload) === true, 'the ACK of no PING')
        else must(payload.toString('latin1', 0, 7) === 'verbati', 'a PING of whom?')
        return
      case FrameType.GOAWAY:
        return this.#goaway(id, payload)
      case FrameType.WINDOW_UPDATE:
        return this.#windowUpdate(id, payload)
      default:
        must(false, `a frame of type ${type}`)
    }
  }

  /** The peer's SETTINGS count from here on. */
  #acknowledged(payload: Buffer): void {
    const entries = this.#settings.shift()
    must(entries !== undefined && payload.length === 0, 'the ACK of no SETTINGS')
    for (const [id, value] of entries) {
      if (id === Setting.INITIAL_WINDOW_SIZE) this.#initialWindow = value
      else if (id === Setting.MAX_FRAME_SIZE) this.#maxFrame = value
      else if (id === Setting.MAX_CONCURRENT_STREAMS) this.#maxStreams = value
      else if (id === Setting.HEADER_TABLE_SIZE && value < this.#capacity)
        this.#owed = this.#owed < 0 ? value : Math.min(value, this.#owed)
    }
  }

  get #capacity(): number {
    return (this.#decoder.table as unknown as { capacity: number }).capacity
  }

  #data(id: number, flags: number, payload: Buffer): void {
    must((flags & ~Flag.END_STREAM) === 0, 'flags of DATA')
    const seen = this.#seen(id)
    const given = this.#givenOf(id)
    must(given !== undefined && seen.begun, `DATA on stream ${id}, which has no HEADERS`)
    must(!seen.ended && !seen.reset, `DATA on stream ${id} after its end`)
    if (payload.length > 0) {
      this.dataBytes += payload.length
      this.credit -= payload.length
      seen.credit -= payload.length
      must(this.credit >= 0, `${-this.credit} bytes over the connection’s window`)
      must(this.windowOf(id) >= 0, `${-this.windowOf(id)} bytes over the window of stream ${id}`)
      must(
        payload.equals(pattern(given.from, seen.bytes, payload.length)),
        `other bytes on stream ${id} at ${seen.bytes}`,
      )
      seen.bytes += payload.length
      must(seen.bytes <= given.bytes, `more bytes than given on stream ${id}`)
    }
    if (flags & Flag.END_STREAM) this.#end(id, seen, given)
  }

  #end(id: number, seen: Seen, given: Given): void {
    must(given.ended, `END_STREAM of nobody on stream ${id}`)
    must(seen.bytes === given.bytes && seen.blocks === given.blocks.length, `END_STREAM on stream ${id} too early`)
    this.#close(seen, () => {
      seen.ended = true
    })
  }

  /** Counts streams of ours that are not closed. */
  #close(seen: Seen, change: () => void): void {
    const was = isOpen(seen)
    change()
    if (was && !isOpen(seen)) this.#openByUs--
  }

  #fragment(flags: number, payload: Buffer): void {
    const block = this.#block!
    block.parts.push(payload)
    if (!(flags & Flag.END_HEADERS)) return
    this.#block = undefined
    const { id, end } = block
    const bytes = Buffer.concat(block.parts)
    this.#sizeUpdate(bytes)
    const text = this.#decoder.decode(bytes).map(f => `${f.name}\0${f.value}\0`)
    const seen = this.#seen(id)
    const given = this.#givenOf(id)
    must(given !== undefined, `HEADERS on stream ${id}, which is nobody’s`)
    must(!seen.ended && !seen.reset, `HEADERS on stream ${id} after its end`)
    must(given.blocks[seen.blocks] === text.join(''), `another block on stream ${id}: ${text}`)
    seen.blocks++
    if (!seen.begun) this.#begin(id, seen)
    else if (seen.bytes > 0) must(end, `HEADERS on stream ${id} within DATA`)
    if (end) this.#end(id, seen, given)
  }

  #begin(id: number, seen: Seen): void {
    seen.begun = true
    if (this.#role === 'server') return must(seen.peerOpened, `stream ${id} is idle`)
    must(id % 2 === 1, `a client’s stream ${id}`)
    this.#openByUs++
    if (this.#openByUs > this.#maxStreams) this.tooManyStreams = true
  }

  /** RFC 9113 §4.3.1: after a limit below the table's size, a block begins with an update to no more than it. */
  #sizeUpdate(bytes: Buffer): void {
    if (this.#owed < 0) return
    const size = sizeUpdateOf(bytes)
    must(size >= 0 && size <= this.#owed, `a size update to ${size}, the limit was ${this.#owed}`)
    this.#owed = -1
  }

  #reset(id: number, payload: Buffer): void {
    const seen = this.#seen(id)
    must(payload.length === 4, 'RST_STREAM')
    must(this.#role === 'server' ? seen.peerOpened : seen.begun, `RST_STREAM on idle stream ${id}`)
    must(!seen.reset || seen.peerReset, `a second RST_STREAM on stream ${id}`)
    this.#close(seen, () => {
      seen.reset = true
    })
  }

  #goaway(id: number, payload: Buffer): void {
    must(id === 0 && payload.length >= 8, 'GOAWAY')
    const last = payload.readUInt32BE()
    const before = this.goaways.at(-1)
    must(before === undefined || last <= before[0], `GOAWAY with ${last} after one with ${before?.[0]}`)
    if (this.#role === 'client') must(last === 0, `GOAWAY with ${last}, of a client`)
    else must(last === 0 || last === 0x7fffffff || this.#seen(last).peerOpened, `GOAWAY with ${last}, which is idle`)
    this.goaways.push([last, payload.readUInt32BE(4), payload.toString('latin1', 8)])
  }

  #windowUpdate(id: number, payload: Buffer): void {
    const by = payload.length === 4 ? payload.readUInt32BE() : 0
    must(by >= 1 && by <= 0x7fffffff, `WINDOW_UPDATE of ${by}`)
    if (id === 0) {
      this.receiveWindow += by
      return
    }
    const seen = this.#seen(id)
    must(this.#role === 'server' ? seen.peerOpened : seen.begun, `WINDOW_UPDATE on idle stream ${id}`)
    must(!seen.reset, `WINDOW_UPDATE on stream ${id} after RST_STREAM`)
  }
}

const isOpen = (seen: Seen) => seen.begun && !seen.reset && !seen.peerReset && !(seen.ended && seen.peerEnded)
