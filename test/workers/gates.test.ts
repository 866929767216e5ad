/** Gates of a proxy of several processes: each worker asks them. */
import t from 'tap'
import { backend, call, connect, serve } from './rig.ts'

const UNAUTHENTICATED = '16'
const PERMISSION_DENIED = '7'

t.test('a call that does not pass a gate passes in no worker, also after a change', async t => {
  const { url, calls } = await backend(t)
  const yaml = (require: string, atListener = '') => `listeners: [{ address: "127.0.0.1:0"${atListener} }]
backends: { greeter: { endpoints: ["${url}"] } }
gates:
  nobody: { network: { deny: [127.0.0.0/8] } }
  users: { jwt: { issuer: a, audience: b, jwks: { file: FOLDER/keys.json } } }
routes:
  - { match: { service: a.B }, backend: greeter, require: users }
  - { backend: greeter }
${require}
workers: 2`
  const served = await serve(t, yaml('require: [{ any: [users, users] }]'), { files: { 'keys.json': '{"keys":[]}' } })
  const sessions = [await connect(t, served.address), await connect(t, served.address)]
  const all = (path: string) => Promise.all(sessions.map(session => call(session, path)))
  t.same(await all('/a.B/C'), [UNAUTHENTICATED, UNAUTHENTICATED])
  t.same(await all('/x.Y/Z'), [UNAUTHENTICATED, UNAUTHENTICATED])
  served.write(yaml('require: nobody'))
  t.match(await served.page('/reload', 'POST'), /applied/)
  t.same(await all('/x.Y/Z'), [PERMISSION_DENIED, PERMISSION_DENIED])
  t.equal(calls(), 0)
  served.write(yaml(''))
  t.match(await served.page('/reload', 'POST'), /applied/)
  t.same(await all('/x.Y/Z'), ['0', '0'])
  t.same(await all('/a.B/C'), [UNAUTHENTICATED, UNAUTHENTICATED])
  served.write(yaml('', ', require: nobody'))
  t.match(await served.page('/reload', 'POST'), /applied/)
  t.same(await all('/x.Y/Z'), [PERMISSION_DENIED, PERMISSION_DENIED], 'a gate of the listener')
})
