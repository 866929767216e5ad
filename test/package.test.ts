/** The package as somebody else gets it: packed, unpacked in an empty project, used. No network. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { MANIFEST, node, ROOT, strangersProject, TSC } from './support/stranger.ts'
import { wholeOnly } from './support/whole.ts'

const { project, files } = strangersProject(t)

t.test('what is in it', async t => {
  for (const file of ['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'dist/cli.js']) {
    t.ok(files.includes(file), file)
  }
  t.ok(
    files.some(file => /^fixtures\/proto\/.+\.proto$/.test(file)),
    'the protocol of the demo',
  )
  const strangers = files.filter(
    file => !/^(package\.json|README\.md|LICENSE|dist\/.+|fixtures\/proto\/.+)$/.test(file),
  )
  t.same(strangers, [], 'nothing else')
  t.same(
    files.filter(file => file.startsWith('dist/') && !/\.(js|d\.ts)$/.test(file)),
    [],
    'only JavaScript and types in dist',
  )
})

t.test('what package.json promises is there', async t => {
  const { bin, exports } = MANIFEST
  const doors = [exports['.'], exports['./wire']]
  for (const file of [bin['grpc-verbatim'], ...doors.flatMap(({ types, default: main }) => [types, main])]) {
    t.ok(files.includes(file.replace('./', '')), file)
  }
  const cli = readFileSync(path.join(project, 'node_modules/grpc-verbatim/dist/cli.js'), 'utf8')
  t.ok(cli.startsWith('#!/usr/bin/env node\n'))
})

const PROXIED = `
import http2 from 'node:http2'
import * as api from 'grpc-verbatim'

const backend = http2.createServer()
backend.on('stream', (stream, headers) => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-path': headers[':path'] }))
  stream.pipe(stream)
})
await new Promise(done => backend.listen(0, '127.0.0.1', done))
const proxy = api.createProxy(\`127.0.0.1:\${backend.address().port}\`)
const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
const client = http2.connect(\`http://127.0.0.1:\${port}\`)
const call = client.request({
  ':method': 'POST', ':path': '/pkg.Service/Method', 'content-type': 'application/grpc', te: 'trailers',
})
let body = ''
let trailers
call.setEncoding('latin1').on('data', text => { body += text }).on('trailers', them => { trailers = them })
call.end('\\0\\0\\0\\0\\x02hi')
await new Promise((done, failed) => call.on('close', done).on('error', failed))
client.destroy()
await proxy.close()
backend.close()
const { 'grpc-status': status, 'x-path': path } = trailers
console.log(JSON.stringify({ api: Object.keys(api).sort(), body, status, path }))
`

t.test('ESM import, and a call through the proxy', async t => {
  writeFileSync(path.join(project, 'main.js'), PROXIED)
  t.same(JSON.parse(node(project, 'main.js')), {
    api: ['ConfigError', 'GrpcError', 'Status', 'createProxy', 'defineBackend'],
    body: '\0\0\0\0\x02hi',
    status: '0',
    path: '/pkg.Service/Method',
  })
})

t.test('an example, copied into the project', async t => {
  cpSync(path.join(ROOT, 'examples/director.ts'), path.join(project, 'director.ts'))
  const script = `process.env.PORT = '0'; const { proxy } = await import('./director.ts'); await proxy.close()`
  writeFileSync(path.join(project, 'example.js'), script)
  t.match(node(project, 'example.js'), /^The proxy listens on 127\.0\.0\.1:\d+\.\n$/)
})

const WIRE_API = [
  ...['CLIENT_PREFACE', 'CONNECTION_LIMITS', 'Connection', 'ConnectionError', 'DEFAULT_MAX_FRAME_SIZE'],
  ...['DEFAULT_WINDOW_SIZE', 'ErrorCode', 'FLOOD_LIMITS', 'Flag', 'FrameReader', 'FrameType', 'FrameWriter'],
  ...['HEAD_BYTES', 'HPACK_TOKENS', 'HeaderField', 'HpackDecoder', 'HpackEncoder', 'MAX_31_BIT'],
  ...['MAX_MAX_FRAME_SIZE', 'MemoryBudget', 'Mode', 'PROTOCOL_TOKENS', 'SettingId', 'Settings', 'StreamError'],
  ...['UNLIMITED', 'errorCodeName', 'fieldOf', 'frameTypeName', 'framesTaken', 'maxEncodedBytes', 'nameOf'],
  ...['readFlags', 'readLength', 'readStreamId', 'readType', 'rewriteHead', 'writeHead'],
]

t.test('the wire layer by itself', async t => {
  const script = `import * as wire from 'grpc-verbatim/wire'; console.log(JSON.stringify(Object.keys(wire).sort()))`
  writeFileSync(path.join(project, 'wire.js'), script)
  t.same(JSON.parse(node(project, 'wire.js')), WIRE_API)
})

t.test('only the doors are open', async t => {
  for (const inside of ['dist/proxy.js', 'dist/wire/index.js', 'wire/connection']) {
    writeFileSync(path.join(project, 'inside.js'), `await import('grpc-verbatim/${inside}')`)
    t.throws(() => node(project, 'inside.js'), /ERR_PACKAGE_PATH_NOT_EXPORTED/, inside)
  }
})

t.test('the command line', async t => {
  const cli = path.join('node_modules', 'grpc-verbatim', 'dist', 'cli.js')
  const help = node(project, cli, '--help')
  t.match(help, /^Usage: grpc-verbatim /)
  for (const command of ['serve', 'check', 'schema', 'demo', 'bench'])
    t.match(help, new RegExp(`^ +${command}\\b`, 'm'))
  t.equal(node(project, cli, '--version').trim(), MANIFEST.version)
  t.type(JSON.parse(node(project, cli, 'schema')), 'object')
})

const TYPED = `
import { createServer } from 'node:http2'
import { type CallInfo, createProxy, type Director, GrpcError, type GrpcProxy, type OpenCounts, type ProxyOptions, Status, type Target } from 'grpc-verbatim'

const director: Director = async (call: CallInfo): Promise<Target | undefined> => {
  if (call.metadata.get('authorization') === undefined) throw new GrpcError('UNAUTHENTICATED', 'who are you?')
  if (call.signal.aborted) throw new GrpcError(Status.CANCELLED, '')
  return call.service === 'pkg.Service' ? { backend: 'main', metadata: { 'x-tenant': ['a'] } } : undefined
}
const options: ProxyOptions = { backends: { main: { endpoints: ['127.0.0.1:50051'] } }, director }
const proxy: GrpcProxy = createProxy(options)
const server = createServer()
server.on('stream', proxy.handler)
const { port, address }: { port: number; address: string } = await proxy.listen({ port: 0 })
const counts: OpenCounts = proxy.counts()
await proxy.drain(100)
export { address, counts, port }

// @ts-expect-error no such status
new GrpcError('TEAPOT', '')
// @ts-expect-error no such option
createProxy({ backend: {} })
// @ts-expect-error a target names a backend
export const wrong: Director = () => ({ authority: 'x' })
`

t.test('types, under the strictest settings', async t => {
  writeFileSync(path.join(project, 'typed.ts'), TYPED)
  const flags = '--noEmit --strict --target ES2024 --module NodeNext --types node --skipLibCheck'
  t.equal(node(project, TSC, ...flags.split(' '), 'typed.ts'), '')
})

t.test('the declarations are whole by themselves', wholeOnly('checks those of all dependencies too'), async t => {
  const compilerOptions = { noEmit: true, strict: true, target: 'ES2024', module: 'NodeNext', types: ['node'] }
  const declarations = files.filter(file => file.endsWith('.d.ts')).map(file => `node_modules/grpc-verbatim/${file}`)
  writeFileSync(path.join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: declarations }))
  t.equal(node(project, TSC, '-p', '.'), '')
})
