/**
 * A request listener that is attached to the server whose streams the proxy's handler gets too. Node answers such a
 * stream by both; nothing of that may throw in the host's process, and gRPC is the proxy's all the same.
 */
import { once } from 'node:events'
import http2 from 'node:http2'
import https from 'node:https'
import fastify from 'fastify'
import t from 'tap'
import type { GrpcProxy } from '../../src/index.ts'
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

const TOLD = [{ level: 40, msg: /^the http2 server has a request listener beside the proxy's: .+ otherwise: listener/ }]

const atOnce: Listener = (request, response) => {
  if (request.url === '/hello') response.end('hello')
  else if (request.url === '/echo') request.pipe(response.writeHead(201) as never)
  else response.writeHead(404).end()
}

/** As with a router that waits for something: in a later turn, body and all. */
const later: Listener = (request, response) => {
  setTimeout(() => atOnce(request, response), 1)
}

const ATTACHED: Readonly<Record<string, (proxy: GrpcProxy, security: Security, app: Listener) => Promise<AnyServer>>> =
  {
    'createServer(listener), then the handler': async (proxy, security, app) => {
      return (await serverOf(security, app)).on('stream', proxy.handler) as AnyServer
    },
    "the handler, then on('request')": async (proxy, security, app) => {
      return (await serverOf(security)).on('stream', proxy.handler).on('request', app) as AnyServer
    },
    'createServer(listener), then handlerFor({ otherwise }) of the same': async (proxy, security, app) => {
      return (await serverOf(security, app)).on('stream', proxy.handlerFor({ otherwise: app })) as AnyServer
    },
    "handlerFor({ otherwise }), then on('request') of the same": async (proxy, security, app) => {
      return (await serverOf(security))
        .on('stream', proxy.handlerFor({ otherwise: app }))
        .on('request', app) as AnyServer
    },
  }

for (const security of ['h2c', 'TLS'] as const) {
  for (const [how, attach] of Object.entries(ATTACHED)) {
    t.test(`${security}: ${how}: all is served once a request came, and it is told once`, async t => {
      for (const app of [atOnce, later]) {
        const here = await beside(t, security, proxy => attach(proxy, security, app))
        t.match(await here.web('/hello'), { status: 200, text: 'hello' })
        await bothAreServed(t, here)
        t.match(here.lines, TOLD)
        t.equal(here.lines.length, 1)
      }
    })
  }
}

for (const [how, attach] of Object.entries(ATTACHED)) {
  t.test(`${how}: the first request is a call, and the listener would answer it later`, async t => {
    const here = await beside(t, 'h2c', proxy => attach(proxy, 'h2c', later))
    await bothAreServed(t, here)
    t.match(here.lines, TOLD)
  })

  t.test(`${how}: the first request is a call, which the listener answers at once`, async t => {
    const here = await beside(t, 'h2c', proxy => attach(proxy, 'h2c', atOnce))
    const first = await here.client.unary('Ping', { value: 'there' })
    // The layer of Node that came first has answered: nothing can take that back. Told is how it is avoided.
    const taken = how.startsWith('createServer')
    t.equal(first.code, taken ? 12 : 0)
    t.match(here.lines, TOLD)
    await bothAreServed(t, here)
    t.equal(here.lines.length, 1)
  })
}

t.test('a listener of the host that calls the handler by hand, beside a request listener', async t => {
  for (const order of ['before', 'after'] as const) {
    const here = await beside(t, 'h2c', async proxy => {
      const { handler } = proxy
      const byHand: typeof handler = (...args) => handler(...args)
      const server = await serverOf('h2c', order === 'before' ? later : undefined)
      server.on('stream', byHand)
      return (order === 'after' ? server.on('request', later) : server) as AnyServer
    })
    // Whose answer it is depends on who is first; that it ends, and nothing throws, does not.
    for (let i = 0; i < 10; i++) t.type((await here.client.unary('Ping', {})).code, 'number')
  }
})

t.test('fastify with http2: true, whose server has its listener already', async t => {
  const here = await beside(t, 'h2c', async proxy => {
    const app = fastify({ http2: true })
    app.get('/hello', async () => 'hello')
    app.post('/echo', async (request, reply) => reply.code(201).send(request.body))
    app.server.on('stream', proxy.handler)
    await app.listen({ port: 0, host: '127.0.0.1' })
    t.teardown(() => app.close())
    return app.server as AnyServer
  })
  t.match(await here.web('/hello'), { status: 200, text: 'hello' })
  await bothAreServed(t, here)
  t.match(here.lines, TOLD)
})

t.test('two servers, one handler: each is looked at, each is told of', async t => {
  const servers: AnyServer[] = []
  const here = await beside(t, 'h2c', async proxy => {
    const { handler } = proxy
    for (const _ of [1, 2]) servers.push((await serverOf('h2c', later)).on('stream', handler) as AnyServer)
    return servers[0]!
  })
  await callsGoThrough(t, here)
  t.equal(here.lines.length, 1)
  const plain: Beside = here
  await bothAreServed(t, plain)
  t.equal(servers[0]!.listenerCount('stream'), 1, "Node's layer is off the one")
  t.equal(servers[1]!.listenerCount('stream'), 2, 'and on the other, which had no stream yet')
})

t.test('a TLS server for HTTP/1 too: those requests come as they always did', async t => {
  const { server: identity, ca } = await certificates()
  const here = await beside(t, 'TLS', async proxy => {
    const server = http2.createSecureServer({ ...identity, allowHTTP1: true })
    server.on('stream', proxy.handlerFor({ otherwise: atOnce }))
    return server.on('request', atOnce) as AnyServer
  })
  await bothAreServed(t, here)
  const [response] = await once(https.get({ port: here.port, path: '/hello', ca: ca.cert, agent: false }), 'response')
  t.match(response, { statusCode: 200, httpVersion: '1.1' })
  response.resume()
  await once(response, 'close')
  await bothAreServed(t, here)
  t.equal(here.lines.length, 1)
})
