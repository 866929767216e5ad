/**
 * What retries by policy come to over sockets, with backends that fail for real: what callers see, and what the backend gets.
 * Which attempts a flaky endpoint fails is known beforehand, so nothing depends on how fast the machine is. `npm run retries`
 * is the same for two minutes at 2,000 calls a second, with endpoints on grpc-go.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { killAll } from '../../../bench/measure/child.ts'
import { NODE_KIND } from './endpoint.ts'
import { failsAlways, mostAttempts, RetryField } from './retries.ts'

const ENDPOINTS = 3
const CALLS_A_SECOND = 500
const SECONDS = 1.5
const UNAVAILABLE = 14

t.setTimeout(120_000)
const folder = mkdtempSync(join(tmpdir(), 'grpc-verbatim-retries-'))
const load = { callsASecond: CALLS_A_SECOND, pinned: false } as const
const field = new RetryField({ folder, kinds: [NODE_KIND], endpoints: ENDPOINTS, transport: 'frames', ...load })
t.teardown(async () => {
  await field.end()
  killAll()
  rmSync(folder, { recursive: true, force: true })
})
await field.start()

t.test(
  '5 % of attempts fail: callers see those that fail each time, and the backend gets what the budget allows',
  async t => {
    const tally = await field.play('flaky', ENDPOINTS, SECONDS)
    const { calls, failed, attempts, complaints } = tally
    t.ok(calls > 500, `${calls} calls`)
    t.ok(failed.length <= calls / 1_000, `${failed.length} of ${calls} calls failed`)
    t.ok(failed.every(failsAlways), 'no call fails that could have succeeded')
    t.ok(attempts > calls * 1.02, 'calls were tried again')
    t.ok(attempts <= mostAttempts(tally), `${attempts} attempts`)
    t.same(complaints, [])
  },
)

t.test('a total outage makes no storm: half of the tokens, and no retry more', async t => {
  const { calls, failed, statuses, attempts, complaints } = await field.play('unavailable', ENDPOINTS, SECONDS)
  t.equal(failed.length, calls)
  t.same(statuses, [UNAVAILABLE], 'callers see what the backend says')
  t.ok(attempts >= calls, 'each call was tried')
  t.ok(attempts <= calls + 50, `${attempts} attempts of ${calls} calls`)
  t.ok(attempts <= 1.2 * calls)
  t.same(complaints, [])
})

t.test('after the outage calls succeed at once', async t => {
  const { calls, failed, attempts } = await field.play('flaky', 0, SECONDS)
  t.same([failed.length, attempts], [0, calls])
})

t.test('one of three endpoints fails: the others get no more for it than the budget allows', async t => {
  const tally = await field.play('unavailable', 1, SECONDS)
  const { calls, failed, attempts, attemptsThere } = tally
  const retries = attempts - calls
  t.ok(retries > 0, `${retries} retries`)
  t.ok(attempts <= mostAttempts(tally), `${attempts} attempts of ${calls} calls`)
  t.equal(failed.length, attemptsThere - retries, 'each attempt there is followed by another, or its call fails')
})
