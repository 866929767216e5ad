/** The suite's programs as somebody starts them, on npm packages alone. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { RunRecord } from '../../../bench/report/record.ts'
import { wholeOnly } from '../../support/whole.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** Elsewhere there is no CPU time to count. */
const COUNTS = existsSync('/proc/self/stat')

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function run(program: string, ...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [`bench/${program}`, ...args], { cwd: ROOT })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', text => (stdout += text))
  child.stderr.on('data', text => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

const measures = 'a run on our own load and backend measures, says how it is repeated, and keeps a record'
t.test(measures, wholeOnly('a whole benchmark'), async t => {
  const json = join(t.testdir(), 'run.json')
  const chosen = ['--only', 'm10', '--subjects', 'direct,frames', '--rounds', '2', '--seconds', '0.2']
  const args = [...chosen, '--warm-up', '0.1', '--load', 'own', '--backend', 'own', '--json', json]
  const { code, stdout, stderr } = await run('run.ts', ...args)
  t.equal(code, 0, stderr)
  t.match(stdout, `Repeat it: npm run bench -- ${args.join(' ')}`)
  const record = JSON.parse(readFileSync(json, 'utf8')) as RunRecord
  t.equal(record.rounds, 2)
  t.equal(record.base, 'frames')
  t.match(record.subjects, [
    { name: 'direct', kind: 'floor' },
    { name: 'frames', kind: 'ours' },
  ])
  const [scenario] = record.scenarios
  t.match(scenario, { name: 'm10', load: 'own', backend: 'own', curve: { name: 'streams', at: 10 } })
  const [direct, frames] = scenario!.entries
  for (const { failure, samples, histogram } of [direct!, frames!]) {
    t.equal(failure, undefined)
    t.equal(samples.length, 2)
    for (const sample of samples) t.ok(sample['calls/s']! > 0 && sample.p50! > 0 && sample.max! >= sample.p99!)
    t.type(histogram, 'string')
  }
  const [sample] = frames!.samples
  t.equal(sample!['added p50'], sample!.p50! - direct!.samples[0]!.p50!)
  t.notOk('CPU a call' in direct!.samples[0]!, 'nobody is there whose CPU time it could be')
  if (COUNTS) t.ok(sample!['CPU a call']! >= 0 && sample!.memory! > 1 && sample!['peak memory']! >= sample!.memory!)
})

t.test('what is wrong is said, with code 2, before anything is started', async t => {
  const { code, stdout, stderr } = await run('run.ts', '--only', 'm11')
  t.equal(code, 2)
  t.equal(stdout, '')
  t.match(stderr, /no scenario "m11"/)
  const unknown = await run('compare.ts', 'no-such-revision')
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, /no revision "no-such-revision"/)
  t.equal((await run('compare.ts')).code, 2)
  for (const [program, args, message] of [
    ['compare.ts', ['HEAD', '--only', 'nonsense'], /^no scenario "nonsense"/],
    ['compare.ts', ['HEAD', '--json', join(ROOT, 'package.json/x/run.json')], /package\.json/],
    ['run.ts', ['--only', 'm10', '--json', join(ROOT, 'bench')], /EISDIR.*bench/],
    ['run.ts', ['--only', 'm10', '--svg', join(ROOT, 'package.json')], /package\.json/],
    ['prove.ts', ['--rounds', '3'], /^Unknown option '--rounds'/],
    ['prove.ts', ['fast'], /^Unexpected argument 'fast'/],
    ['peers.ts', ['--dryrun'], /^Unknown option '--dryrun'/],
  ] as const) {
    const { code, stdout, stderr } = await run(program, ...args)
    t.equal(code, 2, program)
    t.equal(stdout, '', program)
    t.match(stderr, message)
    t.notMatch(stderr, /\n +at /, 'no stack')
  }
})

t.test('the list has scenarios and subjects', async t => {
  const { code, stdout } = await run('run.ts', '--list')
  t.equal(code, 0)
  for (const name of ['m10', 'latency', 'idle', 'routes-1000', 'direct', 'frames', 'nghttpx']) {
    t.match(stdout, new RegExp(`^[ *]+${name} `, 'm'))
  }
})
