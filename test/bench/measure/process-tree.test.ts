import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import t from 'tap'
import { coreBusyMs, parseCoreBusy } from '../../../bench/measure/core-usage.ts'
import {
  parseMemory,
  parseRunMs,
  parseShared,
  parseStat,
  parseSwitches,
  resetPeak,
  TICK_MS,
  treeUsage,
} from '../../../bench/measure/process-tree.ts'

const HAS_PROC = existsSync('/proc/self/stat') ? false : 'no /proc here'

/** As the kernel writes it; 14 to 17 are utime, stime, cutime, cstime. */
function statOf(pid: number, name: string, parent: number, times: readonly [number, number, number, number]): string {
  return (
    `${pid} (${name}) S ${parent} ${pid} ${pid} 0 -1 4194304 1620 0 0 0 ${times.join(' ')} 20 0 11 0 3094 1098510336` +
    ' 12345 18446744073709551615 4194304 4196000 140729 0 0 0 0 4096 81922 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n'
  )
}

function statusOf(name: string, rssKb: number, peakKb: number, switches: readonly [number, number]): string {
  return [
    `Name:\t${name}`,
    'Umask:\t0022',
    'VmPeak:\t  999999 kB',
    'VmSize:\t  888888 kB',
    `VmHWM:\t   ${peakKb} kB`,
    `VmRSS:\t   ${rssKb} kB`,
    'RssAnon:\t      96 kB',
    'Threads:\t2',
    `voluntary_ctxt_switches:\t${switches[0]}`,
    `nonvoluntary_ctxt_switches:\t${switches[1]}`,
    '',
  ].join('\n')
}

t.test('a stat line: user and system apart, with children that were waited for', async t => {
  t.same(parseStat(statOf(42, 'nghttpx', 7, [100, 20, 3, 4])), { parent: 7, userTicks: 103, systemTicks: 24 })
})

t.test('a name with spaces, brackets and numbers does not move the fields', async t => {
  for (const name of ['Web Content', 'a) S 1 (b', '(sd-pam)', '1 2 3', ')', '']) {
    t.same(parseStat(statOf(42, name, 7, [1, 2, 3, 4])), { parent: 7, userTicks: 4, systemTicks: 6 }, name)
  }
})

t.test('memory, and a process that has none any more', async t => {
  t.same(parseMemory(statusOf('x', 100, 250, [0, 0])), { rssBytes: 102_400, peakBytes: 256_000 })
  t.same(parseMemory('Name:\tzombie\nState:\tZ (zombie)\n'), { rssBytes: 0, peakBytes: 0 })
})

t.test('context switches of a thread, of both kinds', async t => {
  t.equal(parseSwitches(statusOf('x', 0, 0, [120, 7])), 127)
  t.equal(parseSwitches('Name:\tx\n'), 0)
})

t.test('the work of a core: steal and interrupts are in it, waiting and guests are not counted twice', async t => {
  const text =
    'cpu  9 9 9 9 9 9 9 9 9 9\n' +
    'cpu0 1000 200 30 999999 888888 4 5 6 700 80\n' +
    'cpu1 1 1 1 1 1 1 1 1 1 1\n' +
    'cpu10 5 0 0 0 0 0 0 0 0 0\n' +
    'intr 12345\n'
  t.equal(parseCoreBusy(text, 0), 1000 + 200 + 30 + 4 + 5 + 6)
  t.equal(parseCoreBusy(text, 1), 6, 'core 1 is not core 10')
  t.equal(parseCoreBusy(text, 10), 5)
  t.throws(() => parseCoreBusy(text, 2), { message: 'no core 2 in /proc/stat' })
})

t.test('nanoseconds of a thread, and memory that others have mapped too', async t => {
  t.equal(parseRunMs('314768986 383303 16\n'), 314.768986)
  const rollup =
    '55f7-7ffd ---p 00000000 00:00 0    [rollup]\nRss:  1752 kB\nPss:  313 kB\nShared_Clean:  1640 kB\n' +
    'Shared_Dirty:  4 kB\nPrivate_Clean:  0 kB\nPrivate_Dirty:  112 kB\n'
  t.equal(parseShared(rollup), 1_644 * 1024)
  t.equal(parseShared(''), 0)
})

t.test('CPU time is finer than ticks, and threads that ended do not lose theirs', async t => {
  const of = (ticks: number, ...ns: number[]) => ({
    stat: statOf(100, 'node', 1, [ticks, 0, 0, 0]),
    status: statusOf('node', 1, 1, [0, 0]),
    task: Object.fromEntries(
      ns.map((time, i) => [100 + i, { status: statusOf('node', 1, 1, [1, 0]), schedstat: `${time} 5 6\n` }]),
    ),
  })
  const cpuMs = (process: ReturnType<typeof of>): number => treeUsage(100, t.testdir({ 100: process })).cpuMs
  t.equal(cpuMs(of(1, 15_250_000, 1_000_000)), 16.25)
  // 400 ms were those of a third thread, and it is gone.
  t.equal(cpuMs(of(40, 15_250_000, 1_000_000)), 40 * TICK_MS)
})

t.test('memory that the processes of a tree share counts once', async t => {
  const of = (pid: number, parent: number, rssKb: number, sharedKb: number) => ({
    stat: statOf(pid, 'nginx', parent, [0, 0, 0, 0]),
    status: statusOf('nginx', rssKb, rssKb + 100, [0, 0]),
    smaps_rollup: `Rss: ${rssKb} kB\nShared_Clean: ${sharedKb - 50} kB\nShared_Dirty: 50 kB\n`,
    task: {},
  })
  const both = treeUsage(100, t.testdir({ 100: of(100, 1, 5_000, 4_000), 200: of(200, 100, 9_000, 4_100) }))
  t.equal(both.rssBytes, (5_000 + 9_000 - 4_000) * 1024)
  t.equal(both.peakBytes, both.rssBytes + 200 * 1024)
  const one = treeUsage(100, t.testdir({ 100: of(100, 1, 5_000, 4_000) }))
  t.equal(one.rssBytes, 5_000 * 1024, 'what a single process shares with strangers is its own')
})

t.test('a tree: children and their children, and nobody else', async t => {
  const of = (pid: number, name: string, parent: number, threads: Record<number, [number, number]>) => ({
    stat: statOf(pid, name, parent, [10 * pid, pid, 0, 1]),
    // Of the first thread alone here, as in the kernel: what counts are the tasks.
    status: statusOf(name, pid, 2 * pid, [5_000, 5_000]),
    task: Object.fromEntries(Object.entries(threads).map(([id, both]) => [id, { status: statusOf(name, 1, 1, both) }])),
  })
  const proc = t.testdir({
    1: of(1, 'init', 0, { 1: [9, 9] }),
    100: of(100, 'master (of all)', 1, { 100: [1, 2], 101: [3, 4] }),
    200: of(200, 'worker', 100, { 200: [10, 0] }),
    300: of(300, 'its own', 200, { 300: [0, 20] }),
    400: of(400, 'stranger', 1, { 400: [1000, 1000] }),
    self: { stat: 'not a process of its own' },
    500: {},
    meminfo: 'MemTotal: 1 kB',
  })
  t.same(treeUsage(100, proc), {
    userMs: (1_000 + 2_000 + 3_000) * TICK_MS,
    systemMs: (100 + 200 + 300 + 3) * TICK_MS,
    cpuMs: 6_603 * TICK_MS,
    rssBytes: 600 * 1024,
    peakBytes: 1_200 * 1024,
    contextSwitches: 10 + 10 + 20,
  })
  t.throws(() => treeUsage(600, proc), { message: 'process 600 is gone' })
})

t.test('this very process', { skip: HAS_PROC }, async t => {
  const before = treeUsage(process.pid)
  const coreBefore = coreBusyMs(0)
  const { user, system } = process.cpuUsage()
  t.ok(before.cpuMs > 0)
  t.ok(before.cpuMs >= before.userMs + before.systemMs)
  t.ok(before.peakBytes >= before.rssBytes && before.rssBytes > 2 ** 20)
  t.ok(before.contextSwitches > 0)
  // Node counts the same, a moment later.
  t.ok(before.cpuMs <= (user + system) / 1000 + 2 * TICK_MS)
  for (let until = process.cpuUsage().user + 50_000; process.cpuUsage().user < until; ) until += 0
  const after = treeUsage(process.pid)
  t.ok(after.cpuMs - before.cpuMs >= 30, 'work of 50 ms is seen')
  t.ok(coreBusyMs(0) >= coreBefore)
})

t.test('a peak that is reset is that of now', { skip: HAS_PROC }, async t => {
  t.notOk(resetPeak(1, t.testdir({ 1: {} })), 'nothing there to write to')
  // A process that holds 64 MiB for a moment, and then waits.
  const script = `
    let held = Buffer.alloc(2 ** 26, 1)
    held = undefined
    globalThis.gc()
    setTimeout(() => {}, 60_000)
    console.log('ready')`
  const child = spawn(process.execPath, ['--expose-gc', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const before = treeUsage(child.pid!)
  if (!resetPeak(child.pid!)) return t.comment('this kernel does not let peaks be reset')
  const after = treeUsage(child.pid!)
  t.ok(before.peakBytes >= 2 ** 26)
  t.ok(after.peakBytes < before.peakBytes && after.peakBytes >= after.rssBytes)
})
