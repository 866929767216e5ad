import { createPrivateKey } from 'node:crypto'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import t from 'tap'
import { ConfigError } from '../../src/config/problems.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import { certificates } from '../support/certs.ts'

const { ca, server, client, stranger } = await certificates()
const backends = { greeter: { endpoints: ['localhost:50051'] } }

function withListener(tls: unknown, folder = process.cwd()): ReturnType<typeof resolveConfig> {
  return resolveConfig({ listeners: [{ address: '127.0.0.1:0', tls }], backends }, { folder })
}

function problems(run: () => unknown): string[] {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path}: ${message}`)
    throw error
  }
  return []
}

t.test('files are read, from the folder of the configuration', async t => {
  const folder = t.testdir({ 'server.pem': server.cert, 'server.key': server.key, 'ca.pem': ca.cert })
  chmodSync(join(folder, 'server.key'), 0o600)
  const { config, warnings } = withListener(
    { cert: 'server.pem', key: join(folder, 'server.key'), clientCa: 'ca.pem' },
    folder,
  )
  t.strictSame(warnings, [])
  const { tls } = config.listeners[0]!
  t.equal(tls?.cert?.toString(), server.cert)
  t.equal(tls?.key?.toString(), server.key)
  t.equal(tls?.clientCa?.toString(), ca.cert)
  t.equal(tls?.requireClientCertificate, true, 'a client CA makes certificates required')
})

t.test('PEM can be given as text and as Buffer', async t => {
  const { config } = withListener({
    cert: server.cert,
    key: Buffer.from(server.key),
    clientCa: ca.cert,
    requireClientCertificate: false,
  })
  const { tls } = config.listeners[0]!
  t.equal(tls?.cert?.toString(), server.cert)
  t.equal(tls?.key?.toString(), server.key)
  t.equal(tls?.requireClientCertificate, false)
  const plain = withListener({ cert: server.cert, key: server.key })
  t.match(plain.config.listeners[0]?.tls, { clientCa: undefined, requireClientCertificate: false })
})

t.test('a backend takes a CA and a client certificate', async t => {
  const tls = { ca: ca.cert, cert: client.cert, key: client.key }
  const { config } = resolveConfig({ backends: { a: { endpoints: ['https://h', 'http://h'], tls } } })
  const [secure, plain] = config.backends.a!.endpoints
  t.match(secure?.tls, { serverName: 'h', ca: Buffer.from(ca.cert), cert: Buffer.from(client.cert) })
  t.equal(plain?.tls, undefined)
})

t.test('what cannot be read says which option and which file', async t => {
  const folder = t.testdir({ 'server.pem': server.cert, sub: {} })
  t.strictSame(
    problems(() => withListener({ cert: 'nope.pem', key: 'sub', clientCa: 'server.pem/x' }, folder)),
    [
      `listeners[0].tls.cert: cannot read ${join(folder, 'nope.pem')}: no such file`,
      `listeners[0].tls.key: cannot read ${join(folder, 'sub')}: it is a directory`,
      `listeners[0].tls.clientCa: cannot read ${join(folder, 'server.pem/x')}: a part of the path is not a directory`,
    ],
  )
  const tls = { ca: 'nope.pem' }
  t.strictSame(
    problems(() => resolveConfig({ backends: { a: { endpoints: ['https://h'], tls } } }, { folder })),
    [`backends.a.tls.ca: cannot read ${join(folder, 'nope.pem')}: no such file`],
  )
})

t.test('what is read must be what it is taken for', async t => {
  const broken = '-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n'
  const encrypted = createPrivateKey(server.key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  })
  const folder = t.testdir({
    'server.pem': server.cert,
    'server.key': server.key,
    'other.key': stranger.key,
    'broken.pem': broken,
    'broken.key': broken.replaceAll('CERTIFICATE', 'PRIVATE KEY'),
    'encrypted.key': encrypted,
    'text.txt': 'hello',
  })
  const wrong = (tls: object): string[] =>
    problems(() => withListener({ cert: 'server.pem', key: 'server.key', ...tls }, folder))
  t.strictSame(wrong({}), [])
  t.strictSame(wrong({ key: 'other.key' }), [
    'listeners[0].tls.key: other.key does not belong to the certificate server.pem',
  ])
  t.strictSame(wrong({ cert: 'server.key' }), ['listeners[0].tls.cert: server.key has no PEM certificate'])
  t.strictSame(wrong({ key: 'server.pem' }), ['listeners[0].tls.key: server.pem has no PEM private key'])
  t.strictSame(wrong({ clientCa: 'text.txt' }), ['listeners[0].tls.clientCa: text.txt has no PEM certificate'])
  t.strictSame(wrong({ key: 'encrypted.key' }), ['listeners[0].tls.key: encrypted.key is encrypted: decrypt it first'])
  t.match(wrong({ cert: 'broken.pem' }), [/^listeners\[0\]\.tls\.cert: certificate 1 in broken\.pem cannot be parsed/])
  t.match(wrong({ key: 'broken.key' }), [/^listeners\[0\]\.tls\.key: broken\.key cannot be parsed/])
})

t.test('options that need each other', async t => {
  t.strictSame(
    problems(() => withListener({ cert: server.cert })),
    ['listeners[0].tls.key: is missing: a string is needed here'],
  )
  t.match(
    problems(() => withListener({ cert: server.cert, key: server.key, requireClientCertificate: true })),
    [/^listeners\[0\]\.tls\.requireClientCertificate: needs clientCa/],
  )
  const tls = { cert: client.cert }
  t.strictSame(
    problems(() => resolveConfig({ backends: { a: { endpoints: ['https://h'], tls } } })),
    ['backends.a.tls.cert: needs key beside it'],
  )
})

t.test('an expired certificate is a warning', async t => {
  const old = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date('2020-01-01'),
    notAfterDate: new Date('2021-01-01'),
  })
  const { warnings } = withListener({ cert: old.cert, key: old.private })
  t.match(warnings, [
    { path: 'listeners[0].tls.cert', message: /certificate 1 in the given PEM expired on Jan\s+1 .*2021/ },
  ])
})

const noModes = process.platform === 'win32' ? 'there are no modes' : false

t.test(
  'a private key that others may read is a warning; a certificate is for everybody',
  { skip: noModes },
  async t => {
    const folder = t.testdir({ 'server.pem': server.cert, 'server.key': server.key })
    const warned = (mode: number) => {
      chmodSync(join(folder, 'server.key'), mode)
      return withListener({ cert: 'server.pem', key: 'server.key' }, folder).warnings
    }
    chmodSync(join(folder, 'server.pem'), 0o644)
    for (const mode of [0o600, 0o400, 0o700, 0o611]) t.strictSame(warned(mode), [], mode.toString(8))
    for (const mode of [0o644, 0o640, 0o604, 0o666]) {
      t.strictSame(warned(mode), [
        {
          path: 'listeners[0].tls.key',
          message: `server.key can be read by others than its owner (mode 0${mode.toString(8)}): chmod 600`,
        },
      ])
    }
    const tls = { cert: 'server.pem', key: 'server.key' }
    const { warnings } = resolveConfig({ backends: { a: { endpoints: ['https://h'], tls } } }, { folder })
    t.match(warnings, [{ path: 'backends.a.tls.key', message: /^server\.key can be read by others/ }])
    t.strictSame(withListener({ cert: server.cert, key: server.key }).warnings, [], 'text has no mode')
  },
)
