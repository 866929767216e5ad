/**
 * A slow reader stops its own sender and nobody else's: protocol.md, design.md "Flow control and
 * memory"; RFC 9113 §5.2.
 */
import type { Test } from 'tap'
import { Setting } from '../support/frames.ts'
import { answer, answered, message, open, type Pairing, RESPONSE, rig, TRAILERS } from './rig.ts'

/** Much more than the proxy may hold for one stream. */
const BODY = Buffer.alloc(6_000_000, '0123456789abcdefghijklmnop')
/**
 * What may leave a sender whose reader takes nothing: the reader's window (64 KiB), what the proxy
 * holds for a stream (`streamWindowBytes`, 256 KiB), and room for what a transport buffers between.
 */
const BOUND_BYTES = 1_000_000
/** Moved over another stream meanwhile: time in which an unbounded proxy would have taken all of BODY. */
const OTHER = Buffer.alloc(2_000_000, 'zyxwvutsrqponm')
const PLENTY = 2 ** 30

export function backPressure(t: Test, pairing: Pairing): void {
  t.test('a client that reads nothing of one stream stops that stream, and no other', async t => {
    const here = await rig(t, pairing, { client: { auto: { window: false } } })
    // The connection has window; the stream has what it started with.
    here.client.windowUpdate(0, PLENTY)
    const slow = await open(here, { endStream: true })
    slow.backend.headers(slow.backendId, RESPONSE)
    const sending = slow.backend.upload(slow.backendId, BODY)
    await slow.client.received(slow.id, 65_535)

    const other = await open(here, { endStream: true })
    here.client.windowUpdate(other.id, PLENTY)
    other.backend.headers(other.backendId, RESPONSE)
    await other.backend.upload(other.backendId, OTHER)
    other.backend.headers(other.backendId, TRAILERS, { endStream: true })
    await other.client.ended(other.id)
    t.ok(other.client.body(other.id).equals(OTHER), 'the other stream went on')
    await slow.backend.roundTrip()
    const sent = slow.backend.windows.sent(slow.backendId)
    t.ok(sent < BOUND_BYTES, `the backend stopped after ${sent} bytes`)

    here.client.windowUpdate(slow.id, PLENTY)
    await sending
    slow.backend.headers(slow.backendId, TRAILERS, { endStream: true })
    await slow.client.ended(slow.id)
    t.ok(slow.client.body(slow.id).equals(BODY), 'all of it arrives once it is read')
  })

  t.test('a backend that reads nothing of one stream stops that stream, and no other', async t => {
    const here = await rig(t, pairing, { backend: { auto: { window: false } } })
    const slow = await open(here)
    slow.backend.windowUpdate(0, PLENTY)
    const sending = slow.client.upload(slow.id, BODY, { endStream: true })
    await slow.backend.received(slow.backendId, 65_535)

    const other = await open(here)
    t.ok(other.backend === slow.backend, 'the same session')
    other.backend.windowUpdate(other.backendId, PLENTY)
    await other.client.upload(other.id, OTHER, { endStream: true })
    await other.backend.ended(other.backendId)
    t.ok(other.backend.body(other.backendId).equals(OTHER), 'the other stream went on')
    await slow.client.roundTrip()
    const sent = slow.client.windows.sent(slow.id)
    t.ok(sent < BOUND_BYTES, `the client stopped after ${sent} bytes`)

    slow.backend.windowUpdate(slow.backendId, PLENTY)
    await sending
    await slow.backend.ended(slow.backendId)
    t.ok(slow.backend.body(slow.backendId).equals(BODY), 'all of it arrives once it is read')
    for (const call of [other, slow]) {
      answer(call)
      await answered(t, call)
    }
  })

  t.test('many streams that read nothing do not stop one that does', async t => {
    const here = await rig(t, pairing, {
      client: { auto: { window: false }, settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 } },
    })
    here.client.windowUpdate(0, PLENTY)
    for (let at = 0; at < 50; at++) {
      const call = await open(here, { endStream: true })
      call.backend.headers(call.backendId, RESPONSE)
      call.backend.data(call.backendId, Buffer.alloc(10_000))
    }
    const call = await open(here, { endStream: true })
    here.client.windowUpdate(call.id, PLENTY)
    answer(call)
    await answered(t, call)
  })

  t.test('bulk both ways at once arrives whole', async t => {
    const call = await open(await rig(t, pairing))
    call.backend.headers(call.backendId, RESPONSE)
    const up = call.client.upload(call.id, BODY, { endStream: true })
    await call.backend.upload(call.backendId, BODY)
    await up
    await call.backend.ended(call.backendId)
    call.backend.headers(call.backendId, TRAILERS, { endStream: true })
    await call.client.ended(call.id)
    t.ok(call.client.body(call.id).equals(BODY), 'down')
    t.ok(call.backend.body(call.backendId).equals(BODY), 'up')
  })

  t.test('a large message arrives whole through small windows', async t => {
    const here = await rig(t, pairing, { client: { settings: { [Setting.INITIAL_WINDOW_SIZE]: 100 } } })
    const call = await open(here, { endStream: true })
    const text = 'm'.repeat(50_000)
    call.backend.headers(call.backendId, RESPONSE)
    await call.backend.upload(call.backendId, message(text))
    call.backend.headers(call.backendId, TRAILERS, { endStream: true })
    await answered(t, call, text)
  })
}
