/** What a command, or the library, does not need is not loaded: it would cost start time and memory for nothing. */
import { join } from 'node:path'
import t from 'tap'
import type { Scope } from '../support/teardown.ts'
import { CLI, type Running, startProgram } from './run.ts'

const HOOK = join(import.meta.dirname, 'loaded.ts')
const LIBRARY = join(import.meta.dirname, '../../src/index.ts')
const ROUTES = ['--listen', '127.0.0.1:0', '--backend', '127.0.0.1:1']
const FILE = ['--config', join(import.meta.dirname, '../../fixtures/config/unreachable-route.yaml')]

/** Packages, parts of Node and modules of ours that somebody may need, and not everybody. */
const COSTLY = [
  'cli/service-manager',
  'commander',
  'crypto',
  'discovery/dns',
  'discovery/file',
  'discovery/own',
  'discovery/srv',
  'dns-packet',
  'hdr-histogram-js',
  'http2',
  'http2-wrapper',
  'observe/metric-exporter',
  'observe/otlp-metrics',
  'pino',
  'protobufjs',
  'rpc/health-service',
  'tls',
  'transport/http1/server',
  'web/web-stream',
  'workers/primary',
  'workers/worker',
  'yaml',
  'zod',
]

/** What a process needs, and a worker that it starts. */
type Case = readonly [what: string, args: readonly string[], needs: readonly string[], worker?: readonly string[]]

const CASES: readonly Case[] = [
  ['the library', [LIBRARY], ['pino', 'zod']],
  ['--version', [CLI, '--version'], ['commander']],
  ['serve --help', [CLI, 'serve', '--help'], ['commander']],
  ['serve on frames', [CLI, 'serve', ...ROUTES], ['commander', 'pino', 'zod']],
  ['serve from a file', [CLI, 'serve', ...FILE], ['commander', 'pino', 'yaml', 'zod']],
  [
    'serve on native',
    [CLI, 'serve', '--transport', 'native', ...ROUTES],
    ['commander', 'crypto', 'http2', 'http2-wrapper', 'pino', 'tls', 'zod'],
  ],
  [
    'serve with a source of endpoints',
    [CLI, 'serve', '--config', join(import.meta.dirname, '../../fixtures/config/source.yaml')],
    ['commander', 'discovery/file', 'pino', 'yaml', 'zod'],
  ],
  [
    'serve with workers',
    [CLI, 'serve', '--workers', '1', ...ROUTES],
    ['commander', 'pino', 'workers/primary', 'zod'],
    ['pino', 'workers/worker'],
  ],
  ['check', [CLI, 'check', ...FILE], ['commander', 'yaml', 'zod']],
]

/** The test runner puts modules of its own into each process by that variable. */
function withHook(t: Scope, variables: readonly string[], args: readonly string[]): Running {
  return startProgram(t, 'env', '-u', 'NODE_OPTIONS', ...variables, process.execPath, '--import', HOOK, ...args)
}

t.test('what each of them loads', async t => {
  await Promise.all(
    CASES.map(async ([what, args, needs, worker]) => {
      const running = withHook(t, [], args)
      if (args.includes('serve') && !args.includes('--help')) {
        await running.output(/listening on/)
        running.child.kill('SIGTERM')
      }
      const { code, stderr } = await running.exit
      t.equal(code, 0, what)
      // A worker ends before the process that started it, and writes to the same place.
      const lists = stderr.match(/\[[^\]]*\]/g)!.map((list): string[] => JSON.parse(list))
      const costly = lists.map(loaded => COSTLY.filter(name => loaded.includes(name)))
      t.same(costly, worker === undefined ? [needs] : [worker, needs], what)
    }),
  )
})

t.test('what tells systemd is loaded where it asks', async t => {
  const running = withHook(t, ['NOTIFY_SOCKET=/nowhere/notify'], [CLI, 'serve', ...ROUTES])
  await running.output(/listening on/)
  running.child.kill('SIGTERM')
  t.match((await running.exit).stderr, /"cli\/service-manager"/)
})
