import t from 'tap'
import { stringify } from 'yaml'
import { envoyConfiguration } from '../../../bench/subjects/envoy.ts'
import { haproxyConfiguration } from '../../../bench/subjects/haproxy.ts'
import { nghttpxArgs } from '../../../bench/subjects/nghttpx.ts'
import { nginxConfiguration } from '../../../bench/subjects/nginx.ts'
import { PAIRS, verbatimConfiguration } from '../../../bench/subjects/verbatim.ts'

const PORT = 40_000
const WORLD = { folder: '/tmp/world', backends: [50_001, 50_002, 50_003] }
const TLS = { ca: '/tmp/world/ca.pem', cert: '/tmp/world/server.pem', key: '/tmp/world/server.key' }
const IDENTITY = '/tmp/world/both.pem'

type Given = typeof WORLD & { tls?: typeof TLS }

const TEXTS: Readonly<Record<string, (world: Given) => string>> = {
  nghttpx: world => nghttpxArgs(world, PORT).join('\n'),
  haproxy: world => haproxyConfiguration(world, { port: PORT, mode: 'http', identity: IDENTITY }),
  'haproxy-tcp': world => haproxyConfiguration(world, { port: PORT, mode: 'tcp', identity: IDENTITY }),
  nginx: world => nginxConfiguration(world, PORT),
  envoy: world => stringify(envoyConfiguration(world, PORT)),
  frames: world => stringify(verbatimConfiguration(world, PORT, PAIRS.frames!)),
}

for (const [name, textOf] of Object.entries(TEXTS)) {
  t.test(`the configuration of ${name}`, async t => {
    const plain = textOf(WORLD)
    const secure = textOf({ ...WORLD, tls: TLS })
    for (const text of [plain, secure]) {
      t.notMatch(text, /undefined|: null|=null|NaN|\[object|\$\{|=>/, 'nothing is left to be filled in')
      for (const port of [PORT, ...WORLD.backends]) t.ok(text.includes(String(port)), `${port} is in it`)
    }
    t.notMatch(plain, /\.pem|server\.key/, 'no TLS where there is none')
    t.ok(secure.includes(TLS.ca), 'the backend is verified')
    t.match(secure, /server\.pem|both\.pem/, 'clients are shown a certificate')
  })
}

t.test('as many routes as the world says, the last for the calls', async t => {
  const { routes } = verbatimConfiguration({ ...WORLD, routes: 10 }, PORT, PAIRS.frames!) as { routes: object[] }
  t.equal(routes.length, 10)
  t.match(routes.at(-1), { match: { service: ['verbatim.bench.Echo', 'verbatim.bench.Shapes'] }, backend: 'main' })
  t.notOk('routes' in verbatimConfiguration(WORLD, PORT, PAIRS.frames!))
})
