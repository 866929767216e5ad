import http2 from 'node:http2'
import net from 'node:net'
import t from 'tap'
import { arrival } from './arrival.ts'

t.test('a connection that is closed before a response: who waits for one hears of it', async t => {
  const server = net.createServer(socket => socket.resume().end())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const session = http2.connect(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`)
  session.on('error', () => {})
  await t.rejects(arrival(session.request({ ':path': '/a' }), 'response'), { message: "it closed before 'response'" })
})
