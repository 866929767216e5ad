/** gRPC through the proxy and web by the real frameworks, beside each other on one http2 server: the recipes of docs/embed.md. */
import http2 from 'node:http2'
import { create, createFileRegistry } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, file_google_protobuf_wrappers } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import express from 'express'
import fastify from 'fastify'
import Koa from 'koa'
import t, { type Test } from 'tap'
import type { createProxy, StreamHandler } from '../../src/index.ts'
import { certificates } from '../support/certs.ts'
import {
  type AnyServer,
  type Beside,
  beside,
  bothAreServed,
  callsGoThrough,
  type Listener,
  type Security,
  serverOf,
} from './beside.ts'

const plain: Listener = (request, response) => {
  if (request.url === '/hello') response.end('hello')
  else if (request.url === '/echo') request.pipe(response.writeHead(201) as never)
  else response.writeHead(404).end()
}

function koa(): ReturnType<Koa['callback']> {
  return new Koa()
    .use(async (context, next) => {
      await next()
      if (context.path === '/hello') context.body = 'hello'
      if (context.path !== '/echo') return
      context.status = 201
      context.body = context.req
    })
    .callback()
}

/** Express puts its own prototypes on requests and responses; by default those are HTTP/1's. */
function expressOverHttp2(): express.Express {
  Object.setPrototypeOf(express.request, http2.Http2ServerRequest.prototype)
  Object.setPrototypeOf(express.response, http2.Http2ServerResponse.prototype)
  const app = express()
  app.use(express.json())
  app.get('/hello', (_request, response) => {
    response.send('hello')
  })
  app.post('/echo', (request, response) => {
    response.status(201).json(request.body)
  })
  return app
}

const LISTENERS: Readonly<Record<string, () => (request: never, response: never) => unknown>> = {
  'a plain listener': () => plain,
  koa,
  express: expressOverHttp2,
}

for (const security of ['h2c', 'TLS'] as const) {
  for (const [name, listener] of Object.entries(LISTENERS)) {
    t.test(`${name}, ${security}: gRPC through the proxy, all else by the listener`, async t => {
      const here = await beside(t, security, async proxy => {
        const server = await serverOf(security)
        return server.on('stream', proxy.handlerFor({ otherwise: listener() as never }))
      })
      await bothAreServed(t, here)
      t.same(here.lines, [], 'nothing to complain of')
    })
  }

  t.test(`fastify, ${security}: the server is made by serverFactory`, async t => {
    const here = await beside(t, security, async proxy => {
      const server = (await serverOf(security)) as http2.Http2Server
      const app = fastify({
        http2: true,
        serverFactory: handler => server.on('stream', proxy.handlerFor({ otherwise: handler })),
      })
      app.get('/hello', async () => 'hello')
      app.post('/echo', async (request, reply) => reply.code(201).send(request.body))
      await app.listen({ port: 0, host: '127.0.0.1' })
      t.teardown(() => app.close())
      return server
    })
    await bothAreServed(t, here)
    t.same(here.lines, [])
  })

  t.test(`connect-node, ${security}: serves its own gRPC services, the proxy all others`, async t => {
    const here = await connectBeside(t, security)
    const { ca } = await certificates()
    const options = {
      baseUrl: `${security === 'TLS' ? 'https' : 'http'}://127.0.0.1:${here.port}`,
      httpVersion: '2' as const,
      nodeOptions: { ca: ca.cert },
    }
    for (const make of [createGrpcTransport, createConnectTransport, createGrpcWebTransport]) {
      await saysAndCounts(t, make(options))
    }
    await Promise.all([callsGoThrough(t, here), callsGoThrough(t, here)])
    t.match(await here.web('/hello'), { status: 200, text: 'hello' })
    t.same(here.lines, [])
  })
}

const file = create(FileDescriptorProtoSchema, {
  name: 'echo.proto',
  package: 'web',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [
    {
      name: 'Echo',
      method: [
        { name: 'Say', inputType: '.google.protobuf.StringValue', outputType: '.google.protobuf.StringValue' },
        {
          name: 'Count',
          inputType: '.google.protobuf.StringValue',
          outputType: '.google.protobuf.StringValue',
          serverStreaming: true,
        },
      ],
    },
  ],
})
const registry = createFileRegistry(file, name =>
  name === 'google/protobuf/wrappers.proto' ? file_google_protobuf_wrappers : undefined,
)
const Echo = registry.getService('web.Echo')!

interface EchoClient {
  say(request: { value: string }): Promise<{ value: string }>
  count(request: { value: string }): AsyncIterable<{ value: string }>
}

async function saysAndCounts(t: Test, transport: Transport): Promise<void> {
  const client = createClient(Echo, transport) as unknown as EchoClient
  t.match(await client.say({ value: 'here' }), { value: 'here' })
  const counted: string[] = []
  for await (const { value } of client.count({ value: '3' })) counted.push(value)
  t.same(counted, ['0', '1', '2'])
  await t.rejects(client.say({ value: 'fail' }), { code: Code.FailedPrecondition, rawMessage: 'as asked' })
}

function connectBeside(t: Test, security: Security): Promise<Beside> {
  const otherwise = connectNodeAdapter({
    routes: router => {
      router.service(Echo, {
        say({ value }: { value: string }) {
          if (value === 'fail') throw new ConnectError('as asked', Code.FailedPrecondition)
          return { value }
        },
        async *count({ value }: { value: string }) {
          for (let i = 0; i < Number(value); i++) yield { value: String(i) }
        },
      } as never)
    },
    fallback: plain as never,
  })
  return beside(t, security, async proxy => {
    return (await serverOf(security)).on('stream', proxy.handlerFor({ local: [Echo.typeName], otherwise }))
  })
}

t.test('local: by service, by path, by a function, by a handler of its own', async t => {
  const endsWith = (status: string): StreamHandler => {
    const answer = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': status }
    return stream => stream.respond(answer, { endStream: true })
  }
  const ended = endsWith('7')
  const byListener: Listener = ({ stream }) => endsWith('10')(stream, {}, 0, [])
  const TEST_SERVICE = 'verbatim.testservice.v1.TestService'
  const PING = `/${TEST_SERVICE}/Ping`
  const served = async (options: Parameters<ReturnType<typeof createProxy>['handlerFor']>[0]) => {
    const here = await beside(t, 'h2c', async proxy => {
      return (await serverOf('h2c')).on('stream', proxy.handlerFor({ otherwise: byListener, ...options }))
    })
    const [ping, empty] = [await here.client.unary('Ping', {}), await here.client.unary('PingEmpty', {})]
    return [ping.code, empty.code]
  }
  t.same(await served({}), [0, 0])
  t.same(await served({ local: [TEST_SERVICE] }), [10, 10])
  t.same(await served({ local: [PING] }), [10, 0])
  t.same(await served({ local: path => path === PING }), [10, 0])
  t.same(await served({ local: { [TEST_SERVICE]: ended } }), [7, 7])
  t.same(await served({ local: { [PING]: ended } }), [7, 0])
  t.same(await served({ local: ['other.Service', '/'] }), [0, 0])
})

t.test('without `otherwise` the proxy answers what is not gRPC, as it always did', async t => {
  for (const handlerOf of ['handler', 'handlerFor'] as const) {
    const here = await beside(t, 'h2c', async proxy => {
      const handler = handlerOf === 'handler' ? proxy.handler : proxy.handlerFor({})
      return (await serverOf('h2c')).on('stream', handler) as AnyServer
    })
    t.match(await here.web('/echo', { headers: { 'content-type': 'text/plain' }, body: 'x' }), { status: 415 })
    await callsGoThrough(t, here)
  }
})

t.test('Expect: 100-continue and CONNECT are as they are on a server of its own', async t => {
  const here = await beside(t, 'h2c', async proxy => {
    return (await serverOf('h2c')).on('stream', proxy.handlerFor({ otherwise: plain }))
  })
  const browser = http2.connect(`http://127.0.0.1:${here.port}`)
  t.teardown(() => browser.destroy())
  const asked = browser.request({ ':method': 'POST', ':path': '/echo', expect: '100-continue' })
  await new Promise(resolve => asked.once('continue', resolve))
  asked.end('now')
  const [head] = await new Promise<[Record<string, unknown>]>(resolve =>
    asked.once('response', (...a) => resolve(a as never)),
  )
  t.equal(head[':status'], 201)
  const tunnel = browser.request({ ':method': 'CONNECT', ':authority': 'other.test:1' })
  const [refused] = await new Promise<[Record<string, unknown>]>(resolve =>
    tunnel.once('response', (...a) => resolve(a as never)),
  )
  t.equal(refused[':status'], 405)
})
