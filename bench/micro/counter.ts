/** A handler that only counts, so that only the reader costs time. */
import type { FrameHandler } from '../../src/wire/frame.ts'

export class Counter implements FrameHandler {
  /** How many frames came of the kinds that calls consist of. */
  frames = 0
  /** Their payloads, without padding. */
  bytes = 0
  onData(_id: number, _b: Buffer, start: number, end: number, _flow: number, _end: boolean, _at: number) {
    this.frames++
    this.bytes += end - start
  }
  onHeaders(_id: number, _b: Buffer, start: number, end: number, _end: boolean) {
    this.frames++
    this.bytes += end - start
  }
  onWindowUpdate() {}
  onRstStream() {}
  onSettings() {}
  onSettingsAck() {}
  onPing() {}
  onGoaway() {}
  onPriority() {}
  onPushPromise() {}
  onUnknown() {}
  onStreamError() {}
}
