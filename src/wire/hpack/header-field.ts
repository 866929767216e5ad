/**
 * Header fields as objects that know how they travel.
 *
 * A field is immutable for whoever reads it. What changes inside are caches: the encoded octets of
 * its strings, filled when they are encoded for the second time. These octets hold no index of any
 * dynamic table, so they are valid for every session and never become stale.
 */

/**
 * How a field stands in a header block, and goes out again. RFC 7541 §6.2.3: never-indexed literals
 * "MUST use the same representation" when an intermediary encodes them; the others are mirrored
 * because their sender knows best what repeats.
 */
export const Mode = {
  /** Indexed (§6.1), or a literal with incremental indexing (§6.2.1): its sender expects it again. */
  INDEXED: 0,
  /** Literal without indexing (§6.2.2). */
  LITERAL: 1,
  /** Never-indexed literal (§6.2.3). */
  NEVER: 2,
} as const
export type Mode = (typeof Mode)[keyof typeof Mode]

/** One header field, pseudo-header fields (`:path`) included; `HeaderField` is one. Bytes are latin1 in the strings. */
export interface HeaderFieldLike {
  readonly name: string
  readonly value: string
  /** Came as a never-indexed literal and must go out as one (RFC 7541 §6.2.3). */
  readonly neverIndexed: boolean
}

/**
 * RFC 7541 §4.1: "The size of an entry is the sum of its name's length in octets […], its value's length […], and 32."
 */
export const ENTRY_OVERHEAD = 32

/** Bytes of a header list, as SETTINGS_MAX_HEADER_LIST_SIZE counts them (RFC 9113 §6.5.2). */
export function listBytesOf(block: readonly HeaderFieldLike[]): number {
  let bytes = ENTRY_OVERHEAD * block.length
  for (let i = 0; i < block.length; i++) bytes += block[i]!.name.length + block[i]!.value.length
  return bytes
}

/** States of a cache of octets before it is filled. */
export const NEVER_ENCODED = new Uint8Array(0)
export const ENCODED_ONCE = new Uint8Array(0)
/** It is sent once, and looked at by nobody else: it goes out as it is, because coding costs more than it saves. */
export const PLAIN = new Uint8Array(0)

/** Numbers for hash chains. They spread evenly, and no peer can choose them. */
let serials = 0
function nextSerial(): number {
  serials = (serials + 1) & 0x3fffffff
  return serials
}

/** A name, shared by the fields that have it. Latin1. */
export class HeaderName {
  readonly text: string
  /** Its first index in the static table (1 to 61), or 0. */
  readonly staticIndex: number
  readonly serial: number = nextSerial()
  /** The string literal of the name (§5.2), or why it is not there. Written by the encoder only. */
  wire: Uint8Array = NEVER_ENCODED
  /** The same as `HeaderField.note`. */
  note = 0

  constructor(text: string, staticIndex: number) {
    this.text = text
    this.staticIndex = staticIndex
  }
}

/** One field of a header list: name, value (latin1), and its representation. */
export class HeaderField implements HeaderFieldLike {
  readonly name: string
  readonly value: string
  /** Came as a never-indexed literal and must go out as one. */
  readonly neverIndexed: boolean
  readonly mode: Mode
  /** The static index of name and value together (1 to 61), or 0. Only where `mode` is INDEXED. */
  readonly staticIndex: number
  /** Bytes in a header list and in a dynamic table: name + value + 32. */
  readonly size: number
  readonly key: HeaderName
  readonly serial: number = nextSerial()
  /** The string literal of the value (§5.2), or why it is not there. Written by encoder and decoder only. */
  wire: Uint8Array = NEVER_ENCODED
  /**
   * For the layer above, which may note what it found out about name and value, so that it looks only
   * once at a field that comes a thousand times. 0 means nothing yet. HPACK neither reads nor writes it.
   */
  note = 0

  constructor(key: HeaderName, value: string, mode: Mode, staticIndex = 0) {
    this.name = key.text
    this.value = value
    this.neverIndexed = mode === Mode.NEVER
    this.mode = mode
    this.staticIndex = staticIndex
    this.size = key.text.length + value.length + ENTRY_OVERHEAD
    this.key = key
  }
}
