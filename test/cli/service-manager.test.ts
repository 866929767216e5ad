/** What systemd is told: real processes, and Python that listens as systemd does. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ServiceManager } from '../../src/cli/service-manager.ts'
import { FakeClock } from '../support/fake-clock.ts'
import type { Scope } from '../support/teardown.ts'
import { until } from '../support/until.ts'
import { CLI, type Running, startProgram } from './run.ts'

/** A line for each message, as JSON: which process the kernel says has sent it, and its lines. Descriptors are closed. */
const RECEIVE = `
import json, os, socket, struct, sys
one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
one.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
one.bind(sys.argv[1])
print('bound', flush=True)
while True:
    data, ancillary, _, _ = one.recvmsg(4096, 256)
    pid = 0
    for _, kind, value in ancillary:
        if kind == socket.SCM_RIGHTS:
            for fd in struct.unpack('%di' % (len(value) // 4), value): os.close(fd)
        else: pid = struct.unpack('iII', value)[0]
    if data != b'BARRIER=1': print(json.dumps([pid, data.decode()]), flush=True)
`
const missing = ['python3', 'systemd-notify'].find(program => spawnSync(program, ['--version']).status !== 0)
const skip = missing !== undefined && `there is no ${missing} here`
const CONFIG = {
  listeners: [{ address: '127.0.0.1:0' }],
  backends: { main: { endpoints: ['127.0.0.1:1'] } },
  drain: { graceMs: 2000 },
}

interface Scene {
  readonly systemd: Running
  readonly proxy: Running
  /** The configuration. */
  readonly file: string
}

async function scene(t: Scope, ...variables: string[]): Promise<Scene> {
  // A path in the folder of the test may be too long for a socket.
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-notify-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [path, file] = [join(folder, 'notify'), join(folder, 'proxy.yaml')]
  const systemd = startProgram(t, 'python3', '-c', RECEIVE, path)
  await systemd.output(/bound/)
  writeFileSync(file, JSON.stringify(CONFIG))
  const serve = [process.execPath, CLI, 'serve', '--config', file, '--pid-file', join(folder, 'pid')]
  const proxy = startProgram(t, 'env', `NOTIFY_SOCKET=${path}`, ...variables, ...serve)
  return { systemd, proxy, file }
}

t.test('it serves, reloads, refuses a wrong file, and drains: systemd knows', { skip }, async t => {
  const { systemd, proxy, file } = await scene(t)
  const [, first] = await systemd.output(/^bound\n\[\d+, "(.*)"\]/)
  t.match(first, /^READY=1\\nSTATUS=It serves calls on 127\.0\.0\.1:\d+\.$/)
  const before = process.hrtime.bigint() / 1000n
  writeFileSync(file, JSON.stringify({ ...CONFIG, drain: { graceMs: 1000 } }))
  proxy.child.kill('SIGHUP')
  const [, time] = await systemd.output(
    /RELOADING=1\\nMONOTONIC_USEC=(\d+)\\nSTATUS=It reads .*\n.*READY=1\\nSTATUS=.* is in force\./,
  )
  t.ok(BigInt(time!) >= before, 'the reload began after it was asked for')
  writeFileSync(file, 'listeners: 1')
  proxy.child.kill('SIGHUP')
  await systemd.output(/RELOADING=1.*\n.*READY=1\\nSTATUS=It serves calls as before: .* is wrong/)
  proxy.child.kill('SIGTERM')
  await systemd.output(/STOPPING=1\\nSTATUS=It drains: calls in flight have 1 s to finish\./)
  t.match(await proxy.exit, { code: 0, stderr: '' })
})

t.test(
  'a successor is the main process before its predecessor ends, and nothing says that it stops',
  { skip },
  async t => {
    const { systemd, proxy } = await scene(t)
    await systemd.output(/READY=1/)
    const ended = once(proxy.child, 'exit')
    proxy.child.kill('SIGUSR2')
    const [, successor] = await proxy.output(/"successor":(\d+),"msg":"a successor is starting/)
    let isLeft = true
    t.teardown(() => isLeft && process.kill(Number(successor), 'SIGKILL'))
    const [code] = await ended
    t.equal(code, 0)
    await systemd.output(new RegExp(`MAINPID=${successor}"`))
    const [told] = await systemd.output(/(READY=1[\s\S]*){2}/)
    t.notMatch(told, /STOPPING/)
    process.kill(Number(successor), 'SIGTERM')
    await systemd.output(/STOPPING=1/)
    isLeft = false
  },
)

t.test('the watchdog hears of it, unless its time is for another process', { skip }, async t => {
  const { systemd, proxy } = await scene(t, 'WATCHDOG_USEC=200000')
  await systemd.output(/READY=1[\s\S]*"WATCHDOG=1"[\s\S]*"WATCHDOG=1"/)
  proxy.child.kill('SIGTERM')
  t.match(await proxy.exit, { code: 0, stderr: '' })
  const clock = new FakeClock()
  for (const variables of [{}, { WATCHDOG_USEC: '2000000', WATCHDOG_PID: '1' }, { WATCHDOG_USEC: 'soon' }]) {
    new ServiceManager(new Warnings().log, variables, clock).ready([])
    t.equal(clock.pending, 0, JSON.stringify(variables))
  }
})

/** A program in the place of `systemd-notify`, first in the path. */
function standIn(t: Scope, script: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'verbatim-notify-'))
  const { PATH } = process.env
  process.env.PATH = `${folder}:${PATH}`
  t.teardown(() => {
    process.env.PATH = PATH
    rmSync(folder, { recursive: true })
  })
  writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\ncd ${folder}\n${script}\n`, { mode: 0o755 })
  return folder
}

class Warnings {
  readonly lines: string[] = []
  readonly log = { warn: (line: string) => this.lines.push(line), flush: () => {} } as never
}

const noShell = process.platform === 'win32' && 'there is no shell here'

t.test(
  'while one message is on its way, only the news waits: a storm of reloads is two processes',
  { skip: noShell },
  async t => {
    const script = `touch begun\nwhile [ ! -e go ]; do sleep 0.02; done\nprintf '%s|' "$@" >> told\necho >> told`
    const folder = standIn(t, script)
    const clock = new FakeClock()
    const { log, lines } = new Warnings()
    const manager = new ServiceManager(log, { WATCHDOG_USEC: '30000000' }, clock)
    manager.ready(['a:1', 'b:2', 'c:3', 'd:4', 'unix:/e\nf'])
    await until('the first is on its way', () => existsSync(join(folder, 'begun')))
    for (let i = 0; i < 1000; i++) {
      manager.reloading()
      manager.reloaded(i < 999 ? { kind: 'unchanged' } : { kind: 'rejected', problems: [] })
    }
    t.same(clock.delays, [15_000], 'half of the time')
    clock.advance(15_000)
    clock.advance(15_000)
    writeFileSync(join(folder, 'go'), '')
    const told = () => readFileSync(join(folder, 'told'), 'utf8').split('\n').slice(0, -1)
    await until('all is told', () => existsSync(join(folder, 'told')) && told().length === 3)
    t.match(told(), [
      'READY=1|STATUS=It serves calls on a:1, b:2, c:3 and 2 more.|',
      /^RELOADING=1\|MONOTONIC_USEC=\d+\|STATUS=It reads its configuration again\.\|WATCHDOG=1\|$/,
      /^READY=1\|STATUS=It serves calls as before: .*\|$/,
    ])
    await manager.replacedBy(17)
    t.equal(told().at(-1), 'MAINPID=17|')
    await manager.stopping(1000)
    manager.reloading()
    t.same(clock.delays, [], 'the signs of life are those of the successor')
    await manager.replacedBy(18)
    t.equal(told().length, 4, 'the successor tells the rest')
    t.same(lines, [])
  },
)

t.test('signs of life have a least distance, and a proxy may have no listener', async t => {
  standIn(t, `[ "$2" = 'STATUS=It serves calls on no address.' ]`)
  const clock = new FakeClock()
  const { log, lines } = new Warnings()
  const manager = new ServiceManager(log, { WATCHDOG_USEC: '1' }, clock)
  manager.ready([])
  t.same(clock.delays, [100])
  await manager.replacedBy(17)
  t.match(lines, [/systemd-notify failed/], 'the second message, which has no status')
})

t.test('a process that cannot be made, which Node throws, is a warning too', async t => {
  const { log, lines } = new Warnings()
  const manager = new ServiceManager(log, {})
  // Longer than the system takes.
  manager.ready(['a'.repeat(3_000_000)])
  await manager.replacedBy(17)
  t.match(lines[0], /systemd-notify failed: spawn E2BIG/)
})

t.test('what cannot be told is one warning that says what to do', { skip: noShell }, async t => {
  standIn(t, 'echo Access denied >&2; exit 1')
  const failing = new Warnings()
  const manager = new ServiceManager(failing.log, {})
  for (let i = 0; i < 3; i++) {
    manager.reloading()
    manager.reloaded({ kind: 'unchanged' })
  }
  await manager.replacedBy(17)
  t.match(failing.lines, [
    /^systemd is not told .*: systemd-notify failed: Access denied; does NOTIFY_SOCKET name the socket of systemd, and may this user write to it\?$/,
  ])
  const { PATH } = process.env
  process.env.PATH = '/nowhere'
  const missing = new Warnings()
  const without = new ServiceManager(missing.log, {})
  without.ready(['a:1'])
  without.reloading()
  process.env.PATH = PATH
  await without.stopping(1000)
  t.match(missing.lines, [
    /^systemd is not told .*: there is no systemd-notify; install it, or let the unit have Type=exec/,
  ])
})
