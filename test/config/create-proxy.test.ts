import { Writable } from 'node:stream'
import pino from 'pino'
import t from 'tap'
import { ConfigError } from '../../src/config/problems.ts'
import { createProxy } from '../../src/index.ts'

const quiet = pino({ level: 'silent' })

t.test('an address, options or a director make a proxy that can listen', async t => {
  const backends = { greeter: { endpoints: ['127.0.0.1:1'] } }
  for (const proxy of [
    createProxy({ backends, logger: quiet }),
    createProxy({ director: () => undefined, logger: quiet }),
    createProxy({ backends, routes: [{ match: { service: 'a.B' }, deny: 'UNIMPLEMENTED' }], logger: quiet }),
  ]) {
    const { address, port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
    t.equal(address, `127.0.0.1:${port}`)
    await proxy.close()
  }
  await createProxy('http://127.0.0.1:1').close()
})

t.test('workers are for the command: a program says so at once, when it begins and when it changes', async t => {
  const options = { backends: { main: { endpoints: ['localhost:1'] } }, workers: 2 }
  const sentence = { name: 'ConfigError', message: /^workers: is for `grpc-verbatim serve`/ }
  t.throws(() => createProxy(options), sentence)
  const proxy = createProxy('localhost:1')
  t.teardown(() => proxy.close())
  await t.rejects(proxy.apply(options), sentence)
})

t.test('bad options throw before anything is opened', async t => {
  t.throws(() => createProxy('127.0.0.1'), {
    name: 'ConfigError',
    message: 'backends.default.endpoints[0]: "127.0.0.1" has no port: write host:port',
  })
  // @ts-expect-error: the types refuse it too
  const wrong = (): unknown => createProxy({ backend: {}, limits: { replayBytes: -1 } })
  t.throws(wrong, ConfigError)
})

t.test('warnings go to the log', async t => {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const backends = { a: { endpoints: ['127.0.0.1:1', '127.0.0.1:1'] } }
  await createProxy({ backends, logger: pino(destination) }).close()
  t.match(lines.join(''), /"level":40,.*backends\.a\.endpoints\[1\]: the same address as endpoints\[0\]/)
})
