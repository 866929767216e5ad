/** A reader's handler that only counts: what remains is the reader. */
import type { FrameHandler } from '../../src/wire/frame.ts'

export class Counter implements FrameHandler {
  /** Of those kinds that calls are made of. */
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
