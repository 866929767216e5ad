/** A client's connection: exact frames in, exact frames out, whole and cut small. */
import t, { type Test } from 'tap'
import type { ConnectionLimits } from '../../src/wire/connection-options.ts'
import { PING_BYTES, Ping } from '../../src/wire/inbound.ts'
import { Code, Flag, FrameType } from '../support/frames.ts'
import { type Field, HpackEncoder } from '../support/hpack.ts'
import { block, Listener, REQUEST, RESPONSE, Rig, TRAILERS } from './connection-rig.ts'

const HEAD = 'headers :status=200,content-type=application/grpc'

function rule(name: string, body: (rig: Rig, t: Test) => void, limits: ConnectionLimits = {}): void {
  t.test(name, async t => {
    for (const pieces of [Number.POSITIVE_INFINITY, 1, 7]) {
      const rig = new Rig('client', { initialConnectionWindow: 65_535, ...limits })
      rig.pieces = pieces
      body(rig.begin(), t)
    }
  })
}

t.test('the preface; no stream before SETTINGS', async t => {
  const rig = new Rig('client', { initialConnectionWindow: 65_535 })
  t.same(rig.sent(), ['settings'])
  t.equal(rig.connection.free, 0)
  t.throws(() => rig.open(), /no stream/)
  rig.begin({ 3: 2 })
  t.same(rig.events, ['ready'])
  t.equal(rig.connection.free, 2)
})

rule('a call', (rig, t) => {
  const call = rig.open()
  call.stream.sendData(Buffer.from('hi'), 0, 2, true)
  t.same(rig.sent(), ['headers 1 :method=POST,:scheme=http,:path=/a.B/C,:authority=x,te=trailers', 'data 1 hi end'])
  rig.headers(1, RESPONSE).data(1, 'answer').headers(1, TRAILERS, true)
  t.same(call.events, [HEAD, 'data answer', 'trailers grpc-status=0', 'closed clean'])
  t.equal(rig.connection.streams, 0)
  t.ok(rig.connection.free > 0)
})

rule('1xx are told, and the response is another', (rig, t) => {
  const call = rig.open(true)
  rig.headers(1, [[':status', '103']]).headers(1, RESPONSE, true)
  t.same(call.events, ['headers :status=103', `${HEAD} end`, 'closed clean'])
})

rule('an early response, then RST_STREAM(NO_ERROR)', (rig, t) => {
  const call = rig.open()
  rig.headers(1, RESPONSE).data(1, 'x').headers(1, TRAILERS, true).reset(1, Code.NO_ERROR)
  t.same(call.events, [HEAD, 'data x', 'trailers grpc-status=0', 'closed reset 0 peer'])
  t.equal(call.stream.sendData(Buffer.from('late'), 0, 4, false), true)
  t.same(rig.sent().slice(1), [])
})

rule('malformed responses', (rig, t) => {
  const bad: [readonly Field[], boolean, string][] = [
    [[['a', 'b']], false, 'pseudo-header-missing'],
    [[[':status', '100']], true, 'informational-end-stream'],
    [[...RESPONSE, ['content-length', '1']], true, 'content-length-mismatch'],
    [[...RESPONSE, ['connection', 'close']], true, 'connection-specific-field'],
  ]
  bad.forEach(([fields, end, token], i) => {
    const call = rig.open(true)
    rig.sent()
    rig.headers(call.stream.id, fields, end)
    t.same(rig.sent(), end ? [] : [`rst ${1 + 2 * i} 1`], 'a reset, unless both sides have ended')
    t.same(call.events, ['closed reset 1 self'])
    t.equal(rig.streamErrors.at(-1), token)
  })
  const call = rig.open()
  rig.data(call.stream.id, 'x')
  t.equal(rig.streamErrors.at(-1), 'data-before-headers')
  t.equal(rig.failure, undefined)
})

rule('content-length of what has no content', (rig, t) => {
  const call = rig.open(true)
  rig.headers(
    call.stream.id,
    [
      [':status', '304'],
      ['content-length', '7'],
    ],
    true,
  )
  const listener = new Listener()
  rig.listen(rig.connection.openStream(listener), listener)
  listener.stream.sendHeaders(block([[':method', 'HEAD'], ...REQUEST.slice(1)]), true)
  rig.headers(listener.stream.id, [...RESPONSE, ['content-length', '7']], true)
  t.same(rig.streamErrors, [])
  t.equal(listener.events.at(-1), 'closed clean')
})

rule(
  'a header list over the limit resets the call, and HPACK stays in step',
  (rig, t) => {
    const [a, b] = [rig.open(true), rig.open(true)]
    rig.sent()
    rig.headers(1, [...RESPONSE, ['x-big', 'v'.repeat(1_000)]]).headers(3, [...RESPONSE, ['x-new', 'w']], true)
    t.same(rig.sent(), ['rst 1 11'])
    t.same(a.events, ['closed reset 11 self'])
    t.same(b.events, [`${HEAD},x-new=w end`, 'closed clean'])
  },
  { maxListBytes: 300 },
)

rule('GOAWAY: streams above it were not processed, the others run on', (rig, t) => {
  const [a, b] = [rig.open(true), rig.open(true)]
  const c = new Listener()
  rig.listen(rig.connection.openStream(c), c)
  rig.sent()
  rig.goaway(1, 0, 'bye')
  t.same(b.events, ['closed lost true'])
  t.same(c.events, ['closed lost true'], 'nor what was not even sent')
  c.stream.sendHeaders(block(REQUEST), true)
  t.same(rig.sent(), [])
  t.equal(rig.connection.free, 0)
  t.ok(rig.events.includes('goaway 0 bye'))
  rig.headers(3, RESPONSE).data(3, 'x')
  rig.headers(1, RESPONSE, true)
  t.same(a.events, [`${HEAD} end`, 'closed clean'])
  t.equal(rig.events.at(-1), 'drained')
  t.equal(rig.failure, undefined)
})

rule('GOAWAY: who is told sends nothing on the other streams that were lost', (rig, t) => {
  const a = rig.open(true)
  const b = new Listener()
  rig.listen(rig.connection.openStream(b), b)
  rig.sent()
  a.also = event => event === 'closed lost true' && b.stream.sendHeaders(block(REQUEST), true)
  rig.goaway(0, 0, '')
  t.same(rig.sent(), [])
  t.same(b.events, ['closed lost true'])
})

rule('a character that is no octet: refused before the stream has a number', (rig, t) => {
  const call = new Listener()
  rig.listen(rig.connection.openStream(call), call)
  t.throws(() => call.stream.sendHeaders(block([...REQUEST, ['x-wide', '\u20ac']]), true), /the value of x-wide/)
  t.equal(call.stream.id, 0)
  call.stream.sendHeaders(block(REQUEST), true)
  t.same(rig.sent(), ['headers 1 :method=POST,:scheme=http,:path=/a.B/C,:authority=x,te=trailers end'])
})

rule('streams count before their HEADERS, and numbers follow the HEADERS', (rig, t) => {
  rig.settings({ 3: 2 })
  const [a, b] = [new Listener(), new Listener()]
  rig.listen(rig.connection.openStream(a), a)
  rig.listen(rig.connection.openStream(b), b)
  t.equal(rig.connection.free, 0)
  b.stream.sendHeaders(block(REQUEST), true)
  a.stream.reset(Code.CANCEL)
  t.same(a.events, [])
  t.match(rig.sent(), ['settings ack', /^headers 1 /])
  t.same(a.events, ['closed reset 8 self'])
  t.equal(rig.connection.free, 1)
  rig.settings({ 3: 9 })
  t.equal(rig.connection.free, 8)
  t.equal(rig.events.at(-1), 'free')
})

rule('reset while a response waits for its consumer: what waits is held until it was released', (rig, t) => {
  for (const by of ['peer', 'self']) {
    const call = rig.open()
    call.releases = false
    Object.assign(call, { waitingBytes: 3_000 })
    rig.headers(call.stream.id, RESPONSE).data(call.stream.id, Buffer.alloc(5_000))
    if (by === 'peer') rig.reset(call.stream.id, Code.CANCEL)
    else call.stream.reset(Code.CANCEL)
    t.equal(rig.connection.heldBytes, 3_000, by)
    call.stream.release(5_000)
    t.equal(rig.connection.heldBytes, 0)
  }
})

rule('RST_STREAM with any code after what is queued', (rig, t) => {
  for (const code of [Code.NO_ERROR, Code.CANCEL]) {
    rig.settings({ 4: 4 })
    const call = rig.open()
    const { id } = call.stream
    call.stream.sendData(Buffer.from('question'), 0, 8, true)
    call.stream.resetWhenSent(code)
    rig.sent()
    rig.window(id, 4)
    t.same(rig.sent(), [`data ${id} tion end`, `rst ${id} ${code}`])
    t.equal(call.events.at(-1), `closed reset ${code} self`)
  }
})

rule('a client that drains: no new streams, nothing said, and told when the last one is gone', (rig, t) => {
  const call = rig.open(true)
  rig.sent()
  rig.connection.drain()
  t.equal(rig.connection.free, 0)
  t.same(rig.sent(), [])
  rig.headers(1, RESPONSE, true)
  t.same([call.events.at(-1), rig.events.at(-1)], ['closed clean', 'drained'])
  rig.connection.drain()
  t.same(rig.sent(), [])
  t.equal(rig.events.filter(event => event === 'drained').length, 1)
})

rule('a client that drains asks for nothing: an ACK of a PING that it never sent makes it say no GOAWAY', (rig, t) => {
  rig.open(true)
  rig.connection.drain()
  rig.sent()
  rig.frame(FrameType.PING, Flag.ACK, 0, PING_BYTES.subarray(Ping.DRAIN * 8, Ping.DRAIN * 8 + 8))
  t.same(rig.sent(), [])
  t.equal(rig.connection.streams, 1)
})

rule('a client that drains without a stream is told so by the next flush', (rig, t) => {
  const { pending } = rig
  rig.connection.drain()
  t.notOk(rig.events.includes('drained'))
  t.equal(rig.pending, pending + 1)
  rig.sent()
  t.equal(rig.events.at(-1), 'drained')
})

for (const [name, act, token] of [
  ['HEADERS on a stream that we never opened', rig => rig.headers(1, RESPONSE), 'frame-on-idle-stream'],
  ['HEADERS on an even stream', rig => rig.headers(2, RESPONSE), 'frame-on-idle-stream'],
  ['PUSH_PROMISE', push, 'push-disabled'],
  ['ENABLE_PUSH of a server', rig => rig.settings({ 2: 1 }), 'enable-push-value'],
  ['DATA beyond the connection window', beyond, 'window-exceeded'],
] as [string, (rig: Rig) => void, string][]) {
  rule(
    name,
    (rig, t) => {
      act(rig)
      t.equal(rig.failure?.token, token)
      t.match(rig.sent().at(-1), new RegExp(`^goaway 0 ${rig.failure!.code} ${token}$`))
      for (const call of rig.listeners) t.equal(call.events.at(-1), 'closed lost false')
      // What nobody consumes, and no more of it is let in.
    },
    { maxConnectionWindow: 65_535 },
  )
}

function push(rig: Rig): void {
  const promised = Buffer.concat([Buffer.from([0, 0, 0, 2]), new HpackEncoder().encode(REQUEST)])
  rig.open(true)
  rig.frame(FrameType.PUSH_PROMISE, 4, 1, promised)
}

function beyond(rig: Rig): void {
  for (let i = 0; i < 4; i++) {
    const call = rig.open(true)
    call.releases = false
    rig.headers(call.stream.id, RESPONSE).data(call.stream.id, Buffer.alloc(16_384))
  }
}

rule('output: a congested socket gets no DATA, and small calls do not wait behind bulk', (rig, t) => {
  rig.settings({ 4: 10_000_000 }).window(0, 10_000_000)
  const bulk = rig.open()
  rig.connection.congested = true
  t.equal(bulk.stream.sendData(Buffer.alloc(1_000_000), 0, 1_000_000, false), false)
  const small = rig.open()
  t.equal(small.stream.sendData(Buffer.from('small'), 0, 5, true), false)
  t.notOk(rig.sent().some(text => text.startsWith('data')))
  rig.connection.congested = false
  const first = rig.sent()
  t.same(first.slice(0, 3), ['data 1 16384', 'data 3 small end', 'data 1 16384'])
  t.equal(first.length, 17, 'no more than maxOutputBytes')
  const size = (text: string) => (text.startsWith('data 1 ') ? Number(text.split(' ')[2]) : 0)
  let total = first.reduce((sum, text) => sum + size(text), 0)
  t.ok(total <= 262_144)
  for (let turns = 0; turns < 10; turns++) for (const frame of rig.frames()) total += frame.payload.length
  t.equal(total, 1_000_000)
  t.equal(bulk.events.at(-1), 'writable')
})

rule(
  'windows grow for a stream that drains fast',
  (rig, t) => {
    const call = rig.open(true)
    rig.headers(1, RESPONSE)
    let allowed = 65_535
    let sent = 0
    for (let trip = 0; trip < 24; trip++) {
      while (sent + 16_384 <= allowed && sent < 20_000_000) {
        rig.data(1, Buffer.alloc(16_384))
        sent += 16_384
      }
      for (const frame of rig.frames()) {
        if (frame.type === FrameType.WINDOW_UPDATE && frame.streamId === 1) allowed += frame.payload.readUInt32BE()
        if (frame.type === FrameType.PING) rig.frame(FrameType.PING, 1, 0, frame.payload)
      }
      if (rig.pieces === 1 && trip > 2) break
    }
    t.equal(rig.failure, undefined)
    t.ok(allowed - sent > (rig.pieces === 1 ? 65_536 : 1_000_000), `${allowed - sent} bytes of window`)
    t.equal(call.stream.receiveWindow.held, 0)
  },
  { initialConnectionWindow: 16_777_216 },
)

t.test('a connection ends under a stream: by whom', async t => {
  const ends: [by: 'peer' | 'self', end: (rig: Rig) => void][] = [
    ['peer', rig => rig.goaway(0, 0, '')],
    ['peer', rig => rig.connection.closed('read ECONNRESET')],
    ['self', rig => rig.connection.end('closed by the proxy')],
    ['self', push],
  ]
  for (const [by, end] of ends) {
    const rig = new Rig('client').begin()
    const call = rig.open(true)
    end(rig)
    rig.connection.closed('the socket is gone, at last')
    t.match(call.end, { kind: 'lost', by })
  }
})
