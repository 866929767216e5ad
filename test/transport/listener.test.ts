/** What a listening socket does for the connections that it accepts, and where it listens. */
import { readFileSync } from 'node:fs'
import net from 'node:net'
import t, { type Test } from 'tap'
import { createProxy } from '../../src/index.ts'
import { running } from '../contract/rig.ts'
import { PAIRING } from '../proxy/rig.ts'
import { certificates } from '../support/certs.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

const BACKENDS = { backends: { main: { endpoints: ['127.0.0.1:1'] } } }

/** Of /proc/net/tcp, "tr": a keepalive timer is what the connection waits for. */
const KEEPALIVE_TIMER = '02'

/** Which timer the accepted end of a connection on this machine has, as Linux shows it. */
function timerOf(port: number, clientPort: number): string | undefined {
  const hex = (number: number) => number.toString(16).toUpperCase().padStart(4, '0')
  const lines = readFileSync('/proc/net/tcp', 'latin1').split('\n')
  const line = lines.find(one => one.includes(`0100007F:${hex(port)} 0100007F:${hex(clientPort)} `))
  return line?.trim().split(/\s+/)[5]?.slice(0, 2)
}

async function hasKeepalive(t: Test, port: number, client: RawClient, wanted = true): Promise<void> {
  await client.roundTrip()
  const timer = () => timerOf(port, client.socket.localPort!)
  // Until our last bytes are acknowledged the timer is that of retransmission.
  await until('nothing is on its way', () => timer() !== '01')
  t.equal(timer() === KEEPALIVE_TIMER, wanted, `timer ${timer()}`)
}

const skip = process.platform === 'linux' ? false : 'only Linux shows the timers of a socket'

t.test('TCP asks whether a client that is silent is still there', { skip }, async t => {
  const tls = await certificates()
  for (const transport of ['frames', 'native'] as const) {
    const pairing = { ...PAIRING, downstream: transport }
    const plain = await running(t, pairing, BACKENDS)
    await hasKeepalive(t, plain.port, await RawClient.connect(t, plain.port))
    const secure = await running(t, pairing, BACKENDS, tls)
    await hasKeepalive(t, secure.port, await RawClient.connect(t, secure.port, { tls: { ca: tls.ca.cert } }))
    const off = await running(t, pairing, { ...BACKENDS, limits: { tcpKeepaliveMs: 0 } })
    await hasKeepalive(t, off.port, await RawClient.connect(t, off.port), false)
  }
})

t.test('also of connections that others accepted', { skip }, async t => {
  const proxy = createProxy(BACKENDS)
  t.teardown(() => proxy.close())
  const server = net.createServer(proxy.connection)
  t.teardown(() => server.close())
  const { port } = await new Promise<net.AddressInfo>(resolve => {
    server.listen(0, '127.0.0.1', () => resolve(server.address() as net.AddressInfo))
  })
  await hasKeepalive(t, port, await RawClient.connect(t, port))
})
