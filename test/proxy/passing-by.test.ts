/** A real server behind a `deny`: Node's http2, with its methods found by URL. Those in Go are in `npm run test:routing`. */
import t from 'tap'
import { createProxy } from '../../src/index.ts'
import { isServed, KINDS, USUAL, urlServer } from '../support/passing-by.ts'

t.test('what a server serves does not get past a deny by another spelling', async t => {
  const port = await urlServer(t)
  t.ok(await isServed(t, port, USUAL))
  for (const transport of ['frames', 'native'] as const) {
    const main = { endpoints: [`http://127.0.0.1:${port}`], transport }
    for (const { name, routes, tries } of KINDS) {
      const proxy = createProxy({ backends: { main }, routes, log: { level: 'silent' } })
      t.teardown(() => proxy.close())
      const listener = await proxy.listen({ transport })
      let direct = 0
      for (const { what, fields } of tries) {
        if (await isServed(t, port, fields)) direct++
        t.notOk(await isServed(t, listener.port, fields), `${transport}, ${name}: ${what}`)
      }
      t.ok(direct > 3, `${direct} of ${tries.length} are served without the proxy`)
    }
  }
})
