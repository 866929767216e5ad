/** Each example as it stands, in this process, with grpc-js clients and servers at its two ends. */
import './from-source.ts'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http2, { type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { ConfiguredProxy } from '../../src/config/configured-proxy.ts'
import { loadConfig } from '../../src/config/load.ts'
import { CallLog } from '../../src/demo/call-log.ts'
import type { GrpcProxy } from '../../src/index.ts'
import { certificates } from '../support/certs.ts'
import { closing } from '../support/teardown.ts'
import { TestServiceClient } from '../testservice/client.ts'
import { grpcServers } from '../testservice/rig.ts'
import { startGrpcServer } from '../testservice/server.ts'

const EXAMPLES = path.join(import.meta.dirname, '../../examples')

/** Imports an example, which takes its ports from the environment, and keeps what it prints out of the report. */
async function example<Exports>(t: Test, name: string, env: Record<string, string>): Promise<Exports> {
  Object.assign(process.env, { PORT: '0', ...env })
  const printed = t.capture(console, 'log')
  const exports = await import(path.join(EXAMPLES, name))
  t.match(printed(), [{ args: [/ listens on/] }])
  t.teardown(() => exports.proxy.close())
  return exports
}

function clientOf(t: Test, port: number): TestServiceClient {
  const client = new TestServiceClient(`127.0.0.1:${port}`)
  t.teardown(() => client.close())
  return client
}

/** Which server answered, or the code and message of the end. */
async function answerTo(client: TestServiceClient, metadata: [string, string][] = []): Promise<string> {
  const { code, message, reply } = await client.unary<{ server: string }>('Ping', {}, { metadata })
  return reply === undefined ? `${code} ${message}` : reply.server
}

const same = (message: Buffer): Buffer => message

/** A server that says its name, and which tenant it was told of. */
async function tenantServer(t: Test, name: string): Promise<string> {
  const method = { path: '/pkg.Service/Who', requestStream: false, responseStream: false } as const
  const bytes = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same }
  const who = (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) =>
    callback(null, Buffer.from(`${name}, for ${call.metadata.get('x-tenant').join(' and ')}`))
  const server = new Server()
  server.addService({ who: { ...method, ...bytes } }, { who })
  t.teardown(() => server.forceShutdown())
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(`127.0.0.1:${port}`),
    ),
  )
}

/** The reply as text, or the code and message of the end. */
function ask(client: Client, path: string, message: string, metadata: Record<string, string> = {}): Promise<string> {
  const fields = Metadata.fromHttp2Headers(metadata)
  return new Promise(resolve =>
    client.makeUnaryRequest(path, same, same, Buffer.from(message), fields, (error, reply) =>
      resolve(error ? `${error.code} ${error.details}` : String(reply)),
    ),
  )
}

t.test('director: by the tenant of a token, which the backend is told of', async t => {
  const [ACME, UMBRELLA] = [await tenantServer(t, 'the first'), await tenantServer(t, 'the second')]
  const { port } = await example<{ port: number }>(t, 'director.ts', { ACME, UMBRELLA })
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  t.teardown(() => client.close())
  const who = (metadata: Record<string, string>) => ask(client, '/pkg.Service/Who', '', metadata)
  t.equal(await who({ authorization: 'Bearer acme-1' }), 'the first, for acme')
  t.equal(await who({ authorization: 'Bearer umbrella-1', 'x-tenant': 'acme' }), 'the second, for umbrella')
  t.equal(await who({}), '16 a token is needed')
  t.equal(await who({ authorization: 'Bearer x' }), '7 this token is not known')
})

for (const [name, page] of [
  ['embedding.ts', 'This is /page, served by the application.\n'],
  ['embedding-koa.ts', 'This is /page, served by Koa.\n'],
  ['embedding-express.ts', 'This is /page, served by Express.\n'],
] as const) {
  t.test(`${name}: calls and pages on one port`, async t => {
    const [backend] = await grpcServers(t, 1)
    const { server } = await example<{ server: Http2Server }>(t, name, { BACKEND: backend!.address })
    t.teardown(() => server.close())
    const { port } = server.address() as AddressInfo
    t.equal(await answerTo(clientOf(t, port)), backend!.service.name)
    const browser = closing(t, http2.connect(`http://127.0.0.1:${port}`))
    t.equal(await text(browser.request({ ':path': '/page' })), page)
  })
}

t.test('in-process: a server without a port', async t => {
  const { port, injector } = await example<{ port: number; injector: { destroy(): void } }>(t, 'in-process.ts', {})
  closing(t, injector)
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  t.teardown(() => client.close())
  t.equal(await ask(client, '/demo.Echo/Say', 'hello'), 'hello')
})

/** The proxy of a configuration file whose addresses are those of the test. */
async function proxyOfFile(t: Test, file: string, addresses: Record<string, string>): Promise<[GrpcProxy, number]> {
  let yaml = readFileSync(file, 'utf8')
  for (const [given, real] of Object.entries(addresses)) {
    t.equal(yaml.split(given).length, 2, `${given} is there once`)
    yaml = yaml.replace(given, real)
  }
  writeFileSync(file, yaml)
  const resolution = loadConfig(file)
  const { config, warnings } = resolution
  t.same(warnings, [])
  const proxy = new ConfiguredProxy({ ...resolution, config: { ...config, log: { ...config.log, level: 'silent' } } })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  return [proxy, bound!.port]
}

function copyOf(t: Test, name: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'grpc-verbatim-example-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  cpSync(path.join(EXAMPLES, name), path.join(folder, name), { recursive: true })
  return path.join(folder, name)
}

t.test('canary: calls that ask for it get the new version', async t => {
  const calls = new CallLog()
  const [stable, canary] = await Promise.all(['stable', 'canary'].map(name => startGrpcServer({ name, calls })))
  t.teardown(() => Promise.all([stable!.close(), canary!.close()]))
  const [, port] = await proxyOfFile(t, copyOf(t, 'canary.yaml'), {
    '127.0.0.1:8080': '127.0.0.1:0',
    '127.0.0.1:50051': stable!.address,
    '127.0.0.1:50052': canary!.address,
  })
  const client = clientOf(t, port)
  for (let i = 0; i < 5; i++) t.equal(await answerTo(client, [['x-canary', 'true']]), 'canary')
  // Each goes to the old version but for one in a hundred: all 20 never go to the new one.
  const others = await Promise.all(Array.from({ length: 20 }, () => answerTo(client)))
  t.ok(others.includes('stable'), others.join())
  t.match(await client.unaryAt('/other.Service/Ping', {}), { code: 12 })
})

t.test('web: the script of the page, as a browser would send it', async t => {
  const [backend] = await grpcServers(t, 1)
  const folder = copyOf(t, 'web')
  const [, port] = await proxyOfFile(t, path.join(folder, 'proxy.yaml'), {
    '127.0.0.1:8080': '127.0.0.1:0',
    '127.0.0.1:50051': backend!.address,
  })
  const site = `http://127.0.0.1:${port}`
  const served = await fetch(site)
  t.equal(served.headers.get('content-type'), 'text/html; charset=utf-8')
  const page = await served.text()
  const script = /<script type="module">([\s\S]*)<\/script>/.exec(page)![1]!
  const out = { textContent: '' }
  const fromPage = async (url: string, options: RequestInit) => {
    const from = async (origin: string) => {
      const response = await fetch(new URL(url, site), { ...options, headers: { ...options.headers, origin } })
      return { response, allowed: response.headers.get('access-control-allow-origin') }
    }
    t.match(await from('http://localhost:5173'), { response: { status: 200 }, allowed: 'http://localhost:5173' })
    return (await from(site)).response
  }
  const run = new Function('fetch', 'document', `return (async () => {${script}})()`)
  await run(fromPage, { querySelector: () => out })
  t.match(
    out.textContent,
    /^a message of \d+ bytes, whose value is hello\n[\s\S]*grpc-status:0[\s\S]*in the headers: null$/,
  )
})

t.test("gate: one of one's own, and a limit for each of those that it names", async t => {
  const [backend] = await grpcServers(t, 1)
  const { port } = await example<{ port: number }>(t, 'gate.ts', { BACKEND: backend!.address })
  const client = clientOf(t, port)
  t.match(await answerTo(client), /^16 .*x-tenant is missing/)
  for (let i = 0; i < 3; i++) t.equal(await answerTo(client, [['x-tenant', 'one']]), backend!.service.name)
  t.match(await answerTo(client, [['x-tenant', 'one']]), /^8 /)
  t.equal(await answerTo(client, [['x-tenant', 'two']]), backend!.service.name)
})

t.test('edge: TLS, keys, limits, and a call of a page', async t => {
  const [backend] = await grpcServers(t, 1)
  const { ca, server } = await certificates()
  const folder = copyOf(t, 'edge')
  for (const [name, pem] of Object.entries({ 'cert.pem': server.cert, 'key.pem': server.key }))
    writeFileSync(path.join(folder, name), pem, { mode: 0o600 })
  const [, port] = await proxyOfFile(t, path.join(folder, 'proxy.yaml'), {
    '0.0.0.0:443': '127.0.0.1:0',
    '127.0.0.1:50051': backend!.address,
    // `npm run test:acme` has it issued by an authority.
    'acme: { domains: [api.example.com], agreeToTerms: true, storage: acme }': 'cert: cert.pem, key: key.pem',
  })
  const client = new TestServiceClient(`localhost:${port}`, credentials.createSsl(Buffer.from(ca.cert)))
  t.teardown(() => client.close())
  t.match(await answerTo(client), /^16 /)
  t.match(await answerTo(client, [['x-api-key', 'another-key']]), /^16 /)
  const ours: [string, string][] = [['x-api-key', 'a-long-random-key']]
  t.equal(await answerTo(client, ours), backend!.service.name)

  const browser = closing(t, http2.connect(`https://localhost:${port}`, { ca: ca.cert }))
  const call = {
    ...{ ':method': 'POST', ':path': '/verbatim.testservice.v1.TestService/Ping', origin: 'https://app.example.com' },
    ...{ 'content-type': 'application/grpc-web+proto', 'x-api-key': 'a-long-random-key' },
  }
  const request = browser.request(call).end(Buffer.from([0, 0, 0, 0, 0]))
  let origin: unknown
  request.on('response', headers => {
    origin = headers['access-control-allow-origin']
  })
  t.match(await text(request), /grpc-status:0/)
  t.equal(origin, 'https://app.example.com')

  const many = await Promise.all(Array.from({ length: 300 }, () => answerTo(client, ours)))
  t.ok(many.includes(backend!.service.name))
  t.ok(
    many.some(answer => answer.startsWith('8 ')),
    'RESOURCE_EXHAUSTED',
  )
})

t.test('mtls: a client with a certificate is served, one without is refused', async t => {
  const file = path.join(copyOf(t, 'mtls'), 'proxy.yaml')
  const folder = path.dirname(file)
  const { pem, how } = await certificatesIn(folder)
  t.comment(`certificates by ${how}`)
  const ca = pem('ca.pem')
  const backendCredentials = ServerCredentials.createSsl(
    ca,
    [{ cert_chain: pem('backend.pem'), private_key: pem('backend.key') }],
    true,
  )
  const backend = await startGrpcServer({ name: 'greeter', credentials: backendCredentials })
  t.teardown(() => backend.close())
  const [, port] = await proxyOfFile(t, file, {
    '127.0.0.1:8443': '127.0.0.1:0',
    '127.0.0.1:50051': backend.address,
  })
  const known = new TestServiceClient(
    `localhost:${port}`,
    credentials.createSsl(ca, pem('client.key'), pem('client.pem')),
  )
  const unknown = new TestServiceClient(`localhost:${port}`, credentials.createSsl(ca))
  t.teardown(() => {
    known.close()
    unknown.close()
  })
  t.equal(await answerTo(known), 'greeter')
  t.match(await answerTo(unknown), /^14 /)
})

/** By the example's own script; where there is no openssl, files of the same names. */
async function certificatesIn(folder: string): Promise<{ pem: (name: string) => Buffer; how: string }> {
  const pem = (name: string) => readFileSync(path.join(folder, name))
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
  } catch {
    const { ca, server, client } = await certificates()
    const files = { proxy: server, backend: server, client }
    writeFileSync(path.join(folder, 'ca.pem'), ca.cert)
    for (const [name, { cert, key }] of Object.entries(files)) {
      writeFileSync(path.join(folder, `${name}.pem`), cert)
      writeFileSync(path.join(folder, `${name}.key`), key, { mode: 0o600 })
    }
    return { pem, how: 'the test' }
  }
  execFileSync('sh', [path.join(folder, 'certificates.sh')], { stdio: 'pipe' })
  return { pem, how: 'the script' }
}
