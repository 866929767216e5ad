/** `grpc-verbatim top`: a screen that fits, hostile text in it, and a terminal that is left as it was. */
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import t, { type Test } from 'tap'
import { PLAIN, screenOf } from '../../src/cli/overview-screen.ts'
import type { OverviewEvent } from '../../src/config/overview-events.ts'
import { load, scene } from '../admin/page-scene.ts'
import { CLI, start } from './run.ts'

const HOSTILE = `\u001b[2J\u001b]0;owned\u0007\u202e漢字${'x'.repeat(2_000)}`

/** @param text stands wherever a stranger decides what is said */
function event(text: string, rows = 3): OverviewEvent {
  const many = <T>(make: (i: number) => T): T[] => Array.from({ length: rows }, (_, i) => make(i))
  const latency = { p50: 1.2, p90: 12, p99: 1_234 }
  return {
    ...{ version: '0.1.0', uptimeMs: 61_000, notReady: [], logLevel: 'info', usualLogLevel: 'info' },
    ...{ hasMetrics: true, canReload: false, atMs: 1, listeners: [], backendCount: rows },
    counts: {
      ...{ calls: 5, waitingCalls: 1, clientConnections: 1, clientSessions: 1, backendSessions: 2 },
      ...{ backendStreams: 4, timers: 0 },
    },
    process: {
      ...{ processes: 1, cores: 0.5, residentBytes: 1e8, heapUsedBytes: 1, heapTotalBytes: 1, externalBytes: 1 },
      ...{ loopUse: 0.25 },
    },
    traffic: {
      ...{
        perSecond: 1_234.5,
        failedPerSecond: 2,
        retriesPerSecond: 0,
        requestBytesPerSecond: 1,
        responseBytesPerSecond: 1,
      },
      ...{ latency, total: 10, failed: 1, methodCount: rows },
      methods: many(i => ({
        ...{ method: `/${text}/M${i}`, backend: 'main', perSecond: 3, failedPerSecond: 0, latency, total: 9 },
        failures: { NOT_FOUND: 2 },
      })),
    },
    backends: many(i => ({
      ...{ name: `b${i}`, usableCount: i, endpointCount: 2, calls: 1, waiting: 0, sessions: 1, retiring: false },
      ...{ balancer: 'round-robin', source: 'list', toldCount: 2, totals: {} as never },
      endpoints: [true, false].map(usable => ({
        ...{ address: `http://e${i}`, usable, inUse: usable, state: 'ready' as const, calls: 1, waiting: 0 },
        ...{
          sessionCount: 1,
          perSecond: 2,
          brokenPerSecond: 0,
          reasons: usable ? [] : [{ by: 'connect' as const, text }],
        },
      })),
    })),
    calls: many(i => ({
      ...{ path: `/${text}/C${i}`, authority: text, peer: '192.0.2.1:1', phase: 'responding' as const, ageMs: 5_000 },
      ...{ waitsFor: 'client-window' as const, backend: 'main', endpoint: '', retries: 0 },
      ...{ requestWaitingBytes: 0, responseWaitingBytes: 9 },
    })),
    failures: many(i => ({
      ...{
        atMs: 1,
        times: 1,
        path: `/${text}/F${i}`,
        authority: '',
        peer: '',
        backend: '',
        endpoint: '',
        status: 'UNAVAILABLE',
      },
      ...{ message: text, endedBy: 'proxy' as const, reason: 'unreachable', cause: text, durationMs: 1 },
    })),
  }
}

const MORE = { rates: [1, 5, 9], address: '127.0.0.1:9901' }

t.test('at every size it fits, whatever strangers say', async t => {
  for (const rows of [1, 5, 10, 24, 50]) {
    for (const columns of [40, 79, 80, 132, 240]) {
      for (const [text, length] of [
        ['pkg.Service', 3],
        [HOSTILE, 30],
        ['', 0],
      ] as const) {
        const lines = screenOf(event(text, length), MORE, { columns, rows }, PLAIN)
        const wide = lines.filter(line => line.length > columns)
        if (wide.length > 0 || lines.length > rows) t.fail(`${columns} × ${rows}: ${lines.length} lines, ${wide[0]}`)
        if (lines.some(line => /[^\u0020-\u024f…▁-█]/u.test(line)))
          t.fail(`${columns} × ${rows}: a terminal would obey it`)
      }
    }
  }
  t.pass()
})

t.test('80 × 24: a part of everything, and what does not work first', async t => {
  const lines = screenOf(event('pkg.Service', 12), MORE, { columns: 80, rows: 24 }, PLAIN)
  t.equal(lines.length, 24)
  const text = lines.join('\n')
  for (const part of [
    /^grpc-verbatim 0\.1\.0 .* up 1m 1s .*ready$/m,
    /calls 1,235\/s {3}failed 2\.0\/s/,
    /▁▅█ 9\.0\/s at most/,
  ])
    t.match(text, part)
  for (const title of ['endpoints', 'methods', 'oldest calls', 'latest failures'])
    t.ok(/\S/.test(lines[lines.findIndex(line => line.startsWith(title)) + 1] ?? ''), title)
  t.match(text, /b0 +0\/2 .*\n {2}http:\/\/e0 +down .*pkg\.Service/)
  t.match(text, /…?\/?pkg\.Service\/C0 +5\.0 s client-window/)
  const lost = screenOf(event('x'), { ...MORE, notice: 'the connection is lost' }, { columns: 80, rows: 24 }, PLAIN)
  t.match(lost.join('\n'), /the connection is lost/)
})

t.test('without a terminal it prints once; with a token and without', async t => {
  const token = 'a-token-that-nobody-guesses'
  const here = await scene(t, { admin: { address: '127.0.0.1:0', token } })
  load(t, here.address, 2)
  const file = join(t.testdir(), 'token')
  writeFileSync(file, `${token}\n`)
  const admin = new URL(here.url).host
  const [good, bad] = await Promise.all([
    start(t, 'top', '--admin', admin, '--token-file', file).exit,
    start(t, 'top', '--admin', admin).exit,
  ])
  t.match(good, { code: 0, stderr: '', stdout: /calls \d[\s\S]*greeter +3\/4[\s\S]*ECONNREFUSED/ })
  t.notMatch(good.stdout, '\u001b', 'nothing for a terminal')
  t.match(bad, { code: 1, stdout: '', stderr: /it needs its token: --token-file FILE/ })
})

t.test('nobody there, or no proxy', async t => {
  const other = http.createServer((_, response) => response.writeHead(404).end('no such page\n'))
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  const { port } = other.address() as { port: number }
  const [none, wrong, unread] = await Promise.all([
    start(t, 'top', '--admin', '127.0.0.1:1').exit,
    start(t, 'top', '--admin', `127.0.0.1:${port}`).exit,
    start(t, 'top', '--token-file', '/does/not/exist').exit,
  ])
  t.match(none, { code: 1, stderr: /127\.0\.0\.1:1 cannot be asked: connect ECONNREFUSED/ })
  t.match(wrong, { code: 1, stderr: /it answers 404: no such page/ })
  t.match(unread, { code: 1, stderr: /cannot be read: ENOENT/ })
})

/** Runs a program in a terminal of its own: prints what comes, changes the size after the first screen, then sends Ctrl-C. */
const IN_A_TERMINAL = `
import fcntl, os, pty, select, signal, struct, sys, termios
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
def size(rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
size(24, 80)
before = termios.tcgetattr(fd)
out = b''
stage = 0
while select.select([fd], [], [], 30)[0]:
    try: part = os.read(fd, 65536)
    except OSError: break
    if not part: break
    out += part
    if stage == 0 and out.count(b'calls/s') > 2:
        stage = 1
        size(12, 60)
        mark = len(out)
    elif stage == 1 and out[mark:].count(b'\\x1b[H') > 1:
        stage = 2
        os.write(fd, b'\\x03')
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(out)
sys.stderr.write(f'{os.waitstatus_to_exitcode(status)}')
`
const skip = spawnSync('python3', ['-c', 'import pty']).status !== 0 && 'there is no python3 with pty on this machine'

async function inTerminal(t: Test, ...args: string[]): Promise<{ out: string; code: string }> {
  const child = spawn('python3', ['-c', IN_A_TERMINAL, process.execPath, CLI, 'top', ...args], {
    env: { ...process.env, TERM: 'xterm', NO_COLOR: '' },
  })
  t.teardown(() => child.kill('SIGKILL'))
  let [out, code] = ['', '']
  child.stdout.setEncoding('utf8').on('data', text => (out += text))
  child.stderr.setEncoding('utf8').on('data', text => (code += text))
  await new Promise(resolve => child.on('close', resolve))
  return { out, code }
}

t.test('in a terminal: a screen after the other, another size, and Ctrl-C leaves it as it was', { skip }, async t => {
  const here = await scene(t)
  load(t, here.address, 2)
  const { out, code } = await inTerminal(t, '--admin', new URL(here.url).host)
  t.equal(code, '0')
  t.ok(out.startsWith('\u001b[?1049h\u001b[?25l'), 'a screen of its own, without a cursor')
  t.ok(out.endsWith('\u001b[?25h\u001b[?1049l'), 'and the one from before, with it')
  const screens = out.split('\u001b[H').map(each => stripVTControlCharacters(each).split(/\r*\n/))
  t.ok(
    screens.some(lines => lines.length === 24),
    'the first size',
  )
  const last = screens.at(-1)!
  t.same([last.length, last.filter(line => line.length > 60)], [12, []], 'the other size')
})

t.test('serve says in a terminal where clients go, where their calls go, and where to look', { skip }, async t => {
  const yaml = `listeners: [{ address: 127.0.0.1:0 }]
backends: { main: { endpoints: [10.0.0.1:1, 10.0.0.2:1, 10.0.0.3:1, 10.0.0.4:1] }, other: { source: { dns: api.test:2 } } }
routes: [{ backend: main }, { backend: other }]
admin: { address: 127.0.0.1:0 }
`
  const file = join(t.testdir(), 'proxy.yaml')
  writeFileSync(file, yaml)
  const program = [
    'import os, pty, re, select, signal, sys',
    'pid, fd = pty.fork()',
    'if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])',
    "out = b''",
    'while select.select([fd], [], [], 30)[0]:',
    '    try: part = os.read(fd, 65536)',
    '    except OSError: break',
    '    if not part: break',
    '    out += part',
    "    if b'to end it' in out: os.kill(pid, signal.SIGTERM)",
    'os.waitpid(pid, 0)',
    'sys.stdout.buffer.write(out)',
  ].join('\n')
  const args = ['-c', program, process.execPath, CLI, 'serve', '--config', file]
  const { stdout } = spawnSync('python3', args, { encoding: 'utf8', timeout: 60_000 })
  t.match(stdout, /listens on {3}127\.0\.0\.1:\d+\r*\n/)
  t.match(
    stdout,
    /forwards to {2}main {3}http:\/\/10\.0\.0\.1:1, http:\/\/10\.0\.0\.2:1, http:\/\/10\.0\.0\.3:1 and 1 more\r*\n/,
  )
  t.match(stdout, /other {2}dns:api\.test:2/)
  t.match(stdout, /admin page {3}http:\/\/127\.0\.0\.1:\d+\/\r*\n/)
})
