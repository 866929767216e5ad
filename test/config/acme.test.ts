/** What is wrong with `tls.acme`, in sentences. */
import { join } from 'node:path'
import t from 'tap'
import { ConfigError } from '../../src/config/problems.ts'
import { resolveConfig } from '../../src/config/resolve.ts'

const GOOD = { domains: ['a.example'], agreeToTerms: true, storage: 'acme' }

function problems(
  folder: string,
  acme: object,
  { tls = {}, ...more }: { tls?: object; workers?: number } = {},
): string[] {
  const listeners = [{ address: '127.0.0.1:0', tls: { acme, ...tls } }]
  try {
    resolveConfig({ listeners, backends: { main: { endpoints: ['127.0.0.1:1'] } }, ...more }, { folder })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path, message }) => `${path.replace('listeners[0].tls.', '')}: ${message}`)
  }
}

t.test('each mistake has its sentence', async t => {
  const folder = t.testdir({ file: '' })
  const all: readonly [given: object, said: RegExp, more?: object][] = [
    [{ ...GOOD, agreeToTerms: false }, /^acme\.agreeToTerms: must be true: an authority gives certificates/],
    [{ ...GOOD, domains: ['*.a.example'] }, /^acme\.domains\[0\]: is a wildcard/],
    [{ ...GOOD, domains: ['192.0.2.1'] }, /^acme\.domains\[0\]: is an address/],
    [{ ...GOOD, domains: ['a b'] }, /^acme\.domains\[0\]: is not a host name/],
    [{ ...GOOD, directory: 'http://ca.example/' }, /^acme\.directory: is the https:\/\/ URL/],
    [{ ...GOOD, storage: 'file' }, /^acme\.storage: .*file is not a folder/],
    [
      { ...GOOD, storage: 'file/below' },
      /^acme\.storage: .*file is not a folder|a part of the path is not a directory/,
    ],
    [{ ...GOOD, challenge: { http01: 'unix:/x' } }, /^acme\.challenge\.http01: is `host:port`/],
    [GOOD, /^cert: is not for a certificate by acme/, { tls: { cert: 'x' } }],
    [GOOD, /^acme\.challenge: tls-alpn-01 needs TLS 1\.3/, { tls: { maxVersion: 'TLSv1.2' } }],
  ]
  for (const [given, said, more = {}] of all) {
    const found = problems(folder, given, more)
    t.ok(
      found.some(line => said.test(line)),
      `${said}: ${found.join(' | ')}`,
    )
  }
  t.same(problems(folder, { ...GOOD, challenge: { http01: '0.0.0.0:80' } }, { workers: 2 }), [])
})

t.test('another authority, or other names, are another file; the order of names does not matter', t => {
  const folder = t.testdir()
  const fileOf = (acme: object) => {
    const listeners = [{ address: '127.0.0.1:0', tls: { acme } }]
    return resolveConfig({ listeners, backends: { main: { endpoints: ['127.0.0.1:1'] } } }, { folder }).config.acme![0]!
  }
  const one = fileOf({ ...GOOD, domains: ['a.example', 'B.example.'] })
  t.same(one.domains, ['a.example', 'b.example'])
  t.ok(one.file.startsWith(join(folder, 'acme', 'acme-v02.api.letsencrypt.org_directory', 'a.example-')), one.file)
  t.not(fileOf(GOOD).file, one.file)
  t.not(fileOf({ ...GOOD, directory: 'https://ca.example/dir' }).file, fileOf(GOOD).file)
  const named = (first: string) => fileOf({ ...GOOD, domains: [first, '../../etc/x'].slice(0, 1) }).file
  t.ok(named('x'.repeat(60)).startsWith(join(folder, 'acme')))
  t.end()
})
