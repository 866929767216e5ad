/**
 * The suite without a proxy: against the grpc-js server and the node:http2 server, or, with
 * TEST_BACKEND=host:port, against whatever listens there.
 */
import t from 'tap'
import { startTestServer } from '../../src/demo/http2-server.ts'
import { TestServiceClient } from './client.ts'
import { startGrpcServer } from './server.ts'
import { testServiceSuite } from './suite.ts'

const foreign = process.env.TEST_BACKEND

if (foreign) {
  t.test(`directly: ${foreign}`, t => testServiceSuite(t, { address: foreign }))
} else {
  t.test('directly: grpc-js', async t => {
    const server = await startGrpcServer({ name: 'grpc-js' })
    t.teardown(() => server.close())
    await testServiceSuite(t, { address: server.address, servers: ['grpc-js'] })
  })

  t.test('directly: node:http2', async t => {
    const server = await startTestServer({ name: 'http2' })
    t.teardown(() => server.close())
    await testServiceSuite(t, { address: server.address, servers: ['http2'] })
  })

  t.test('Health: Watch tells a change', async t => {
    const server = await startTestServer({ name: 'http2' })
    t.teardown(() => server.close())
    const client = new TestServiceClient(server.address)
    t.teardown(() => client.close())
    const call = client.list('Watch', { service: '' })
    t.match(await call.next(), { status: 'SERVING' })
    server.service.health.set('', 'NOT_SERVING')
    t.match(await call.next(), { status: 'NOT_SERVING' })
    call.cancel()
    await call.end
  })
}
