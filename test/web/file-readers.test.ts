/** Who reads files of a folder slowly, leaves, or reads while they change, over sockets. */
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readlinkSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { answer, answered, field, requestFields } from '../contract/rig.ts'
import { RawClient } from '../support/raw-client.ts'
import { idle, until } from '../support/until.ts'
import { Http1Client } from './rig.ts'
import { get, getFields, http1Get, PAGE, site } from './site.ts'

t.test('a slow reader holds a part of the file and no descriptor, and gets all of it in the end', async t => {
  const { port, folder, proxy, backend } = await site(t)
  const big = randomBytes(1_500_000)
  writeFileSync(join(folder, 'big.bin'), big)
  const client = await RawClient.connect(t, port)
  client.auto.window = false
  const ids = Array.from({ length: 20 }, () => client.request(getFields('/big.bin'), { endStream: true }))
  // The window of the connection is used up, and each stream has a part that waits.
  await until('the connection takes no more', () => ids.reduce((sum, id) => sum + client.dataBytes(id), 0) === 65_535)
  await until(
    'nobody reads',
    () => openFiles(folder).length === 0,
    () => openFiles(folder).join(),
  )
  const other = await RawClient.connect(t, port)
  t.equal((await get(other, '/')).body, PAGE, 'another one is served')
  const call = other.request(requestFields(), { endStream: true })
  const at = await backend.request(() => true)
  answer({ backend: at.connection, backendId: at.streamId })
  await answered(t, { client: other, id: call })
  client.windowUpdate(0, 2 ** 30)
  for (const id of ids) client.windowUpdate(id, 2 ** 30)
  for (const id of ids) {
    await client.ended(id)
    t.ok(client.body(id).equals(big), 'whole, and in order')
  }
  await idle(proxy)
})

/** Files in that folder that this process has open, where the system tells it. */
function openFiles(folder: string): string[] {
  if (!existsSync('/proc/self/fd')) return []
  return readdirSync('/proc/self/fd')
    .map(linkOf)
    .filter(link => link.startsWith(folder))
}

function linkOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    // That of the list itself.
    return ''
  }
}

t.test('a client that reads too many files at once is told so, and others are served', async t => {
  const { port, folder, proxy } = await site(t, 'frames', { limits: { maxCallBytes: 1_048_576 } })
  writeFileSync(join(folder, 'big.bin'), randomBytes(400_000))
  const client = await RawClient.connect(t, port)
  client.auto.window = false
  const ids = Array.from({ length: 40 }, () => client.request(getFields('/big.bin'), { endStream: true }))
  const statuses = []
  for (const id of ids.slice(20)) {
    const head = await client.next('headers', ({ streamId }) => streamId === id)
    statuses.push(field(head, ':status'))
    t.equal(field(head, 'retry-after'), '1')
  }
  t.same(new Set(statuses), new Set(['503']))
  const other = await RawClient.connect(t, port)
  t.equal((await get(other, '/')).status, '200')
  client.socket.destroy()
  const again = await RawClient.connect(t, port)
  await until('it has gone', () => proxy.counts().clientConnections === 2)
  t.equal((await get(again, '/big.bin')).status, '200', 'what it held is free')
})

t.test('a file that changes while it is read is cut, and never a mixture', async t => {
  const { port, folder } = await site(t)
  const file = join(folder, 'big.bin')
  for (const change of ['replaced', 'cut', 'deleted'] as const) {
    writeFileSync(file, Buffer.alloc(300_000, 'a'))
    const client = await RawClient.connect(t, port)
    client.auto.window = false
    const id = client.request(getFields('/big.bin'), { endStream: true })
    await client.received(id, 65_535)
    if (change === 'cut') truncateSync(file, 100_000)
    else if (change === 'deleted') renameSync(file, join(folder, 'gone'))
    else {
      writeFileSync(`${file}.new`, Buffer.alloc(300_000, 'b'))
      renameSync(`${file}.new`, file)
    }
    client.windowUpdate(0, 2 ** 30)
    client.windowUpdate(id, 2 ** 30)
    t.equal((await client.next('rst', item => item.streamId === id)).code, 2, change)
    t.notMatch(client.body(id).toString('latin1'), 'b')
  }
  const http1 = Http1Client.to(t, port)
  writeFileSync(file, Buffer.alloc(30_000_000, 'a'))
  http1.socket.pause()
  http1.write(http1Get('/big.bin'))
  await until('it waits for its reader', () => http1.socket.bytesRead > 0)
  truncateSync(file, 100_000)
  http1.socket.resume()
  t.ok((await http1.ended()).length < 30_000_000, 'over HTTP/1.1 its connection ends before its length is reached')
})

t.test('a body with a GET is nobody’s, and does not keep the answer', async t => {
  const { port, proxy } = await site(t)
  const client = await RawClient.connect(t, port)
  const id = client.request(getFields('/'), {})
  client.data(id, Buffer.alloc(10_000))
  await client.received(id, PAGE.length)
  t.equal((await client.next('rst', item => item.streamId === id)).code, 0)
  const http1 = Http1Client.to(t, port)
  http1.write(`${http1Get('/', { 'content-length': '5' })}12`)
  await http1.gets('hello')
  http1.write(`345${http1Get('/app.js')}`)
  await http1.gets('export')
  client.socket.destroy()
  await idle(proxy)
})

t.test('trailers that are too large change nothing of the answer to their request', async t => {
  const { port, folder } = await site(t)
  const big = randomBytes(200_000)
  writeFileSync(join(folder, 'big.bin'), big)
  const client = await RawClient.connect(t, port)
  client.auto.window = false
  const id = client.request(getFields('/big.bin'), {})
  await client.received(id, 65_535)
  client.headers(id, [['x-long', 'a'.repeat(70_000)]], { endStream: true })
  await client.roundTrip()
  client.windowUpdate(0, 2 ** 30)
  client.windowUpdate(id, 2 ** 30)
  const came = await client.ended(id)
  t.same([came.filter(({ kind }) => kind === 'headers').length, client.body(id).equals(big)], [1, true])
})

t.test('a client that leaves in the middle leaves nothing', async t => {
  const { port, folder, proxy } = await site(t)
  writeFileSync(join(folder, 'big.bin'), randomBytes(5_000_000))
  const client = await RawClient.connect(t, port)
  client.auto.window = false
  const ids = Array.from({ length: 10 }, () => client.request(getFields('/big.bin'), { endStream: true }))
  await client.next('headers', ({ streamId }) => streamId === ids[0])
  for (const id of ids.slice(0, 5)) client.rst(id, 8)
  client.socket.destroy()
  const http1 = Http1Client.to(t, port)
  http1.write(http1Get('/big.bin'))
  await http1.gets('\r\n\r\n')
  http1.socket.destroy()
  await idle(proxy)
  await until('nobody reads', () => openFiles(folder).length === 0)
})

t.test('a drain waits for files that are on their way, over HTTP/2 and HTTP/1.1', async t => {
  const { port, folder, proxy } = await site(t)
  const big = Buffer.alloc(8_000_000, 'abcdefgh')
  writeFileSync(join(folder, 'big.bin'), big)
  const client = await RawClient.connect(t, port)
  client.auto.window = false
  const id = client.request(getFields('/big.bin'), { endStream: true })
  await client.received(id, 65_535)
  const http1 = Http1Client.to(t, port)
  http1.write(http1Get('/big.bin'))
  await http1.gets('abcdefgh')
  http1.socket.pause()
  const drained = proxy.drain()
  await client.next('goaway')
  client.windowUpdate(0, 2 ** 30)
  client.windowUpdate(id, 2 ** 30)
  await client.ended(id)
  t.ok(client.body(id).equals(big))
  http1.socket.resume()
  t.ok((await http1.ended()).endsWith(`\r\n\r\n${big}`))
  await drained
})
