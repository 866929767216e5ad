/** A configuration comes to a worker as it is: all of it is data, and sources of endpoints are made again. */
import { deserialize, serialize } from 'node:v8'
import t from 'tap'
import { resolveConfig } from '../../src/config/resolve.ts'
import { dataOf, setupOf } from '../../src/workers/setup-data.ts'

t.test('nothing of a configuration is lost on its way to a worker', async t => {
  const { config } = resolveConfig({
    listeners: [{ address: '127.0.0.1:0' }, { address: 'unix:/tmp/a.sock', socketMode: '0600' }],
    backends: {
      list: { endpoints: ['127.0.0.1:1', { address: '127.0.0.1:2', weight: 3 }], health: {}, outliers: {} },
      file: { source: { file: 'endpoints.yaml' } },
      name: { source: { dns: 'https://backend.test:443' }, tls: { serverName: 'backend.test' } },
      service: { source: { srv: '_grpc._tcp.backend.test', servers: ['127.0.0.1:5353'] } },
    },
    routes: [
      { match: { service: 'a.B', metadata: { 'x-kind': { present: true } } }, backend: 'list' },
      {
        match: {},
        backends: [
          { backend: 'file', weight: 1 },
          { backend: 'name', weight: 2 },
        ],
      },
    ],
    metrics: true,
    log: { access: { errors: true } },
    workers: 2,
  })
  const { workers: _, ...wanted } = config
  const arrived = await setupOf(deserialize(serialize(dataOf(config))))
  t.strictSame(arrived, wanted)
  for (const name of ['file', 'name', 'service']) {
    const [before, after] = [config, arrived].map(({ backends }) => backends[name]!.source)
    t.equal(after!.constructor, before!.constructor, name)
    t.type(after!.open, 'function')
  }
})
