/**
 * The wire layer as a stranger uses it: `users/` and the example of docs/wire.md, in a project of their own, with the
 * packed package, `import … from 'grpc-verbatim/wire'` and its declarations; node:http2 is the other end.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import http2 from 'node:http2'
import net, { type AddressInfo, type Socket } from 'node:net'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { arrival } from '../support/arrival.ts'
import { ROOT } from '../support/stranger.ts'
import { closing, type Scope } from '../support/teardown.ts'
import { until } from '../support/until.ts'

/** The TypeScript in a document, each block a file in the project. */
function codeOf(project: string, page: string): string[] {
  const blocks = readFileSync(path.join(ROOT, page), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)
  return [...blocks].map(([, code], i) => {
    const name = `${path.basename(page, '.md')}-${i}.ts`
    writeFileSync(path.join(project, name), code!)
    return name
  })
}

const PAGES = readdirSync(path.join(ROOT, 'docs')).filter(name => name.endsWith('.md'))
const DOCUMENTS = ['README.md', ...PAGES.map(name => `docs/${name}`)]
const USERS = path.join(import.meta.dirname, 'users')

/** Puts `users/` and the code of the documents into the project. @returns the files */
export function placeUsers(project: string): string[] {
  cpSync(USERS, project, { recursive: true })
  return [...readdirSync(USERS), ...DOCUMENTS.flatMap(page => codeOf(project, page))]
}

/** Larger than any window at its beginning: 65,535 bytes a stream at node:http2, 1 MiB a connection here. */
const LARGE = Buffer.alloc(3_000_000, 'HTTP/2 as bytes. ')

async function listening(t: Scope, server: net.Server | http2.Http2Server): Promise<number> {
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

/** node:http2 sends back what it gets, with trailers. */
function nodeServer(t: Scope): Promise<number> {
  const server = http2.createServer()
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.respond({ ':status': 200, 'x-path': headers[':path'] }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-done': 'yes' }))
    stream.on('error', () => {})
    stream.pipe(stream)
  })
  return listening(t, server)
}

async function dial(t: Scope, port: number): Promise<Socket> {
  const socket = closing(t, net.connect(port, '127.0.0.1'))
  await once(socket, 'connect')
  return socket
}

const head = (method: string, path: string) => ({
  ':method': method,
  ':scheme': 'http',
  ':path': path,
  ':authority': 'localhost',
})

export async function useWire(t: Test, project: string): Promise<void> {
  const fromProject = (name: string) => import(path.join(project, name))
  const { Client }: typeof import('./users/client.ts') = await fromProject('client.ts')
  const { EchoServer }: typeof import('./users/server.ts') = await fromProject('server.ts')
  const { RawPeer }: typeof import('./users/raw-peer.ts') = await fromProject('raw-peer.ts')
  // The package's own copy of the layer, as the users have it.
  const wire: typeof import('../../src/wire/index.ts') = await fromProject(
    'node_modules/grpc-verbatim/dist/wire/index.js',
  )

  /** Ours, and the connections that it has. */
  async function ourServer(t: Scope) {
    const loops: InstanceType<typeof EchoServer>[] = []
    const port = await listening(
      t,
      net.createServer(socket => loops.push(new EchoServer(closing(t, socket)))),
    )
    return { port, loops }
  }

  await t.test("a client on our wire, node's server: bodies above the windows, trailers, many at once", async t => {
    const client = new Client(await dial(t, await nodeServer(t)))
    const answer = await client.request(head('POST', '/large'), LARGE)
    t.same(answer.headers, { ...answer.headers, ':status': '200', 'x-path': '/large' })
    t.ok(answer.body.equals(LARGE), 'the body')
    t.same(answer.trailers, { 'x-done': 'yes' })
    t.same(answer.end, { kind: 'clean' })
    t.ok(answer.waits > 0, `it waited for windows ${answer.waits} times`)
    const many = await Promise.all(
      Array.from({ length: 200 }, (_, i) => client.request(head('POST', `/${i}`), LARGE.subarray(0, i * 500))),
    )
    t.same(
      many.map(({ body, headers }) => [headers['x-path'], body.length]),
      many.map((_, i) => [`/${i}`, i * 500]),
    )
    t.equal(client.connection.heldBytes, 0, 'all was given back')
    t.same(client.told, [])
  })

  await t.test("a server on our wire, node's client: bodies above the windows, trailers, a reset, a drain", async t => {
    const { port, loops } = await ourServer(t)
    const session = closing(t, http2.connect(`http://127.0.0.1:${port}`))
    const call = session.request(head('POST', '/large'))
    const [response, trailers] = [arrival(call, 'response'), arrival(call, 'trailers')]
    call.end(LARGE)
    const body = await buffer(call)
    t.ok(body.equals(LARGE), 'the body')
    t.match((await response)[0], { ':status': 200, 'x-path': '/large' })
    t.match((await trailers)[0], { 'x-bytes': `${LARGE.length}` })
    const [loop] = loops
    await until('the stream has ended', () => loop!.echoes[0]!.end !== undefined)
    t.same(loop!.echoes[0]!.end, { kind: 'clean' })

    const cancelled = session.request(head('POST', '/cancelled'))
    cancelled.on('error', () => {})
    await arrival(cancelled, 'response')
    // node:http2 says INTERNAL_ERROR for it.
    cancelled.destroy(new Error('enough'))
    await until('the reset came', () => loop!.echoes[1]!.end !== undefined)
    t.same(loop!.echoes[1]!.end, { kind: 'reset', code: wire.ErrorCode.INTERNAL_ERROR, by: 'peer' })

    loop!.connection.drain()
    await once(session, 'close')
    t.same(loop!.told, [])
    t.equal(loop!.connection.streams, 0)
  })

  await t.test('who does not read holds up its own stream, and nothing grows', async t => {
    const { port, loops } = await ourServer(t)
    const session = closing(t, http2.connect(`http://127.0.0.1:${port}`))
    const slow = session.request(head('POST', '/slow'))
    slow.end(LARGE)
    await until('the echo is stuck', () => (loops[0]?.echoes[0]?.held ?? 0) > 0)
    const quick = session.request(head('POST', '/quick'))
    quick.end('quick')
    t.equal((await buffer(quick)).toString(), 'quick', 'the other is not')
    const { connection, echoes } = loops[0]!
    t.ok(connection.heldBytes <= wire.CONNECTION_LIMITS.initialConnectionWindow, `${connection.heldBytes} bytes held`)
    t.ok(echoes[0]!.held <= connection.heldBytes)
    t.equal((await buffer(slow)).length, LARGE.length, 'and it goes on when it is read')
  })

  await t.test('a peer that is gone', async t => {
    const { port, loops } = await ourServer(t)
    const client = new Client(await dial(t, port))
    const answer = client.request({ ...head('POST', '/lost'), 'content-length': '9000000' }, Buffer.alloc(9_000_000))
    await until('the call is under way', () => (loops[0]?.echoes[0]?.held ?? 0) > 0 || loops[0]?.echoes.length === 1)
    loops[0]!.socket.destroy()
    t.match((await answer).end, { kind: 'lost', unprocessed: false })
    await until('the server heard it', () => loops[0]!.echoes[0]!.end !== undefined)
    t.equal(client.connection.free, 0)
    t.type(client.connection.over, 'string')
  })

  await t.test("a raw peer's frames at node's server and at ours", async t => {
    const { port, loops } = await ourServer(t)
    for (const [name, at] of [
      ['node', await nodeServer(t)],
      ['ours', port],
    ] as const) {
      const peer = new RawPeer(await dial(t, at))
      const { writer, frames } = peer
      const saw = (start: string) =>
        until(
          start,
          () => frames.some(frame => frame.startsWith(start)),
          () => frames.join(),
        )
      writer.preface()
      writer.settings([[wire.SettingId.INITIAL_WINDOW_SIZE, 5]])
      const fields = Object.entries(head('POST', '/raw')).map(([name, value]) => wire.fieldOf(name, value))
      peer.headers(1, [...fields, wire.fieldOf('x-secret', 'once', true)], false)
      writer.data(1, Buffer.from('frames'), 0, 6, true)
      writer.ping(Buffer.from('raw peer'), 0, false)
      peer.send()
      await saw('PING raw peer ACK')
      await saw('DATA 1 frame')
      t.equal(frames[0], 'SETTINGS', `${name}: first`)
      t.notOk(frames.includes('DATA 1 s'), `${name}: no byte above the window`)
      writer.windowUpdate(1, 10)
      peer.send()
      await saw('DATA 1 s')
      await saw('HEADERS 1 x-')

      // A frame that the writer would not write: RST_STREAM on stream 0.
      const wrong = Buffer.alloc(wire.HEAD_BYTES + 4)
      wire.writeHead(wrong, 0, 4, wire.FrameType.RST_STREAM, wire.Flag.NONE, 0)
      peer.send(wrong)
      await saw('GOAWAY')
      const goaway = frames.find(frame => frame.startsWith('GOAWAY'))!
      t.match(goaway, /^GOAWAY \d+ PROTOCOL_ERROR/, `${name}: ${goaway}`)
    }
    t.same(loops[0]!.told, ['rst-stream-on-stream-0'])
  })

  await t.test('the example of docs/wire.md runs as it stands', async t => {
    const server = http2.createServer()
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-done': 'yes' }))
      stream.end('Hello, frames!')
    })
    const env = { ...process.env, PORT: `${await listening(t, server)}`, NODE_OPTIONS: '' }
    const { stdout } = await promisify(execFile)(process.execPath, ['wire-0.ts'], {
      cwd: project,
      env,
      timeout: 600_000,
    })
    t.match(stdout, /^:status: 200\ncontent-type: text\/plain\n/)
    t.match(stdout, /\nHello, frames!\nclean\n$/)
  })
}
