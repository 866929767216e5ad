/** A call ends as its two ends said, and not otherwise. */
import type { Test } from 'tap'
import { Code, Flag, FrameType, Setting } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import { idle } from '../support/until.ts'
import {
  answer,
  answered,
  field,
  goesOn,
  message,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  refused,
  rig,
  TRAILERS,
} from './rig.ts'

/** No gRPC response is like that: one has trailers. */
const OLD_NODE =
  Number.parseInt(process.versions.node, 10) < 26 &&
  'Node before 26 tells a reset right behind an END_STREAM without trailers, and not the END_STREAM'

export function ends(t: Test, pairing: Pairing): void {
  requests(t, pairing)
  responses(t, pairing)
  early(t, pairing)
}

function requests(t: Test, pairing: Pairing): void {
  // PROTOCOL-HTTP2.md "Requests": "EOS is indicated by … END_STREAM … on the last received DATA frame",
  // and where the last message was sent already, "an empty DATA frame with this flag set".
  t.test('an empty DATA with END_STREAM half-closes', async t => {
    const here = await rig(t, pairing)
    const call = await open(here)
    call.client.data(call.id, message('one'))
    await call.backend.received(call.backendId, message('one').length)
    t.notOk(
      call.backend.stream(call.backendId).some(item => 'endStream' in item && item.endStream),
      'still open',
    )
    call.client.data(call.id, '', { endStream: true })
    const last = (await call.backend.ended(call.backendId)).at(-1)
    t.match(last, { kind: 'data', endStream: true })
    answer(call)
    await answered(t, call)
  })

  // grpc-go 1.85 ends its connection over request trailers, even an empty block: gRPC requests have none.
  for (const [what, trailers] of [
    ['one field', [['x-checksum', '1']]],
    ['no field', []],
  ] as const) {
    t.test(`trailers of a request, ${what}: only its end goes further`, async t => {
      const here = await rig(t, pairing)
      const call = await open(here)
      call.client.data(call.id, message('one'))
      call.client.headers(call.id, trailers as readonly Field[], { endStream: true })
      const came = await call.backend.ended(call.backendId)
      t.ok(
        came.slice(1).every(item => item.kind === 'data'),
        'no second HEADERS',
      )
      t.ok(call.backend.body(call.backendId).equals(message('one')))
      t.equal(here.proxy.violations()['request-trailers'], 1, 'counted')
      answer(call)
      await answered(t, call)
      await goesOn(t, here)
    })
  }

  t.test('trailers of a request that waits for window: its end goes with what waits', async t => {
    const here = await rig(t, pairing, { backend: { settings: { [Setting.INITIAL_WINDOW_SIZE]: 4 } } })
    const call = await open(here)
    call.client.data(call.id, message('one'))
    call.client.headers(call.id, [['x-checksum', '1']], { endStream: true })
    await call.backend.received(call.backendId, 4)
    call.backend.windowUpdate(call.backendId, 1_000)
    await call.backend.ended(call.backendId)
    t.ok(call.backend.body(call.backendId).equals(message('one')))
    answer(call)
    await answered(t, call)
  })

  t.test('a request without a body is one HEADERS with END_STREAM', async t => {
    const call = await open(await rig(t, pairing), { endStream: true })
    t.equal(call.headers.endStream, true)
    answer(call)
    await answered(t, call)
    t.equal(call.backend.stream(call.backendId).length, 1)
  })

  // protocol.md "Messages and ends": forward headers as soon as they arrive, not with the first message.
  t.test('headers are forwarded before the first message, both ways', async t => {
    const call = await open(await rig(t, pairing))
    call.backend.headers(call.backendId, RESPONSE)
    await call.client.next('headers', call.id)
    t.equal(call.client.dataBytes(call.id) + call.backend.dataBytes(call.backendId), 0)
  })

  t.test('DATA borders are not message borders', async t => {
    const call = await open(await rig(t, pairing))
    const bytes = Buffer.concat(['one', 'two', 'three'].map(message))
    for (const [start, end] of [
      [0, 2],
      [2, 17],
      [17, 18],
      [18, bytes.length],
    ] as const) {
      call.client.data(call.id, bytes.subarray(start, end), { endStream: end === bytes.length })
    }
    await call.backend.ended(call.backendId)
    t.ok(call.backend.body(call.backendId).equals(bytes))
  })

  // RFC 9113 §6.1: padding is not data.
  t.test('padded DATA arrives without its padding being taken for data', async t => {
    const call = await open(await rig(t, pairing))
    const payload = Buffer.concat([Buffer.from([10]), message('padded'), Buffer.alloc(10)])
    call.client.frame({ type: FrameType.DATA, flags: Flag.PADDED | Flag.END_STREAM, streamId: call.id, payload })
    await call.backend.ended(call.backendId)
    t.ok(call.backend.body(call.backendId).equals(message('padded')))
  })

  t.test('messages go both ways while both sides are open', async t => {
    const call = await open(await rig(t, pairing))
    call.backend.headers(call.backendId, RESPONSE)
    let bytes = 0
    for (const text of ['a', 'bb', 'ccc']) {
      bytes += message(text).length
      call.client.data(call.id, message(text))
      await call.backend.received(call.backendId, bytes)
      call.backend.data(call.backendId, message(text))
      await call.client.received(call.id, bytes)
    }
    t.ok(call.client.body(call.id).equals(call.backend.body(call.backendId)))
  })
}

function responses(t: Test, pairing: Pairing): void {
  // PROTOCOL-HTTP2.md "Responses": Trailers-Only is one HEADERS frame.
  t.test('Trailers-Only stays one HEADERS with END_STREAM', async t => {
    const call = await open(await rig(t, pairing))
    const fields: Field[] = [...RESPONSE, ['grpc-status', '16'], ['grpc-message', 'who'], ['x-why', 'because']]
    call.backend.headers(call.backendId, fields, { endStream: true })
    const came = await call.client.ended(call.id)
    t.equal(came.length, 1)
    t.match(came[0], { kind: 'headers', endStream: true })
    if (came[0]?.kind === 'headers') t.same(pairs(came[0].fields), fields)
  })

  t.test('headers and trailers without a message stay two HEADERS', async t => {
    const call = await open(await rig(t, pairing))
    call.backend.headers(call.backendId, RESPONSE)
    call.backend.headers(call.backendId, TRAILERS, { endStream: true })
    const kinds = (await call.client.ended(call.id)).filter(item => item.kind !== 'data' || item.data.length > 0)
    t.match(kinds, [
      { kind: 'headers', endStream: false },
      { kind: 'headers', endStream: true },
    ])
  })

  // protocol.md "Messages and ends": never a clean end invented, nor trailers.
  for (const last of ['body', '']) {
    t.test(`a response that ends with ${last ? 'DATA' : 'an empty DATA'} and no trailers ends the same`, async t => {
      const call = await open(await rig(t, pairing), { endStream: true })
      call.backend.headers(call.backendId, RESPONSE)
      call.backend.data(call.backendId, last, { endStream: true })
      const came = await call.client.ended(call.id)
      t.match(came.at(-1), { kind: 'data', endStream: true })
      t.equal(call.client.body(call.id).toString(), last)
      t.equal(came.filter(item => item.kind === 'headers').length, 1, 'no trailers')
    })
  }

  // http-grpc-status-mapping.md: the client maps it.
  t.test('a non-200 response goes through verbatim', async t => {
    const call = await open(await rig(t, pairing), { endStream: true })
    const fields: Field[] = [
      [':status', '503'],
      ['content-type', 'text/html'],
      ['retry-after', '7'],
    ]
    call.backend.headers(call.backendId, fields)
    call.backend.data(call.backendId, '<h1>no</h1>', { endStream: true })
    const [head] = await call.client.ended(call.id)
    if (head?.kind === 'headers') t.same(pairs(head.fields), fields)
    t.equal(call.client.body(call.id).toString(), '<h1>no</h1>')
  })

  // RFC 9110 §15: "Values outside the range 100..599 are invalid."
  for (const status of ['600', '800', '999']) {
    t.test(`a :status of ${status}: UNKNOWN, and the session goes on`, async t => {
      const here = await rig(t, pairing)
      const call = await open(here, { endStream: true })
      call.backend.headers(call.backendId, [[':status', status], ...RESPONSE.slice(1)])
      await refused(t, call.client, call.id, 2)
      await goesOn(t, here)
    })
  }

  // RFC 9110 §15.2; protocol.md "Messages and ends": 1xx responses are skipped.
  t.test('1xx responses are skipped', async t => {
    const call = await open(await rig(t, pairing), { endStream: true })
    call.backend.headers(call.backendId, [[':status', '100']])
    call.backend.headers(call.backendId, [
      [':status', '103'],
      ['link', '</x>'],
    ])
    answer(call)
    await answered(t, call)
    const statuses = call.client
      .stream(call.id)
      .map(item => field(item, ':status'))
      .filter(Boolean)
    t.same(statuses, ['200'])
  })
}

function early(t: Test, pairing: Pairing): void {
  // RFC 9113 §8.1: "A server MAY request that the client abort transmission of a request without error by
  // sending a RST_STREAM with an error code of NO_ERROR after sending a complete response". "Clients MUST
  // NOT discard responses as a result."
  t.test('early trailers, then RST_STREAM(NO_ERROR): the whole response, then the reset', async t => {
    const here = await rig(t, pairing)
    const call = await open(here)
    call.client.data(call.id, message('part of an upload'))
    await call.backend.received(call.backendId, 1)
    answer(call)
    call.backend.rst(call.backendId, Code.NO_ERROR)
    await answered(t, call)
    t.match(await call.client.next('rst', call.id), { code: Code.NO_ERROR })
    await goesOn(t, here)
  })

  t.test('early Trailers-Only, then RST_STREAM(NO_ERROR): the same', async t => {
    const here = await rig(t, pairing)
    const call = await open(here)
    call.backend.headers(call.backendId, [...RESPONSE, ['grpc-status', '7']], { endStream: true })
    call.backend.rst(call.backendId, Code.NO_ERROR)
    const came = await call.client.ended(call.id)
    t.equal(field(came[0], 'grpc-status'), '7')
    t.match(await call.client.next('rst', call.id), { code: Code.NO_ERROR })
    await goesOn(t, here)
  })

  // Node before 26 keeps a stream whose RST_STREAM(NO_ERROR) comes while its request waits for window and its response
  // for a reader.
  t.test('an early response, read slowly, of a request that nobody reads: all of it, and nothing stays', async t => {
    const here = await rig(t, pairing, {
      backend: { auto: { window: false } },
      client: { auto: { window: false }, settings: { [Setting.INITIAL_WINDOW_SIZE]: 1_000 } },
    })
    here.client.windowUpdate(0, 1_000_000)
    const call = await open(here)
    // More than the backend has window for, less than the proxy holds.
    const uploading = call.client.upload(call.id, Buffer.alloc(200_000, 'up'), { endStream: true })
    await call.backend.received(call.backendId, 65_535)
    const body = Buffer.alloc(60_000, 'down')
    call.backend.headers(call.backendId, RESPONSE)
    for (let at = 0; at < body.length; at += 15_000) call.backend.data(call.backendId, body.subarray(at, at + 15_000))
    call.backend.headers(call.backendId, TRAILERS, { endStream: true })
    call.backend.rst(call.backendId, Code.NO_ERROR)
    await call.client.received(call.id, 1_000)
    await call.backend.roundTrip()
    here.client.windowUpdate(call.id, 100_000)
    await call.client.ended(call.id)
    t.ok(call.client.body(call.id).equals(body), 'all of the response')
    await uploading
    await idle(here.proxy)
    await goesOn(t, here)
  })

  // Node keeps a stream that is closed with this code while writes of it wait for window.
  for (const ended of [true, false]) {
    const request = ended ? 'a whole request' : 'a request that goes on'
    t.test(`${request}, a cut response and RST_STREAM(NO_ERROR), a client without window: nothing stays`, async t => {
      const here = await rig(t, pairing, {
        client: { auto: { window: false }, settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 } },
      })
      const call = await open(here, { endStream: ended })
      call.backend.headers(call.backendId, RESPONSE)
      call.backend.data(call.backendId, message('whole').subarray(0, 8))
      await call.backend.roundTrip()
      call.backend.rst(call.backendId, Code.NO_ERROR)
      t.match(await call.client.next('rst', call.id), { code: Code.NO_ERROR })
      await idle(here.proxy)
    })
  }

  for (const name of ['NO_ERROR', 'CANCEL', 'INTERNAL_ERROR'] as const) {
    const code = Code[name]
    for (const trailers of [true, false]) {
      const end = trailers ? 'trailers' : 'END_STREAM'
      const skip = !trailers && pairing.upstream === 'native' && OLD_NODE
      t.test(
        `a slow client, a whole response of 200,005 bytes and ${end}, then ${name}: all of it`,
        { skip },
        async t => {
          const here = await rig(t, pairing, { client: { auto: { window: false } } })
          const call = await open(here)
          const body = message('down'.repeat(50_000))
          call.backend.headers(call.backendId, RESPONSE)
          await call.backend.upload(call.backendId, body, { endStream: !trailers })
          if (trailers) call.backend.headers(call.backendId, TRAILERS, { endStream: true })
          call.backend.rst(call.backendId, code)
          await call.backend.roundTrip()
          await call.client.received(call.id, 65_535)
          here.client.windowUpdate(0, 1_000_000)
          for (let at = 65_535; at < body.length; at += 20_000) {
            here.client.windowUpdate(call.id, 20_000)
            await call.client.received(call.id, Math.min(body.length, at + 20_000))
          }
          t.match((await call.client.ended(call.id)).at(-1), { kind: trailers ? 'headers' : 'data', endStream: true })
          t.ok(call.client.body(call.id).equals(body), 'all of the response')
          t.match(await call.client.next('rst', call.id), { code }, 'then the reset')
          await idle(here.proxy)
          await goesOn(t, here)
        },
      )
    }
  }

  // §5.1: the half-closed stream may still be sent on.
  t.test('early trailers without a reset: the rest of the request still arrives', async t => {
    const call = await open(await rig(t, pairing))
    answer(call)
    await answered(t, call)
    call.client.data(call.id, message('the rest'), { endStream: true })
    await call.backend.ended(call.backendId)
    t.ok(call.backend.body(call.backendId).equals(message('the rest')))
  })
}
