/** Where a proxy may find itself: without a terminal, a home, an output, descriptors, rights. Real processes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http2 from 'node:http2'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { arrival } from '../support/arrival.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import type { Scope } from '../support/teardown.ts'
import { CLI } from './run.ts'

const isRoot = process.geteuid?.() === 0
/** Nobody, on every Linux. */
const NOBODY = 65_534
interface Place {
  readonly child: ChildProcess
  readonly socket: string
  readonly exit: Promise<number | null>
  /** On both outputs. */
  said(): string
}

/** Starts `serve` at a unix socket. @param wrap the command that is given the rest of the line */
async function serveIn(
  t: Scope,
  wrap: (line: string[], folder: string) => string[],
  options: object = {},
): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-place-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o777)
  const socket = join(folder, 'proxy.sock')
  const config = join(folder, 'proxy.yaml')
  const backends = { main: { endpoints: ['127.0.0.1:1'] } }
  writeFileSync(
    config,
    JSON.stringify({
      listeners: [{ address: `unix:${socket}` }],
      backends,
      routes: [{ deny: 'UNIMPLEMENTED' }, { backend: 'main' }],
    }),
  )
  // The test runner puts modules of its own into each process by that variable, and they write files.
  const [program, ...args] = wrap(
    ['env', '-u', 'NODE_OPTIONS', process.execPath, CLI, 'serve', '--config', config],
    folder,
  )
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  for (const output of [child.stdout!, child.stderr!])
    output.setEncoding('utf8').on('data', text => {
      said += text
    })
  return { child, socket, exit: once(child, 'close').then(([code]) => code), said: () => said }
}

/** @returns the status of a call there, once somebody listens */
async function call(place: Place): Promise<unknown> {
  const patienceEnds = Date.now() + PATIENCE_MS
  for (;;) {
    const client = http2.connect('http://localhost', { createConnection: () => net.connect(place.socket) })
    try {
      const request = client.request(
        { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc', te: 'trailers' },
        { endStream: true },
      )
      client.on('error', () => {})
      const [headers] = await arrival(request, 'response')
      return headers['grpc-status']
    } catch (error) {
      if (Date.now() > patienceEnds || place.child.exitCode !== null) throw new Error(`${error}: ${place.said()}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    } finally {
      client.destroy()
    }
  }
}

const without = (...variables: string[]) => ['env', ...variables.flatMap(name => ['-u', name])]
const shell = (script: string, line: string[]) => ['sh', '-c', `${script}; exec "$@"`, 'sh', ...line]
const noPlaces = process.platform === 'win32' && 'such places are those of Unix'

const PLACES: Readonly<
  Record<string, { wrap(line: string[], folder: string): string[]; options?: object; skip?: string | false }>
> = {
  'no HOME, no user, no language': { wrap: line => [...without('HOME', 'USER', 'LOGNAME', 'LANG', 'TMPDIR'), ...line] },
  'an empty environment': { wrap: line => ['env', '-i', ...line] },
  'no terminal, in a session of its own': { wrap: line => line, options: { detached: true } },
  'standard output is closed': { wrap: line => shell('exec >&-', line) },
  'input, output and errors are closed': { wrap: line => shell('exec <&- >&- 2>&-', line) },
  'another user, who owns nothing': {
    wrap: line => line,
    options: { uid: NOBODY, gid: NOBODY, cwd: '/' },
    skip: isRoot
      ? spawnSync(process.execPath, [CLI, '--version'], { uid: NOBODY, gid: NOBODY, cwd: '/' }).status !== 0 &&
        'the sources are not for everybody here'
      : 'only root can be another user',
  },
  'a read-only root': {
    wrap: (line, folder) => [
      'unshare',
      '-m',
      'sh',
      '-c',
      'mount --bind "$0" "$0" && mount -o remount,ro,bind / && exec "$@"',
      folder,
      ...line,
    ],
    skip:
      spawnSync('unshare', ['-m', 'sh', '-c', 'mount -o remount,ro,bind /']).status !== 0 &&
      'no mounts of one process can be had here',
  },
}

for (const [name, { wrap, options, skip }] of Object.entries(PLACES)) {
  t.test(`${name}: it serves, and ends when it is told`, { skip: noPlaces || skip }, async t => {
    const place = await serveIn(t, wrap, options)
    t.equal(await call(place), '12')
    place.child.kill('SIGTERM')
    t.equal(await place.exit, 0, place.said())
  })
}

const noLimits = process.platform !== 'linux' && 'the limit is read from /proc'

t.test('ulimit -n: it says what to do, and serves again when descriptors are free', { skip: noLimits }, async t => {
  const place = await serveIn(t, line => shell('ulimit -n 64', line))
  t.equal(await call(place), '12')
  const gone = Array.from({ length: 100 }, () => {
    const client = net.connect(place.socket).on('error', () => {})
    t.teardown(() => client.destroy())
    return { client, closed: once(client, 'close') }
  })
  await Promise.race(gone.map(({ closed }) => closed))
  for (const { client } of gone) client.destroy()
  t.equal(await call(place), '12')
  place.child.kill('SIGTERM')
  t.equal(await place.exit, 0, place.said())
  t.equal(place.said().match(/may have 64 open files: .* Raise the limit \(ulimit -n/g)?.length, 1, place.said())
})
