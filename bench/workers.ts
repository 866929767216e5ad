/**
 * What workers cost, beside the proxy as one process: `node bench/workers.ts [calls] [rounds] [connections for each worker] [calls at a time on each]`. CPU time of the whole process
 * tree for each call, calls a second, new connections a second, and the memory of each process that no other one shares.
 *
 * The subjects take turns, and none is pinned: they are to use the cores that there are. Load and backend share one of them,
 * so rates say something only where there are more cores than workers. CPU time a call does not depend on that.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { startBackend } from './load/backend-process.ts'
import { generate } from './load/generator.ts'
import type { LoadOptions } from './load/shape.ts'
import { freePort } from './measure/child.ts'
import { parseShared, processTree, treeUsage } from './measure/process-tree.ts'
import { spread } from './measure/statistics.ts'
import { NODE } from './subjects/node.ts'
import { PAIRS, verbatimConfiguration } from './subjects/verbatim.ts'

const ROOT = join(import.meta.dirname, '..')
/** As the package has it, where it was built. */
const PROGRAM = existsSync(join(ROOT, 'dist/cli.js')) ? 'dist/cli.js' : 'src/cli.ts'
const SUBJECTS: readonly (number | undefined)[] = [undefined, 1, 2]
const SHAPE = { kind: 'unary', requestBytes: 32, responseBytes: 32 } as const
const WARM_UPS = 3
const SETTLE_MS = 1_000
const PATIENCE_MS = 30_000

/**
 * The more there is to do in a turn of the event loop, the less a call costs. Where the load is the limit, as on two cores,
 * two workers have less in a turn than one: with one connection and one call at a time they have the same.
 */
const [calls = 50_000, rounds = 5, connections = 8, streams = 10] = process.argv.slice(2).map(Number)

interface Subject {
  readonly name: string
  readonly port: number
  readonly workers: number | undefined
  readonly process: ChildProcess
  readonly cpuMicroseconds: number[]
  readonly callsPerSecond: number[]
  readonly connectionsPerSecond: number[]
}

async function start(folder: string, backend: number, workers: number | undefined): Promise<Subject> {
  const port = await freePort()
  const file = join(folder, `${workers ?? 'none'}.yaml`)
  const configuration = verbatimConfiguration({ backends: [backend] }, port, PAIRS.frames!)
  const log = { level: 'info', access: false, pretty: false }
  writeFileSync(file, stringify({ ...configuration, log, ...(workers && { workers }) }))
  const args = [PROGRAM, 'serve', '--config', file]
  const child = spawn(NODE, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the proxy does not listen')), PATIENCE_MS)
    child.on('exit', code => reject(new Error(`the proxy ended with ${code}`)))
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (!text.includes('listening on')) return
      clearTimeout(timer)
      resolve()
    })
  })
  const name = workers === undefined ? 'one process' : `${workers} worker${workers === 1 ? '' : 's'}`
  return { name, port, workers, process: child, cpuMicroseconds: [], callsPerSecond: [], connectionsPerSecond: [] }
}

function loadOf({ port, workers = 1 }: Subject, mode: LoadOptions['mode']): LoadOptions {
  return { port, connections: connections * workers, shape: SHAPE, mode }
}

/** Each worker has as many calls as the one process: V8 compiles for each of them anew. */
function callsOf({ workers = 1 }: Subject): LoadOptions['mode'] {
  return { kind: 'closed', streams, calls: calls * workers }
}

async function measure(subject: Subject): Promise<void> {
  const pid = subject.process.pid!
  const before = treeUsage(pid).cpuMs
  const report = await generate(loadOf(subject, callsOf(subject)))
  subject.cpuMicroseconds.push(((treeUsage(pid).cpuMs - before) * 1_000) / report.calls)
  subject.callsPerSecond.push(report.calls / report.seconds)
  const connects = await generate(loadOf(subject, { kind: 'connect', calls: Math.ceil(calls / 50) }))
  subject.connectionsPerSecond.push(connects.calls / connects.seconds)
}

/** MiB of each process of the tree that belong to it alone, and what they share, once. */
function memoryOf(pid: number): { own: number[]; shared: number } {
  const parts = processTree(pid).map(each => {
    const text = readFileSync(`/proc/${each}/smaps_rollup`, 'latin1')
    const rss = Number(/^Rss:\s+(\d+) kB/m.exec(text)![1]) * 1_024
    const shared = parseShared(text)
    return { own: (rss - shared) / 2 ** 20, shared: shared / 2 ** 20 }
  })
  return { own: parts.map(({ own }) => own), shared: Math.max(...parts.map(({ shared }) => shared)) }
}

function told(values: readonly number[], digits: number): string {
  const { median, least, most } = spread(values)
  return `${median.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`
}

const folder = mkdtempSync(join(tmpdir(), 'workers-'))
const { child: backend, port } = await startBackend()
const subjects: Subject[] = []
try {
  for (const workers of SUBJECTS) subjects.push(await start(folder, port, workers))
  console.log(
    `${PROGRAM}, ${calls} calls and ${connections} connections for each worker, ${streams} at a time on each, ${rounds} rounds`,
  )
  await new Promise(resolve => setTimeout(resolve, SETTLE_MS))
  const idle = subjects.map(subject => memoryOf(subject.process.pid!))
  for (const subject of subjects) {
    for (let i = 0; i < WARM_UPS; i++) await generate(loadOf(subject, callsOf(subject)))
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < subjects.length; i++) await measure(subjects[(round + i) % subjects.length]!)
  }
  for (const [i, subject] of subjects.entries()) {
    const ratios = subject.cpuMicroseconds.map((cpu, round) => cpu / subjects[0]!.cpuMicroseconds[round]!)
    const after = memoryOf(subject.process.pid!)
    const mebibytes = (own: readonly number[]) => own.map(each => each.toFixed(0)).join(' + ')
    console.log(`${subject.name}
  CPU µs a call       ${told(subject.cpuMicroseconds, 1)}; times that of one process ${told(ratios, 3)}
  calls a second      ${told(subject.callsPerSecond, 0)}
  connections a second ${told(subject.connectionsPerSecond, 0)}
  MiB of each process ${mebibytes(idle[i]!.own)} idle, ${mebibytes(after.own)} after load, and ${after.shared.toFixed(0)} shared`)
  }
} finally {
  for (const { process: child } of subjects) child.kill('SIGTERM')
  await backend.kill()
  rmSync(folder, { recursive: true, force: true })
}
