/** Logs in files: moved, rotated, full, without a reader. Real processes, real files. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import http2, { type ClientHttp2Session } from 'node:http2'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { resolveConfig } from '../../src/config/resolve.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import { until } from '../support/until.ts'

const CLI = join(import.meta.dirname, '../../src/cli.ts')

interface Served {
  readonly folder: string
  /** A file in it. */
  file(name: string): string
  /** Its lines. */
  lines(name: string): Record<string, unknown>[]
  /** So many calls, each answered by the proxy itself. */
  call(count: number): Promise<void>
  kill(signal: NodeJS.Signals): void
  readonly stderr: () => string
  readonly exit: Promise<number | null>
  readonly pid: number
}

/** `serve` with this `log` section, whose `FOLDER` is a folder of the test. */
async function serve(t: Test, log: object, { workers = 0 } = {}): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-logs-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const socket = join(folder, 'proxy')
  const config = {
    listeners: [{ address: `unix:${socket}` }],
    backends: { main: { endpoints: ['127.0.0.1:1'] } },
    routes: [{ deny: 'UNIMPLEMENTED' }],
    log,
    ...(workers > 0 && { workers }),
  }
  const file = (name: string) => join(folder, name)
  writeFileSync(file('proxy.yaml'), JSON.stringify(config).replaceAll('FOLDER', folder))
  // Without what tap has each process load: that ends it by SIGXFSZ, which Node ignores.
  const args = ['-u', 'NODE_OPTIONS', process.execPath, CLI, 'serve', '--config', file('proxy.yaml')]
  const child = spawn('env', args, {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  const exit = once(child, 'exit').then(([code]) => code as number | null)
  const client = await connected(socket, () => stderr)
  t.teardown(() => client.destroy())
  return {
    ...{ folder, file, exit, pid: child.pid!, stderr: () => stderr },
    lines: name => linesOf(existsSync(file(name)) ? readFileSync(file(name), 'utf8') : ''),
    call: count => calls(client, count),
    kill: signal => void child.kill(signal),
  }
}

function linesOf(text: string): Record<string, unknown>[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  return whole
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
}

async function connected(path: string, describe: () => string): Promise<ClientHttp2Session> {
  const patienceEnds = Date.now() + PATIENCE_MS
  for (;;) {
    const socket = net.connect(path)
    try {
      await once(socket, 'connect')
      const client = http2.connect('http://api.example.com', { createConnection: () => socket })
      return client.on('error', () => {})
    } catch (error) {
      if (Date.now() > patienceEnds) throw new Error(describe(), { cause: error })
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
}

async function calls(client: ClientHttp2Session, count: number): Promise<void> {
  const one = async () => {
    const stream = client.request(
      { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc', te: 'trailers' },
      { endStream: true },
    )
    stream.resume()
    await once(stream, 'close')
  }
  for (let left = count; left > 0; left -= 500) await Promise.all(Array.from({ length: Math.min(left, 500) }, one))
}

const isCall = ({ msg }: Record<string, unknown>) => msg === 'call'

t.test('logrotate: a file that was moved is opened anew on SIGUSR1, and no line is lost', async t => {
  for (const workers of [0, 2]) {
    const log = { file: 'FOLDER/proxy.log', access: { file: { path: 'FOLDER/access.log', mode: '0600' } } }
    const { call, kill, file, lines, exit, stderr } = await serve(t, log, { workers })
    await call(20)
    await until('the first lines', () => lines('access.log').length === 20)
    t.equal(statSync(file('access.log')).mode & 0o777, 0o600)
    t.equal(statSync(file('proxy.log')).mode & 0o777, 0o640)
    t.notOk(lines('proxy.log').some(isCall), 'records of calls are in a file of their own')
    for (const name of ['access.log', 'proxy.log']) renameSync(file(name), file(`${name}.1`))
    await call(20)
    kill('SIGUSR1')
    // Before any further line: whoever rotates compresses the old one now.
    await until('there is a new file', () => existsSync(file('access.log')))
    await until('it is told', () => lines('proxy.log').some(({ msg }) => msg === 'the log file is opened again'))
    await call(20)
    kill('SIGTERM')
    t.equal(await exit, 0)
    t.equal(lines('access.log.1').length + lines('access.log').length, 60, `with ${workers} workers`)
    t.ok(lines('access.log').length >= 20)
    t.ok([...lines('access.log.1'), ...lines('access.log')].every(isCall))
    t.equal(stderr(), '')
  }
})

t.test('rotated by the proxy: files of the size, so many of them, and all that is kept can be read', async t => {
  const rotate = { maxBytes: 65_536, keep: 2, compress: true }
  const { call, kill, lines, file, folder, exit, stderr } = await serve(t, {
    access: { file: { path: 'FOLDER/access.log', rotate } },
  })
  // Some 300 bytes each.
  await call(1_000)
  kill('SIGTERM')
  t.equal(await exit, 0)
  t.equal(stderr(), '')
  const files = readdirSync(folder).filter(name => name.startsWith('access.log'))
  t.same(files.sort(), ['access.log', 'access.log.1.gz', 'access.log.2.gz'])
  t.ok(lines('access.log').every(isCall))
  for (const name of files.slice(1)) {
    const text = gunzipSync(readFileSync(file(name))).toString()
    t.ok(text.length >= 65_536 && text.length < 65_536 + 4_096 + 1, `${name}: ${text.length} bytes`)
    t.ok(
      linesOf(`${text.slice(text.indexOf('\n') + 1)}`).every(isCall),
      'a line may lie in two files, and none is lost',
    )
  }
})

const noPrlimit = !canRun('prlimit', '--version') && 'there is no prlimit'

function canRun(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

t.test(
  'a full disk: calls go on, lines are dropped and counted; with room again they are written',
  { skip: noPrlimit },
  async t => {
    // 16 KiB a file: what comes beyond it the system refuses, as a full disk does.
    const log = { maxBufferedBytes: 65_536, access: { file: 'FOLDER/access.log' } }
    const { call, kill, lines, pid, exit, stderr } = await serve(t, log)
    execFileSync('prlimit', ['--pid', String(pid), '--fsize=16384:'])
    await call(2_000)
    await until('it is said', () => /access\.log (?:cannot be written \(EFBIG|is read too slowly)/.test(stderr()))
    execFileSync('prlimit', ['--pid', String(pid), '--fsize=unlimited:'])
    // Looks again after five seconds at most; whoever has made room may say so.
    kill('SIGUSR1')
    await until('it is written again', () => lines('access.log').length > 100)
    await call(10)
    kill('SIGTERM')
    t.equal(await exit, 0)
    const told = lines('access.log')
    const dropped = told.reduce((sum, { droppedLines = 0 }) => sum + Number(droppedLines), 0)
    t.equal(told.filter(isCall).length + dropped, 2_010, 'each call has a line, or is counted')
    t.ok(dropped > 1_000, `${dropped}`)
  },
)

t.test('a named pipe: without a reader lines wait and are dropped, and a reader that comes gets them', async t => {
  const log = { maxBufferedBytes: 65_536, access: { file: 'FOLDER/pipe' } }
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-pipe-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  execFileSync('mkfifo', [join(folder, 'pipe')])
  const served = await serve(t, JSON.parse(JSON.stringify(log).replace('FOLDER', folder)))
  await served.call(1_000)
  await until('it is said', () => /pipe (?:cannot be written \(ENXIO|is read too slowly)/.test(served.stderr()))
  const readEnd = openSync(join(folder, 'pipe'), constants.O_RDONLY | constants.O_NONBLOCK)
  t.teardown(() => closeSync(readEnd))
  let text = ''
  const buffer = Buffer.alloc(65_536)
  const read = () => {
    try {
      text += buffer.toString('utf8', 0, readSync(readEnd, buffer))
    } catch {
      // Nothing is in it now.
    }
    return linesOf(text)
  }
  served.kill('SIGUSR1')
  await until('what was kept', () => read().length > 100)
  await served.call(10)
  served.kill('SIGTERM')
  t.equal(await served.exit, 0)
  const lines = read()
  const dropped = lines.reduce((sum, { droppedLines = 0 }) => sum + Number(droppedLines), 0)
  t.equal(lines.filter(isCall).length + dropped, 1_010, 'each call has a line, or is counted')
})

t.test('what cannot be a log file is told before anything is served', async t => {
  const folder = t.testdir({ 'a-file': '' })
  const wrong: readonly [file: unknown, message: RegExp][] = [
    [join(folder, 'none', 'proxy.log'), /the folder \S+none cannot be used: no such file/],
    [join(folder, 'a-file', 'proxy.log'), /\S+a-file is not a folder/],
    [folder, /\S+ is a folder/],
    [{ path: join(folder, 'x'), mode: '640!' }, /is the mode of a file as text/],
  ]
  for (const [file, message] of wrong) {
    const of = { backends: { a: { endpoints: ['a:1'] } } }
    t.throws(() => resolveConfig({ ...of, log: { file } }), { message: new RegExp(`log\\.file.*${message.source}`) })
    t.throws(() => resolveConfig({ ...of, log: { access: { file } } }), {
      message: new RegExp(`log\\.access\\.file.*${message.source}`),
    })
  }
  const file = { path: join(folder, 'x'), rotate: {} }
  t.throws(() => resolveConfig({ ...{ backends: { a: { endpoints: ['a:1'] } } }, workers: 2, log: { file } }), {
    message: /log\.file\.rotate: several workers cannot rotate one file/,
  })
  t.same(readdirSync(folder), ['a-file'], 'nothing is made before it is served')
})
