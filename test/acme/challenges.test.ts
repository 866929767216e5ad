/** What authorities see that ask whether names are ours, and what other clients see meanwhile. */
import { once } from 'node:events'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tls from 'node:tls'
import pino from 'pino'
import t, { type Test } from 'tap'
import { HttpChallenges } from '../../src/acme/http-challenge.ts'
import { ConfiguredProxy, resolveOptions } from '../../src/config/configured-proxy.ts'
import type { ProxyOptions } from '../../src/index.ts'
import { certificates, issue } from '../support/certs.ts'
import { until } from '../support/until.ts'

const { ca } = await certificates()
const NAME = 'a.example'

t.test('http-01: the file that was asked for, and nothing else', async t => {
  const challenges = new HttpChallenges()
  t.teardown(() => challenges.close())
  const { port } = await challenges.open({ host: '127.0.0.1', port: 0 })
  challenges.expect('token-1', 'token-1.thumbprint')
  const url = `http://127.0.0.1:${port}/.well-known/acme-challenge`
  const answer = await fetch(`${url}/token-1`)
  t.equal(answer.status, 200)
  t.equal(await answer.text(), 'token-1.thumbprint')
  for (const path of ['/token-2', '/', '/../../etc/passwd', '/token-1/', '/toString', '/__proto__']) {
    const { status } = await fetch(url + path)
    t.equal(status, 404, path)
  }
  t.equal((await fetch(`${url}/token-1`, { method: 'POST' })).status, 404)
  await t.rejects(new HttpChallenges().open({ host: '127.0.0.1', port }), { code: 'EADDRINUSE' })
})

interface Handshake {
  readonly serial: string
  readonly protocol: unknown
}

/** @throws where it fails */
async function handshake(port: number, servername: string, protocols: string[]): Promise<Handshake> {
  const options = { port, host: '127.0.0.1', servername, ALPNProtocols: protocols, rejectUnauthorized: false }
  const socket = tls.connect(options)
  try {
    await once(socket, 'secureConnect')
    return { serial: socket.getPeerX509Certificate()!.serialNumber, protocol: socket.alpnProtocol }
  } finally {
    socket.destroy()
  }
}

const serialOf = (cert: string) => new (process.getBuiltinModule('node:crypto').X509Certificate)(cert).serialNumber

async function running(t: Test, transport: 'frames' | 'native') {
  const storage = join(t.testdir(), 'storage')
  const said: string[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void said.push(line) })
  // Nobody is there.
  const directory = 'https://127.0.0.1:1/directory'
  const acme = { domains: [NAME], agreeToTerms: true as const, storage, directory }
  const options: ProxyOptions = {
    listeners: [{ address: '127.0.0.1:0', transport, tls: { acme } }],
    backends: { main: { endpoints: ['127.0.0.1:1'] } },
    logger,
  }
  const proxy = new ConfiguredProxy(resolveOptions(options))
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  const file = proxy.setup.acme![0]!.file
  return { proxy, said, port: bound!.port, file, address: bound!.address }
}

for (const transport of ['frames', 'native'] as const) {
  t.test(
    `${transport}: before the first certificate handshakes fail, authorities are answered, and then it is used`,
    async t => {
      const { proxy, said, port, file, address } = await running(t, transport)
      const missing = `listener ${address} has no certificate yet`
      t.same(proxy.notReady, [missing])
      await t.rejects(handshake(port, NAME, ['h2']))
      await until(
        'the log has it',
        () => said.some(line => line.includes('there is no certificate yet')),
        () => said.join('\n'),
      )

      const proof = await issue(undefined, { name: NAME })
      proxy.front.challenges.expect(NAME, proof)
      const seen = await handshake(port, NAME, ['acme-tls/1'])
      t.same(seen, { serial: serialOf(proof.cert), protocol: 'acme-tls/1' })
      await t.rejects(handshake(port, NAME, ['h2']), 'others are not shown what is for authorities')
      await t.rejects(handshake(port, 'b.example', ['acme-tls/1']), 'of another name')

      const kept = await issue(ca, { name: NAME })
      mkdirSync(join(file, '..'), { recursive: true })
      writeFileSync(`${file}.new`, `${kept.key}\n${kept.cert}`, { mode: 0o600 })
      renameSync(`${file}.new`, file)
      await until(
        'it is ready',
        () => proxy.notReady.length === 0,
        () => said.join('\n'),
      )
      t.same(await handshake(port, NAME, ['http/1.1', 'h2']), { serial: serialOf(kept.cert), protocol: 'h2' })
      t.equal((await handshake(port, NAME, ['acme-tls/1'])).serial, serialOf(proof.cert), 'while it is renewed')
      proxy.front.challenges.forget(NAME)
      await t.rejects(handshake(port, NAME, ['acme-tls/1']), 'once that is over')
      t.match(proxy.setup.certificates, [{ option: 'listeners[0].tls.acme' }], 'its end is a metric')
      t.notMatch(said.join('\n'), /PRIVATE KEY/)
    },
  )
}

t.test('an authority that is gone: the log says so, and when it is asked again', async t => {
  const { said } = await running(t, 'frames')
  await until(
    'it is told',
    () => said.some(line => line.includes('the next try is on')),
    () => said.join('\n'),
  )
  t.ok(
    said.some(line =>
      /"listeners\[0\]\.tls\.acme: no certificate from https:\/\/127\.0\.0\.1:1\/directory: /.test(line),
    ),
  )
})
