/**
 * SETTINGS (RFC 9113 §6.5): what each side tells the other about itself, from when on it counts,
 * and which values are errors.
 */
import { DEFAULT_MAX_FRAME_SIZE, MAX_31_BIT, MAX_MAX_FRAME_SIZE, readUint16, readUint32 } from './frame.ts'
import { connectionError } from './protocol-error.ts'

/** RFC 9113 §6.5.2. */
export const SettingId = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const

/** Bytes of one entry: a 16-bit identifier and a 32-bit value. */
export const SETTING_BYTES = 6

/** §6.9.2: of new streams, and of the connection, which "can only be changed using WINDOW_UPDATE frames". */
export const DEFAULT_WINDOW_SIZE = 65_535

/** Stands for "unlimited", which two settings are at first (§6.5.2). */
export const UNLIMITED = 0xffff_ffff

/** Which side we are. */
export type Role = 'server' | 'client'

/**
 * Throws the `ConnectionError` for a value that is out of range.
 * `fromServer`: the peer that sent it is a server. Unknown identifiers pass:
 * "An endpoint that receives a SETTINGS frame with any unknown or unsupported identifier MUST ignore
 * that setting" (§6.5.2).
 */
export function checkSetting(id: number, value: number, fromServer: boolean): void {
  switch (id) {
    case SettingId.ENABLE_PUSH:
      // §6.5.2: "Any value other than 0 or 1 MUST be treated as a connection error (Section 5.4.1) of
      // type PROTOCOL_ERROR." … "A client MUST treat receipt of a SETTINGS frame with
      // SETTINGS_ENABLE_PUSH set to 1 as a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
      if (value > 1 || (fromServer && value === 1)) throw connectionError('enable-push-value', `${value}`)
      return
    case SettingId.INITIAL_WINDOW_SIZE:
      // §6.5.2: "Values above the maximum flow-control window size of 2^31-1 MUST be treated as a
      // connection error (Section 5.4.1) of type FLOW_CONTROL_ERROR."
      if (value > MAX_31_BIT) throw connectionError('initial-window-size-value', `${value}`)
      return
    case SettingId.MAX_FRAME_SIZE:
      // §6.5.2: "The value advertised by an endpoint MUST be between this initial value and the maximum
      // allowed frame size (2^24-1 or 16,777,215 octets), inclusive. Values outside this range MUST be
      // treated as a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
      if (value < DEFAULT_MAX_FRAME_SIZE || value > MAX_MAX_FRAME_SIZE)
        throw connectionError('max-frame-size-value', `${value}`)
  }
}

/** `checkSetting` for each entry of a payload whose length was checked. */
export function checkEntries(bytes: Uint8Array, start: number, end: number, fromServer: boolean): void {
  for (let at = start; at < end; at += SETTING_BYTES)
    checkSetting(readUint16(bytes, at), readUint32(bytes, at + 2), fromServer)
}

/** One side's settings as they count now. Begins with RFC 9113's initial values. */
export class Settings {
  headerTableSize = 4_096
  enablePush = true
  maxConcurrentStreams = UNLIMITED
  initialWindowSize = DEFAULT_WINDOW_SIZE
  maxFrameSize = DEFAULT_MAX_FRAME_SIZE
  maxHeaderListSize = UNLIMITED
  /**
   * The smallest HEADER_TABLE_SIZE of the last `apply`, at most the one before it: RFC 7541 §4.2 requires
   * "the smallest maximum table size that occurs in that interval" signalled before the last one.
   */
  lowestHeaderTableSize = 4_096

  /**
   * Applies the entries in `bytes[start..end)`, a payload that the reader checked, in their order
   * (§6.5.3: "The values in the SETTINGS frame MUST be processed in the order they appear").
   * @returns how much INITIAL_WINDOW_SIZE changed: every send window of a stream moves by it (§6.9.2)
   */
  apply(bytes: Uint8Array, start: number, end: number): number {
    const windowBefore = this.initialWindowSize
    this.lowestHeaderTableSize = this.headerTableSize
    for (let at = start; at + SETTING_BYTES <= end; at += SETTING_BYTES) {
      this.set(readUint16(bytes, at), readUint32(bytes, at + 2))
    }
    return this.initialWindowSize - windowBefore
  }

  /** One entry; an unknown identifier changes nothing. The value was checked. */
  set(id: number, value: number): void {
    switch (id) {
      case SettingId.HEADER_TABLE_SIZE:
        this.headerTableSize = value
        if (value < this.lowestHeaderTableSize) this.lowestHeaderTableSize = value
        return
      case SettingId.ENABLE_PUSH:
        this.enablePush = value === 1
        return
      case SettingId.MAX_CONCURRENT_STREAMS:
        this.maxConcurrentStreams = value
        return
      case SettingId.INITIAL_WINDOW_SIZE:
        this.initialWindowSize = value
        return
      case SettingId.MAX_FRAME_SIZE:
        this.maxFrameSize = value
        return
      case SettingId.MAX_HEADER_LIST_SIZE:
        this.maxHeaderListSize = value
    }
  }
}

/** `[identifier, value]` in the order in which they go out. */
export type SettingEntries = readonly (readonly [id: number, value: number])[]

/**
 * SETTINGS frames of ours that may wait for their acknowledgement. We send one at the start and one
 * a change of configuration; 8 leaves room for changes within a round trip.
 */
export const MAX_PENDING_SETTINGS = 8

/**
 * Our own settings: what we announced, and what of it the peer has acknowledged, so that it counts.
 * Timing out an acknowledgement (SETTINGS_TIMEOUT) is up to the caller, who has a clock: see `pending`.
 */
export class LocalSettings {
  /** What the peer has acknowledged. Until then it may act on the values before (§6.5.3). */
  readonly acknowledged: Settings = new Settings()
  readonly #pending: SettingEntries[] = []
  readonly #role: Role

  constructor(role: Role) {
    this.#role = role
  }

  /** SETTINGS frames without an acknowledgement. */
  get pending(): number {
    return this.#pending.length
  }

  /**
   * Call when a SETTINGS frame with these entries goes out; they are kept, do not change them.
   * Throws a `RangeError` for values that the peer would have to reject, and for too many at once.
   */
  announce(entries: SettingEntries): void {
    if (this.#pending.length >= MAX_PENDING_SETTINGS) throw new RangeError('too many SETTINGS not acknowledged')
    for (const [id, value] of entries) {
      try {
        checkSetting(id, value, this.#role === 'server')
      } catch (error) {
        throw new RangeError((error as Error).message)
      }
    }
    this.#pending.push(entries)
  }

  /**
   * SETTINGS with ACK came: the oldest pending entries count from now on.
   * @returns how much our INITIAL_WINDOW_SIZE changed: every receive window of a stream moves by it
   */
  acknowledge(): number {
    // §6.5.3: "Upon receiving a SETTINGS frame with the ACK flag set, the sender of the altered settings
    // can rely on the values from the oldest unacknowledged SETTINGS frame having been applied." With
    // none unacknowledged there is nothing to rely on.
    const entries = this.#pending.shift()
    if (entries === undefined) throw connectionError('unexpected-settings-ack')
    const windowBefore = this.acknowledged.initialWindowSize
    for (const [id, value] of entries) this.acknowledged.set(id, value)
    return this.acknowledged.initialWindowSize - windowBefore
  }
}
