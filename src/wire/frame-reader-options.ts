/** What a `FrameReader` is made with: the limits of parsing. */
import type { FieldBlockOptions } from './field-block.ts'
import type { Role } from './settings.ts'
import type { Work } from './work.ts'

export interface FrameReaderOptions extends FieldBlockOptions {
  /** Which side we are: a server expects the client's preface, a client only SETTINGS. */
  readonly role: Role
  /** What we announced as SETTINGS_MAX_FRAME_SIZE. Default 16,384. */
  readonly maxFrameSize?: number
  /** Entries of one SETTINGS frame (CVE-2020-11080). Default 32, as nghttp2. */
  readonly maxSettingsEntries?: number
  /** How much it may hand over; default: no bound. */
  readonly work?: Work
}
