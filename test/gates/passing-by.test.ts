/** What a route with `require` guards is not reached by another spelling: a call that is no match must not be served as one. */
import t from 'tap'
import { createProxy } from '../../src/index.ts'
import { createRouter } from '../../src/routing/router.ts'
import { isServed, KINDS, USUAL, urlServer } from '../support/passing-by.ts'
import { call } from './rig.ts'

const NOBODY = { network: { deny: ['127.0.0.0/8'] } } as const

t.test('a gate is not passed by the spelling of a path, an authority or metadata', async t => {
  const port = await urlServer(t)
  t.ok(await isServed(t, port, USUAL))
  const main = { endpoints: [`http://127.0.0.1:${port}`] }
  for (const { name, routes, tries } of KINDS) {
    const guarded = [{ match: routes[0]!.match!, backend: 'main', require: 'nobody' }, { backend: 'main' }]
    const proxy = createProxy({
      backends: { main },
      gates: { nobody: NOBODY },
      routes: guarded,
      log: { level: 'silent' },
    })
    t.teardown(() => proxy.close())
    const listener = await proxy.listen({ host: '127.0.0.1' })
    for (const { what, fields } of tries) t.notOk(await isServed(t, listener.port, fields), `${name}: ${what}`)
  }
})

t.test('nor by the case of letters, which some servers do not look at', async t => {
  let asked = 0
  const router = createRouter([
    {
      match: { service: 'pkg.Service', method: 'Method' },
      backend: 'main',
      gate: next => info => {
        asked++
        return next(info)
      },
    },
    { backend: 'main' },
  ])
  const paths = ['/pkg.Service/Method', '/PKG.service/Method', '/pkg.Service/METHOD', '/Pkg.Service/method']
  for (const path of paths) router(call({ path }))
  t.equal(asked, paths.length)
  router(call({ path: '/pkg.Other/Method' }))
  t.equal(asked, paths.length)
})
