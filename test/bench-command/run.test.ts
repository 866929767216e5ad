/** The command as a whole, in this process: what it prints and writes, and its exit code. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createSecureServer, createServer, type ServerHttp2Stream } from 'node:http2'
import path from 'node:path'
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import t, { type Test } from 'tap'
import { UsageError } from '../../src/bench/command.ts'
import type { BenchOptions } from '../../src/bench/options.ts'
import { startTestServer } from '../../src/demo/http2-server.ts'
import { createProxy } from '../../src/index.ts'
import { certificates } from '../support/certs.ts'
import { answer, answerWith, bench, folder, listening, lose, METHOD, PROTO, serve, type Told } from './rig.ts'

const SERVICE = '/verbatim.testservice.v1.TestService'

t.test('a real service, directly and through the proxy', async t => {
  const server = await startTestServer({ name: 'one' })
  t.teardown(() => server.close())
  const proxy = createProxy(server.address)
  t.teardown(() => proxy.close())
  const { address } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  const both = { direct: server.address, via: address, proto: [PROTO] }

  const ping = await bench(t, { ...both, path: `${SERVICE}/Ping`, message: 'json:{"value":"hello"}' })
  t.match(ping, { code: 0, error: '' })
  t.match(ping.out, /^latency +direct +via +via − direct \(95 % interval\)$/m)
  t.match(ping.out, /^p50 +\d.* [µm]?s +\d.* [µm]?s +(no difference shown|[+−]\d|0)/m)
  t.match(ping.out, /^failed +0 +0$/m)
  t.match(ping.out, /expanded percentile bootstrap over pairs of slices/)
  for (const way of ping.report!.ways) {
    t.match(way, { failed: 0, responsesPerCall: 1, endings: [{ status: 0, name: 'OK', count: way.calls }] })
    t.equal(way.slices.length, 20)
    t.ok(way.slices.every(({ complete }) => complete))
    t.equal(decodeFromCompressedBase64(way.histogram).totalCount, way.calls)
  }
  t.equal(ping.report!.messageBytes, 7)

  const list = await bench(t, { ...both, path: `${SERVICE}/PingList`, message: 'json:{"count":3}', rate: '200' })
  t.match(list, { code: 0, error: '' })
  t.match(list.report!.ways, [{ responsesPerCall: 3 }, { responsesPerCall: 3 }], 'server streaming')
  t.equal(list.report!.ways[0]!.calls, list.report!.ways[1]!.calls, 'the same times for both')
  t.match(list.out, /open loop, 200 calls a second/)
  t.match(list.out, /^begun late, p99 +\d/m)
})

t.test('what via adds is found: at least the delay that was put there', async t => {
  let delayMs = 0
  const direct = await serve(t, stream => answer(stream))
  const via = await serve(t, stream => {
    const from = performance.now()
    const answerThen = (): void => {
      // A timer may fire a little early.
      if (performance.now() - from < delayMs) setTimeout(answerThen, 1)
      else answer(stream)
    }
    setTimeout(answerThen, delayMs)
  })
  const run = (duration: string) => bench(t, { direct: direct.address, via: via.address, concurrency: '4', duration })
  delayMs = 20
  let told = await run('1')
  // On a busy machine that may be no more than calls differ by themselves.
  for (; told.report?.differences?.[0]?.verdict !== 'more' && delayMs < 1_000; delayMs *= 4) told = await run('4')
  const { code, out, report } = told
  t.equal(code, 0)
  const [p50] = report!.differences!
  const [one, other] = report!.ways
  t.ok(other!.latencyUs!.p50 >= 20_000, `${other!.latencyUs!.p50}`)
  t.equal(p50!.differenceUs, other!.latencyUs!.p50 - one!.latencyUs!.p50)
  t.equal(p50!.verdict, 'more')
  t.ok(p50!.interval!.lowUs <= p50!.differenceUs && p50!.differenceUs <= p50!.interval!.highUs)
  t.match(out, /^p50 .* \+\d/m)
  t.match(out, /^p99 .*too few calls for an interval$/m)
})

t.test('one address alone: its distribution, and no difference', async t => {
  const { address } = await serve(t, stream => answer(stream))
  const { code, out, report } = await bench(t, { via: address })
  t.equal(code, 0)
  t.match(out, /^latency +via$/m)
  t.notMatch(out, /direct|interval/)
  t.match(report, { noDifference: 'only one address was measured', ways: [{ name: 'via' }] })
})

t.test('over 1 % of failing calls: no difference, exit code 1, and no secret in what the server said', async t => {
  let calls = 0
  const direct = await serve(t, stream => answer(stream))
  const via = await serve(t, stream =>
    ++calls % 10 === 0 ? answer(stream, 16, 'bad token sesame-open') : answer(stream),
  )
  const metadata = ['authorization: Bearer sesame-open']
  const { code, out, report } = await bench(t, { direct: direct.address, via: via.address, metadata })
  t.equal(code, 1)
  t.match(out, /No difference is told: \d+(\.\d+)? % of the calls via did not end with OK, and at most 1 % may\./)
  t.match(out, /^ {2}16 UNAUTHENTICATED +0 +\d+$/m)
  t.match(out, /via: 16 UNAUTHENTICATED said "bad token \[redacted\]"\./)
  t.notMatch(out + JSON.stringify(report), /sesame/)
  t.equal(report!.differences, undefined)
})

t.test('a secret that the end of what is shown would cut in two is not shown in part', async t => {
  const said = `${'x'.repeat(190)} sesame-open-the-door`
  let calls = 0
  const { address } = await serve(t, stream => (++calls > 1 ? answer(stream, 16, said) : answer(stream)))
  const metadata = ['authorization: Bearer sesame-open-the-door']
  const { out, report } = await bench(t, { direct: address, metadata })
  t.match(report!.ways[0]!.endings.at(-1)!.detail, /^x{190} \[redacted$/)
  t.notMatch(out + JSON.stringify(report), /sesame/)
  const failing = await serve(t, stream => answer(stream, 16, said))
  const { error } = await bench(t, { direct: failing.address, metadata })
  t.match(error, /UNAUTHENTICATED: x{190} \[redacted\. No load/)
  t.notMatch(error, /sesame/)
})

t.test('a rate at which no call begins', async t => {
  const { address } = await serve(t, stream => answer(stream))
  const { code, out } = await bench(t, { direct: address, rate: '0.1' })
  t.equal(code, 1)
  t.match(out, /^Nothing was measured: no call began in its time: give a higher --rate or a longer --duration\.$/m)
})

/**
 * One call of more than a hundred is answered so. Which calls are of a lead-in, and do not count, nobody can say
 * beforehand: if it was one of these, another is.
 */
async function oneAnswered(t: Test, once: (stream: ServerHttp2Stream) => void, counts: (told: Told) => boolean) {
  let calls = 0
  let which = 100
  const direct = await serve(t, stream => answer(stream))
  const via = await serve(t, stream => (++calls === which ? once(stream) : answer(stream)))
  let told = await bench(t, { direct: direct.address, via: via.address, rate: '1000' })
  for (; !counts(told) && which < 160; which += 7) {
    calls = 0
    told = await bench(t, { direct: direct.address, via: via.address, rate: '1000' })
  }
  return told
}

t.test('less than 1 % may fail', async t => {
  const { code, out, report } = await oneAnswered(
    t,
    stream => answer(stream, 14, 'once'),
    ({ report }) => report!.ways[1]!.failed > 0,
  )
  t.equal(report!.ways[1]!.failed, 1)
  t.equal(code, 0)
  t.match(out, /^ {2}14 UNAVAILABLE +0 +1 +once$/m)
  t.match(out, /Latencies are of the calls that ended with OK\./)
})

t.test('a proxy that answers OK with nothing in it does not look fast', async t => {
  const direct = await serve(t, stream => answer(stream))
  const via = await serve(t, stream => answerWith(stream))
  const { code, out, report } = await bench(t, { direct: direct.address, via: via.address })
  t.equal(code, 1)
  t.equal(report!.differences, undefined)
  const told = out.replaceAll('\n', ' ')
  t.match(told, /No difference is told: the same work was not done: messages in .* call are 1 direct and 0 via\./)
  t.match(told, /via: calls ended with OK, and without a message\./)
  t.match(out, /^responses\/call +1 +0$/m)
})

t.test('a few responses that are missing are told, and could be the slowest', async t => {
  const { code, out, report } = await oneAnswered(
    t,
    stream => answerWith(stream),
    ({ report }) => report!.ways[1]!.responsesPerCall! < 1,
  )
  t.equal(code, 0)
  t.match(out.replaceAll('\n', ' '), /Note that the same work was not done: .* 1 direct and 0\.99\d* via\./)
  t.equal(report!.differences!.at(-1)!.interval, undefined)
})

t.test('no load goes where the first call fails', async t => {
  let calls = 0
  const good = await serve(t, stream => answer(stream))
  const failing = (status: number) =>
    serve(t, stream => {
      calls++
      answer(stream, status, 'sorry')
    })
  const unknown = await bench(t, { direct: good.address, via: (await failing(12)).address })
  t.match(unknown, { code: 1, out: '', report: undefined })
  t.match(
    unknown.error,
    /\(--via\) has no method \/pkg\.Service\/Method: 12 UNIMPLEMENTED: sorry\. Is --path spelt right\?/,
  )
  const other = await bench(t, { direct: (await failing(3)).address, via: good.address })
  t.match(other.error, /the first call to .* \(--direct\) failed with 3 INVALID_ARGUMENT: sorry\. No load was sent/)
  t.equal(calls, 2)
})

t.test('unreachable, and gone in the middle', async t => {
  const { address } = await serve(t, stream => answer(stream))
  const refused = await bench(t, { direct: address, via: '127.0.0.1:1' })
  t.match(refused, { code: 1, out: '' })
  t.match(
    refused.error,
    /cannot connect to http:\/\/127\.0\.0\.1:1 \(--via\): nothing listens there: .* \(ECONNREFUSED\)/,
  )

  let calls = 0
  const server = createServer().on('stream', stream => {
    if (++calls < 2_000) return answer(stream as ServerHttp2Stream)
    server.close()
    lose(stream.session!)
  })
  server.on('session', session => session.on('error', () => {}))
  const gone = await bench(t, { direct: address, via: await listening(t, server), duration: '4' })
  t.equal(gone.code, 1)
  t.match(gone.out, /Not whole: cannot connect to .* \(--via\): nothing listens/)
  t.match(gone.report!.stopped, { by: 'failure' })
  t.ok(gone.report!.ways[1]!.calls >= 1, 'what was measured before is told')
})

t.test('a rate that is not carried', async t => {
  let calls = 0
  const { address } = await serve(t, stream => {
    if (++calls === 1) answer(stream)
  })
  const message = `hex:${'00'.repeat(2_000_000)}`
  const { code, out } = await bench(t, { direct: address, message, rate: '50000' })
  t.equal(code, 1)
  t.match(out, /Not whole: .*does not carry 50,000 calls a second: 134\scalls were open after|Nothing was measured/)
})

t.test('TLS, with a certificate of ours; and what can be wrong with it', async t => {
  const { ca, server: identity, client } = await certificates()
  const dir = folder(t)
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(dir, name), text)
    return path.join(dir, name)
  }
  const mutual = { ca: ca.cert, requestCert: true, rejectUnauthorized: true }
  const server = createSecureServer({ ...identity, ...mutual })
  server.on('stream', stream => answer(stream as ServerHttp2Stream))
  server.on('session', session => session.on('error', () => {}))
  server.on('tlsClientError', () => {})
  const address = await listening(t, server)
  const tls = { ca: file('ca.pem', ca.cert), cert: file('cert.pem', client.cert), key: file('key.pem', client.key) }
  const direct = `https://${address}`
  t.match(await bench(t, { direct, ...tls }), { code: 0, report: { ways: [{ failed: 0 }] } })
  const wrong: [options: BenchOptions, pattern: RegExp][] = [
    [{ ...tls, ca: undefined }, /its certificate is not signed by an authority that is known here: give --ca FILE/],
    [{ ...tls, serverName: 'other.example' }, /is for another name: give that as --server-name NAME/],
    [{ ca: tls.ca }, /wants? a certificate of ours|closes the connection at once/],
    [{ direct: `http://${address}` }, /https:\/\//],
  ]
  for (const [options, pattern] of wrong) {
    const { code, error } = await bench(t, { direct, ...options })
    t.equal(code, 1)
    t.match(error, pattern)
  }
  const plain = await serve(t, stream => answer(stream))
  t.match((await bench(t, { direct: `https://${plain.address}` })).error, /it does not speak TLS: write http:\/\//)
})

t.test('the page needs nothing beside itself', async t => {
  const { address } = await serve(t, stream => answer(stream))
  const html = path.join(folder(t), 'page.html')
  const metadata = ['cookie: sesame-open', 'x-request-id: <b>&"']
  const { code, report } = await bench(t, { direct: address, via: address, html, metadata })
  t.equal(code, 0)
  const page = readFileSync(html, 'utf8')
  t.match(page, /^<!doctype html>/)
  t.match(page, /<svg .*<\/svg>/s)
  for (const text of ['>direct<', '>via<', 'share of calls that are not slower', '>50 %<', 'latency, µs'])
    t.ok(page.includes(text), text)
  t.match(page, /<tr><th>p50<\/th><td>[\d.]+ [µm]s<\/td>/)
  t.ok(page.includes('--metadata &#39;cookie: [redacted]&#39;'))
  t.ok(page.includes('x-request-id: &lt;b&gt;&amp;&quot;'))
  t.notMatch(page, /sesame|<script|<link|<b>|src=/)
  t.equal(report!.command.includes('sesame'), false)
})

t.test('a signal before anything was measured', async t => {
  const stop = new AbortController()
  const { address } = await serve(t, () => stop.abort())
  t.match(await bench(t, { direct: address, path: METHOD }, stop.signal), {
    ...{ code: 130, error: '', out: 'Nothing was measured: it was stopped before its end.\n' },
  })
})

t.test('usage errors are thrown before anything is sent', async t => {
  await t.rejects(bench(t, { direct: '127.0.0.1:1', rate: '0' }), UsageError)
})
