import { existsSync } from 'node:fs'
import t, { type Test } from 'tap'
import { treeUsage } from '../../../bench/measure/process-tree.ts'
import { artificial, busy, dropper, dropperBase } from '../../../bench/subjects/artificial.ts'
import type { Contender } from '../../../bench/subjects/contender.ts'
import { Delay } from '../../../bench/subjects/programs/delay.ts'
import { openWorld, SMALL_PATH, type World } from '../../../bench/subjects/world.ts'
import { wholeOnly } from '../../support/whole.ts'
import { type Answer, callOn, connect } from './one-call.ts'

const CALLS = 100
const UNAVAILABLE = '14'
const COUNTS_CPU = existsSync('/proc/self/stat')
/** Steps of `/proc/PID/stat`. */
const TICK_MS = 10

interface Made {
  readonly answers: readonly Answer[]
  readonly tookMs: readonly number[]
  /** Of its process, while they were made; 0 where nobody tells. */
  readonly cpuMs: number
}

/** One call after the other. */
async function make(t: Test, world: World, contender: Contender, calls: number): Promise<Made> {
  const { child, port } = await contender.start(world)
  t.teardown(() => child!.kill())
  const session = await connect(port)
  t.teardown(() => session.destroy())
  const usedMs = (): number => (COUNTS_CPU ? treeUsage(child!.pid).cpuMs : 0)
  const beforeMs = usedMs()
  const answers: Answer[] = []
  const tookMs: number[] = []
  for (let i = 0; i < calls; i++) {
    const start = performance.now()
    answers.push(await callOn(session, SMALL_PATH))
    tookMs.push(performance.now() - start)
  }
  return { answers, tookMs, cpuMs: usedMs() - beforeMs }
}

/** At the same time: nothing here says how long a thing takes at most. */
t.test('artificial subjects', { jobs: 4, ...wholeOnly('proves the measurements') }, async t => {
  const world = await openWorld({ backends: 1, tls: false, backend: 'own' })
  t.teardown(() => world.close())

  t.test('dropper fails exactly one call of a hundred', async t => {
    const { answers } = await make(t, world, dropper, 2 * CALLS)
    const statuses = answers.map(({ grpcStatus }) => grpcStatus)
    t.equal(statuses.filter(status => status === '0').length, 198)
    t.strictSame([statuses[99], statuses[199]], [UNAVAILABLE, UNAVAILABLE])
  })

  t.test('without dropping, none fails', async t => {
    const { answers } = await make(t, world, dropperBase, CALLS)
    t.ok(answers.every(({ grpcStatus }) => grpcStatus === '0'))
  })

  t.test('busy delays every call by a millisecond at least', async t => {
    const { answers, tookMs } = await make(t, world, busy, CALLS)
    t.ok(answers.every(({ grpcStatus }) => grpcStatus === '0'))
    t.ok(Math.min(...tookMs) >= 1, `the fastest took ${Math.min(...tookMs)} ms`)
  })

  const skip = COUNTS_CPU ? false : 'CPU of another process is told by /proc only'
  t.test('CPU that is asked for is spent', { skip }, async t => {
    const cpuUs = 5_000
    const { cpuMs } = await make(t, world, artificial('hot', 'for this test', { cpuUs }), 20)
    t.ok(cpuMs >= (20 * cpuUs) / 1_000 - TICK_MS, `${cpuMs} ms of CPU`)
  })
})

t.test('a delay ends never early, and in order', async t => {
  const delay = new Delay(2)
  t.teardown(() => delay.close())
  const ended: number[] = []
  const one = async (number: number): Promise<void> => {
    const start = process.hrtime.bigint()
    await delay.pass()
    t.ok(process.hrtime.bigint() - start >= 2_000_000n)
    ended.push(number)
  }
  const first = [0, 1, 2].map(one)
  await first[0]
  await Promise.all([...first, ...[3, 4].map(one)])
  t.strictSame(ended, [0, 1, 2, 3, 4])
})
