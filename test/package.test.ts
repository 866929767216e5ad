/** The package as somebody else gets it: packed, unpacked in an empty project, used. No network. */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import t from 'tap'
import { startProgram } from './cli/run.ts'
import { checkTypes } from './package/types.ts'
import { placeUsers, useWire } from './package/wire.ts'
import { MANIFEST, node, ROOT, run, strangersProject } from './support/stranger.ts'

// Built once, for all of them.
const stranger = strangersProject(t)
const { project, tarball, files } = stranger

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
    files.filter(file => file.startsWith('dist/') && !/\.(js|d\.ts)$|^dist\/admin\/page\//.test(file)),
    [],
    'only JavaScript and types in dist, and the live page',
  )
})

t.test('what package.json promises is there', async t => {
  const { bin, exports } = MANIFEST
  const doors = [exports['.'], exports['./gates'], exports['./wire']]
  for (const file of [bin['grpc-verbatim'], ...doors.flatMap(({ types, default: main }) => [types, main])]) {
    t.ok(files.includes(file.replace('./', '')), file)
  }
  const cli = readFileSync(path.join(project, 'node_modules/grpc-verbatim/dist/cli.js'), 'utf8')
  t.ok(cli.startsWith('#!/usr/bin/env node\n'))
})

t.test('publint says nothing', async t => {
  const { buffer } = new Uint8Array(readFileSync(tarball))
  const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true })
  t.same(
    messages.map(message => formatMessage(message, pkg)),
    [],
  )
})

t.test('attw says nothing', async t => {
  const result = await checkPackage(createPackageFromTarballData(readFileSync(tarball)))
  t.ok(result.types)
  const { problems, entrypoints } = result as Extract<typeof result, { types: { kind: string } }>
  t.same(Object.keys(entrypoints), ['.', './gates', './wire', './package.json'])
  // Its rule for Node before 22.12, which could not require() an ES module; `engines` asks for more. A test below does it.
  t.same(
    problems.filter(({ kind }) => kind !== 'CJSResolvesToESM'),
    [],
  )
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
    api: [
      'ConfigError',
      'GrpcError',
      'Status',
      'UnfitChange',
      'createProxy',
      'defineBackend',
      'defineChanges',
      'definePolicy',
    ],
    body: '\0\0\0\0\x02hi',
    status: '0',
    path: '/pkg.Service/Method',
  })
})

const LOOKED_AT = `
import * as api from 'grpc-verbatim'

const lines = []
const logger = { ...console, level: 'info', isLevelEnabled: () => true, child: () => logger, flush() {}, warn() {}, error() {} }
logger.info = ({ address }, text) => lines.push([text, address])
const proxy = api.createProxy({ logger, admin: { address: '127.0.0.1:0' }, listeners: [], backends: { a: { endpoints: ['127.0.0.1:1'] } } })
await proxy.start()
const [, address] = lines.find(([text]) => text.startsWith('admin address'))
const page = await (await fetch('http://' + address + '/')).text()
const files = [...page.matchAll(/(?:src|href)="(page\\/[^"]+)"/g)].map(([, file]) => file)
const answers = await Promise.all(files.map(async file => {
  const answer = await fetch('http://' + address + '/' + file)
  return [file, answer.status, (await answer.text()).length > 100]
}))
await proxy.close()
console.log(JSON.stringify(answers))
`

t.test('the live page is in it, with all its files', async t => {
  writeFileSync(path.join(project, 'looked-at.js'), LOOKED_AT)
  const answers: [string, number, boolean][] = JSON.parse(node(project, 'looked-at.js'))
  t.ok(answers.length > 5)
  for (const [file, ...answer] of answers) t.same(answer, [200, true], file)
  const there = files.filter(file => file.startsWith('dist/admin/page/')).map(file => path.basename(file))
  t.same(there, readdirSync(path.join(ROOT, 'src/admin/page')).sort())
})

t.test('an example, copied into the project', async t => {
  cpSync(path.join(ROOT, 'examples/director.ts'), path.join(project, 'director.ts'))
  const script = `process.env.PORT = '0'; const { proxy } = await import('./director.ts'); await proxy.close()`
  writeFileSync(path.join(project, 'example.js'), script)
  t.match(node(project, 'example.js'), /^The proxy listens on 127\.0\.0\.1:\d+\.\n$/)
})

const WIRE_API = [
  ...['CLIENT_PREFACE', 'CONNECTION_LIMITS', 'Connection', 'ConnectionError', 'DEFAULT_MAX_FRAME_SIZE'],
  ...[
    'DEFAULT_WINDOW_SIZE',
    'ErrorCode',
    'FLOOD_LIMITS',
    'Flag',
    'FrameCounts',
    'FrameReader',
    'FrameType',
    'FrameWriter',
  ],
  ...['HEAD_BYTES', 'HPACK_TOKENS', 'HeaderField', 'HpackDecoder', 'HpackEncoder', 'MAX_31_BIT'],
  ...['MAX_MAX_FRAME_SIZE', 'MemoryBudget', 'Mode', 'PROTOCOL_TOKENS', 'SettingId', 'Settings', 'StreamError'],
  ...['UNLIMITED', 'errorCodeName', 'fieldOf', 'frameTypeName', 'framesTaken', 'maxEncodedBytes', 'nameOf'],
  ...['readFlags', 'readLength', 'readStreamId', 'readType', 'rewriteHead', 'writeHead'],
]

t.test('CommonJS require', async t => {
  const script = `
    const { createProxy } = require('grpc-verbatim')
    const { FrameWriter } = require('grpc-verbatim/wire')
    createProxy('127.0.0.1:1').close().then(() => console.log(typeof FrameWriter))`
  writeFileSync(path.join(project, 'main.cjs'), script)
  t.equal(node(project, 'main.cjs'), 'function\n')
})

t.test('the wire layer by itself', async t => {
  const script = `import * as wire from 'grpc-verbatim/wire'; console.log(JSON.stringify(Object.keys(wire).sort()))`
  writeFileSync(path.join(project, 'wire.js'), script)
  t.same(JSON.parse(node(project, 'wire.js')), WIRE_API)
})

t.test('gates by themselves', async t => {
  const script = `import * as gates from 'grpc-verbatim/gates'; console.log(JSON.stringify(Object.keys(gates).sort()))`
  writeFileSync(path.join(project, 'gates.js'), script)
  t.same(JSON.parse(node(project, 'gates.js')), [
    ...['Refusal', 'allOf', 'anyOf', 'apiKeys', 'authorization', 'certificate', 'claims', 'concurrency', 'faults'],
    ...['globalRateLimit', 'jwt', 'network', 'onAnswer', 'rateLimit', 'refusal', 'through'],
  ])
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
  for (const command of ['serve', 'check', 'schema', 'top', 'completion', 'demo', 'bench'])
    t.match(help, new RegExp(`^ +${command}\\b`, 'm'))
  t.equal(node(project, cli, '--version').trim(), MANIFEST.version)
  t.type(JSON.parse(node(project, cli, 'schema')), 'object')
})

/** The program by its name, as `.bin` has it, with this Node. */
const BY_NAME = ['-u', 'NODE_OPTIONS', `PATH=${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH}`]

const noNames = process.platform === 'win32' && 'programs are started by scripts here'

t.test('npx runs it, without a network', { skip: noNames }, async t => {
  const npx = (...args: string[]) => run(project, 'env', ...BY_NAME, 'npx', 'grpc-verbatim', ...args)
  t.equal(npx('--version').trim(), MANIFEST.version)
  writeFileSync(path.join(project, 'good.yaml'), SERVED)
  t.match(npx('check', '--config', 'good.yaml'), /^good\.yaml is good/)
})

const SERVED = `
listeners: [{ address: 127.0.0.1:0 }]
backends: { main: { endpoints: [127.0.0.1:1] } }
admin: { address: 127.0.0.1:0 }
`

t.test('serve and top: it answers, is shown, and drains', { skip: noNames }, async t => {
  const config = path.join(project, 'served.yaml')
  writeFileSync(config, SERVED)
  const program = path.join(project, 'node_modules/.bin/grpc-verbatim')
  const proxy = startProgram(t, 'env', ...BY_NAME, program, 'serve', '--config', config)
  const [, admin] = await proxy.output(/admin address (127\.0\.0\.1:\d+)/)
  await proxy.output(/listening on 127/)
  t.equal((await fetch(`http://${admin}/live`)).status, 200)
  const top = await startProgram(t, 'env', ...BY_NAME, program, 'top', '--once', '--admin', admin!).exit
  t.match(top, { code: 0, stdout: new RegExp(`^grpc-verbatim ${MANIFEST.version} `) })
  proxy.child.kill('SIGTERM')
  t.match(await proxy.exit, { code: 0, stderr: '' })
})

t.test('the types', async t => checkTypes(t, stranger, placeUsers(project)))

t.test('the users of the wire layer', async t => useWire(t, project))
