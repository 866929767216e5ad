/** Authorities that hang, lie, and do not end. An order ends in time and in memory, and what is stored stays good. */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { orderCertificate } from '../../src/acme/order.ts'
import { AlpnChallenges } from '../../src/transport/alpn-challenges.ts'
import { systemClock } from '../../src/transport/clock.ts'
import { certificates, issue } from '../support/certs.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'
import { type Authority, authority, chainFor, json, NAME } from './authority.ts'

function order(t: Test, { directory, ca }: Pick<Authority, 'directory' | 'ca'>, clock = new FakeClock()) {
  const folder = t.testdir()
  const setup = {
    ...{ option: 'listeners[0].tls.acme', domains: [NAME], directory, ca },
    ...{ accountFile: join(folder, 'account.key'), file: join(folder, 'a.pem') },
    challenge: { kind: 'tls-alpn-01' },
  } as const
  const alpn = new AlpnChallenges()
  return orderCertificate(setup, { clock, alpn, signal: new AbortController().signal })
}

t.test('one that does as it should: what comes of it can be served with', async t => {
  const pem = await order(t, await authority(t))
  t.equal(new X509Certificate(pem).checkHost(NAME), NAME)
  createSecureContext({ key: pem, cert: pem })
})

t.test('one that is gone, and one with a certificate of somebody else: the reason says so', async t => {
  const { ca } = await authority(t)
  await t.rejects(order(t, { directory: 'https://127.0.0.1:1/directory', ca }), /ECONNREFUSED/)
  const { directory } = await authority(t)
  const { strangerCa } = await certificates()
  await t.rejects(order(t, { directory, ca: Buffer.from(strangerCa.cert) }), /certificate|issuer/)
})

for (const path of ['/directory', '/nonce', '/account', '/new', '/finalize', '/certificate']) {
  t.test(`one that says nothing at ${path}: the request ends after half a minute`, async t => {
    const clock = new FakeClock()
    const hanging = await authority(t, () => ({ [path]: () => {} }))
    const ordered = order(t, hanging, clock)
    await until('it is asked', () => hanging.asked.includes(path))
    clock.advance(30_000)
    await t.rejects(ordered, { message: 'no whole answer within 30 seconds' })
    t.equal(clock.pending, 0, 'no timer is left')
  })
}

t.test('one that says a little from time to time: the same', async t => {
  const clock = new FakeClock()
  let response: ServerResponse | undefined
  const dripping = await authority(t, () => ({
    '/directory': it => {
      response = it.writeHead(200)
      response.write('{"a":"')
    },
  }))
  const ordered = order(t, dripping, clock)
  await until('it is asked', () => response !== undefined)
  for (let i = 0; i < 30; i++) {
    response!.write('.')
    clock.advance(1_000)
  }
  await t.rejects(ordered, { message: 'no whole answer within 30 seconds' })
})

/** @param write more, as long as the client takes it */
function endless(response: ServerResponse, piece: Buffer): void {
  const more = () => {
    if (response.destroyed) return
    while (response.write(piece));
    response.once('drain', more)
  }
  more()
}

t.test('one whose answer does not end, or is a mebibyte of zeros in a few bytes', async t => {
  const flooding = await authority(t, () => ({
    '/directory': response => endless(response, Buffer.alloc(65_536, 'a')),
  }))
  await t.rejects(order(t, flooding), /maxContentLength size of 1048576 exceeded/)
  const bomb = gzipSync(Buffer.alloc(50_000_000, ' '))
  const packed = await authority(t, () => ({
    '/directory': response => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
  }))
  await t.rejects(order(t, packed), /maxContentLength size of 1048576 exceeded/)
})

t.test('one that talks nonsense: the order ends at once', async t => {
  const elsewhere = await authority(t)
  const rows: [string, (response: ServerResponse) => unknown][] = [
    ['/directory', response => response.end('<html>hello</html>')],
    ['/directory', response => json(response, null)],
    ['/directory', response => json(response, { newNonce: 5, newAccount: {}, newOrder: [] })],
    ['/directory', response => json(response, { newNonce: 'file:///etc/passwd' })],
    ['/directory', response => response.writeHead(302, { location: elsewhere.directory }).end()],
    ['/account', response => response.writeHead(500).end('x'.repeat(100_000))],
    ['/new', response => json(response, null, 201, { location: '/order' })],
    ['/new', response => json(response, { status: 'pending', authorizations: 'all' }, 201, { location: 'x:' })],
    ['/new', response => json(response, { status: 'pending', authorizations: [5] }, 201, { location: 'x:' })],
    ['/order', response => json(response, 'ready')],
    ['/order', response => json(response, { status: 'invalid', error: { detail: { a: 1 } } })],
    ['/finalize', response => json(response, null)],
    ['/certificate', response => json(response, { certificate: 'no' })],
    ['/certificate', response => response.end()],
  ]
  for (const [path, answer] of rows) {
    const odd = await authority(t, () => ({ [path]: answer }))
    const clock = new FakeClock()
    await t.rejects(order(t, odd, clock), Error, `${path}: ${answer}`)
    t.ok(odd.asked.length < 20, `${odd.asked.length} requests`)
    t.equal(clock.pending, 0)
  }
  t.same(elsewhere.asked, [], 'nobody is sent elsewhere')
})

t.test('one that wants proof of more names than were asked for, or of another one', async t => {
  const many = await authority(t, origin => ({
    '/new': response => {
      const authorizations = Array.from({ length: 20_000 }, (_, i) => `${origin()}/authorization/${i}`)
      json(response, { status: 'pending', authorizations }, 201, { location: `${origin()}/order` })
    },
  }))
  await t.rejects(order(t, many), { message: 'the authority wants proof of 20000 names, where 1 was asked for' })
  t.ok(many.asked.length < 10, `${many.asked.length} requests`)
  for (const identifier of [{ type: 'dns', value: 'bank.example' }, { type: 'dns' }, null, 'a.example']) {
    const other = await authority(t, origin => ({
      '/new': response =>
        json(response, { status: 'pending', authorizations: [`${origin()}/authorization`] }, 201, {
          location: `${origin()}/order`,
        }),
      '/authorization': response => json(response, { status: 'pending', identifier, challenges: [] }),
    }))
    await t.rejects(order(t, other), { message: 'the authority wants proof of a name that was not asked for' })
  }
})

t.test('one by whose answers the library would ask without an end', async t => {
  const circling = await authority(t, () => ({ '/account': response => json(response, { status: 'valid' }) }))
  await t.rejects(order(t, circling), { message: 'no certificate after 220 requests' })
  t.equal(circling.asked.length, 220)
})

t.test('one that sends us to somebody else for all of it: the bounds of the order hold there too', async t => {
  let asked = 0
  const other = createServer((_, response) => {
    asked++
    response.setHeader('replay-nonce', `nonce-${asked}`)
    // So that it ends at some time for who asks without an end.
    json(response, { status: 'valid' }, asked > 1_000 ? 500 : 200)
  }).listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => {
    other.close()
    other.closeAllConnections()
  })
  const url = (path: string) => `http://127.0.0.1:${(other.address() as AddressInfo).port}${path}`
  const sending = await authority(t, () => ({
    '/directory': response =>
      json(response, { newNonce: url('/nonce'), newAccount: url('/account'), newOrder: url('/new') }),
  }))
  const clock = new FakeClock()
  await t.rejects(order(t, sending, clock), { message: 'no certificate after 220 requests' })
  t.equal(asked, 219)
  t.equal(clock.pending, 0)
})

t.test('one that takes no nonce, and one that is never done', async t => {
  const type = 'urn:ietf:params:acme:error:badNonce'
  const refusing = await authority(t, () => ({ '/account': response => json(response, { type, detail: 'no' }, 400) }))
  await t.rejects(order(t, refusing), /no/)
  t.equal(refusing.asked.filter(path => path === '/account').length, 6)
  const clock = new FakeClock()
  const slow = await authority(t, origin => ({
    '/order': response => json(response, { status: 'processing', finalize: `${origin()}/finalize` }),
  }))
  let over = false
  const ordered = order(t, slow, clock).finally(() => {
    over = true
  })
  ordered.catch(() => {})
  // Between two looks it waits for at most ten seconds, and for an answer for thirty.
  const rests = () => over || clock.delays[0]! <= 10_000
  const state = () => `${slow.asked.length} requests, timers: ${clock.delays}`
  for (let passedMs = 0; !over && passedMs < 600_000; passedMs += 5_000) {
    await until('it rests, or gives up', rests, state)
    clock.advance(5_000)
  }
  await t.rejects(ordered, { message: 'no certificate within 5 minutes' })
  t.ok(slow.asked.length < 100, `${slow.asked.length} requests`)
})

t.test('what it gives for a certificate is looked at, all of it, before it takes the place of a good one', async t => {
  const { ca } = await certificates()
  const stranger = await issue(ca, { name: NAME })
  const junk = '-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n'
  const rows: [string, (good: string) => string, RegExp][] = [
    ['nothing', () => 'no', /is no certificate/],
    ['beginnings without an end', () => '-----BEGIN CERTIFICATE-----\n'.repeat(37_000), /is no certificate/],
    ['for another key', () => stranger.cert, /for another key/],
    ['junk behind it', good => good + junk, /cannot be read/],
    ['too many', good => good + ca.cert.repeat(20), /more than 10 certificates/],
  ]
  for (const [what, chain, reason] of rows) {
    let good = ''
    const lying = await authority(t, origin => ({
      '/finalize': async (response, { csr }) => {
        good = await chainFor(String(csr))
        json(response, { status: 'valid', certificate: `${origin()}/certificate` })
      },
      '/order': response =>
        json(response, {
          status: good === '' ? 'ready' : 'valid',
          finalize: `${origin()}/finalize`,
          certificate: `${origin()}/certificate`,
        }),
      '/certificate': response => response.end(chain(good)),
    }))
    await t.rejects(order(t, lying), { message: reason }, what)
  }
})

t.test('what stands between and behind the certificates of a chain is left out', async t => {
  const { ca } = await certificates()
  let good = ''
  const wordy = await authority(t, origin => ({
    '/finalize': async (response, { csr }) => {
      good = await chainFor(String(csr))
      json(response, { status: 'valid' })
    },
    '/order': response =>
      json(response, {
        status: good === '' ? 'ready' : 'valid',
        finalize: `${origin()}/finalize`,
        certificate: `${origin()}/certificate`,
      }),
    '/certificate': response => response.end(`yours:\n${good}\nours:\n${ca.cert}\n${ca.key}`),
  }))
  const pem = await order(t, wordy, systemClock as FakeClock)
  t.equal(pem.match(/PRIVATE KEY-----/g)?.length, 2, 'the key is the one that was made here')
  t.notMatch(pem, /yours|ours/)
  t.equal(pem.match(/BEGIN CERTIFICATE/g)?.length, 2)
})
