/** Files of a folder beside gRPC-Web (`web.static`), over sockets. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createProxy, type ProxyOptions } from '../../src/index.ts'
import { answer, answered, requestFields } from '../contract/rig.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import { Http1Client, http1Head } from './rig.ts'
import { get, http1Get, PAGE, site } from './site.ts'

for (const transport of ['frames', 'native'] as const) {
  t.test(`over HTTP/2 on ${transport}: pages, types, HEAD, and what there is not`, async t => {
    const { port, backend } = await site(t, transport)
    const client = await RawClient.connect(t, port)
    const page = await get(client, '/')
    t.same([page.status, page.body], ['200', PAGE])
    t.match(page.headers, {
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(PAGE.length),
      'cache-control': 'no-cache',
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      etag: /^"[0-9a-z]+-[0-9a-z]+-[0-9a-z]+"$/,
      date: /GMT$/,
    })
    t.same(await get(client, '/index.html?v=2').then(({ body }) => body), PAGE)
    t.match(await get(client, '/app.js'), {
      status: '200',
      headers: { 'content-type': 'text/javascript; charset=utf-8' },
    })
    t.match(await get(client, '/a%20b%25.txt'), { status: '200', body: 'spaces\n' })
    t.match(await get(client, '/empty.css'), { status: '200', headers: { 'content-length': '0' }, body: '' })
    t.match(await get(client, '/bare/x.unknown'), { headers: { 'content-type': 'application/octet-stream' } })
    t.match(await get(client, '/docs?a=b'), { status: '301', headers: { location: '/docs/?a=b' } })
    t.match(await get(client, '/docs/'), { status: '200', body: 'docs\n' })
    t.match(await get(client, '/bare/'), { status: '404' }, 'no list of what is there')
    t.match(await get(client, '/', {}, 'HEAD'), { status: '200', headers: { 'content-length': '28' }, body: '' })
    t.match(await get(client, '/none', {}, 'HEAD'), { status: '404', body: '' })
    t.equal(backend.connections.length, 0)
    const id = client.request(requestFields(), { endStream: true })
    const call = await backend.request(() => true)
    answer({ backend: call.connection, backendId: call.streamId })
    await answered(t, { client, id })
  })
}

t.test('no spelling of a path leads out of the folder, to a file with a dot, or to what is no file', async t => {
  const { port, folder } = await site(t)
  symlinkSync('../secret.txt', join(folder, 'out.txt'))
  symlinkSync('..', join(folder, 'up'))
  symlinkSync('.env', join(folder, 'env.txt'))
  symlinkSync('.git', join(folder, 'git'))
  symlinkSync('loop', join(folder, 'loop'))
  symlinkSync('docs', join(folder, 'also'))
  execFileSync('mkfifo', [join(folder, 'pipe')])
  const client = await RawClient.connect(t, port)
  const none = [
    '/../secret.txt',
    '/docs/../../secret.txt',
    '/docs/../index.html',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e%2fsecret.txt',
    '/docs%2findex.html',
    '/..\\secret.txt',
    '/..%5csecret.txt',
    '/%252e%252e/secret.txt',
    '/./index.html',
    '//index.html',
    '/docs//index.html',
    '//evil.test/docs',
    '/index.html/',
    '/index.html%00.txt',
    '/%ff',
    '/%c0%ae%c0%ae/secret.txt',
    '/%',
    `${folder}/index.html`,
    `/${'a'.repeat(300)}`,
    '/.env',
    '/%2eenv',
    '/.git/config',
    '/.git/',
    '/out.txt',
    '/up/secret.txt',
    '/up/public/index.html/',
    '/env.txt',
    '/git/config',
    '/git',
    '/loop',
    '/pipe',
    '*',
    'index.html',
  ]
  for (const path of none) {
    const { status, body } = await get(client, path)
    t.equal(status, '404', path)
    t.notMatch(body, 'SECRET', path)
  }
  t.match(await get(client, '/also/'), { status: '200', body: 'docs\n' }, 'a link within it is one more name')
  t.match(await get(client, '/up/public/app.js'), { status: '200' }, 'also by a way around')
  const http1 = Http1Client.to(t, port)
  http1.write(http1Get('/../secret.txt') + http1Get('/..%2fsecret.txt'))
  t.notMatch(await http1.gets(/ 404 [\s\S]*file\.\n[\s\S]* 404 [\s\S]*file\.\n/), 'SECRET')
})

t.test('over HTTP/1.1: one connection, HEAD without a body, 304, and 405 that names the methods', async t => {
  const { port } = await site(t)
  const client = Http1Client.to(t, port)
  client.write(http1Get('/', {}, 'HEAD') + http1Get('/app.js'))
  const got = await client.gets('export {}\n')
  t.match(got, /^HTTP\/1\.1 200 OK\r\n[\s\S]*content-length: 28\r\n[\s\S]*?\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  t.notMatch(got, /transfer-encoding/i)
  const [, tag] = /etag: (".*")[\s\S]*hello|etag: (".*")/.exec(got)!.filter(Boolean)
  client.received = ''
  client.write(http1Get('/', { 'if-none-match': tag! }))
  const unchanged = await client.gets(/HTTP\/1\.1 304 Not Modified\r\n[\s\S]*\r\n\r\n/)
  t.notMatch(unchanged, /content-length|content-type/)
  client.received = ''
  client.write(http1Get('/', { 'content-length': '0' }, 'PUT'))
  t.match(await client.gets('requests.\n'), /^HTTP\/1\.1 405 [\s\S]*allow: GET, HEAD, POST, OPTIONS\r\n/)
})

t.test('conditions: by the tag alone, which is another one when the file is written', async t => {
  const { port, folder } = await site(t)
  const client = await RawClient.connect(t, port)
  const { headers } = await get(client, '/')
  const tag = headers.etag!
  for (const [condition, status] of [
    [{ 'if-none-match': tag }, '304'],
    [{ 'if-none-match': `"x", W/${tag}` }, '304'],
    [{ 'if-none-match': '*' }, '304'],
    [{ 'if-none-match': '"x"' }, '200'],
    [{ 'if-modified-since': new Date(Date.now() + 86_400_000).toUTCString() }, '200'],
    [{ 'if-match': `"x", ${tag}` }, '200'],
    [{ 'if-match': `W/${tag}` }, '412'],
    [{ 'if-match': '"x"', 'if-none-match': tag }, '412'],
  ] as const) {
    const got = await get(client, '/', condition)
    t.equal(got.status, status, JSON.stringify(condition))
    if (status !== '200') t.equal(got.body, '')
  }
  // As a package does that was made another time: as long, and with the same time.
  const file = join(folder, 'index.html')
  writeFileSync(`${file}.new`, PAGE.replace('hello', 'HELLO'))
  utimesSync(file, 499_162_500, 499_162_500)
  const old = (await get(client, '/')).headers.etag!
  utimesSync(`${file}.new`, 499_162_500, 499_162_500)
  renameSync(`${file}.new`, file)
  const next = await get(client, '/', { 'if-none-match': old })
  t.same([next.status, next.body], ['200', PAGE.replace('hello', 'HELLO')])
})

t.test('one range of a file', async t => {
  const { port } = await site(t)
  const client = await RawClient.connect(t, port)
  const { headers } = await get(client, '/')
  const rows: [Record<string, string>, string, string | undefined, string | undefined][] = [
    [{ range: 'bytes=0-3' }, '206', 'bytes 0-3/28', PAGE.slice(0, 4)],
    [{ range: 'bytes=20-' }, '206', 'bytes 20-27/28', PAGE.slice(20)],
    [{ range: 'bytes=-5' }, '206', 'bytes 23-27/28', PAGE.slice(-5)],
    [{ range: 'bytes=-500' }, '206', 'bytes 0-27/28', PAGE],
    [{ range: 'bytes=27-99999999' }, '206', 'bytes 27-27/28', '\n'],
    [{ range: 'bytes=28-' }, '416', 'bytes */28', ''],
    [{ range: 'bytes=-0' }, '416', 'bytes */28', ''],
    [{ range: 'bytes=5-2' }, '200', undefined, PAGE],
    [{ range: 'bytes=0-1,3-4' }, '200', undefined, PAGE],
    [{ range: 'bytes=-' }, '200', undefined, PAGE],
    [{ range: 'lines=1-2' }, '200', undefined, PAGE],
    [{ range: 'bytes=99999999999999999999-' }, '200', undefined, PAGE],
    [{ range: 'bytes=0-3', 'if-range': headers.etag! }, '206', 'bytes 0-3/28', PAGE.slice(0, 4)],
    [{ range: 'bytes=0-3', 'if-range': '"x"' }, '200', undefined, PAGE],
    [{ range: 'bytes=0-3', 'if-range': new Date().toUTCString() }, '200', undefined, PAGE],
  ]
  for (const [fields, status, range, body] of rows) {
    const got = await get(client, '/', fields)
    t.same([got.status, got.headers['content-range'], got.body], [status, range, body], JSON.stringify(fields))
  }
  t.equal((await get(client, '/', { range: 'bytes=0-3' }, 'HEAD')).status, '200')
  t.equal((await get(client, '/empty.css', { range: 'bytes=0-3' })).status, '200')
})

t.test('the folder may be another one while it listens, and may be a link that leads elsewhere', async t => {
  const outer = t.testdir({ one: { 'index.html': 'one' }, two: { 'index.html': 'two' } })
  const link = join(outer, 'current')
  symlinkSync('one', link)
  const backend = await RawServer.listen(t)
  const options = (files: string): ProxyOptions => ({
    log: { level: 'silent' },
    listeners: [{ address: '127.0.0.1:0', web: { static: files } }],
    backends: { main: { endpoints: [backend.url] } },
  })
  const proxy = createProxy(options(link))
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  const client = await RawClient.connect(t, bound!.port)
  t.equal((await get(client, '/')).body, 'one')
  symlinkSync('two', `${link}.new`)
  renameSync(`${link}.new`, link)
  t.equal((await get(client, '/')).body, 'two')
  await proxy.apply(options(join(outer, 'one')))
  t.equal((await get(client, '/')).body, 'one')
  renameSync(join(outer, 'one'), join(outer, 'away'))
  t.equal((await get(client, '/')).status, '503', 'without its folder it serves calls only')
  t.match(await get(client, '/', {}, 'HEAD'), { status: '503', body: '' }, 'what answers HEAD has no content')
})

t.test('probes come first, and a page of the folder may call at once', async t => {
  const folder = t.testdir({ healthz: 'a file', 'index.html': PAGE })
  const backend = await RawServer.listen(t)
  const proxy = createProxy({
    log: { level: 'silent' },
    listeners: [{ address: '127.0.0.1:0', web: { static: folder }, probes: { path: '/healthz' } }],
    backends: { main: { endpoints: [backend.url] } },
  })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  const client = Http1Client.to(t, bound!.port)
  client.write(http1Get('/healthz') + http1Get('/'))
  await client.gets(/it is ready\n[\s\S]*hello/)
  client.received = ''
  client.write(http1Head({ 'content-length': '0', host: 'site.test', origin: 'http://site.test' }))
  const { connection, streamId } = await backend.request(() => true)
  answer({ backend: connection, backendId: streamId })
  await client.gets('grpc-status:0')
})

t.test('a folder that is not there is a mistake of the configuration, and one above it a risk', async t => {
  const folder = t.testdir({ file: '' })
  const options = (files: string): ProxyOptions => ({
    listeners: [{ address: '127.0.0.1:0', web: { static: files } }],
    backends: { main: { endpoints: ['127.0.0.1:1'] } },
  })
  t.throws(
    () => createProxy(options(join(folder, 'none'))),
    /listeners\[0\]\.web\.static: the folder .*none cannot be used/,
  )
  t.throws(() => createProxy(options(join(folder, 'file'))), /file is not a folder/)
  const { resolveConfig } = await import('../../src/config/resolve.ts')
  mkdirSync(join(folder, 'conf'))
  t.match(resolveConfig(options('..'), { folder: join(folder, 'conf') }).warnings, [
    { path: 'listeners[0].web.static', message: /holds the folder of this configuration/ },
  ])
  t.same(resolveConfig(options('conf'), { folder }).warnings, [])
})
