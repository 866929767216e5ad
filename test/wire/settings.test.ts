import t from 'tap'
import { ConnectionError } from '../../src/wire/protocol-error.ts'
import { checkSetting, LocalSettings, MAX_PENDING_SETTINGS, SettingId, Settings } from '../../src/wire/settings.ts'
import { Code, Setting, settingsPayload, uint32 } from '../support/frames.ts'

t.test('begin as RFC 9113 says', async t => {
  const settings = new Settings()
  t.same(settings, {
    headerTableSize: 4_096,
    enablePush: true,
    maxConcurrentStreams: 2 ** 32 - 1,
    initialWindowSize: 65_535,
    maxFrameSize: 16_384,
    maxHeaderListSize: 2 ** 32 - 1,
    lowestHeaderTableSize: 4_096,
  })
  t.same({ ...SettingId }, { ...Setting })
})

t.test('apply', async t => {
  const settings = new Settings()
  const payload = Buffer.concat([
    Buffer.from('..'),
    settingsPayload({ 1: 0, 2: 0, 3: 0xffffffff, 4: 100, 5: 0xffffff, 6: 9, 65535: 1 }),
    settingsPayload({ 1: 2_000, 4: 70_000 }),
  ])
  t.equal(settings.apply(payload, 2, payload.length), 70_000 - 65_535, 'by how much send windows move')
  t.same(settings, {
    headerTableSize: 2_000,
    enablePush: false,
    maxConcurrentStreams: 0xffffffff,
    initialWindowSize: 70_000,
    maxFrameSize: 0xffffff,
    maxHeaderListSize: 9,
    lowestHeaderTableSize: 0,
  })
  t.equal(settings.apply(payload, 2, 2), 0)
  t.equal(settings.lowestHeaderTableSize, 2_000, 'of the last frame only')
})

t.test('values out of range', async t => {
  const code = (id: number, value: number, fromServer = false) => {
    try {
      checkSetting(id, value, fromServer)
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      return error.code
    }
    return undefined
  }
  t.equal(code(Setting.ENABLE_PUSH, 1), undefined)
  t.equal(code(Setting.ENABLE_PUSH, 1, true), Code.PROTOCOL_ERROR)
  t.equal(code(Setting.ENABLE_PUSH, 0, true), undefined)
  t.equal(code(Setting.ENABLE_PUSH, 2), Code.PROTOCOL_ERROR)
  t.equal(code(Setting.INITIAL_WINDOW_SIZE, 2 ** 31 - 1), undefined)
  t.equal(code(Setting.INITIAL_WINDOW_SIZE, 2 ** 31), Code.FLOW_CONTROL_ERROR)
  t.equal(code(Setting.MAX_FRAME_SIZE, 16_384), undefined)
  t.equal(code(Setting.MAX_FRAME_SIZE, 16_383), Code.PROTOCOL_ERROR)
  t.equal(code(Setting.MAX_FRAME_SIZE, 2 ** 24 - 1), undefined)
  t.equal(code(Setting.MAX_FRAME_SIZE, 2 ** 24), Code.PROTOCOL_ERROR)
  for (const id of [Setting.HEADER_TABLE_SIZE, Setting.MAX_CONCURRENT_STREAMS, Setting.MAX_HEADER_LIST_SIZE, 0, 0xffff])
    for (const value of [0, 2 ** 32 - 1]) t.equal(code(id, value), undefined)
})

t.test('ours count from their acknowledgement on, the oldest first', async t => {
  const ours = new LocalSettings('server')
  ours.announce([
    [SettingId.INITIAL_WINDOW_SIZE, 100_000],
    [SettingId.MAX_FRAME_SIZE, 20_000],
  ])
  ours.announce([[SettingId.INITIAL_WINDOW_SIZE, 50_000]])
  t.equal(ours.pending, 2)
  t.equal(ours.acknowledged.initialWindowSize, 65_535)
  t.equal(ours.acknowledge(), 100_000 - 65_535)
  t.equal(ours.acknowledged.maxFrameSize, 20_000)
  t.equal(ours.acknowledge(), -50_000)
  t.equal(ours.pending, 0)
  t.throws(() => ours.acknowledge(), { token: 'unexpected-settings-ack', code: Code.PROTOCOL_ERROR })
})

t.test('what the peer would have to reject is not announced', async t => {
  t.throws(() => new LocalSettings('server').announce([[SettingId.ENABLE_PUSH, 1]]), RangeError)
  t.throws(() => new LocalSettings('client').announce([[SettingId.MAX_FRAME_SIZE, 1]]), RangeError)
  const ours = new LocalSettings('client')
  ours.announce([[SettingId.ENABLE_PUSH, 1]])
  for (let i = 1; i < MAX_PENDING_SETTINGS; i++) ours.announce([])
  t.throws(() => ours.announce([]), RangeError)
  t.equal(uint32(ours.pending)[3], MAX_PENDING_SETTINGS)
})
