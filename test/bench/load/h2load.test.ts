/** h2load: what it says is read right, and it and our own load agree on the same backends. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { h2load, parseH2load } from '../../../bench/load/h2load.ts'
import { load } from '../../../bench/load/load.ts'
import { BULK_BYTES, BULK_PATH, openWorld, SMALL_BYTES, SMALL_PATH } from '../../../bench/subjects/world.ts'

const REPORT = `starting benchmark...
spawning thread #0: 10 total client(s). 20000 total requests
Application protocol: h2c
progress: 100% done

finished in 245.51ms, 81464.34 req/s, 6.06MB/s
requests: 20000 total, 20000 started, 20000 done, 19999 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 19999 2xx, 0 3xx, 1 4xx, 0 5xx
traffic: 1.49MB (1560640) total, 156.88KB (160640) headers (space savings 94.98%), 761.72KB (780000) data
                     min         max         mean         sd        +/- sd
time for request:      110us      8.80ms      1.18ms       612us    82.11%
`

t.test('what it says', async t => {
  const read = { seconds: 0.24551, total: 20_000, succeeded: 19_999, ok: 19_999, dataBytes: 780_000 }
  t.same(parseH2load(REPORT), read)
  for (const [text, seconds] of [
    ['1.50s', 1.5],
    ['812us', 0.000812],
    ['2.00m', 120],
  ] as const) {
    t.ok(Math.abs(parseH2load(REPORT.replace('245.51ms', text)).seconds - seconds) < 1e-9, text)
  }
  t.throws(() => parseH2load('connect: Connection refused'), { message: /Connection refused/ })
  t.throws(() => parseH2load(REPORT.replace(/^traffic.*$/m, '')), { message: /h2load said/ })
})

const missing = ['h2load', 'nghttpd'].filter(program => spawnSync(program, ['--version']).status !== 0)
const CALLS = 400

for (const kind of ['own', 'nghttpd'] as const) {
  const needed = missing.filter(program => kind === 'nghttpd' || program === 'h2load')
  const skip = needed.length > 0 && `no ${needed.join(', no ')} on PATH`
  t.test(`h2load and our load agree: backend ${kind}`, { skip }, async t => {
    const world = await openWorld({ backends: 1, tls: false, backend: kind })
    t.teardown(() => world.close())
    const port = world.backends[0]!
    for (const [path, responseBytes] of [
      [SMALL_PATH, SMALL_BYTES],
      [BULK_PATH, BULK_BYTES],
    ] as const) {
      const calls = responseBytes === BULK_BYTES ? 40 : CALLS
      // It checks itself that all succeeded, and that all bytes came.
      const url = `http://127.0.0.1:${port}${path}`
      const theirs = await h2load({ url, bodyFile: world.message, responseBytes }, { clients: 2, streams: 5 }, calls)
      t.equal(theirs.calls, calls)
      const ours = await load({
        port,
        connections: 2,
        shape: { kind: 'unary', requestBytes: SMALL_BYTES, responseBytes },
        mode: { kind: 'closed', streams: 5, calls },
      })
      t.equal(ours.calls, theirs.calls)
      t.equal(ours.dataBytes, calls * (SMALL_BYTES + responseBytes))
    }
    await t.rejects(
      h2load(
        { url: `http://127.0.0.1:${port}${SMALL_PATH}`, bodyFile: world.message, responseBytes: 40 },
        { clients: 1, streams: 1 },
        5,
      ),
      { message: /195 bytes of data came instead of 200/ },
    )
  })
}
