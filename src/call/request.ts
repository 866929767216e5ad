/**
 * A call's request as far as it has come: its headers, and the data that is kept so that it can be sent once a session
 * is there, and sent again where the backend did not process it (gRFC A6). What the call takes in memory is counted
 * here too.
 */
import type { ClientShare } from '../backend/client-share.ts'
import type { PolicyRetryReason, RetryReason } from '../backend/measures.ts'
import {
  type AddedField,
  editFields,
  editRequest,
  type Field,
  field,
  firstValue,
  type RequestHead,
  readHead,
} from '../grpc/metadata.ts'
import { Status } from '../grpc/status.ts'
import type { CallEdits } from '../routing/metadata-changes.ts'
import { CALL_BYTES, type CallMemory, type MemoryHolder } from '../transport/call-memory.ts'
import { copyOf } from '../transport/lent.ts'
import type { DialAddress, HeaderBlock, Stream, StreamEnd } from '../transport/transport.ts'
import { fieldOnce, nameOf } from '../wire/hpack/interning.ts'
import { NO_BYTES } from '../wire/no-bytes.ts'
import { Pieces } from '../wire/pieces.ts'
import { fieldOf, type RequestId, type RequestIds, withId } from './request-id.ts'
import { mostRetries } from './stream-end.ts'
import type { CallTrace } from './trace.ts'

/** Small pieces of many calls lie in one slab, one behind the other: a piece costs no buffer of its own. */
const SLAB_BYTES = 16_384
/** Larger pieces are copied on their own: a slab is not freed before all of its calls are. */
const SLAB_PIECE_BYTES = 256

/** gRFC A6, "Exposed Retry Metadata": how often it was tried before; the first attempt has none. */
const PREVIOUS_ATTEMPTS = 'grpc-previous-rpc-attempts'

const NO_FIELDS: readonly Field[] = []
const NO_HEAD = readHead(NO_FIELDS)

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
let slabAt = 0

export class CallRequest {
  /** As it came; empty before. */
  block: HeaderBlock = NO_FIELDS
  head: RequestHead = NO_HEAD
  /** What the routing wants changed: another `:authority`, and fields to add. */
  authority: string | undefined
  added: readonly AddedField[] = NO_FIELDS
  #edits: CallEdits | undefined
  /** Undefined: the call belongs to none. */
  trace: CallTrace | undefined
  /** Undefined: it has none. */
  id: RequestId | undefined
  /** END_STREAM came. */
  ended = false
  /** All that came is kept, so that it can be sent again. Once this is false, the call is committed to its attempt. */
  kept = true
  /** How often it was sent again. */
  retries = 0
  /** How many of them the backends may have processed: those of a policy. */
  previousAttempts = 0
  /** Whose call is being sent again, until the backend answers. */
  #retrying: ClientShare | undefined
  /** Payload bytes that are kept. */
  bytes = 0
  /** Payload bytes that came and that no backend has taken yet: their window stays closed. */
  #waitingBytes = 0
  /** The first piece of data, which is the only one of most calls, and those behind it. */
  #first: Buffer = NO_BYTES
  #start = 0
  #end = 0
  #more: Pieces | undefined
  readonly #memory: CallMemory
  readonly #holder: MemoryHolder
  readonly #ids: RequestIds | undefined
  /** Counted in `#memory` until the call is over, beside `bytes`. */
  #callBytes = 0

  /**
   * @param holder the client's session, in whose name memory is counted
   * @param ids undefined: requests have none
   */
  constructor(memory: CallMemory, holder: MemoryHolder, ids?: RequestIds) {
    this.#memory = memory
    this.#holder = holder
    this.#ids = ids
  }

  /** Its headers came. @returns false: the calls of its client take all the memory that they may */
  begin(block: HeaderBlock, endStream: boolean): boolean {
    this.block = block
    this.head = readHead(block)
    this.ended = endStream
    if (this.#ids !== undefined) this.id = this.#ids.of(block)
    const bytes = CALL_BYTES + this.head.listBytes
    if (!this.#memory.take(this.#holder, bytes)) return false
    this.#callBytes = bytes
    return true
  }

  /** It is known where it goes, and what changes on the way. */
  routed(authority: string | undefined, added: readonly AddedField[], edits: CallEdits | undefined): void {
    this.authority = authority
    this.added = added
    this.#edits = edits
  }

  /** Data came while no attempt takes it. The bound is the client's window, which stays closed. */
  hold(bytes: Buffer, start: number, end: number): void {
    this.#waitingBytes += end - start
    this.#push(bytes, start, end)
    this.#memory.hold(this.#holder, end - start)
  }

  /** Data goes to an attempt, and is also kept: up to a bound, and while there is memory. More commits the call. */
  keep(bytes: Buffer, start: number, end: number, maxBytes: number): void {
    const length = end - start
    if (this.bytes + length > maxBytes || !this.#memory.take(this.#holder, length)) this.commit()
    else this.#push(bytes, start, end)
  }

  /** Data that the attempt has, and whose window stays closed until it takes more. */
  wait(bytes: number): void {
    this.#waitingBytes += bytes
  }

  /** The attempt takes more. @returns how many bytes waited for that */
  taken(): number {
    const bytes = this.#waitingBytes
    this.#waitingBytes = 0
    return bytes
  }

  /**
   * A backend did not process it.
   * @param end of its stream
   * @returns whether it is sent again, as a call of this client
   */
  again(end: StreamEnd, share: ClientShare): boolean {
    if (!this.kept || this.retries - this.previousAttempts >= mostRetries(end)) return false
    if (!this.#begin(share, end.kind === 'lost' ? 'session-gone' : 'stream-refused')) return false
    this.trace?.attemptEnded('backend', Status.UNAVAILABLE, 'upstream-refused')
    return true
  }

  /**
   * Its policy has it sent again.
   * @returns false: too many calls are already
   */
  retry(share: ClientShare, reason: PolicyRetryReason): boolean {
    if (!this.#begin(share, reason)) return false
    this.previousAttempts++
    return true
  }

  #begin(share: ClientShare, reason: RetryReason): boolean {
    if (this.#retrying === undefined && !share.beginRetry()) return false
    share.retried(reason)
    this.#retrying = share
    this.retries++
    return true
  }

  /** With how often it was tried before. A client that tries again itself has counted already. */
  #fieldsToAdd(previous: number): readonly AddedField[] {
    if (previous === 0) return this.added
    const clients = firstValue(this.block, PREVIOUS_ATTEMPTS) ?? ''
    const before = /^\d{1,4}$/.test(clients) ? Number(clients) : 0
    return [...this.added, field(PREVIOUS_ATTEMPTS, String(before + previous))]
  }

  /** The backend has answered, or the call is answered without it. */
  answered(): void {
    this.commit()
    this.#retrying?.endRetry()
    this.#retrying = undefined
  }

  /** It is not sent again. */
  commit(): void {
    this.kept = false
    if (this.bytes === 0) return
    this.#memory.give(this.#holder, this.bytes)
    this.bytes = 0
    this.#first = NO_BYTES
    this.#more = undefined
  }

  /** The call takes more memory until it is over, even if its client has its share already. */
  charge(bytes: number): void {
    this.#callBytes += bytes
    this.#memory.hold(this.#holder, bytes)
  }

  /** The call is over: all its memory is given back. */
  end(): void {
    this.answered()
    this.#memory.give(this.#holder, this.#callBytes)
  }

  /** The headers of its response, as the client gets them. At the end of the stream they are its trailers too. */
  responseOf(block: HeaderBlock, endStream: boolean): HeaderBlock {
    if (this.#edits !== undefined) {
      const { response, answered } = this.#edits
      if (response !== undefined) block = editFields(block, response)
      if (answered !== undefined) for (const edits of answered) block = editFields(block, edits)
      if (endStream) block = this.trailersOf(block)
    }
    return this.id?.responds ? withId(block, this.id) : block
  }

  trailersOf(block: HeaderBlock): HeaderBlock {
    const trailers = this.#edits?.trailers
    return trailers === undefined ? block : editFields(block, trailers)
  }

  /**
   * Sends all that has come.
   * @param timeout for `grpc-timeout`; undefined where it has none
   * @param previous attempts that a backend may have processed
   * @returns false: the stream takes no more for now
   * @throws HeadersRefused
   */
  sendTo(
    stream: Stream,
    address: DialAddress,
    timeout: string | undefined,
    previous: number = this.previousAttempts,
  ): boolean {
    const { authority, ended, id } = this
    const added = this.#fieldsToAdd(previous)
    const scheme = address.tls === undefined ? 'http' : 'https'
    const own = this.trace?.attempt(address)
    const edits = this.#edits?.request
    const came = edits === undefined ? this.block : editFields(this.block, edits)
    const more = added.length > 0 || edits !== undefined
    const without = own !== undefined && (own.replaces || more) ? own.names : undefined
    const ownId = id && fieldOf(id, edits === undefined ? added : [...added, ...edits.fields])
    const withoutName = ownId !== undefined && (id!.replaces || more) ? ownId.name : undefined
    // A field that the client did not send comes behind its own, whose list stays one that was encoded before.
    const ownTimeout = timeout !== undefined && this.head.timeout === undefined ? timeoutField(timeout) : undefined
    const inPlace = ownTimeout === undefined ? timeout : undefined
    const block = editRequest(came, { scheme, authority, timeout: inPlace, added, without, withoutName })
    const last = joined(joined(own?.fields, ownId), ownTimeout)
    stream.sendHeaders(block, ended && this.bytes === 0, last)
    if (this.bytes === 0) return true
    const pieces = this.#more
    const writable = stream.sendData(this.#first, this.#start, this.#end, ended && pieces === undefined)
    return pieces === undefined ? writable : sendPieces(stream, pieces, ended)
  }

  #push(bytes: Buffer, start: number, end: number): void {
    const length = end - start
    if (length === 0) return
    if (this.bytes > 0) {
      this.#more ??= new Pieces()
      this.#more.push(bytes, start, end)
    } else if (length > SLAB_PIECE_BYTES) {
      this.#first = copyOf(bytes, start, end)
      this.#start = 0
      this.#end = length
    } else this.#pushSmall(bytes, start, length)
    this.bytes += length
  }

  #pushSmall(bytes: Buffer, start: number, length: number): void {
    if (slabAt + length > SLAB_BYTES) {
      slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      slabAt = 0
    }
    // A loop is faster than the call into C++ at this length.
    for (let i = 0; i < length; i++) slab[slabAt + i] = bytes[start + i]!
    this.#first = slab
    this.#start = slabAt
    slabAt += length
    this.#end = slabAt
  }
}

const TIMEOUT_NAME = nameOf('grpc-timeout')

function timeoutField(timeout: string): Field {
  return fieldOnce(TIMEOUT_NAME, timeout)
}

function joined(fields: readonly Field[] | undefined, more: Field | undefined): readonly Field[] | undefined {
  if (more === undefined) return fields
  return fields === undefined ? [more] : [...fields, more]
}

function sendPieces(stream: Stream, pieces: Pieces, ended: boolean): boolean {
  let writable = true
  pieces.each((bytes, start, end, last) => {
    writable = stream.sendData(bytes, start, end, ended && last)
  })
  return writable
}
