/**
 * The same requests of gRPC-Web to the proxy and to Envoy's filter, with one backend behind both: what the backend gets and
 * what the client gets is compared, byte by byte where a body is. `npm run test:web:envoy`
 *
 * What differs on purpose is named in `ON_PURPOSE`; anything else fails.
 */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { stringify } from 'yaml'
import { Child, freePort, killAll, leaveNothingBehind } from '../../../bench/measure/child.ts'
import { ENVOY, envoyConfiguration } from '../../../bench/subjects/envoy.ts'
import { commandOf } from '../../../bench/subjects/installed.ts'
import { createProxy } from '../../../src/index.ts'
import { scratchFolder } from '../go-program.ts'

const PAGE = 'https://app.test'
const PATH = '/pkg.Service/Method'
const TYPES = 'type.googleapis.com/envoy.extensions.filters.http'

/** What one of the two made of a request. */
interface Outcome {
  /** The request at the backend; undefined where it got none. */
  readonly requestFields: readonly string[] | undefined
  readonly requestBody: string | undefined
  readonly status: number
  readonly fields: readonly string[]
  /** Base64 is decoded. */
  readonly body: string
}

interface Case {
  readonly name: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly answer?: (stream: ServerHttp2Stream) => void
}

function message(text: string): Buffer {
  const out = Buffer.alloc(5 + text.length)
  out.writeUInt32BE(text.length, 1)
  out.write(text, 5, 'latin1')
  return out
}

const TEXT = { 'content-type': 'application/grpc-web-text', accept: 'application/grpc-web-text' }

function say(stream: ServerHttp2Stream, texts: readonly string[], trailers: Record<string, string | string[]>): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'x-from': 'backend' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  for (const text of texts) stream.write(message(text))
  stream.end()
}

const hello = (stream: ServerHttp2Stream) => say(stream, ['hello'], { 'grpc-status': '0', 'x-end': ['1', '2'] })
const refuse = (stream: ServerHttp2Stream) =>
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'no%20such' },
    { endStream: true },
  )

const CASES: readonly Case[] = [
  { name: 'unary', answer: hello },
  { name: 'unary, +proto', headers: { 'content-type': 'application/grpc-web+proto' }, answer: hello },
  { name: 'unary, text', headers: TEXT, body: message('ask').toString('base64'), answer: hello },
  {
    name: 'text in segments',
    headers: TEXT,
    body: `${message('').toString('base64')}${message('b').toString('base64')}`,
    answer: hello,
  },
  { name: 'a stream', answer: stream => say(stream, ['one', '', 'three'], { 'grpc-status': '0' }) },
  {
    name: 'a stream, text',
    headers: TEXT,
    body: message('').toString('base64'),
    answer: stream => say(stream, ['one', '', 'three'], { 'grpc-status': '0' }),
  },
  { name: 'headers alone', answer: refuse },
  { name: 'headers alone, text', headers: TEXT, body: message('').toString('base64'), answer: refuse },
  {
    name: 'an error behind a message',
    answer: stream => say(stream, ['one'], { 'grpc-status': '9', 'grpc-message': 'caf%C3%A9', 'x-bin': 'AAE' }),
  },
  { name: 'no base64', headers: TEXT, body: 'AA!A', answer: hello },
  {
    name: 'a preflight',
    method: 'OPTIONS',
    headers: { 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-user' },
  },
]

/**
 * Fields that say nothing of gRPC-Web, or are of the connection; and those that differ on purpose: the proxy keeps `+proto`,
 * exposes the names that a response has, and adds no `grpc-accept-encoding`.
 */
const ASIDE =
  /^(?:connection|keep-alive|transfer-encoding|content-length|date|server|x-envoy-.*|x-forwarded-proto|x-request-id|vary|:scheme|content-type|access-control-expose-headers|grpc-accept-encoding)$/

/** What differs, in which cases, and why. */
const ON_PURPOSE: readonly [parts: RegExp, cases: RegExp, why: string][] = [
  [/./, /^text in segments$/, 'Envoy takes no padding within what comes at once'],
  [/^(?:status|fields)$/, /^no base64$/, 'grpc-status 13 from both, there with HTTP 400; the words differ'],
  [/^status$/, /^a preflight$/, 'Envoy answers 200; 204 says that there is no body'],
]

class Backend {
  readonly #server = createServer()
  seen: { readonly fields: readonly string[]; readonly body: string } | undefined
  answer: (stream: ServerHttp2Stream) => void = hello

  async listen(): Promise<number> {
    this.#server.on('stream', (stream, headers) => void this.#serve(stream as ServerHttp2Stream, headers))
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  async #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of stream) chunks.push(chunk)
    } catch {
      return
    }
    this.seen = { fields: fieldsOf(headers), body: Buffer.concat(chunks).toString('latin1') }
    if (!stream.destroyed) this.answer(stream)
  }
}

function fieldsOf(headers: object): string[] {
  return Object.entries(headers)
    .filter(([name]) => !ASIDE.test(name))
    .map(([name, value]) => `${name}: ${value}`)
    .sort()
}

async function ask(
  port: number,
  backend: Backend,
  { method = 'POST', headers = {}, body = message('ask').toString('latin1') }: Case,
): Promise<Outcome> {
  backend.seen = undefined as Backend['seen']
  const all = { host: 'api.test', origin: PAGE, 'content-type': 'application/grpc-web', ...headers }
  const request = http.request({ port, host: '127.0.0.1', method, path: PATH, headers: all, agent: false })
  request.end(method === 'OPTIONS' ? undefined : Buffer.from(body, 'latin1'))
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const raw = Buffer.concat(chunks).toString('latin1')
  const text = /-text/.test(response.headers['content-type'] ?? '') && response.statusCode === 200
  const decoded = text
    ? (raw.match(/[^=]+=*/g) ?? []).map(part => Buffer.from(part, 'base64').toString('latin1')).join('')
    : raw
  return {
    requestFields: backend.seen?.fields,
    requestBody: backend.seen?.body,
    status: response.statusCode!,
    fields: fieldsOf(response.headers),
    body: decoded,
  }
}

/** With its filters for gRPC-Web and CORS, over HTTP/1.1. */
// biome-ignore lint/suspicious/noExplicitAny: Envoy's own schema
function withFilters(configuration: any): object {
  const manager = configuration.static_resources.listeners[0].filter_chains[0].filters[0].typed_config
  manager.codec_type = 'AUTO'
  manager.http_filters.unshift(
    { name: 'envoy.filters.http.grpc_web', typed_config: { '@type': `${TYPES}.grpc_web.v3.GrpcWeb` } },
    { name: 'envoy.filters.http.cors', typed_config: { '@type': `${TYPES}.cors.v3.Cors` } },
  )
  manager.route_config.virtual_hosts[0].typed_per_filter_config = {
    'envoy.filters.http.cors': {
      '@type': `${TYPES}.cors.v3.CorsPolicy`,
      allow_origin_string_match: [{ exact: PAGE }],
      allow_methods: 'POST',
      allow_headers: 'x-user',
      expose_headers: 'grpc-status,grpc-message',
      max_age: '7200',
    },
  }
  return configuration
}

const found = commandOf(ENVOY)
if (found === undefined) {
  console.log(`SKIPPED: test:web:envoy, because there is no Envoy here (${ENVOY.install})`)
  process.exit(0)
}
leaveNothingBehind()
const backend = new Backend()
const backendPort = await backend.listen()
const proxy = createProxy({
  log: { level: 'error' },
  listeners: [{ address: '127.0.0.1:0', web: { origins: [PAGE] } }],
  backends: { main: { endpoints: [`127.0.0.1:${backendPort}`] } },
})
const [ours] = await proxy.start()
const envoyPort = await freePort()
const file = join(scratchFolder(), 'envoy.yaml')
writeFileSync(file, stringify(withFilters(envoyConfiguration({ backends: [backendPort], tls: undefined }, envoyPort))))
const args = ['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error', '--config-path', file]
await new Child({ command: found.command, args, core: 0 }).listening(envoyPort)

let failed = 0
for (const one of CASES) {
  backend.answer = one.answer ?? hello
  const [here, there] = [await ask(ours!.port, backend, one), await ask(envoyPort, backend, one)]
  const parts = (['requestFields', 'requestBody', 'status', 'fields', 'body'] as const).filter(
    part => !isDeepStrictEqual(here[part], there[part]),
  )
  const odd = parts.filter(part => !ON_PURPOSE.some(([known, cases]) => known.test(part) && cases.test(one.name)))
  failed += odd.length
  console.log(
    `${odd.length === 0 ? 'ok' : 'NOT OK'} ${one.name}${parts.length === 0 ? ': the same' : `: other ${parts.join(', ')}`}`,
  )
  for (const part of process.argv.includes('--all') ? parts : odd)
    console.log(JSON.stringify({ [part]: { here: here[part], envoy: there[part] } }, undefined, 1))
}
for (const [, , why] of ON_PURPOSE) console.log(`on purpose: ${why}`)
await proxy.close()
killAll()
process.exit(failed === 0 ? 0 : 1)
