/** Clients that do not speak HTTP/2: answered where they can read it, else closed; others do not notice. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import { closing } from '../support/teardown.ts'
import { answer, answered, goesOn, open, type Pairing, rig } from './rig.ts'

async function dial(t: Test, port: number): Promise<Socket> {
  const socket = closing(t, connect(port, '127.0.0.1'))
  await once(socket, 'connect')
  return socket
}

/** All that comes until the other side ends. */
async function rest(socket: Socket): Promise<string> {
  const parts: Buffer[] = []
  socket.on('data', part => parts.push(Buffer.from(part)))
  socket.on('error', () => {})
  await once(socket, 'close')
  return Buffer.concat(parts).toString('latin1')
}

export function strangers(t: Test, pairing: Pairing): void {
  // RFC 9110 §15.6.6: 505 for a major version that is not supported. Whoever points curl at it can read it.
  for (const line of ['GET / HTTP/1.1', 'POST /pkg.Service/Method HTTP/1.0']) {
    t.test(`an HTTP/1 client gets 505: ${line}`, async t => {
      const here = await rig(t, pairing)
      const call = await open(here)
      const socket = await dial(t, here.port)
      socket.write(`${line}\r\nHost: localhost\r\n\r\n`)
      t.match(await rest(socket), /^HTTP\/1\.1 505 [^\r\n]+\r\n(.+\r\n)+\r\n/)
      answer(call)
      await answered(t, call)
      await goesOn(t, here)
    })
  }

  t.test('an HTTP/1 client that is cut into single octets gets 505', async t => {
    const here = await rig(t, pairing)
    const socket = (await dial(t, here.port)).setNoDelay(true)
    for (const octet of 'GET / HTTP/1.1\r\n\r\n') {
      if (!socket.destroyed) socket.write(octet)
      await here.client.roundTrip()
    }
    t.match(await rest(socket), /^HTTP\/1\.1 505 /)
  })

  const garbage: readonly (readonly [string, string])[] = [
    ['garbage', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a preface that is nearly right', 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'],
  ]
  for (const [what, bytes] of garbage) {
    t.test(`${what} is closed`, async t => {
      const here = await rig(t, pairing)
      const call = await open(here)
      const socket = await dial(t, here.port)
      socket.write(Buffer.from(bytes, 'latin1'))
      await rest(socket)
      answer(call)
      await answered(t, call)
      await goesOn(t, here)
    })
  }

  for (const [what, bytes] of [
    ['silence', ''],
    ['half a preface', 'PRI * HT'],
  ] as const) {
    t.test(`${what} is closed after the time for the preface`, async t => {
      const here = await rig(t, pairing, { proxy: { limits: { prefaceTimeoutMs: 500 } } })
      const call = await open(here)
      const socket = await dial(t, here.port)
      socket.write(bytes)
      await rest(socket)
      answer(call)
      await answered(t, call)
      await goesOn(t, here)
    })
  }

  t.test('a client that connects and leaves is nobody', async t => {
    const here = await rig(t, pairing)
    for (let round = 0; round < 5; round++) (await dial(t, here.port)).destroy()
    await goesOn(t, here)
  })
}
