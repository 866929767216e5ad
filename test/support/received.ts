/**
 * What a raw peer received, decoded: one object a frame, but one a header block, however many
 * CONTINUATION frames it came in.
 */
import { Flag, FrameType, type RawFrame, readSettings, unpad } from './frames.ts'
import type { DecodedField, HpackDecoder } from './hpack.ts'

export type Received =
  | ReceivedHeaders
  | {
      readonly kind: 'data'
      readonly streamId: number
      readonly endStream: boolean
      readonly data: Buffer
      /** Counted by flow control: padding included. */
      readonly flowBytes: number
    }
  | { readonly kind: 'priority'; readonly streamId: number }
  | { readonly kind: 'rst'; readonly streamId: number; readonly code: number }
  | {
      readonly kind: 'settings'
      readonly streamId: 0
      readonly ack: boolean
      readonly values: Record<number, number>
    }
  | {
      readonly kind: 'ping'
      readonly streamId: 0
      readonly ack: boolean
      readonly data: Buffer
    }
  | {
      readonly kind: 'goaway'
      readonly streamId: 0
      readonly lastStreamId: number
      readonly code: number
      readonly debug: string
    }
  | {
      readonly kind: 'windowUpdate'
      readonly streamId: number
      readonly increment: number
    }
  | {
      readonly kind: 'other'
      readonly streamId: number
      readonly frame: RawFrame
    }

export interface ReceivedHeaders {
  readonly kind: 'headers'
  readonly streamId: number
  readonly endStream: boolean
  /** Of the HEADERS frame. */
  readonly flags: number
  /** CONTINUATION frames that followed. */
  readonly continuations: number
  readonly fields: readonly DecodedField[]
}

export type Kind = Received['kind']
export type Of<K extends Kind> = Extract<Received, { readonly kind: K }>

/** Joins header blocks and decodes them; everything else frame by frame. */
export class Interpreter {
  readonly #decoder: HpackDecoder
  #open: { readonly head: RawFrame; readonly parts: Buffer[] } | undefined

  constructor(decoder: HpackDecoder) {
    this.#decoder = decoder
  }

  /** Undefined while a header block is not complete. */
  read(frame: RawFrame): Received | undefined {
    const { type, flags, streamId, payload } = frame
    if (this.#open !== undefined && type !== FrameType.CONTINUATION) {
      throw new Error(`frame of type ${type} within a header block`)
    }
    switch (type) {
      case FrameType.HEADERS:
        this.#open = { head: frame, parts: [unpad(frame)] }
        return this.#headers(flags)
      case FrameType.CONTINUATION:
        if (this.#open?.head.streamId !== streamId) throw new Error('CONTINUATION without a header block of its stream')
        this.#open.parts.push(payload)
        return this.#headers(flags)
      case FrameType.DATA: {
        const endStream = (flags & Flag.END_STREAM) !== 0
        return {
          kind: 'data',
          streamId,
          endStream,
          data: unpad(frame),
          flowBytes: payload.length,
        }
      }
      case FrameType.PRIORITY:
        return { kind: 'priority', streamId }
      case FrameType.RST_STREAM:
        return { kind: 'rst', streamId, code: payload.readUInt32BE() }
      default:
        return connectionFrame(frame)
    }
  }

  #headers(flags: number): ReceivedHeaders | undefined {
    if ((flags & Flag.END_HEADERS) === 0) return undefined
    const { head, parts } = this.#open!
    this.#open = undefined
    return {
      kind: 'headers',
      streamId: head.streamId,
      endStream: (head.flags & Flag.END_STREAM) !== 0,
      flags: head.flags,
      continuations: parts.length - 1,
      fields: this.#decoder.decode(Buffer.concat(parts)),
    }
  }
}

function connectionFrame(frame: RawFrame): Received {
  const { type, flags, streamId, payload } = frame
  const ack = (flags & Flag.ACK) !== 0
  switch (type) {
    case FrameType.SETTINGS:
      return {
        kind: 'settings',
        streamId: 0,
        ack,
        values: readSettings(payload),
      }
    case FrameType.PING:
      return { kind: 'ping', streamId: 0, ack, data: payload }
    case FrameType.GOAWAY:
      return {
        kind: 'goaway',
        streamId: 0,
        lastStreamId: payload.readUInt32BE() & 0x7fffffff,
        code: payload.readUInt32BE(4),
        debug: payload.toString('latin1', 8),
      }
    case FrameType.WINDOW_UPDATE:
      return {
        kind: 'windowUpdate',
        streamId,
        increment: payload.readUInt32BE() & 0x7fffffff,
      }
    default:
      return { kind: 'other', streamId, frame }
  }
}

/** One line a frame, for the message of a failed wait. */
export function line(item: Received): string {
  const end = 'endStream' in item && item.endStream ? ' END_STREAM' : ''
  switch (item.kind) {
    case 'headers':
      return `HEADERS(${item.streamId})${end} ${item.fields.map(f => `${f.name}: ${f.value.slice(0, 80)}`).join(', ')}`
    case 'data':
      return `DATA(${item.streamId})${end} ${item.data.length} bytes`
    case 'rst':
      return `RST_STREAM(${item.streamId}) ${item.code}`
    case 'settings':
      return item.ack ? 'SETTINGS ack' : `SETTINGS ${JSON.stringify(item.values)}`
    case 'ping':
      return `PING${item.ack ? ' ack' : ''} ${item.data.toString('hex')}`
    case 'goaway':
      return `GOAWAY last ${item.lastStreamId} code ${item.code} ${JSON.stringify(item.debug)}`
    case 'windowUpdate':
      return `WINDOW_UPDATE(${item.streamId}) ${item.increment}`
    case 'priority':
      return `PRIORITY(${item.streamId})`
    case 'other':
      return `frame type ${item.frame.type}(${item.streamId}) ${item.frame.payload.length} bytes`
  }
}
