/** `serve --replace` and SIGUSR2: the successor takes the sockets, and nobody notices. Real processes. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../support/until.ts'
import { callOn, callOnce, LongStream, replaceable, Tally } from './replacement.ts'
import { run, start } from './run.ts'

/** Calls on new connections, beside each other. */
const AT_A_TIME = 8
/** Of them, once the successor is in charge. */
const AFTERWARDS = 60
const GRACE_MS = 500

t.setTimeout(300_000)

const noFds = process.platform === 'win32' && 'processes have no descriptors to inherit here'

t.test('under load nothing is refused and nothing is lost', { skip: noFds }, async t => {
  const here = await replaceable(t, 60_000)
  const { doors, pid } = here
  const first = pid()
  const [onNew, onOld] = [new Tally(), new Tally()]
  let over = false
  const long = await Promise.all(doors.map(door => LongStream.open(door)))
  const load = [
    ...doors.map(door => callOn(door, onOld, () => over)),
    ...Array.from({ length: AT_A_TIME }, async (_, i) => {
      for (let n = i; !over; n++) {
        const door = doors[n % doors.length]!
        await onNew.count(`a new connection to ${door.name}`, () => callOnce(door))
      }
    }),
  ]
  await until('calls run', () => onNew.calls > AT_A_TIME && onOld.calls > AT_A_TIME)
  t.match(await run(t, ...here.args('--replace')), {
    code: 0,
    stdout: /^process \d+ has taken over from process \d+, which drains\n$/,
  })
  t.not(pid(), first)
  const enough = onNew.calls + AFTERWARDS
  await until('calls run there too', () => onNew.calls > enough)
  // The predecessor has them still, and its grace period has not ended.
  for (const one of long) {
    await one.say()
    await one.finish()
    t.equal(one.status, '0')
  }
  t.equal(await here.ended, 0)
  over = true
  await Promise.all(load)
  t.same(onNew.wrong, [])
  t.same(onOld.wrong, [])
  t.equal(existsSync(join(here.folder, 'proxy.sock')), true, 'the socket stays for the successor')
  process.kill(pid(), 'SIGTERM')
  await until('the successor has removed what is its own', () => readdirSync(here.folder).length === 1)
  t.same(readdirSync(here.folder), ['proxy.yaml'])
})

t.test('streams run to the end of the grace period, and no longer', { skip: noFds }, async t => {
  const here = await replaceable(t, GRACE_MS)
  const stream = await LongStream.open(here.doors[0]!)
  const first = here.pid()
  process.kill(first, 'SIGUSR2')
  const [, begin] = await here.proxy.output(
    /"time":(\d+),"successor":\d+,"msg":"the successor serves: this process drains/,
  )
  await stream.ended
  // Both are rounded.
  t.ok(Date.now() - Number(begin) >= GRACE_MS - 2, 'not before')
  t.equal(stream.status, '14')
  t.equal(await here.ended, 0)
  t.not(here.pid(), first)
  t.equal(await callOnce(here.doors[0]!), '0')
})

t.test('a successor that cannot start: the process goes on, and says why', { skip: noFds }, async t => {
  const here = await replaceable(t, 60_000)
  const { proxy, pid } = here
  const first = pid()
  const text = (more: object) =>
    JSON.stringify({
      listeners: [{ address: '127.0.0.1:0' }],
      backends: { a: { endpoints: ['127.0.0.1:1'] } },
      ...more,
    })
  // What whoever asks can see is told there, and nobody is asked.
  writeFileSync(here.config, 'listeners: 7\n')
  t.match(await run(t, ...here.args('--replace')), { code: 1, stderr: /proxy\.yaml:1:\d+ listeners: / })
  process.kill(first, 'SIGUSR2')
  await proxy.output(/no successor, and this process goes on: .*proxy\.yaml:1:\d+ listeners: /)
  const taken = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await until('it listens', () => taken.listening)
  const { port } = taken.address() as net.AddressInfo
  writeFileSync(here.config, text({ listeners: [{ address: '127.0.0.1:0' }, { address: `127.0.0.1:${port}` }] }))
  t.match(await run(t, ...here.args('--replace')), {
    code: 1,
    stderr: `grpc-verbatim: process ${first} goes on; its log says why\n`,
  })
  await proxy.output(/this process goes on: cannot listen on 127\.0\.0\.1:\d+: the address is in use/)
  // A program that crashes, as far as anybody can see from outside.
  writeFileSync(
    `${here.pidFile}.next`,
    JSON.stringify({ program: process.execPath, args: ['-e', 'process.abort()'], folder: here.folder }),
    { mode: 0o600 },
  )
  process.kill(first, 'SIGUSR2')
  await proxy.output(/this process goes on: it ended with SIGABRT before it was ready/)
  t.equal(pid(), first)
  for (const door of here.doors) t.equal(await callOnce(door), '0', door.name)
  proxy.child.kill('SIGTERM')
  t.equal((await proxy.exit).code, 0)
})

t.test(
  '--replace where nothing runs starts a proxy, also where a file names a process that is gone',
  { skip: noFds },
  async t => {
    const here = await replaceable(t, 0)
    here.proxy.child.kill('SIGKILL')
    await here.proxy.exit
    t.ok(existsSync(here.pidFile), 'it was left behind')
    const next = start(t, ...here.args('--replace'))
    await next.output(/listening on unix/)
    await until('it is in charge', () => here.pid() === next.child.pid)
    next.child.kill('SIGTERM')
    t.equal((await next.exit).code, 0)
  },
)

t.test(
  'a file that names some other process: it gets no signal',
  { skip: process.platform !== 'linux' && 'needs /proc' },
  async t => {
    const here = await replaceable(t, 0)
    here.proxy.child.kill('SIGTERM')
    await here.proxy.exit
    writeFileSync(here.pidFile, `${process.pid}\n`)
    t.match(await run(t, ...here.args('--replace')), { code: 1, stderr: /was not started with --pid-file/ })
    rmSync(here.pidFile)
  },
)

t.test('a pid file that cannot be written is a sentence, before anything listens', { skip: noFds }, async t => {
  const args = ['--listen', '127.0.0.1:0', '--backend', '127.0.0.1:1', '--pid-file', join(t.testdir(), 'nowhere/pid')]
  t.match(await run(t, 'serve', ...args), {
    code: 1,
    stdout: '',
    stderr: /^grpc-verbatim: the pid file cannot be written: ENOENT/,
  })
  t.match(await run(t, 'serve', ...args.slice(0, 4), '--replace'), {
    code: 2,
    stderr: /--replace needs --pid-file FILE/,
  })
})
