/** A proxy whose log goes nowhere goes on, and ends when it is told. Real processes, whose standard output is not read. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, existsSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import http2, { type ClientHttp2Session } from 'node:http2'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { arrival } from '../support/arrival.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import type { Scope } from '../support/teardown.ts'
import { until } from '../support/until.ts'

const CLI = join(import.meta.dirname, '../../src/cli.ts')
/** Far more lines than a pipe (64 KiB) and the buffer hold; a line of a call has some 300 bytes. */
const CALLS = 1_000
const BUFFER_BYTES = 65_536
const MOST_KEPT = Math.ceil((65_536 + BUFFER_BYTES) / 250)

interface Process {
  kill(signal: NodeJS.Signals): void
  readonly client: ClientHttp2Session
  readonly exit: Promise<{ code: number | null; stderr: string }>
}

/** Runs a command whose standard output is a terminal that nobody reads; tells its process id, and ends as it does. */
const IN_TERMINAL = `
import pty, subprocess, sys
read_end, terminal = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdout=terminal)
print(child.pid, flush=True)
sys.exit(child.wait())
`

interface Options {
  readonly pretty?: boolean
  /** Of Node. */
  readonly node?: readonly string[]
}

/** `serve`, which answers every call by itself, and a client of it. */
async function serve(t: Scope, stdout: number | 'terminal', options: Options = {}): Promise<Process> {
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-log-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const socket = join(folder, 'proxy')
  const config = {
    listeners: [{ address: `unix:${socket}` }],
    backends: { main: { endpoints: ['127.0.0.1:1'] } },
    routes: [{ deny: 'UNIMPLEMENTED' }],
    log: { maxBufferedBytes: BUFFER_BYTES, pretty: options.pretty ?? false },
  }
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config))
  const args = [process.execPath, ...(options.node ?? []), CLI, 'serve', '--config', join(folder, 'config.yaml')]
  const [command, ...rest] = stdout === 'terminal' ? ['python3', '-c', IN_TERMINAL, ...args] : args
  const child = spawn(command!, rest, { stdio: ['ignore', stdout === 'terminal' ? 'pipe' : stdout, 'pipe'] })
  let pid = child.pid!
  if (stdout === 'terminal') pid = Number((await once(child.stdout!, 'data'))[0])
  else closeSync(stdout)
  const kill = (signal: NodeJS.Signals) => child.exitCode === null && process.kill(pid, signal)
  t.teardown(() => kill('SIGKILL'))
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  const exit = once(child, 'close').then(([code]) => ({ code: code as number | null, stderr }))
  const connection = await connected(socket)
  const client = http2.connect('http://api.example.com', { createConnection: () => connection })
  client.on('error', () => {})
  t.teardown(() => client.destroy())
  return { kill, client, exit }
}

/** There is no line to tell that it listens: nobody reads any. */
async function connected(path: string): Promise<net.Socket> {
  const patienceEnds = Date.now() + PATIENCE_MS
  for (;;) {
    const socket = net.connect(path)
    try {
      await once(socket, 'connect')
      return socket
    } catch (error) {
      if (Date.now() > patienceEnds) throw error
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
}

/** @returns the statuses that they ended with */
async function call(client: ClientHttp2Session, count: number, path = '/a.B/C'): Promise<Set<unknown>> {
  const statuses = new Set<unknown>()
  const one = async () => {
    const stream = client.request(
      { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
      { endStream: true },
    )
    const [headers] = await arrival(stream, 'response')
    statuses.add(headers['grpc-status'])
    stream.resume()
    await once(stream, 'close')
  }
  for (let left = count; left > 0; left -= 500) await Promise.all(Array.from({ length: Math.min(left, 500) }, one))
  return statuses
}

/** A pipe as a shell makes it, by a name. `read` takes what is in it. */
function pipe(t: Scope): { writeEnd: number; read(): string; close(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-pipe-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writeEnd = openSync(path, constants.O_WRONLY)
  let open = true
  const close = () => {
    if (open) closeSync(readEnd)
    open = false
  }
  t.teardown(close)
  const buffer = Buffer.alloc(1 << 20)
  const read = () => {
    try {
      return buffer.toString('utf8', 0, readSync(readEnd, buffer))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return ''
      throw error
    }
  }
  return { writeEnd, read, close }
}

const FULL = '/dev/full'
const noFull = !existsSync(FULL) && `there is no ${FULL}`
const noTerminal = spawnSync('python3', ['-c', 'import pty']).status !== 0 && 'there is no python3 to make a terminal'
const noPipes = process.platform === 'win32' && 'pipes have no names here'

t.test('a full disk: every call is answered, and SIGTERM ends it', { skip: noFull }, async t => {
  for (const pretty of [false, true]) {
    const { kill, client, exit } = await serve(t, openSync(FULL, 'w'), { pretty })
    t.same(await call(client, CALLS), new Set(['12']))
    kill('SIGTERM')
    const { code, stderr } = await exit
    t.equal(code, 0)
    const [trouble, count = '', ...rest] = stderr.trimEnd().split('\n')
    t.match(trouble, /^grpc-verbatim: the log (cannot be written \(ENOSPC|is read too slowly)/)
    t.match(count, /^grpc-verbatim: \d+ lines of the log could not be written$/)
    t.ok(Number(/\d+/.exec(count)) >= CALLS, count)
    t.same(rest, [], 'said once')
  }
})

t.test('a pipe that nobody reads: every call is answered, and SIGTERM ends it', { skip: noPipes }, async t => {
  const { writeEnd } = pipe(t)
  const { kill, client, exit } = await serve(t, writeEnd)
  t.same(await call(client, CALLS), new Set(['12']))
  kill('SIGTERM')
  const { code, stderr } = await exit
  t.equal(code, 0)
  const [trouble, count = '', ...rest] = stderr.trimEnd().split('\n')
  t.match(trouble, /^grpc-verbatim: the log is read too slowly or not at all: /)
  t.ok(Number(/\d+/.exec(count)) >= CALLS - MOST_KEPT, `${count}: no more was kept than has room`)
  t.same(rest, [], 'said once')
})

t.test('a terminal that is stopped: every call is answered, and SIGTERM ends it', { skip: noTerminal }, async t => {
  const { kill, client, exit } = await serve(t, 'terminal', { pretty: true })
  t.same(await call(client, CALLS), new Set(['12']))
  kill('SIGTERM')
  t.match(await exit, { code: 0, stderr: /^grpc-verbatim: the log is read too slowly.*\n.*\d+ lines.*\n$/ })
})

t.test('a pipe that is read again: the log says how many lines are missing', { skip: noPipes }, async t => {
  const { writeEnd, read } = pipe(t)
  const { kill, client, exit } = await serve(t, writeEnd)
  await call(client, CALLS)
  let text = ''
  const lines = () => {
    text += read()
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    return whole
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line))
  }
  const sum = () => lines().reduce((sum, { msg, droppedLines = 0 }) => sum + droppedLines + (msg === 'call' ? 1 : 0), 0)
  let calls = CALLS
  for (; !lines().some(({ droppedLines }) => droppedLines > 0); calls += 10) await call(client, 10)
  await until(
    'every call is a line, or counted',
    () => sum() === calls,
    () => `${sum()} of ${calls}`,
  )
  const dropped = lines().find(({ droppedLines }) => droppedLines > 0).droppedLines
  t.ok(dropped >= CALLS - MOST_KEPT, `${dropped} dropped`)

  kill('SIGTERM')
  t.match(await exit, { code: 0, stderr: /^grpc-verbatim: the log is read too slowly or not at all: .*\n$/ })
  t.equal(lines().at(-1).msg, 'draining')
})

t.test('a reader that goes away: every call is answered, and SIGTERM ends it', { skip: noPipes }, async t => {
  const { writeEnd, close } = pipe(t)
  const { kill, client, exit } = await serve(t, writeEnd)
  close()
  t.same(await call(client, CALLS), new Set(['12']))
  kill('SIGTERM')
  t.match(await exit, { code: 0, stderr: /^grpc-verbatim: the log cannot be written \(EPIPE.*\n.*\d+ lines.*\n$/ })
})

t.test('a fault of the proxy ends it with 1, whatever becomes of its log', { skip: noPipes || noFull }, async t => {
  const preload = `data:text/javascript,process.once('SIGWINCH', () => { throw new Error('a fault') })`
  for (const stdout of [openSync(FULL, 'w'), pipe(t).writeEnd]) {
    const { kill, client, exit } = await serve(t, stdout, { node: ['--import', preload] })
    await call(client, CALLS)
    kill('SIGWINCH')
    t.equal((await exit).code, 1)
  }
})

t.test('for people: one line a call', { skip: noPipes }, async t => {
  const { writeEnd, read } = pipe(t)
  const { kill, client, exit } = await serve(t, writeEnd, { pretty: true })
  await call(client, 3, '/a.B/C?token=SECRET')
  kill('SIGTERM')
  t.match(await exit, { code: 0, stderr: '' })
  const lines = read().trimEnd().split('\n')
  for (const line of lines) t.match(line, /^\d\d:\d\d:\d\d\.\d{3} (INFO|WARN) {2}\S/)
  const calls = lines.filter(line => /INFO {2}call peer=.* path=\S+ .*grpcStatus=UNIMPLEMENTED/.test(line))
  t.equal(calls.length, 3)
  t.notMatch(lines.join(''), /SECRET/)
})
