import t from 'tap'
import { Flag, FrameReader, FrameType, readSettings, settingsPayload, unpad, writeFrame } from './frames.ts'

const DATA = {
  type: FrameType.DATA,
  flags: Flag.END_STREAM,
  streamId: 5,
  payload: Buffer.from('hello'),
}
const PING = {
  type: FrameType.PING,
  flags: Flag.ACK,
  streamId: 0,
  payload: Buffer.alloc(8, 7),
}
const EMPTY = {
  type: FrameType.SETTINGS,
  flags: 0,
  streamId: 0,
  payload: Buffer.alloc(0),
}

t.test('a frame is nine octets and its payload (RFC 9113 §4.1)', async t => {
  t.equal(writeFrame(DATA).toString('hex'), '000005000100000005' + '68656c6c6f')
  t.equal(writeFrame({ ...EMPTY, type: 0xff, streamId: 2 ** 31 - 1 }).toString('hex'), '000000ff007fffffff')
})

t.test('frames are read again, cut anywhere', async t => {
  const bytes = Buffer.concat([DATA, EMPTY, PING].map(writeFrame))
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new FrameReader()
    const frames = [...reader.push(bytes.subarray(0, cut)), ...reader.push(bytes.subarray(cut))]
    if (frames.length !== 3 || reader.rest.length !== 0) t.fail(`cut at ${cut}`)
    if (cut === 11) t.same(frames, [DATA, EMPTY, PING])
  }
})

t.test('padding and priority are taken off (§6.1, §6.2)', async t => {
  const payload = Buffer.from([2, 0, 0, 0, 0, 9, 0x82, 0, 0])
  const flags = Flag.PADDED | Flag.PRIORITY
  t.same(unpad({ type: FrameType.HEADERS, flags, streamId: 1, payload }), Buffer.from([0x82]))
  t.same(unpad(DATA), DATA.payload)
})

t.test('settings survive', async t => {
  const settings = { 3: 100, 4: 2 ** 31 - 1 }
  t.same(readSettings(settingsPayload(settings)), settings)
})
