/** Node's own HTTP/2 (nghttp2) as the other end: its header blocks, and what it makes of ours. */
import http2 from 'node:http2'
import net from 'node:net'
import t from 'tap'
import { HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { HpackEncoder } from '../../../src/wire/hpack/encoder.ts'
import { fieldOf } from '../../../src/wire/hpack/interning.ts'
import { Flag, FrameReader, FrameType, settingsPayload, writeFrame } from '../../support/frames.ts'
import { decode, dice, encode } from './support.ts'

const CALLS = 200

/** A server on plain sockets that answers each request with the fields that it came with. */
async function echo(t: { teardown(run: () => unknown): void }, tableBytes: number): Promise<number> {
  const server = net.createServer(socket => {
    const [reader, decoder, encoder] = [new FrameReader(), new HpackDecoder(), new HpackEncoder()]
    let preface = 24
    const send = (type: number, flags: number, streamId: number, payload: Buffer) =>
      socket.write(writeFrame({ type, flags, streamId, payload }))
    // SETTINGS_HEADER_TABLE_SIZE is 1.
    send(FrameType.SETTINGS, 0, 0, settingsPayload({ 1: tableBytes }))
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      const skip = Math.min(preface, chunk.length)
      preface -= skip
      for (const { type, flags, streamId, payload } of reader.push(chunk.subarray(skip))) {
        if (type === FrameType.SETTINGS && flags & Flag.ACK) decoder.setLimit(tableBytes)
        else if (type === FrameType.SETTINGS) {
          for (let i = 0; i < payload.length; i += 6) {
            if (payload.readUInt16BE(i) === 1) encoder.setLimit(payload.readUInt32BE(i + 2))
          }
          send(FrameType.SETTINGS, Flag.ACK, 0, Buffer.alloc(0))
        } else if (type === FrameType.HEADERS) {
          const fields = decode(decoder, payload.subarray(flags & Flag.PRIORITY ? 5 : 0))
          const answer = [fieldOf(':status', '200'), ...fields.filter(field => !field.name.startsWith(':'))]
          send(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, streamId, encode(encoder, answer))
        }
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as net.AddressInfo).port
}

for (const [tableBytes, peerBytes] of [
  [4096, 4096],
  [4096, 65_536],
  [4096, 0],
  [0, 4096],
  [256, 300],
] as const) {
  t.test(`${CALLS} calls, our table ${tableBytes} bytes, Node's ${peerBytes}`, async t => {
    const port = await echo(t, tableBytes)
    const client = http2.connect(`http://127.0.0.1:${port}`, { settings: { headerTableSize: peerBytes } })
    const roll = dice(tableBytes + peerBytes)
    for (let i = 0; i < CALLS; i++) {
      const headers: http2.OutgoingHttpHeaders = {
        ':path': `/a.B/M${roll(5)}`,
        'content-type': 'application/grpc',
        te: 'trailers',
        [`x-${roll(4)}`]: `${roll(6)}`.repeat(1 + roll(200)),
        traceparent: `00-${roll(2 ** 30).toString(16)}-${i}-01`,
        authorization: roll(2) === 0 ? 'Basic short' : `Bearer ${'t'.repeat(roll(900))}`,
        etag: '39',
        [http2.sensitiveHeaders]: roll(3) === 0 ? ['x-1', 'x-2'] : [],
      }
      const got = await new Promise<http2.IncomingHttpHeaders>((resolve, reject) => {
        const request = client.request(headers, { endStream: true })
        request.on('response', resolve).on('error', reject).resume()
      })
      for (const [name, value] of Object.entries(headers)) {
        if (!name.startsWith(':') && got[name] !== value) t.fail(`call ${i}: ${name} is ${got[name]}, not ${value}`)
      }
    }
    client.destroy()
    t.pass('all came back')
  })
}
