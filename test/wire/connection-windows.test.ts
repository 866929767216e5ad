/** Windows of a server's connection, of what we send and of what we receive: exact frames. */
import t from 'tap'
import { MemoryBudget } from '../../src/wire/memory-budget.ts'
import { Code, Flag, FrameType, PREFACE, uint32 } from '../support/frames.ts'
import { block, REQUEST, RESPONSE, Rig, TRAILERS } from './connection-rig.ts'
import { HEAD, PLAIN, rule } from './server-rule.ts'

rule('windows for what we send', (rig, t) => {
  rig.settings({ 4: 10 }).headers(1, REQUEST, true).headers(3, REQUEST, true)
  rig.sent()
  const [a, b] = rig.listeners
  a!.stream.sendHeaders(block(RESPONSE), false)
  t.equal(a!.stream.sendData(Buffer.from('0123456789abcdef'), 0, 16, false), false)
  a!.stream.sendTrailers(block(TRAILERS))
  b!.stream.sendHeaders(block(RESPONSE), false)
  t.equal(b!.stream.sendData(Buffer.from('01234567890'), 0, 11, false), false)
  t.same(
    rig.sent().filter(text => text.startsWith('data')),
    ['data 1 0123456789', 'data 3 0123456789'],
  )
  rig.window(1, 3)
  t.same(rig.sent(), ['data 1 abc'])
  rig.settings({ 4: 5 })
  t.same(rig.sent(), ['settings ack'])
  rig.window(1, 7).window(3, 6)
  t.same(rig.sent(), ['data 1 de', 'data 3 0'])
  t.equal(b!.events.at(-1), 'writable')
  rig.window(1, 1)
  t.same(rig.sent(), ['data 1 f', 'headers 1 grpc-status=0 end'])
  rig.sent()
  t.equal(a!.events.at(-1), 'closed clean')
})

rule('windows for what we receive', (rig, t) => {
  rig.headers(1, REQUEST).headers(3, REQUEST)
  const [a, b] = rig.listeners
  a!.releases = b!.releases = false
  rig.data(1, Buffer.alloc(16_000)).data(1, Buffer.alloc(16_000)).data(3, Buffer.alloc(16_384))
  t.equal(rig.connection.heldBytes, 48_384)
  a!.stream.release(30_000)
  t.same(rig.sent(), [])
  b!.stream.reset(Code.CANCEL)
  t.same(rig.sent(), ['rst 3 8', 'window 0 46384'], 'what was held goes to the connection')
  a!.stream.release(2_000)
  t.same(rig.sent(), [])
  rig.data(1, Buffer.alloc(16_384)).data(1, Buffer.alloc(16_384))
  t.same(rig.streamErrors, [])
  rig.data(1, Buffer.alloc(768))
  t.same(rig.streamErrors, ['stream-window-exceeded'])
  t.equal(rig.sent()[0], 'rst 1 3')
  t.equal(rig.connection.heldBytes, 0)
})

rule('padding is given back, and empty DATA is not told', (rig, t) => {
  rig.headers(1, REQUEST)
  const padded = Buffer.concat([Buffer.from([3]), Buffer.from('ab'), Buffer.alloc(3)])
  rig.frame(FrameType.DATA, Flag.PADDED, 1, padded).data(1, '')
  t.same(rig.listeners[0]!.events, [HEAD, 'data ab'])
  t.equal(rig.connection.heldBytes, 0)
})

t.test('WINDOW_UPDATE of 0 on a stream, and of too much', async t => {
  const rig = new Rig('server', PLAIN).begin()
  rig.headers(1, REQUEST).frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(0))
  rig.headers(3, REQUEST).window(3, 0x7fffffff)
  t.same(rig.sent(), ['rst 1 1', 'rst 3 3'])
})

t.test(
  'our smaller INITIAL_WINDOW_SIZE comes to count after DATA was released: the sender is not left without a window',
  async t => {
    for (const sent of [16_384, 20_000, 32_767, 65_535]) {
      const rig = new Rig('server', { ...PLAIN, initialStreamWindow: 16_384, maxStreamWindow: 16_384 })
      rig.connection.receive(PREFACE)
      rig.settings({}).headers(1, REQUEST)
      for (let left = sent; left > 0; left -= 16_384) rig.data(1, Buffer.alloc(Math.min(left, 16_384)))
      rig.frame(FrameType.SETTINGS, Flag.ACK, 0, Buffer.alloc(0))
      let left = 65_535 - sent - (65_535 - 16_384)
      for (const frame of rig.frames())
        if (frame.type === FrameType.WINDOW_UPDATE && frame.streamId === 1) left += frame.payload.readUInt32BE()
      t.ok(left >= 8_192, `after ${sent} bytes it may send ${left}`)
    }
  },
)

rule(
  "the connection's window grows also where those of streams are as large as they may be",
  (rig, t) => {
    rig.headers(1, REQUEST)
    let [allowed, sent] = [65_535, 0]
    for (let trip = 0; trip < 30 && rig.pieces > 7; trip++) {
      for (let size = 0; sent < allowed; sent += size) {
        size = Math.min(allowed - sent, 16_384)
        rig.data(1, Buffer.alloc(size))
      }
      for (const frame of rig.frames()) {
        if (frame.type === FrameType.WINDOW_UPDATE && frame.streamId === 0) allowed += frame.payload.readUInt32BE()
        if (frame.type === FrameType.PING) rig.frame(FrameType.PING, Flag.ACK, 0, frame.payload)
      }
    }
    if (rig.pieces > 7) t.ok(allowed - sent > 1_000_000, `${allowed - sent} bytes of window`)
    t.same(rig.streamErrors, [])
  },
  { initialStreamWindow: 4_194_304, maxStreamWindow: 4_194_304, maxConnectionWindow: 67_108_864 },
)

t.test('the ACK of a PING that we never sent counts as a PING', async t => {
  const rig = new Rig('server', PLAIN).begin()
  rig.connection.ping()
  const ping = rig.frames().find(({ type }) => type === FrameType.PING)!
  rig.frame(FrameType.PING, Flag.ACK, 0, ping.payload)
  for (let which = 0; which < 4; which++) {
    const payload = Buffer.from(ping.payload)
    payload[7] = which
    for (let i = 0; i < 100; i++) rig.frame(FrameType.PING, Flag.ACK, 0, payload)
  }
  t.equal(rig.failure?.token, 'ping-flood')
  t.equal(rig.events.filter(event => event === 'pong').length, 1, 'and answers nothing')
})

t.test('250,000 bytes in frames of one: they go out in turns, in order, whole', async t => {
  const rig = new Rig('server', PLAIN).begin()
  rig.settings({ 4: 0 }).headers(1, REQUEST, true)
  rig.sent()
  const { stream } = rig.listeners[0]!
  stream.sendHeaders(block(RESPONSE), false)
  const bytes = Buffer.alloc(250_000)
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = i % 251
    stream.sendData(bytes, i, i + 1, false)
  }
  rig.sent()
  rig.window(0, 1_000_000).window(1, 1_000_000)
  const frames = []
  for (let turn = 0; turn < 100; turn++) frames.push(...rig.frames().filter(({ type }) => type === FrameType.DATA))
  t.ok(Buffer.concat(frames.map(({ payload }) => payload)).equals(bytes))
  t.ok(frames.length < 5_000, `${frames.length} frames`)
})

t.test('sessions that grew and fell silent leave room for the others to grow', async t => {
  const budget = new MemoryBudget(256 * 1_048_576)
  for (let i = 0; i < 9; i++) budget.changed(0, 16 * 1_048_576)
  t.ok(budget.growthBytes > 8 * 1_048_576, `${budget.growthBytes}`)
  for (let i = 0; i < 100; i++) budget.changed(0, Math.min(16 * 1_048_576, budget.growthBytes))
  t.ok(budget.promisedBytes < budget.limitBytes, 'whatever they take')
})

t.test('overdue is who holds what waited at the last look, not who was given something since', async t => {
  const rig = new Rig('client', { maxConnectionWindow: 65_535, initialConnectionWindow: 65_535 }).begin()
  const told: number[] = []
  const calls = [1, 3, 5].map(id => {
    const call = rig.open(true)
    call.releases = false
    call.onOverdue = () => told.push(id)
    rig.headers(id, RESPONSE)
    return call
  })
  rig.data(1, Buffer.alloc(16_384)).data(3, Buffer.alloc(39))
  rig.connection.markConsumers()
  t.notOk(rig.connection.starved)
  calls[1]!.stream.release(39)
  rig.data(3, Buffer.alloc(16_384)).data(5, Buffer.alloc(16_384)).data(5, Buffer.alloc(15_000))
  t.ok(rig.connection.starved)
  rig.connection.shed()
  t.same(told, [1])
  t.same(rig.streamErrors, ['slow-reader'])
  rig.connection.markConsumers()
  rig.connection.shed()
  t.same(told, [1, 5, 1], 'those that hold most first, and half of all')
})

t.test('windows are whole numbers, whatever is left of memory', async t => {
  const budget = new MemoryBudget(1_048_577)
  budget.changed(0, 65_535 + 3)
  t.ok(Number.isInteger(budget.growthBytes), `${budget.growthBytes}`)
})
