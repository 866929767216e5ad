/** TLS sessions to endpoints are resumed, also after a change of the limits. */
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { createProxy, type ProxyOptions } from '../../src/index.ts'
import { answer, requestFields } from '../contract/rig.ts'
import { certificates } from '../support/certs.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import { until } from '../support/until.ts'

const { ca, server, strangerCa } = await certificates()

for (const transport of ['frames', 'native'] as const) {
  t.test(`${transport}: a session to an endpoint is resumed, also after the limits have changed`, async t => {
    const backend = await RawServer.listen(t, { tls: { cert: server.cert, key: server.key } })
    const options = (limits: ProxyOptions['limits'], trusted = ca.cert): ProxyOptions => ({
      log: { level: 'silent' },
      listeners: [{ address: '127.0.0.1:0' }],
      backends: {
        main: { endpoints: [backend.url], tls: { ca: Buffer.from(trusted), serverName: 'localhost' }, transport },
      },
      limits,
    })
    const proxy = createProxy(options({}))
    t.teardown(() => proxy.close())
    const [bound] = await proxy.start()
    const client = await RawClient.connect(t, bound!.port)
    /** Whether the session that a call is sent on is a resumed one. It ends with the call. */
    const isResumed = async () => {
      const id = client.request(requestFields(), { endStream: true })
      const { connection, streamId } = await backend.request()
      answer({ backend: connection, backendId: streamId })
      await client.ended(id)
      const resumed = (connection.socket as TLSSocket).isSessionReused()
      connection.destroy()
      await until('the session is gone', () => proxy.counts().backendSessions === 0)
      return resumed
    }
    t.equal(await isResumed(), false, 'the first')
    t.equal(await isResumed(), true)
    await proxy.apply(options({ maxHeaderFields: 123 }))
    t.equal(await isResumed(), true, 'after a change of the limits')
    await proxy.apply(options({ maxHeaderFields: 123 }, `${strangerCa.cert}\n${ca.cert}`))
    t.equal(await isResumed(), false, 'other authorities have not checked it')
    t.equal(await isResumed(), true)
  })
}
