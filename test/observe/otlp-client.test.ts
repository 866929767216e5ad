/** One POST to a collector over a real socket: what is sent, and what becomes of each answer. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { OtlpClient, type OtlpDestination, retryAfterMs } from '../../src/observe/otlp-client.ts'
import { systemClock } from '../../src/transport/clock.ts'
import { certificates } from '../support/certs.ts'

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void

async function collector(t: Test, answer: Answer): Promise<string> {
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', part => {
      body += part
    })
    request.on('end', () => answer(request, response, body))
  })
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`
}

function client(t: Test, url: string, more: Partial<OtlpDestination> = {}): OtlpClient {
  const made = new OtlpClient({ url, headers: {}, timeoutMs: 20_000, ...more }, systemClock)
  t.teardown(() => made.close())
  return made
}

const says = (status: number, body = '', headers = {}): Answer => {
  return (_request, response) => response.writeHead(status, headers).end(body)
}

t.test('what is sent', async t => {
  let got: unknown
  const url = await collector(t, ({ method, url, headers }, response, body) => {
    got = {
      method,
      url,
      body,
      type: headers['content-type'],
      token: headers.authorization,
      length: headers['content-length'],
    }
    response.end('{}')
  })
  t.same(await client(t, url, { headers: { authorization: 'Bearer secret' } }).post('{"ä":1}'), {
    kind: 'taken',
    rejected: 0,
    why: '',
  })
  t.same(got, {
    method: 'POST',
    url: '/v1/traces',
    body: '{"ä":1}',
    type: 'application/json',
    token: 'Bearer secret',
    length: '8',
  })
})

t.test('the connection stays for the next', async t => {
  const ports = new Set<number | undefined>()
  const url = await collector(t, ({ socket }, response) => {
    ports.add(socket.remotePort)
    response.end()
  })
  const made = client(t, url)
  for (let i = 0; i < 3; i++) t.equal((await made.post('{}')).kind, 'taken')
  t.equal(ports.size, 1)
})

t.test('partial success is read, and what is none is taken as a whole', async t => {
  const answers: [body: string, rejected: number, why: string][] = [
    ['{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}', 3, 'too old'],
    ['{"partialSuccess":{"rejectedDataPoints":2}}', 2, ''],
    ['{"partialSuccess":{"errorMessage":"a warning"}}', 0, 'a warning'],
    ...['', '{}', 'null', '[]', 'no JSON', '{"partialSuccess":null}', '{"partialSuccess":{"rejectedSpans":-1}}'].map(
      body => [body, 0, ''] as [string, number, string],
    ),
  ]
  for (const [body, rejected, why] of answers) {
    t.same(await client(t, await collector(t, says(200, body))).post('{}'), { kind: 'taken', rejected, why }, body)
  }
})

t.test('429, 502, 503 and 504 mean later, and others never', async t => {
  for (const status of [429, 502, 503, 504]) {
    const url = await collector(t, says(status, 'busy', { 'retry-after': '7' }))
    t.same(await client(t, url).post('{}'), { kind: 'later', afterMs: 7_000, why: `HTTP ${status}: busy` })
  }
  for (const status of [301, 400, 401, 404, 413, 500]) {
    const url = await collector(t, says(status, 'a\u001b[31mb', { location: 'http://127.0.0.1:1/' }))
    t.same(await client(t, url).post('{}'), { kind: 'refused', why: `HTTP ${status}: a [31mb` })
  }
})

t.test('Retry-After: seconds or a date, with a bound', async t => {
  t.equal(retryAfterMs(undefined, 0), undefined)
  t.equal(retryAfterMs('0', 0), 0)
  t.equal(retryAfterMs('99999999', 0), 300_000)
  t.equal(retryAfterMs('Sun, 29 Nov 2026 01:00:10 GMT', Date.UTC(2026, 10, 29, 1)), 10_000)
  t.equal(retryAfterMs('Sun, 29 Nov 2026 01:00:10 GMT', Date.UTC(2026, 10, 29, 2)), 0)
  t.equal(retryAfterMs('soon', 0), undefined)
})

t.test('a collector that is not there, hangs up, or says what is no HTTP: later', async t => {
  const sockets: Socket[] = []
  const hangsUp = createTcpServer(socket => socket.once('data', () => socket.destroy()))
  const talks = createTcpServer(socket => {
    sockets.push(socket)
    socket.once('data', () => socket.write('SSH-2.0\r\n\r\n'))
  })
  for (const server of [hangsUp, talks]) {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    t.equal((await client(t, `http://127.0.0.1:${port}/`).post('{}')).kind, 'later')
    server.close()
    for (const socket of sockets) socket.destroy()
    t.match(await client(t, `http://127.0.0.1:${port}/`).post('{}'), { kind: 'later', why: /ECONNREFUSED/ })
  }
})

t.test('a collector that does not answer is given up in time, also in the middle of its answer', async t => {
  const silent = await collector(t, () => {})
  t.same(await client(t, silent, { timeoutMs: 50 }).post('{}'), {
    kind: 'later',
    afterMs: undefined,
    why: 'no answer within 50 ms',
  })
  const slow = await collector(t, (_request, response) => response.writeHead(200).write('{'))
  t.equal((await client(t, slow, { timeoutMs: 50 }).post('{}')).kind, 'later')
})

t.test('an answer without an end is cut', async t => {
  const url = await collector(t, (_request, response) => {
    response.writeHead(400)
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
    }
    response.on('drain', more)
    more()
  })
  const outcome = await client(t, url).post('{}')
  t.equal(outcome.kind, 'refused')
  t.ok(outcome.kind === 'refused' && outcome.why.length <= 300)
})

t.test('TLS: by a CA of its own, with a certificate of ours', async t => {
  const { ca, server: own, client: ours } = await certificates()
  const secure = createSecureServer(
    { ...own, ca: ca.cert, requestCert: true, rejectUnauthorized: true },
    (request, response) => {
      request.resume().on('end', () => response.end('{}'))
    },
  )
  t.teardown(() => {
    secure.close()
    secure.closeAllConnections()
  })
  await new Promise<void>(resolve => secure.listen(0, '127.0.0.1', resolve))
  const url = `https://localhost:${(secure.address() as AddressInfo).port}/v1/traces`
  t.equal((await client(t, url, { tls: { ca: ca.cert, ...ours } }).post('{}')).kind, 'taken')
  t.match(await client(t, url).post('{}'), { kind: 'later', why: /certificate/ })
})

t.test('closed: what is under way ends, and nothing new begins', async t => {
  const made = client(t, await collector(t, () => {}))
  const under = made.post('{}')
  setImmediate(() => made.close())
  t.match(await under, { kind: 'later', why: 'the proxy ends' })
  t.equal((await made.post('{}')).kind, 'refused')
})
