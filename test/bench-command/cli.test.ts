/** `grpc-verbatim bench` as a real process: usage, Ctrl-C, the optional libraries. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import path from 'node:path'
import t, { type Test } from 'tap'
import { run, start } from '../cli/run.ts'
import { Flag, FrameType, Setting, settingsPayload, uint32, writeFrame } from '../support/frames.ts'
import { answer, folder, listening, METHOD, serve } from './rig.ts'

const CLI = path.join(import.meta.dirname, '../../src/cli.ts')

t.test('help says units, bounds and exit codes', async t => {
  const { code, stdout } = await run(t, 'bench', '--help')
  t.equal(code, 0)
  for (const text of [
    '--rate <calls/s>',
    '--duration <seconds>',
    '--timeout-ms <ms>',
    'hex:0a03616263',
    'Exit codes:',
    ...['from 1 to 1000;', 'from 0.2 to 600;', '4 MiB a message', '8 KiB', '256 MiB', '10,000 open calls', '4 times'],
  ]) {
    t.ok(stdout.includes(text), text)
  }
})

t.test('wrong usage: a sentence, exit code 2, and nothing is sent', async t => {
  let calls = 0
  const { address } = await serve(t, stream => {
    calls++
    answer(stream)
  })
  const good = ['--direct', address, '--path', METHOD]
  const cases: [args: string[], pattern: RegExp][] = [
    [['--path', METHOD], /error: no address, so nothing is sent: give --direct ADDRESS, --via ADDRESS, or both/],
    [[...good, '--concurrency', '1001'], /--concurrency is "1001": give calls, a whole number from 1 to 1000/],
    [[...good, '--metadata', 'Bearer sesame'], /--metadata number 1 has no name/],
  ]
  await Promise.all(
    cases.map(async ([args, pattern]) => {
      const { code, stdout, stderr } = await run(t, 'bench', ...args)
      t.match(stderr, pattern)
      t.notMatch(stderr, /^ {4}at |sesame/m)
      t.equal(stdout, '')
      t.equal(code, 2, args.join(' '))
    }),
  )
  t.equal(calls, 0)
})

t.test('Ctrl-C ends it, and what was measured so far is told', async t => {
  let firstMs = 0
  const bench = { interrupt() {} }
  const { address } = await serve(t, stream => {
    firstMs ||= performance.now()
    // Of a slice of 3 s the first 0.2 s do not count.
    if (performance.now() - firstMs > 800) bench.interrupt()
    answer(stream)
  })
  const args = ['--direct', address, '--path', METHOD, '--duration', '60', '--warm-up', '0', '--concurrency', '2']
  const running = start(t, 'bench', ...args)
  bench.interrupt = () => running.child.kill('SIGINT')
  const { code, stdout, stderr } = await running.exit
  t.equal(code, 130)
  t.equal(stderr, '')
  t.match(stdout, /^p50 +\d+/m)
  t.match(stdout, /Not whole: it was stopped before its end\./)
})

const NOTHING = { type: FrameType.SETTINGS, flags: Flag.NONE, streamId: 0, payload: Buffer.alloc(0) }
/** `:status 200`, content-type, grpc-status 0. */
const OK_FIELDS = Buffer.from(`\x88\x0f\x10\x10application/grpc\0\x0bgrpc-status\x010`, 'latin1')

/** Answers one call with OK once so much has come, and reads no more. */
function readsOneCall(requestBytes: number): Server {
  const payload = settingsPayload({ [Setting.INITIAL_WINDOW_SIZE]: 2 ** 30 })
  return createServer(socket => {
    let bytes = 0
    socket.on('error', () => {})
    socket.write(writeFrame({ ...NOTHING, payload }))
    socket.write(writeFrame({ ...NOTHING, type: FrameType.WINDOW_UPDATE, payload: uint32(2 ** 30) }))
    socket.on('data', chunk => {
      bytes += chunk.length
      if (bytes < requestBytes) return
      socket.pause()
      const flags = Flag.END_STREAM | Flag.END_HEADERS
      socket.write(writeFrame({ type: FrameType.HEADERS, flags, streamId: 1, payload: OK_FIELDS }))
    })
  })
}

t.test('a server that reads no more does not keep it', async t => {
  const file = path.join(folder(t), 'request.bin')
  writeFileSync(file, Buffer.alloc(4_194_304))
  const server = readsOneCall(4_194_304)
  const address = await listening(t, server)
  const args = ['--direct', address, '--path', METHOD, '--duration', '0.2', '--warm-up', '0', '--message', file]
  const { code, stdout } = await start(t, 'bench', ...args, '--timeout-ms', '300', '--concurrency', '8').exit
  t.equal(code, 1)
  t.match(stdout, /DEADLINE_EXCEEDED/)
})

/** With `--html`, in this folder, and as if vega were not installed beside the package. */
async function withoutVega(t: Test, cwd: string, ...args: string[]): Promise<{ code: number; stderr: string }> {
  const hooks = `import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) {
      const beside = name.startsWith('vega') && context.parentURL?.endsWith('draw.ts')
      return next(beside ? name + '-not-here' : name, context)
    } })`
  const preload = `data:text/javascript,${encodeURIComponent(hooks)}`
  const html = path.join(cwd, 'x.html')
  const words = ['--import', preload, CLI, 'bench', '--path', METHOD, '--duration', '0.2', '--html', html, ...args]
  const child = spawn(process.execPath, words, { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  const [code] = await once(child, 'close')
  return { code, stderr }
}

t.test('--html without vega: the line that installs it, exit code 1, before any call', async t => {
  let calls = 0
  const { address } = await serve(t, stream => {
    calls++
    answer(stream)
  })
  const { code, stderr } = await withoutVega(t, folder(t), '--direct', address)
  t.match(stderr, /--html needs, in this folder: npm install vega vega-lite\n/)
  t.equal(code, 1)
  t.equal(calls, 0)
})

t.test('--html of a global install finds vega where the user is', async t => {
  const { address } = await serve(t, stream => answer(stream))
  const cwd = folder(t)
  const install = (name: string, source: string): void => {
    const at = path.join(cwd, 'node_modules', name)
    mkdirSync(at, { recursive: true })
    writeFileSync(path.join(at, 'package.json'), '{"type":"module","exports":{".":{"default":"./index.js"}}}')
    writeFileSync(path.join(at, 'index.js'), source)
  }
  install(
    'vega',
    "export const parse = x => x; export class View { toSVG() { return '<svg>mine</svg>' } finalize() {} }",
  )
  install('vega-lite', 'export const compile = spec => ({ spec })')
  t.same(await withoutVega(t, cwd, '--direct', address), { code: 0, stderr: '' })
  t.match(readFileSync(path.join(cwd, 'x.html'), 'utf8'), /<svg>mine<\/svg>/)
})
