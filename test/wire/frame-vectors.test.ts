/** The vectors of http2-frame-test-case (MIT), which lie beside the checkout. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { ErrorCode } from '../../src/wire/errors.ts'
import { Flag, FrameType, PREFACE, writeFrame } from '../support/frames.ts'
import { beginning, type Event, readSplit } from './recorder.test.ts'

const ROOT = path.join(import.meta.dirname, '../../../shared/vectors/http2-frame-test-case')

interface Vector {
  readonly error: number[] | null
  readonly wire: string
  readonly description: string
  readonly frame: null | {
    readonly type: number
    readonly flags: number
    readonly stream_identifier: number
    readonly length: number
    // biome-ignore lint/suspicious/noExplicitAny: a payload differs with its type
    readonly frame_payload: any
  }
}

const hex = (text: string | null) => Buffer.from(text ?? '', 'latin1').toString('hex')

/** What the reader must tell of a good vector. */
function expected(frame: NonNullable<Vector['frame']>): Event {
  const { type, flags, stream_identifier: id, length, frame_payload: payload } = frame
  switch (type) {
    case FrameType.DATA:
      return ['data', id, hex(payload.data), length, (flags & Flag.END_STREAM) !== 0, true]
    case FrameType.HEADERS:
      return ['headers', id, hex(payload.header_block_fragment), (flags & Flag.END_STREAM) !== 0]
    case FrameType.PRIORITY:
      return ['priority', id]
    case FrameType.RST_STREAM:
      return ['rst', id, payload.error_code]
    case FrameType.SETTINGS: {
      const entries = (payload.settings as [number, number][]).map(
        ([key, value]) => key.toString(16).padStart(4, '0') + value.toString(16).padStart(8, '0'),
      )
      return ['settings', entries.join('')]
    }
    case FrameType.PUSH_PROMISE:
      return ['push', id, payload.promised_stream_id, hex(payload.header_block_fragment)]
    case FrameType.PING:
      return ['ping', hex(payload.opaque_data), (flags & Flag.ACK) !== 0]
    case FrameType.GOAWAY:
      return ['goaway', payload.last_stream_id, payload.error_code, hex(payload.additional_debug_data)]
    case FrameType.WINDOW_UPDATE:
      return ['window', id, payload.window_size_increment]
    default:
      return ['headers', id, `61${hex(payload.header_block_fragment)}62`, false]
  }
}

function wireOf(vector: Vector): Buffer {
  const wire = Buffer.from(vector.wire, 'hex')
  const frame = vector.frame
  if (frame?.type !== FrameType.CONTINUATION) return wire
  // It cannot stand alone: a HEADERS frame comes before it, and one that ends the block follows.
  const around = (type: number, flags: number, text: string) =>
    writeFrame({ type, flags, streamId: frame.stream_identifier, payload: Buffer.from(text) })
  return Buffer.concat([around(FrameType.HEADERS, 0, 'a'), wire, around(FrameType.CONTINUATION, Flag.END_HEADERS, 'b')])
}

const skip = existsSync(ROOT) ? false : `no vectors at ${ROOT}`

t.test('http2-frame-test-case', { skip }, async t => {
  const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.json'))
  t.ok(files.length >= 33, `${files.length} vectors`)
  for (const file of files.sort()) {
    t.test(file, async t => {
      const vector = JSON.parse(readFileSync(path.join(ROOT, file), 'utf8')) as Vector
      const isPush = vector.wire.slice(6, 8) === '05'
      const role = isPush ? 'client' : 'server'
      const input = Buffer.concat([beginning(role), wireOf(vector)])
      const got = readSplit(t, input, { role, pushEnabled: isPush })
      const last = got.events.at(-1)!
      if (vector.error === null) {
        t.equal(got.error, undefined)
        t.same(last, expected(vector.frame!))
      } else {
        const code = got.error?.code ?? (last[0] === 'stream-error' ? last[2] : ErrorCode.NO_ERROR)
        t.ok(vector.error.includes(code as number), `${vector.description}: ${got.error?.token ?? last}`)
      }
    })
  }
})

t.test('the preface is the one of RFC 9113', async t => {
  t.equal(PREFACE.toString('hex'), '505249202a20485454502f322e300d0a0d0a534d0d0a0d0a')
})
