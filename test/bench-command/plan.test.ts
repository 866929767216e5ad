/** Options: what is refused and how it is told, bounds, what is sent, and what is not shown. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { withoutSecrets } from '../../src/bench/metadata.ts'
import type { BenchOptions } from '../../src/bench/options.ts'
import { planOf } from '../../src/bench/plan.ts'
import { UsageError } from '../../src/bench/problem.ts'
import { certificates } from '../support/certs.ts'
import { folder, METHOD, PROTO } from './rig.ts'

const GOOD: BenchOptions = { direct: '127.0.0.1:1', path: METHOD }

t.test('defaults are the politest load', async t => {
  t.match(planOf(GOOD), {
    load: { kind: 'closed', concurrency: 1 },
    ...{ connections: 1, durationMs: 10_000, warmUpMs: 1_000, timeoutMs: 10_000 },
    message: Buffer.alloc(5),
    ways: [{ name: 'direct', target: { name: 'http://127.0.0.1:1', tcp: { host: '127.0.0.1', port: 1 } } }],
  })
  t.same(
    planOf({ ...GOOD, via: 'unix:/run/x.sock', rate: '12.5' }).ways.map(({ name, target }) => [name, target.name]),
    [
      ['direct', 'http://127.0.0.1:1'],
      ['via', 'unix:/run/x.sock'],
    ],
  )
})

t.test('what every call begins with', async t => {
  const metadata = ['X-Tenant:  blue ', 'x-tenant: red', 'trace-bin: AAEC']
  const { ways } = planOf({ ...GOOD, via: 'https://[::1]', metadata, timeoutMs: '1500' })
  const lines = ways.map(({ block }) => block.map(({ name, value }) => `${name}: ${value}`))
  t.same(lines[0], [
    ...[':method: POST', ':scheme: http', `:path: ${METHOD}`, ':authority: 127.0.0.1:1'],
    ...['te: trailers', 'content-type: application/grpc', 'user-agent: grpc-verbatim-bench', 'grpc-timeout: 1500000u'],
    ...['x-tenant: blue', 'x-tenant: red', 'trace-bin: AAEC'],
  ])
  t.same(lines[1]?.slice(0, 4), [':method: POST', ':scheme: https', `:path: ${METHOD}`, ':authority: [::1]'])
  const authorities = (options: BenchOptions) => planOf({ ...GOOD, ...options }).ways.map(({ authority }) => authority)
  t.same(authorities({ via: 'unix:/x', authority: 'api.example.com' }), ['api.example.com', 'api.example.com'])
  t.same(authorities({ via: 'unix:/x' }), ['127.0.0.1:1', 'localhost'])
})

t.test('what is refused, each with what to do', async t => {
  const dir = folder(t)
  writeFileSync(path.join(dir, 'there'), '')
  symlinkSync(path.join(dir, 'there'), path.join(dir, 'link'))
  const wrong: [options: BenchOptions, pattern: RegExp][] = [
    [{ direct: undefined }, /no address, so nothing is sent: give --direct ADDRESS, --via ADDRESS, or both/],
    [{ path: undefined }, /no method: give --path/],
    [{ path: 'pkg.Service/Method' }, /--path "pkg\.Service\/Method" is not a method: write \/pkg/],
    [{ direct: 'localhost' }, /--direct "localhost" has no port: write host:port/],
    [{ via: 'ftp://x' }, /--via "ftp:\/\/x" ftp:\/\/ is not known/],
    [{ rate: '5', concurrency: '5' }, /give one of the two/],
    [{ rate: '0' }, /--rate is "0": give calls a second, a number from 0\.1 to 50000/],
    [{ rate: '50001' }, /--rate is "50001"/],
    [{ rate: '1e3' }, /--rate is "1e3"/],
    [{ rate: '-1' }, /--rate is "-1"/],
    [{ concurrency: '1001' }, /--concurrency is "1001": give calls, a whole number from 1 to 1000/],
    [{ concurrency: '1.5' }, /--concurrency is "1\.5"/],
    [
      { connections: '101', concurrency: '1000' },
      /--connections is "101": give connections, a whole number from 1 to 100/,
    ],
    [{ connections: '2' }, /--connections 2 is more than the calls at a time: --concurrency is 1/],
    [{ duration: '601' }, /--duration is "601": give seconds, a number from 0\.2 to 600/],
    [{ duration: 'ten' }, /--duration is "ten"/],
    [{ warmUp: '61' }, /--warm-up is "61"/],
    [{ timeoutMs: '0' }, /--timeout-ms is "0": give milliseconds, a whole number from 1 to 60000/],
    [
      { message: `hex:${'00'.repeat(300_000)}`, concurrency: '1000' },
      /--concurrency 1000 is too much .* 894 is the most/,
    ],
    [{ authority: 'a b' }, /--authority "a b" is not an authority/],
    [{ ca: 'ca.pem' }, /--ca is for TLS, and no address is https:\/\//],
    [{ serverName: 'x' }, /--server-name is for TLS/],
    [{ via: 'https://h', cert: 'x' }, /--cert and --key go together/],
    [{ via: 'https://h', ca: path.join(dir, 'none') }, /--ca: cannot read .*none: no such file/],
    [{ html: path.join(dir, 'none/x.html') }, /--html: cannot write .*: no such file/],
    [{ html: '' }, /--html is empty: give a file/],
    [{ direct: 'https://h', ca: '' }, /--ca is empty: give a file/],
    [
      { html: path.join(dir, 'one'), json: `${dir}/./one` },
      /--html and --json are both .*one: one would overwrite the other/,
    ],
    [{ html: path.join(dir, 'link'), json: path.join(dir, 'there') }, /--html and --json are both /],
    [{ json: dir }, /--json: cannot write .*: it is a directory/],
  ]
  for (const [options, pattern] of wrong) {
    t.throws(() => planOf({ ...GOOD, ...options }), { name: 'UsageError', message: pattern }, String(pattern))
  }
})

t.test('metadata that cannot be sent is told by number, as its value may be a secret', async t => {
  const wrong: [field: string, pattern: RegExp][] = [
    ['Bearer sesame', /number 2 has no name: write 'name: value'/],
    [': sesame', /number 2 has no name/],
    ['a b: sesame', /number 2 has a name with other characters/],
    [':path: sesame', /number 2 has no name/],
    ['te: sesame', /number 2 is te, which bench sets itself/],
    ['grpc-timeout: sesame', /number 2 is grpc-timeout: write --timeout-ms/],
    ['grpc-sesame: 1', /number 2 is grpc-sesame: names that begin with grpc- are gRPC's own/],
    ['x-bin: sesame!', /number 2 is x-bin, which is binary: write its value in base64/],
    ['x: sésame', /number 2 \(x\) has a character that is not printable ASCII/],
    [`x: sesame${'.'.repeat(8_192)}`, /has 8201 bytes in all: 8192 is the most/],
  ]
  for (const [field, pattern] of wrong) {
    try {
      planOf({ ...GOOD, metadata: ['x: 1', field] })
      t.fail(field)
    } catch (error) {
      t.ok(error instanceof UsageError)
      t.match((error as Error).message, pattern)
      if (!field.startsWith('grpc-sesame')) t.notMatch((error as Error).message, /sesame/)
    }
  }
})

t.test('the command that is shown: quoted for a shell, without secrets', async t => {
  const metadata = ['Authorization: Bearer sesame-1', 'cookie: a=sesame-2', 'x-bin: c2VzYW1l', 'x-api-key: sesame-3']
  const harmless = `x-request-id: it's`
  const plan = planOf({
    ...{ ...GOOD, via: '127.0.0.1:2', message: 'hex:00', timeoutMs: '5', metadata: [...metadata, harmless] },
  })
  t.equal(
    plan.command,
    `grpc-verbatim bench --direct 127.0.0.1:1 --path /pkg.Service/Method --via 127.0.0.1:2 --message 'hex:[1 byte]' ` +
      `--timeout-ms 5 --metadata 'authorization: [redacted]' --metadata 'cookie: [redacted]' ` +
      `--metadata 'x-bin: [redacted]' --metadata 'x-api-key: [redacted]' --metadata 'x-request-id: it'\\''s'`,
  )
  t.equal(
    withoutSecrets(`token "sesame-1" of Bearer sesame-1, sesame-2, c2VzYW1l, it's`, plan.secrets),
    `token "[redacted]" of [redacted], [redacted], [redacted], it's`,
  )
})

t.test('an inline message is shown by its kind and size: there may be a password in it', async t => {
  const PING = '/verbatim.testservice.v1.TestService/Ping'
  const dir = folder(t)
  const file = path.join(dir, 'ping.json')
  writeFileSync(file, '{"value":"sesame"}')
  const shown = (message: string, proto: string[] | undefined) =>
    planOf({ direct: '127.0.0.1:1', path: PING, message, ...(proto && { proto }) }).command.match(
      /--message (.*?)( --|$)/,
    )?.[1]
  t.equal(shown('json:{"value":"sesame"}', [PROTO]), `'json:[8 bytes]'`)
  t.equal(shown('@json: {"value":"sesame"}', [PROTO]), `'@json:[8 bytes]'`)
  t.equal(shown('hex:0a06736573616d65', undefined), `'hex:[8 bytes]'`)
  t.equal(shown('@hex:0a 06 736573616d65', undefined), `'@hex:[8 bytes]'`)
  t.equal(shown(`json:${file}`, [PROTO]), `json:${file}`)
  t.equal(shown(`@${file}`, undefined), `@${file}`)
})

t.test('metadata that is named like no key known here is not shown either', async t => {
  const names = ['x-goog-iap-jwt-assertion', 'x-jwt', 'x-signature', 'x-pwd', 'bearer', 'x-tenant']
  const plan = planOf({ ...GOOD, metadata: names.map(name => `${name}: sesame-${name}`) })
  t.notMatch(plan.command, /sesame/)
  for (const name of names) {
    t.ok(plan.command.includes(`'${name}: [redacted]'`), name)
    t.equal(withoutSecrets(`no sesame-${name}`, plan.secrets), 'no [redacted]')
  }
})

t.test('TLS: files are read, the name is the host or what is given', async t => {
  const { ca, client } = await certificates()
  const dir = folder(t)
  mkdirSync(path.join(dir, 'tls'))
  const [caFile, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map(name => path.join(dir, 'tls', name))
  writeFileSync(caFile!, ca.cert)
  writeFileSync(cert!, client.cert)
  writeFileSync(key!, client.key)
  const options = { path: METHOD, direct: 'https://a.example:1', via: 'http://b.example:1', ca: caFile, cert, key }
  const [direct, via] = planOf(options).ways
  t.match(direct?.target.tls, { serverName: 'a.example', ca: Buffer.from(ca.cert), key: Buffer.from(client.key) })
  t.equal(via?.target.tls, undefined)
  t.equal(planOf({ ...options, serverName: 'other' }).ways[0]?.target.tls?.serverName, 'other')
  t.throws(() => planOf({ ...options, key: caFile }), /--key: .* has no PEM private key/)
})
