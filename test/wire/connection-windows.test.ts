/** Windows of a server's connection, of what we send and of what we receive: exact frames. */
import t from 'tap'
import { Code, Flag, FrameType, uint32 } from '../support/frames.ts'
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
