/** Every check and limit of the reader, each at every split point of its input. */
import t from 'tap'
import { FrameReader } from '../../src/wire/frame-reader.ts'
import { Code, Flag, FrameType, PREFACE, settingsPayload, uint32, writeFrame } from '../support/frames.ts'
import { beginning, type Event, type Options, Recorder, readAll, readSplit } from './recorder.test.ts'

const frame = (type: number, flags: number, streamId: number, payload: Buffer | string = '') =>
  writeFrame({ type, flags, streamId, payload: typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload })
const { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION } =
  FrameType
const { END_STREAM, ACK, END_HEADERS, PADDED } = Flag
const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex')
const tail = frame(PING, 0, 0, 'stillok!')
const TAIL: Event = ['ping', hex('stillok!'), false]
const START: Event = ['settings', '']

type Case = [what: string, frames: Buffer[], events: Event[], options?: Options]

const good: Case[] = [
  ['DATA', [frame(DATA, 0, 1, 'hello')], [['data', 1, hex('hello'), 5, false, true]]],
  ['DATA, empty, END_STREAM', [frame(DATA, END_STREAM, 1)], [['data', 1, '', 0, true, true]]],
  ['DATA, padded', [frame(DATA, PADDED, 3, '\x02hi\0\0')], [['data', 3, hex('hi'), 5, false, true]]],
  ['DATA, nothing but padding', [frame(DATA, PADDED, 3, '\x02\0\0')], [['data', 3, '', 3, false, true]]],
  ['DATA, only a pad length of 0', [frame(DATA, PADDED, 3, '\0')], [['data', 3, '', 1, false, true]]],
  ['unknown flags are ignored', [frame(DATA, 0xf2, 1, 'x')], [['data', 1, hex('x'), 1, false, true]]],
  ['the reserved bit is ignored', [frame(RST_STREAM, 0, 0x80000001, uint32(8))], [['rst', 1, 8]]],
  ['HEADERS', [frame(HEADERS, END_HEADERS | END_STREAM, 1, 'blk')], [['headers', 1, hex('blk'), true]]],
  ['HEADERS, empty block', [frame(HEADERS, END_HEADERS, 1)], [['headers', 1, '', false]]],
  [
    'HEADERS, padded, with priority',
    [frame(HEADERS, END_HEADERS | PADDED | Flag.PRIORITY, 1, '\x03\0\0\0\x05\x10blk\0\0\0')],
    [['headers', 1, hex('blk'), false]],
  ],
  [
    'HEADERS of nothing but padding and priority',
    [frame(HEADERS, END_HEADERS | PADDED | Flag.PRIORITY, 1, '\x01\0\0\0\x05\x10\0')],
    [['headers', 1, '', false]],
  ],
  [
    'CONTINUATION',
    [frame(HEADERS, END_STREAM, 1, 'one'), frame(CONTINUATION, 0, 1, 'two'), frame(CONTINUATION, END_HEADERS, 1, '3')],
    [['headers', 1, hex('onetwo3'), true]],
  ],
  [
    'CONTINUATION after a padded HEADERS; an empty last one',
    [frame(HEADERS, PADDED, 1, '\x01one\0'), frame(CONTINUATION, END_HEADERS, 1)],
    [['headers', 1, hex('one'), false]],
  ],
  ['PRIORITY', [frame(PRIORITY, 0, 9, '\0\0\0\x09\x01')], [['priority', 9]]],
  ['RST_STREAM', [frame(RST_STREAM, 0xff, 5, uint32(0xfffffffe))], [['rst', 5, 0xfffffffe]]],
  ['SETTINGS', [frame(SETTINGS, 0, 0, settingsPayload({ 3: 7, 99: 4 }))], [['settings', '000300000007006300000004']]],
  ['SETTINGS ACK', [frame(SETTINGS, ACK, 0)], [['settings-ack']]],
  ['PING', [frame(PING, 0, 0, '12345678')], [['ping', hex('12345678'), false]]],
  ['PING ACK', [frame(PING, ACK, 0, '12345678')], [['ping', hex('12345678'), true]]],
  ['GOAWAY', [frame(GOAWAY, 0, 0, Buffer.concat([uint32(0x80000007), uint32(11)]))], [['goaway', 7, 11, '']]],
  [
    'GOAWAY with debug data',
    [frame(GOAWAY, 0, 0, Buffer.concat([uint32(7), uint32(0), Buffer.from('bye')]))],
    [['goaway', 7, 0, hex('bye')]],
  ],
  ['WINDOW_UPDATE', [frame(WINDOW_UPDATE, 0, 0, uint32(0xffffffff))], [['window', 0, 0x7fffffff]]],
  ['WINDOW_UPDATE of a stream', [frame(WINDOW_UPDATE, 0, 3, uint32(1))], [['window', 3, 1]]],
  ['unknown type', [frame(0x2a, 0xff, 3, 'whatever')], [['unknown', 0x2a, 3, 8]]],
  [
    'PUSH_PROMISE',
    [frame(PUSH_PROMISE, END_HEADERS | PADDED, 1, '\x01\0\0\0\x02blk\0')],
    [['push', 1, 2, hex('blk')]],
    { role: 'client', pushEnabled: true },
  ],
  [
    'PUSH_PROMISE and CONTINUATION',
    [frame(PUSH_PROMISE, 0, 1, '\0\0\0\x04blk'), frame(CONTINUATION, END_HEADERS, 1, '2')],
    [['push', 1, 4, hex('blk2')]],
    { role: 'client', pushEnabled: true },
  ],
]

t.test('frames', async t => {
  for (const [what, frames, events, options = {}] of good) {
    t.test(what, async t => {
      const input = Buffer.concat([beginning(options.role ?? 'server'), ...frames, tail])
      const got = readSplit(t, input, options)
      t.same(got.events, [START, ...events, TAIL])
      t.equal(got.error, undefined)
    })
  }
})

type Wrong = [token: string, code: number, frames: Buffer[], options?: Options]
const client: Options = { role: 'client' }
const push: Options = { role: 'client', pushEnabled: true }
const setting = (id: number, value: number) => frame(SETTINGS, 0, 0, settingsPayload({ [id]: value }))
const big = Buffer.alloc(16_385)

const connectionErrors: Wrong[] = [
  ['frame-too-large', Code.FRAME_SIZE_ERROR, [frame(HEADERS, END_HEADERS, 1, big)]],
  ['frame-too-large', Code.FRAME_SIZE_ERROR, [frame(SETTINGS, 0, 0, big)]],
  ['frame-too-large', Code.FRAME_SIZE_ERROR, [frame(DATA, 0, 0, big)]],
  ['frame-too-large', Code.FRAME_SIZE_ERROR, [frame(0x2a, 0, 1, big)]],
  ['frame-too-large', Code.FRAME_SIZE_ERROR, [frame(RST_STREAM, 0, 1, big)]],
  ['frame-too-large', Code.FRAME_SIZE_ERROR, [frame(HEADERS, 0, 1, 'x'), frame(DATA, 0, 1, big)]],
  ['data-on-stream-0', Code.PROTOCOL_ERROR, [frame(DATA, 0, 0, 'x')]],
  ['data-padding', Code.PROTOCOL_ERROR, [frame(DATA, PADDED, 1, '\x03ab')]],
  ['data-padding', Code.PROTOCOL_ERROR, [frame(DATA, PADDED, 1, '\x01')]],
  ['headers-on-stream-0', Code.PROTOCOL_ERROR, [frame(HEADERS, END_HEADERS, 0, 'x')]],
  ['headers-too-short', Code.FRAME_SIZE_ERROR, [frame(HEADERS, END_HEADERS | PADDED, 1)]],
  ['headers-too-short', Code.FRAME_SIZE_ERROR, [frame(HEADERS, END_HEADERS | Flag.PRIORITY, 1, '1234')]],
  [
    'headers-too-short',
    Code.FRAME_SIZE_ERROR,
    [frame(HEADERS, END_HEADERS | PADDED | Flag.PRIORITY, 1, '\x0012345'.slice(0, 5))],
  ],
  ['headers-padding', Code.PROTOCOL_ERROR, [frame(HEADERS, END_HEADERS | PADDED, 1, '\x03ab')]],
  ['headers-padding', Code.PROTOCOL_ERROR, [frame(HEADERS, END_HEADERS | PADDED | Flag.PRIORITY, 1, '\x0212345a')]],
  ['priority-on-stream-0', Code.PROTOCOL_ERROR, [frame(PRIORITY, 0, 0, '12345')]],
  ['rst-stream-on-stream-0', Code.PROTOCOL_ERROR, [frame(RST_STREAM, 0, 0, uint32(8))]],
  ['rst-stream-length', Code.FRAME_SIZE_ERROR, [frame(RST_STREAM, 0, 1, '123')]],
  ['rst-stream-length', Code.FRAME_SIZE_ERROR, [frame(RST_STREAM, 0, 1, '12345')]],
  ['settings-on-stream', Code.PROTOCOL_ERROR, [frame(SETTINGS, 0, 1)]],
  ['settings-length', Code.FRAME_SIZE_ERROR, [frame(SETTINGS, 0, 0, '12345')]],
  ['settings-ack-length', Code.FRAME_SIZE_ERROR, [frame(SETTINGS, ACK, 0, '123456')]],
  ['enable-push-value', Code.PROTOCOL_ERROR, [setting(2, 2)]],
  ['enable-push-value', Code.PROTOCOL_ERROR, [setting(2, 1)], client],
  ['initial-window-size-value', Code.FLOW_CONTROL_ERROR, [setting(4, 2 ** 31)]],
  ['max-frame-size-value', Code.PROTOCOL_ERROR, [setting(5, 16_383)]],
  ['max-frame-size-value', Code.PROTOCOL_ERROR, [setting(5, 2 ** 24)]],
  ['too-many-settings', Code.ENHANCE_YOUR_CALM, [frame(SETTINGS, 0, 0, Buffer.alloc(33 * 6))]],
  ['push-from-client', Code.PROTOCOL_ERROR, [frame(PUSH_PROMISE, END_HEADERS, 1, '\0\0\0\x02')]],
  ['push-disabled', Code.PROTOCOL_ERROR, [frame(PUSH_PROMISE, END_HEADERS, 1, '\0\0\0\x02')], client],
  ['push-promise-on-stream-0', Code.PROTOCOL_ERROR, [frame(PUSH_PROMISE, END_HEADERS, 0, '\0\0\0\x02')], push],
  ['push-promise-too-short', Code.FRAME_SIZE_ERROR, [frame(PUSH_PROMISE, END_HEADERS, 1, '\0\0\0')], push],
  ['push-promise-too-short', Code.FRAME_SIZE_ERROR, [frame(PUSH_PROMISE, END_HEADERS | PADDED, 1, '\0\0\0\x02')], push],
  ['push-promise-padding', Code.PROTOCOL_ERROR, [frame(PUSH_PROMISE, END_HEADERS | PADDED, 1, '\x01\0\0\0\x02')], push],
  ['push-promise-stream-id', Code.PROTOCOL_ERROR, [frame(PUSH_PROMISE, END_HEADERS, 1, '\0\0\0\x03')], push],
  ['push-promise-stream-id', Code.PROTOCOL_ERROR, [frame(PUSH_PROMISE, END_HEADERS, 1, '\0\0\0\0')], push],
  ['ping-on-stream', Code.PROTOCOL_ERROR, [frame(PING, 0, 1, '12345678')]],
  ['ping-length', Code.FRAME_SIZE_ERROR, [frame(PING, 0, 0, '1234567')]],
  ['goaway-on-stream', Code.PROTOCOL_ERROR, [frame(GOAWAY, 0, 1, '12345678')]],
  ['goaway-length', Code.FRAME_SIZE_ERROR, [frame(GOAWAY, 0, 0, '1234567')]],
  ['window-update-length', Code.FRAME_SIZE_ERROR, [frame(WINDOW_UPDATE, 0, 1, '12345')]],
  ['window-update-0', Code.PROTOCOL_ERROR, [frame(WINDOW_UPDATE, 0, 0, uint32(0x80000000))]],
  ['unexpected-continuation', Code.PROTOCOL_ERROR, [frame(CONTINUATION, END_HEADERS, 1, 'x')]],
  ['unexpected-continuation', Code.PROTOCOL_ERROR, [frame(CONTINUATION, END_HEADERS, 0, 'x')]],
  [
    'unexpected-continuation',
    Code.PROTOCOL_ERROR,
    [frame(HEADERS, END_HEADERS, 1), frame(CONTINUATION, END_HEADERS, 1)],
  ],
  ...[
    frame(DATA, 0, 1, 'x'),
    frame(HEADERS, END_HEADERS, 1, 'x'),
    frame(CONTINUATION, END_HEADERS, 3, 'x'),
    frame(CONTINUATION, END_HEADERS, 0, 'x'),
    frame(PING, 0, 0, '12345678'),
    frame(SETTINGS, ACK, 0),
    frame(0x2a, 0, 1, 'x'),
  ].map((other): Wrong => ['header-block-interrupted', Code.PROTOCOL_ERROR, [frame(HEADERS, 0, 1, 'x'), other]]),
  [
    'header-block-too-large',
    Code.ENHANCE_YOUR_CALM,
    [frame(HEADERS, END_HEADERS, 1, '123456789')],
    { maxHeaderBlockBytes: 8 },
  ],
  [
    'header-block-too-large',
    Code.ENHANCE_YOUR_CALM,
    [frame(HEADERS, 0, 1, '12345678'), frame(CONTINUATION, END_HEADERS, 1, '9')],
    { maxHeaderBlockBytes: 8 },
  ],
  [
    'too-many-continuations',
    Code.ENHANCE_YOUR_CALM,
    [frame(HEADERS, 0, 1, 'x'), ...Array.from({ length: 17 }, () => frame(CONTINUATION, 0, 1, 'y'))],
  ],
  [
    'empty-continuations',
    Code.ENHANCE_YOUR_CALM,
    [frame(HEADERS, 0, 1, 'x'), frame(CONTINUATION, 0, 1), frame(CONTINUATION, 0, 1)],
  ],
]

t.test('connection errors', async t => {
  for (const [token, code, frames, options = {}] of connectionErrors) {
    t.test(token, async t => {
      const input = Buffer.concat([beginning(options.role ?? 'server'), ...frames, tail])
      const got = input.length > 16_000 ? readAll([input], options) : readSplit(t, input, options)
      t.equal(got.error?.token, token)
      t.equal(got.error?.code, code)
      t.equal(got.heldBytes, 0, 'frees what it held')
      t.notSame(got.events.at(-1), TAIL, 'reads nothing more')
    })
  }
})

t.test('a frame too large is refused by its head, whatever follows', async t => {
  const input = Buffer.concat([beginning('server'), frame(HEADERS, END_HEADERS, 1, big).subarray(0, 9)])
  t.equal(readSplit(t, input).error?.token, 'frame-too-large')
})

const streamErrors: [event: Event, frames: Buffer[]][] = [
  [['stream-error', 1, Code.FRAME_SIZE_ERROR, 'data-too-short', 0], [frame(DATA, PADDED, 1)]],
  [['stream-error', 3, Code.FRAME_SIZE_ERROR, 'priority-length', 0], [frame(PRIORITY, 0, 3, '1234')]],
  [['stream-error', 3, Code.PROTOCOL_ERROR, 'stream-window-update-0', 0], [frame(WINDOW_UPDATE, 0, 3, uint32(0))]],
]

t.test('stream errors leave the reader in step', async t => {
  for (const [event, frames] of streamErrors) {
    const got = readSplit(t, Buffer.concat([beginning('server'), ...frames, tail]))
    t.same(got.events, [START, event, TAIL])
    t.equal(got.error, undefined)
  }
  const input = Buffer.concat([beginning('server'), frame(DATA, 0, 1, big), tail])
  const event: Event = ['stream-error', 1, Code.FRAME_SIZE_ERROR, 'stream-frame-too-large', big.length]
  // Some splits: in the beginning, in the head, behind it, in the payload, at its end, in the tail.
  for (const at of [20, 33, 34, 41, 42, 43, 9_000, 16_426, 16_427, 16_428, 16_436]) {
    const got = readAll([input.subarray(0, at), input.subarray(at)])
    t.same(got.events, [START, event, TAIL], `split at ${at}`)
  }
  t.same(readAll([...input].map(byte => Buffer.from([byte]))).events, [START, event, TAIL], 'byte by byte')
})

t.test('the beginning', async t => {
  const settings = frame(SETTINGS, 0, 0)
  t.equal(readSplit(t, Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n')).error?.token, 'bad-preface')
  t.equal(readSplit(t, Buffer.concat([PREFACE.subarray(0, 23), Buffer.from('x')])).error?.token, 'bad-preface')
  t.equal(readSplit(t, Buffer.concat([PREFACE, tail])).error?.token, 'settings-not-first')
  t.equal(readSplit(t, Buffer.concat([PREFACE, frame(SETTINGS, ACK, 0)])).error?.token, 'settings-not-first')
  t.equal(readSplit(t, tail, client).error?.token, 'settings-not-first')
  t.same(readSplit(t, settings, client).events, [START])
  t.same(readSplit(t, PREFACE).events, [])
})

t.test('limits are as large as they say', async t => {
  const most = frame(HEADERS, END_HEADERS, 1, '12345678')
  const options: Options = { maxHeaderBlockBytes: 8, maxContinuations: 2, maxEmptyContinuations: 2 }
  t.equal(readSplit(t, Buffer.concat([beginning('server'), most]), options).error, undefined)
  const parts = [frame(HEADERS, 0, 1, '1234'), frame(CONTINUATION, 0, 1), frame(CONTINUATION, END_HEADERS, 1, '5678')]
  const got = readSplit(t, Buffer.concat([beginning('server'), ...parts]), options)
  t.same(got.events.at(-1), ['headers', 1, hex('12345678'), false])
  t.equal(readAll([beginning('server'), frame(SETTINGS, 0, 0, Buffer.alloc(32 * 6))]).error, undefined)
  t.equal(readAll([beginning('server'), frame(DATA, 0, 1, big.subarray(1))]).error, undefined)
  const large = frame(DATA, 0, 1, Buffer.alloc(100_000, 'x'))
  const input = Buffer.concat([beginning('server'), large])
  t.equal(readAll([input], { maxFrameSize: 100_000 }).events.length, 2)
  for (const at of [33, 40, 45, 1_100, 20_000, 90_000]) {
    const got = readAll([input.subarray(0, at), input.subarray(at)], { maxFrameSize: 100_000 })
    t.equal(got.events.length, 2)
    t.equal(got.events[1]![2], hex('x'.repeat(100_000)))
  }
})

t.test('who stalls inside a frame pins little', async t => {
  const reader = new FrameReader(new Recorder(), { role: 'server', maxFrameSize: 2 ** 24 - 1 })
  reader.read(beginning('server'))
  const head = Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])
  reader.read(head)
  t.equal(reader.heldBytes, 2_048)
  let sent = 9
  for (; sent < 100_000; sent += 100) {
    reader.read(Buffer.alloc(100))
    t.ok(reader.heldBytes <= Math.max(16_393, 4 * (sent + 100)), `${reader.heldBytes} held for ${sent}`)
  }
  reader.close()
  t.equal(reader.heldBytes, 0)
})

t.test('close stops within a chunk', async t => {
  const recorder = new Recorder()
  const reader = new FrameReader(recorder, { role: 'server' })
  recorder.onRstStream = () => reader.close()
  reader.read(Buffer.concat([beginning('server'), frame(RST_STREAM, 0, 1, uint32(8)), tail]))
  reader.read(tail)
  t.same(recorder.events, [START])
  const split = new FrameReader(recorder, { role: 'server' })
  recorder.onRstStream = () => split.close()
  const rst = frame(RST_STREAM, 0, 1, uint32(8))
  split.read(Buffer.concat([beginning('server'), rst.subarray(0, 11)]))
  split.read(Buffer.concat([rst.subarray(11), tail]))
  split.read(tail)
  t.same(recorder.events, [START, START])
  t.equal(split.heldBytes, 0)
})

t.test('what a handler throws, read throws; the reader is dead', async t => {
  const recorder = new Recorder()
  recorder.onRstStream = () => {
    throw new Error('mine')
  }
  for (const chunks of [1, 2]) {
    recorder.events.length = 0
    const reader = new FrameReader(recorder, { role: 'server' })
    const rst = frame(RST_STREAM, 0, 1, uint32(8))
    reader.read(beginning('server'))
    if (chunks === 2) reader.read(rst.subarray(0, 10))
    t.throws(() => reader.read(chunks === 2 ? rst.subarray(10) : rst), { message: 'mine' })
    reader.read(tail)
    t.same(recorder.events, [START])
    t.equal(reader.heldBytes, 0)
  }
})

t.test('a joined frame: lent, or kept', async t => {
  for (const keep of [false, true]) {
    const recorder = new Recorder()
    const reader = new FrameReader(recorder, { role: 'server' })
    const seen: Buffer[] = []
    const joined: boolean[] = []
    recorder.onData = (_id, bytes, start, end) => {
      seen.push(bytes.subarray(start, end))
      joined.push(reader.joined)
      if (keep) reader.keep()
    }
    reader.read(beginning('server'))
    for (const letter of ['a', 'b', 'c']) {
      const data = frame(DATA, 0, 1, letter.repeat(8_000))
      reader.read(data.subarray(0, 4_000))
      reader.read(data.subarray(4_000))
    }
    reader.read(frame(DATA, 0, 1, 'whole'))
    t.same(joined, [true, true, true, false])
    t.equal(reader.joined, false)
    const first = seen.map(bytes => String.fromCharCode(bytes[0]!)).join('')
    t.equal(first, keep ? 'abcw' : 'cccw', keep ? 'each its own memory' : 'one buffer, used again')
  }
})
