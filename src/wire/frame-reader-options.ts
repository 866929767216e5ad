/** What a `FrameReader` is made with: the limits of parsing. */
import type { Role } from './settings.ts'
import type { Work } from './work.ts'

export interface FrameReaderOptions {
  /** Which side we are: a server expects the client's preface, a client only SETTINGS. */
  readonly role: Role
  /** What we announced as SETTINGS_MAX_FRAME_SIZE. Default 16,384. */
  readonly maxFrameSize?: number
  /**
   * Bytes of one compressed field block. It costs the connection, as HPACK's state is lost with the
   * block, so it lies well above any limit of a header list that costs one call. Default 256 KiB.
   */
  readonly maxHeaderBlockBytes?: number
  /** CONTINUATION frames of one block (CVE-2024-28182). Default 16: 256 KiB in frames of 16 KiB; nghttp2 has 8. */
  readonly maxContinuations?: number
  /** Of them, empty ones that do not end the block: they have no use. Default 1. */
  readonly maxEmptyContinuations?: number
  /** Entries of one SETTINGS frame (CVE-2020-11080). Default 32, as nghttp2. */
  readonly maxSettingsEntries?: number
  /** How much it may hand over; default: no bound. */
  readonly work?: Work
}
