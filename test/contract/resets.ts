/** Resets cross the proxy with an honest code, and never become a clean end. */
import type { Test } from 'tap'
import { Code, Setting } from '../support/frames.ts'
import { idle } from '../support/until.ts'
import {
  broken,
  goesOn,
  message,
  neverEnded,
  open,
  type Pairing,
  RESPONSE,
  refused,
  requestFields,
  rig,
} from './rig.ts'

/**
 * grpc-status of a reset before response headers: PROTOCOL-HTTP2.md, "Errors". STREAM_CLOSED has "no
 * mapping", HTTP_1_1_REQUIRED is not in the table: UNKNOWN. (REFUSED_STREAM is retried first.)
 */
const STATUS: Readonly<Record<keyof typeof Code, number>> = {
  NO_ERROR: 13,
  PROTOCOL_ERROR: 13,
  INTERNAL_ERROR: 13,
  FLOW_CONTROL_ERROR: 13,
  SETTINGS_TIMEOUT: 13,
  STREAM_CLOSED: 2,
  FRAME_SIZE_ERROR: 13,
  REFUSED_STREAM: 14,
  CANCEL: 1,
  COMPRESSION_ERROR: 13,
  CONNECT_ERROR: 13,
  ENHANCE_YOUR_CALM: 8,
  INADEQUATE_SECURITY: 7,
  HTTP_1_1_REQUIRED: 2,
}
const CODES = Object.entries(Code) as [keyof typeof Code, number][]

export function resets(t: Test, pairing: Pairing): void {
  fromBackend(t, pairing)
  fromClient(t, pairing)
  whileBlocked(t, pairing)
}

function fromBackend(t: Test, pairing: Pairing): void {
  t.test('backend resets before a response: the status of the table', async t => {
    const here = await rig(t, pairing)
    for (const [name, code] of CODES) {
      await t.test(name, async t => {
        const call = await open(here, { endStream: true })
        call.backend.rst(call.backendId, code)
        if (code === Code.REFUSED_STREAM) {
          const again = await here.backend.request()
          again.connection.rst(again.streamId, code)
          t.match(await call.client.ended(call.id), [{ kind: 'rst', code }], 'the client may try again')
          return
        }
        await refused(t, call.client, call.id, STATUS[name])
      })
    }
    await goesOn(t, here)
  })

  // protocol.md "When the proxy must answer by itself": after headers, and between two messages, trailers of ours.
  for (const body of [Buffer.alloc(0), message('one'), Buffer.concat([message('one'), message('')])]) {
    t.test(
      `backend resets after headers and ${body.length} bytes, whole messages: trailers with the status`,
      async t => {
        const here = await rig(t, pairing)
        for (const [name, code] of CODES) {
          await t.test(name, async t => {
            const call = await open(here, { endStream: true })
            call.backend.headers(call.backendId, RESPONSE)
            if (body.length > 0) call.backend.data(call.backendId, body)
            await call.client.next('headers', call.id)
            await call.client.received(call.id, body.length)
            call.backend.rst(call.backendId, code)
            await broken(t, call, STATUS[name])
            t.ok(call.client.body(call.id).equals(body))
          })
        }
        await goesOn(t, here)
      },
    )
  }

  // … in the middle of one RST_STREAM with the upstream's code, never a NO_ERROR of our own.
  for (const missing of [1, 'message'.length, 'message'.length + 4]) {
    t.test(`backend resets ${missing} bytes before the end of a message: the same code, never a clean end`, async t => {
      const here = await rig(t, pairing)
      for (const [name, code] of CODES) {
        await t.test(name, async t => {
          const call = await open(here, { endStream: true })
          const part = message('message').subarray(0, -missing)
          call.backend.headers(call.backendId, RESPONSE)
          call.backend.data(call.backendId, part)
          await call.client.received(call.id, part.length)
          call.backend.rst(call.backendId, code)
          t.match(await call.client.next('rst', call.id), { code })
          neverEnded(t, call.client, call.id)
        })
      }
      await goesOn(t, here)
    })
  }
}

function fromClient(t: Test, pairing: Pairing): void {
  // Rust's h2 ends a session after some 20 of such pairs, with the calls of everybody on it.
  t.test('HEADERS and RST_STREAM that come together: neither is sent', async t => {
    const here = await rig(t, pairing)
    await goesOn(t, here)
    const before = here.backend.requests.length
    here.client.socket.cork()
    for (let i = 0; i < 30; i++) {
      const id = here.client.request(requestFields([], '/attack/Pair'))
      here.client.data(id, message('x'))
      here.client.rst(id, Code.CANCEL)
    }
    here.client.socket.uncork()
    await here.client.roundTrip()
    await goesOn(t, here)
    t.equal(here.backend.requests.length, before + 1, 'only the call after them')
    t.notOk(here.backend.connections[0]!.log.some(item => item.kind === 'rst'))
  })

  // protocol.md "Messages and ends": client reset → RST_STREAM(CANCEL) upstream at once.
  t.test('client resets: the backend sees CANCEL', async t => {
    const here = await rig(t, pairing)
    for (const [name, code] of CODES) {
      await t.test(`${name}, before a response`, async t => {
        const call = await open(here)
        call.client.rst(call.id, code)
        t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
        neverEnded(t, call.backend, call.backendId)
      })
      await t.test(`${name}, after response headers`, async t => {
        const call = await open(here)
        call.backend.headers(call.backendId, RESPONSE)
        await call.client.next('headers', call.id)
        call.client.rst(call.id, code)
        t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
        neverEnded(t, call.backend, call.backendId)
      })
    }
    await goesOn(t, here)
  })

  t.test('client resets after its half-close: the backend sees CANCEL', async t => {
    const here = await rig(t, pairing)
    const call = await open(here, { endStream: true })
    call.client.rst(call.id, Code.CANCEL)
    t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
    await goesOn(t, here)
  })

  t.test('client resets before the backend is there: nothing is opened', async t => {
    const here = await rig(t, pairing, { backend: { greet: false } })
    const id = here.client.request(requestFields())
    const connection = await here.backend.connection()
    here.client.rst(id, Code.CANCEL)
    await here.client.roundTrip()
    connection.greet()
    await goesOn(t, here)
    t.equal(here.backend.requests.length, 1, 'the cancelled call never came')
  })
}

function whileBlocked(t: Test, pairing: Pairing): void {
  for (const endStream of [false, true]) {
    const what = endStream ? 'and its END_STREAM queued' : 'queued'
    t.test(`client resets with request data ${what} against a closed window: CANCEL, at once`, async t => {
      const here = await rig(t, pairing, {
        backend: { auto: { window: false }, settings: { [Setting.INITIAL_WINDOW_SIZE]: 1000 } },
      })
      const call = await open(here)
      call.client.data(call.id, Buffer.alloc(16_000), { endStream })
      await call.backend.received(call.backendId, 1000)
      await call.client.roundTrip()
      call.client.rst(call.id, Code.CANCEL)
      t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
      neverEnded(t, call.backend, call.backendId)
      t.equal(call.backend.dataBytes(call.backendId), 1000)
      await goesOn(t, here)
    })
  }

  for (const ended of [false, true]) {
    const what = ended ? 'a whole response' : 'response data'
    t.test(`client resets with ${what} queued against its closed window: CANCEL, at once`, async t => {
      const here = await rig(t, pairing, { client: { settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 } } })
      const call = await open(here)
      call.backend.headers(call.backendId, RESPONSE)
      call.backend.data(call.backendId, Buffer.alloc(16_000))
      if (ended) call.backend.headers(call.backendId, [['grpc-status', '0']], { endStream: true })
      await call.client.next('headers', call.id)
      await call.backend.roundTrip()
      call.client.rst(call.id, Code.CANCEL)
      // The client's side is open, so the backend's stream is still there to be reset.
      t.match(await call.backend.next('rst', call.backendId), { code: Code.CANCEL })
      neverEnded(t, call.client, call.id)
    })
  }

  for (const whole of [false, true]) {
    const what = whole ? 'whole messages, then trailers of ours' : 'half a message, then a reset'
    t.test(`backend resets with response data queued against a closed window: ${what}`, async t => {
      const here = await rig(t, pairing, {
        client: { auto: { window: false }, settings: { [Setting.INITIAL_WINDOW_SIZE]: 1000 } },
      })
      const call = await open(here, { endStream: true })
      call.backend.headers(call.backendId, RESPONSE)
      // An empty message has five zeros.
      const body = Buffer.alloc(whole ? 16_000 : 15_999)
      call.backend.data(call.backendId, body)
      await call.client.received(call.id, 1000)
      call.backend.rst(call.backendId, Code.INTERNAL_ERROR)
      await call.backend.roundTrip()
      if (!whole) {
        t.match(await call.client.next('rst', call.id), { code: Code.INTERNAL_ERROR })
        return neverEnded(t, call.client, call.id)
      }
      call.client.windowUpdate(call.id, 20_000)
      await broken(t, call, 13, 'upstream-reset')
      t.ok(call.client.body(call.id).equals(body), 'all that had come')
      await idle(here.proxy)
    })
  }
}
