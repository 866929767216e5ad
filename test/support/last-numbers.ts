/** Sessions to backends as they are after a billion calls: with few stream numbers left. */
import http2, { type ClientHttp2Session } from 'node:http2'
import { PassThrough } from 'node:stream'
import type { Test } from 'tap'
import { StreamTable } from '../../src/wire/stream-table.ts'

/** Node's types lack it. */
type Session = ClientHttp2Session & { setNextStreamID(id: number): void }

const LAST_STREAM_ID = 2 ** 31 - 1

/** The next session that a proxy of this process makes to a backend has so many numbers left, once it had its first call. */
export function fewNumbers(t: Test, transport: 'native' | 'frames', left: number): void {
  if (transport === 'native') return fewNative(t, left)
  const { beginStream } = StreamTable.prototype
  const restore = () => {
    StreamTable.prototype.beginStream = beginStream
  }
  t.teardown(restore)
  StreamTable.prototype.beginStream = function (stream, block) {
    restore()
    beginStream.call(this, stream, block)
    this.highest = LAST_STREAM_ID - 2 * left
  }
}

function fewNative(t: Test, left: number): void {
  const any = http2.connect('http://any', { createConnection: () => new PassThrough() })
  any.on('error', () => {})
  const prototype = Object.getPrototypeOf(any) as Session
  any.destroy()
  const { request } = prototype
  const restore = () => {
    prototype.request = request
  }
  t.teardown(restore)
  prototype.request = function (this: Session, headers, options) {
    restore()
    const stream = request.call(this, headers, options)
    this.setNextStreamID(LAST_STREAM_ID - 2 * (left - 1))
    return stream
  }
}
