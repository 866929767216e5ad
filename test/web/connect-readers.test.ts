/** Clients of Connect that take nothing of what waits for them. */
import t from 'tap'
import { answer, type Call, message, RESPONSE, TRAILERS } from '../contract/rig.ts'
import { RawClient } from '../support/raw-client.ts'
import { idle } from '../support/until.ts'
import { arrived, FRAMES, type WebRig, webFields, webRig } from './rig.ts'

const UNARY = { 'content-type': 'application/proto', 'connect-protocol-version': '1', 'content-length': '0' }
const STREAM = { 'content-type': 'application/connect+proto', 'connect-protocol-version': '1' }
const PLENTY = 2 ** 30

/** Much more than the proxy may hold for one stream. */
const BODY = Buffer.alloc(3_000_000, '0123456789abcdef')
/** The window of the client, what the proxy holds for a stream, and what a transport buffers between. */
const BOUND_BYTES = 1_000_000

t.test('a stream: one that reads nothing stops its backend, and gets everything in the end', async t => {
  const rig = await webRig(t, FRAMES)
  const client = await RawClient.connect(t, rig.port, { auto: { window: false } })
  client.windowUpdate(0, PLENTY)
  const id = client.request(webFields(STREAM), { endStream: true })
  const { backend, backendId } = await arrived(rig)
  backend.headers(backendId, RESPONSE)
  const sending = backend.upload(backendId, BODY)
  await client.received(id, 65_535)
  await backend.roundTrip()
  const sent = backend.windows.sent(backendId)
  t.ok(sent < BOUND_BYTES, `the backend stopped after ${sent} bytes`)
  client.windowUpdate(id, PLENTY)
  await sending
  backend.headers(backendId, TRAILERS, { endStream: true })
  await client.ended(id)
  const got = client.body(id)
  t.ok(got.subarray(0, BODY.length).equals(BODY))
  t.equal(got.toString('latin1', BODY.length), '\x02\0\0\0\x02{}')
  await idle(rig.proxy)
})

/** A unary call whose answer has so many bytes, where the proxy takes them. */
async function unary(rig: WebRig, client: RawClient, bytes: number): Promise<number> {
  const id = client.request(webFields(UNARY), { endStream: true })
  const { backend, backendId } = await arrived(rig)
  backend.headers(backendId, RESPONSE)
  const sent = backend.upload(backendId, message('x'.repeat(bytes))).then(() => true)
  const reset = backend.next('rst', backendId).then(() => false)
  // Of the two the one that does not come fails when the connection ends.
  const isSent = await Promise.race([sent, reset].map(one => one.catch(() => false)))
  if (isSent) backend.headers(backendId, TRAILERS, { endStream: true })
  return id
}

t.test('unary: an answer counts in the memory of its client until that has taken it', async t => {
  const rig = await webRig(t, FRAMES, { limits: { maxCallBytes: 1_048_576 } })
  const client = await RawClient.connect(t, rig.port, { auto: { window: false } })
  client.windowUpdate(0, PLENTY)
  const statusOf = async (id: number) =>
    (await client.next('headers', id)).fields.find(({ name }) => name === ':status')?.value
  const first = await unary(rig, client, 400_000)
  t.equal(await statusOf(first), '200')
  await client.received(first, 65_535)
  t.equal(await statusOf(await unary(rig, client, 400_000)), '429', 'a second one is more than its part')
  const other = await RawClient.connect(t, rig.port)
  const id = await unary(rig, other, 200_000)
  await other.received(id, 200_000)
  client.windowUpdate(first, PLENTY)
  await client.received(first, 400_000)
  t.equal(client.body(first).toString('latin1'), 'x'.repeat(400_000))
  await client.roundTrip()
  t.equal(await statusOf(await unary(rig, client, 400_000)), '200', 'it is free again')
})

t.test('unary: what waits for one that leaves is given up', async t => {
  const rig = await webRig(t, FRAMES, { limits: { maxCallBytes: 1_048_576 } })
  const client = await RawClient.connect(t, rig.port, { auto: { window: false } })
  const id = await unary(rig, client, 400_000)
  await client.next('headers', id)
  client.rst(id, 8)
  await client.roundTrip()
  await idle(rig.proxy)
  client.windowUpdate(0, PLENTY)
  const next = client.request(webFields(UNARY), { endStream: true })
  const { backend, backendId } = await arrived(rig)
  answer({ backend, backendId } as Call)
  await client.ended(next)
  t.equal(client.body(next).toString('latin1'), 'hello')
})
