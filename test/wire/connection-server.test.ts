/** A server's connection: exact frames in, exact frames out. Each rule whole, and with its input cut small. */
import t from 'tap'
import { Code, Flag, FrameType } from '../support/frames.ts'
import { block, REQUEST, RESPONSE, Rig, TRAILERS } from './connection-rig.ts'
import { HEAD, PLAIN, rule } from './server-rule.ts'

const NONE = Buffer.alloc(0)

t.test('the preface', async t => {
  const rig = new Rig('server', { maxConcurrentStreams: 7, initialConnectionWindow: 100_000 })
  t.equal(rig.pending, 1)
  t.same(rig.sent(), ['settings', 'window 0 34465'])
  rig.begin()
  t.same(rig.events, ['ready'])
  t.equal(rig.connection.settingsPending, 0)
})

rule('a call', (rig, t) => {
  rig.headers(1, REQUEST).data(1, 'hello').data(1, '', true)
  const [call] = rig.listeners
  t.same(call!.events, [HEAD, 'data hello', 'data  end'])
  call!.stream.sendHeaders(block(RESPONSE), false)
  t.equal(call!.stream.sendData(Buffer.from('_world_'), 1, 6, false), true)
  call!.stream.sendTrailers(block(TRAILERS))
  t.equal(call!.events.length, 3, 'onClosed comes later')
  t.equal(rig.connection.streams, 0)
  const sent = rig.sent()
  t.same(sent, ['headers 1 :status=200,content-type=application/grpc', 'data 1 world', 'headers 1 grpc-status=0 end'])
  t.equal(call!.events[3], 'closed clean')
  rig.window(1, 5).reset(1, 0)
  t.equal(rig.failure, undefined, 'late WINDOW_UPDATE and RST_STREAM are nothing')
})

rule('Trailers-Only', (rig, t) => {
  rig.headers(1, REQUEST, true)
  rig.listeners[0]!.stream.sendHeaders(block(RESPONSE), true)
  t.same(rig.sent(), ['headers 1 :status=200,content-type=application/grpc end'])
  t.equal(rig.listeners[0]!.events.at(-1), 'closed clean')
})

rule('trailers of a request; DATA after END_STREAM', (rig, t) => {
  rig.headers(1, REQUEST).headers(1, [['a', 'b']], true)
  t.same(rig.listeners[0]!.events, [HEAD, 'trailers a=b'])
  rig.data(1, 'x')
  t.same(rig.sent(), ['rst 1 5'])
  t.same(rig.listeners[0]!.events.at(-1), 'closed reset 5 self')
  t.same(rig.streamErrors, ['frame-on-half-closed-stream'])
})

rule('malformed requests cost their stream only', (rig, t) => {
  rig.headers(1, [...REQUEST, ['Upper', 'x']])
  rig.headers(3, [[':method', 'GET']])
  rig.headers(5, [...REQUEST, ['content-length', '5']], true)
  rig.headers(7, [...REQUEST, ['content-length', '5']]).data(7, '123456')
  rig.headers(9, [...REQUEST, ['content-length', '5']]).data(9, '1234', true)
  rig.headers(11, REQUEST).headers(11, [['a', 'b']])
  rig.headers(13, REQUEST).headers(13, [[':path', '/']], true)
  t.same(rig.sent(), ['rst 1 1', 'rst 3 1', 'rst 5 1', 'rst 7 1', 'rst 9 1', 'rst 11 1', 'rst 13 1'])
  t.same(rig.streamErrors, [
    'field-name',
    'pseudo-header-missing',
    'content-length-mismatch',
    'content-length-mismatch',
    'content-length-mismatch',
    'trailers-without-end-stream',
    'pseudo-header-in-trailers',
  ])
  rig
    .data(1, 'x')
    .data(3, 'x')
    .headers(5, [['late', 'trailer']], true)
  rig.headers(15, [...REQUEST, ['content-length', '5']]).data(15, '12345', true)
  t.equal(rig.listeners.at(-1)!.events.at(-1), 'data 12345 end')
  t.equal(rig.failure, undefined)
})

rule(
  'over the limit of streams: REFUSED_STREAM, and HPACK in step',
  (rig, t) => {
    rig.headers(1, REQUEST).headers(3, [...REQUEST, ['x-new', 'value']])
    t.same(rig.sent(), ['rst 3 7'])
    rig.reset(1, 8).headers(5, [...REQUEST, ['x-new', 'value']])
    t.same(rig.listeners[0]!.events, [HEAD, 'closed reset 8 peer'])
    t.same(rig.listeners[1]!.events, [`${HEAD},x-new=value`])
  },
  { maxConcurrentStreams: 1 },
)

t.test('of a block that is not whole no more is held than a list may have, and a frame', async t => {
  const rig = new Rig('server', PLAIN).begin()
  // A literal `x-a` with a value of 16 MiB.
  rig.frame(FrameType.HEADERS, 0, 1, Buffer.from([0x00, 3, 0x78, 0x2d, 0x61, 0x7f, 0x81, 0xff, 0xff, 0x07]))
  let most = 0
  for (let i = 0; i < 500; i++) {
    rig.frame(FrameType.CONTINUATION, 0, 1, Buffer.alloc(16_384, 'v'))
    most = Math.max(most, rig.connection.unfinishedBytes)
  }
  t.ok(most <= 65_536 + 2 * 16_393, `${most} bytes`)
  t.equal(rig.connection.over, undefined)
})

rule(
  'a header list over the limit',
  (rig, t) => {
    rig.headers(1, [...REQUEST, ['x-big', 'v'.repeat(500)]]).headers(3, REQUEST)
    t.same(rig.sent(), ['rst 1 11'])
    t.same(rig.streamErrors, ['header-list-too-large'])
    t.same(rig.listeners[0]!.events, ['closed reset 11 self'], 'who does not answer it hears of the reset')
    t.same(rig.listeners[1]!.events, [HEAD])
  },
  { maxListBytes: 400 },
)

rule('stream numbers', (rig, t) => {
  rig.headers(5, REQUEST)
  rig.headers(3, REQUEST)
  t.equal(rig.failure?.token, 'stream-id-not-increasing')
  t.same(rig.sent(), ['goaway 5 1 stream-id-not-increasing'])
  t.equal(rig.listeners[0]!.events.at(-1), 'closed lost false')
})

for (const [name, act, token] of [
  ['an even stream', rig => rig.headers(2, REQUEST), 'even-stream-id'],
  ['DATA on an idle stream', rig => rig.data(1, 'x'), 'frame-on-idle-stream'],
  ['RST_STREAM on an idle stream', rig => rig.reset(1, 8), 'frame-on-idle-stream'],
  ['WINDOW_UPDATE on an idle stream', rig => rig.window(1, 1), 'frame-on-idle-stream'],
  ['the connection window too large', rig => rig.window(0, 0x7fffffff), 'window-overflow'],
  ['HPACK out of step', rig => rig.frame(FrameType.HEADERS, 4, 1, Buffer.from([0xff, 0x7f])), 'hpack-bad-index'],
  ['an ACK of nothing', rig => rig.frame(FrameType.SETTINGS, Flag.ACK, 0, NONE), 'unexpected-settings-ack'],
  ['a stream window that SETTINGS overflows', settingsOverflow, 'settings-window-overflow'],
  ['DATA after the clean end', afterCleanEnd, 'frame-on-closed-stream'],
] as [string, (rig: Rig) => void, string][]) {
  rule(name, (rig, t) => {
    act(rig)
    t.equal(rig.failure?.token, token)
    t.match(rig.sent().at(-1), new RegExp(`^goaway \\d+ ${rig.failure!.code} ${token}$`))
    rig.headers(101, REQUEST)
    t.same(rig.sent(), [], 'nothing more is read')
  })
}

function settingsOverflow(rig: Rig): void {
  rig
    .headers(1, REQUEST)
    .window(1, 0x7fffffff - 65_535)
    .settings({ 4: 65_536 })
}

function afterCleanEnd(rig: Rig): void {
  rig.headers(1, REQUEST, true)
  rig.listeners[0]!.stream.sendHeaders(block(RESPONSE), true)
  rig.data(1, 'x')
}

rule(
  'after the reset of the client, and after ours',
  (rig, t) => {
    rig.headers(1, REQUEST).headers(3, REQUEST)
    rig.reset(1, 8).data(1, 'x')
    t.same(rig.sent(), ['rst 1 5'])
    rig.listeners[1]!.stream.reset(Code.CANCEL)
    rig.data(3, 'y'.repeat(40_000)).headers(3, TRAILERS, true)
    t.same(rig.listeners[1]!.events, [HEAD], 'nothing after our reset')
    t.same(rig.sent(), ['rst 3 8', 'window 0 40001'], 'the connection gets its window back')
    t.equal(rig.listeners[1]!.events.at(-1), 'closed reset 8 self')
  },
  { maxFrameSize: 65_536 },
)

rule('reset from within onData: onClosed comes later', (rig, t) => {
  rig.headers(1, REQUEST)
  const call = rig.listeners[0]!
  call.also = event => event.startsWith('data') && call.stream.reset(Code.CANCEL)
  rig.data(1, 'x').data(1, 'y')
  t.same(call.events, [HEAD, 'data x'])
  t.same(rig.sent(), ['rst 1 8'])
  t.same(call.events.at(-1), 'closed reset 8 self')
})

rule('reset from within the last onData or onTrailers of a call that we ended: it is over, cleanly', (rig, t) => {
  for (const id of [1, 3]) {
    rig.headers(id, REQUEST)
    const call = rig.listeners.at(-1)!
    call.stream.sendHeaders(block(RESPONSE), true)
    call.also = event => /^(data|trailers)/.test(event) && call.stream.reset(Code.CANCEL)
    if (id === 1) rig.data(id, 'x', true)
    else rig.headers(id, TRAILERS, true)
    t.equal(call.events.at(-1), 'closed clean')
  }
  t.equal(rig.sent().filter(frame => frame.startsWith('rst')).length, 0)
  t.equal(rig.failure, undefined)
})

rule('RST_STREAM drops the queue; NO_ERROR after a whole response waits for it', (rig, t) => {
  rig.settings({ 4: 1 }).headers(1, REQUEST).headers(3, REQUEST)
  for (const call of rig.listeners) {
    call.stream.sendHeaders(block(RESPONSE), false)
    call.stream.sendData(Buffer.from('abc'), 0, 3, false)
    call.stream.sendTrailers(block(TRAILERS))
  }
  rig.sent()
  rig.listeners[0]!.stream.reset(Code.CANCEL)
  rig.listeners[1]!.stream.reset(Code.NO_ERROR)
  t.same(rig.sent(), ['rst 1 8'])
  rig.data(3, 'dropped').window(3, 10)
  t.same(rig.sent(), ['data 3 bc', 'headers 3 grpc-status=0 end', 'rst 3 0'])
  rig.sent()
  t.same(rig.listeners[1]!.events, [HEAD, 'closed reset 0 self'])
})

rule('PING', (rig, t) => {
  rig.frame(FrameType.PING, 0, 0, Buffer.from('12345678'))
  t.same(rig.sent(), ['ping 3132333435363738 ack'])
  rig.connection.ping()
  const [ping] = rig.frames()
  rig.frame(FrameType.PING, Flag.ACK, 0, ping!.payload)
  t.ok(rig.events.includes('pong'))
})

rule('drain', (rig, t) => {
  rig.headers(1, REQUEST, true)
  rig.connection.drain()
  rig.connection.drain()
  const [first, ping] = rig.frames()
  t.equal(first!.payload.readUInt32BE(), 0x7fffffff)
  rig.headers(3, REQUEST, true)
  rig.frame(FrameType.PING, Flag.ACK, 0, ping!.payload)
  t.same(rig.sent(), ['goaway 3 0 '])
  rig.headers(5, REQUEST).data(5, 'x').reset(5, 8)
  t.equal(rig.listeners.length, 2)
  t.same(rig.sent(), [])
  for (const call of rig.listeners) call.stream.sendHeaders(block(RESPONSE), true)
  t.notOk(rig.events.includes('drained'))
  rig.sent()
  t.ok(rig.events.includes('drained'))
  t.equal(rig.failure, undefined)
})

rule('the socket is gone', (rig, t) => {
  rig.headers(1, REQUEST).headers(3, REQUEST)
  rig.listeners[0]!.stream.reset(8)
  rig.connection.closed('ECONNRESET')
  t.same(rig.listeners[0]!.events.at(-1), 'closed reset 8 self')
  t.same(rig.listeners[1]!.events.at(-1), 'closed lost false')
  rig.listeners[1]!.stream.sendHeaders(block(RESPONSE), false)
  rig.listeners[1]!.stream.release(5)
  t.equal(rig.connection.streams, 0)
  t.same(rig.sent(), [])
})

rule('an owner that is told of a lost connection sends nothing on its other streams', (rig, t) => {
  rig.headers(1, REQUEST).headers(3, REQUEST)
  const [one, other] = rig.listeners
  one!.also = event => event.startsWith('closed') && other!.stream.sendHeaders(block(RESPONSE), true)
  rig.data(5, 'idle')
  t.same(rig.sent(), ['goaway 3 1 frame-on-idle-stream'])
  t.equal(other!.events.at(-1), 'closed lost false')
})

rule('a block that cannot be sent leaves the stream as it was', (rig, t) => {
  rig.settings({ 6: 100 }).headers(1, REQUEST)
  const { stream } = rig.listeners[0]!
  t.throws(
    () =>
      stream.sendHeaders(
        block([
          [':status', '200'],
          ['a', 'b\r\nc'],
        ]),
        false,
      ),
    /the value of/,
  )
  t.throws(() =>
    stream.sendHeaders(
      block([
        [':status', '200'],
        ['a', '\u20ac'],
      ]),
      false,
    ),
  )
  t.throws(
    () =>
      stream.sendHeaders(
        block([
          [':status', '200'],
          ['a', 'b'.repeat(100)],
        ]),
        false,
      ),
    /the limit is 100/,
  )
  stream.sendHeaders(block([[':status', '200']]), true)
  t.equal(rig.sent().at(-1), 'headers 1 :status=200 end')
})

rule('smaller HPACK tables both ways', (rig, t) => {
  rig.settings({ 1: 0 }).headers(1, REQUEST, true).headers(3, REQUEST, true)
  for (const call of rig.listeners) call.stream.sendHeaders(block([...RESPONSE, ['x-a', 'b']]), true)
  t.same(
    rig.sent().slice(1),
    [1, 3].map(id => `headers ${id} :status=200,content-type=application/grpc,x-a=b end`),
  )
  t.equal(rig.decoder.table.entries.length, 0)
})

const FLOODS: [string, (rig: Rig, i: number) => void, string][] = [
  ['PING', rig => rig.frame(FrameType.PING, 0, 0, Buffer.alloc(8)), 'maxPings'],
  ['SETTINGS', rig => rig.settings({}), 'maxSettings'],
  ['PRIORITY', rig => rig.frame(FrameType.PRIORITY, 0, 1, Buffer.alloc(5)), 'maxPriorities'],
  ['unknown', rig => rig.frame(0x42, 0, 0, NONE), 'maxUnknownFrames'],
  ['empty DATA', rig => rig.data(1, ''), 'maxEmptyData'],
  ['WINDOW_UPDATE', rig => rig.window(0, 1), 'maxWindowUpdates'],
  ['resets', (rig, i) => rig.headers(3 + 2 * i, REQUEST).reset(3 + 2 * i, 8), 'maxResets'],
  ['resets that we send', (rig, i) => rig.headers(3 + 2 * i, REQUEST).window(3 + 2 * i, 0), 'maxResets'],
]
for (const [name, act, limit] of FLOODS) {
  t.test(`flood: ${name}`, async t => {
    const rig = new Rig('server', { ...PLAIN, floods: { [limit]: { burst: 20, earned: 0, perSecond: 2 } } }).begin()
    rig.headers(1, REQUEST)
    rig.connection.tick(1_000)
    let i = 0
    for (; i < 15; i++) act(rig, i)
    rig.connection.tick(3_500)
    for (; i < 22; i++) act(rig, i)
    t.equal(rig.failure, undefined, 'time gave some back')
    for (; i < 30 && rig.failure === undefined; i++) act(rig, i)
    t.match(rig.failure?.token, /-flood$/)
    t.equal(rig.failure?.code, Code.ENHANCE_YOUR_CALM)
    t.equal(rig.listeners[0]!.events.at(-1), 'closed lost false')
    t.ok(rig.connection.floods.counts[limit as 'maxPings'] > 20)
  })
}

/** What was sent, what each WINDOW_UPDATE returns of it, and how many are too many. */
const UPDATES: readonly (readonly [what: string, sent: number, increment: number, tooMany: number | undefined])[] = [
  ['two of the bytes that were sent', 2_000, 2, undefined],
  ['one of the bytes that were sent', 2_000, 1, 41],
  ['nothing, as nothing was sent', 0, 1, 21],
]
for (const [what, sent, increment, tooMany] of UPDATES) {
  t.test(`flood: WINDOW_UPDATE that returns ${what}`, async t => {
    const rig = new Rig('server', { ...PLAIN, floods: { maxWindowUpdates: { burst: 20, earned: 0 } } }).begin()
    rig.headers(1, REQUEST)
    const { stream } = rig.listeners[0]!
    stream.sendHeaders(block(RESPONSE), false)
    stream.sendData(Buffer.alloc(sent), 0, sent, false)
    let updates = 0
    for (; updates < 1_000 && rig.failure === undefined; updates++) rig.window(1, increment)
    t.equal(rig.failure?.token, tooMany && 'window-update-flood')
    t.equal(updates, tooMany ?? 1_000)
  })
}

t.test('2,000 cancelled calls a second for a minute are no attack', async t => {
  const rig = new Rig('server', PLAIN).begin()
  let id = 1
  for (let second = 0; second < 60; second++) {
    rig.connection.tick(second * 1_000)
    for (let n = 0; n < 2_000; n++, id += 2) rig.headers(id, REQUEST).reset(id, 8)
    rig.listeners.length = 0
  }
  t.equal(rig.failure, undefined)
  t.equal(rig.connection.floods.counts.maxResets, 120_000)
})
