/** How near peers came to the limits against floods lately. */
import t from 'tap'
import { Allowance, FLOOD_NAMES, Flood } from '../../src/wire/allowance.ts'
import { FloodPeaks } from '../../src/wire/flood-peaks.ts'

const LIMITS = { maxPings: { burst: 100, perSecond: 10, earned: 0 } }
const MINUTE_MS = 60_000

const pingsOf = (peaks: FloodPeaks, nowMs: number) => peaks.read(nowMs).find(([name]) => name === 'maxPings')![1]

t.test('the greatest part that any connection has used, for one minute or two', async t => {
  const peaks = new FloodPeaks(FLOOD_NAMES)
  const [one, other] = [new Allowance(LIMITS, peaks), new Allowance(LIMITS, peaks)]
  one.tick(0)
  for (let i = 0; i < 30; i++) one.spend(Flood.PINGS)
  for (let i = 0; i < 10; i++) other.spend(Flood.PINGS)
  t.equal(pingsOf(peaks, 0), 0.3)
  one.tick(10_000)
  one.spend(Flood.PINGS)
  t.equal(pingsOf(peaks, 10_000), 0.3, 'time gives back, and the greatest stays')
  t.equal(pingsOf(peaks, MINUTE_MS), 0.3)
  one.spend(Flood.PINGS)
  t.equal(pingsOf(peaks, 2 * MINUTE_MS - 1), 0.3)
  t.equal(pingsOf(peaks, 2 * MINUTE_MS), 0.02)
  t.equal(pingsOf(peaks, 4 * MINUTE_MS), 0, 'nobody has read or sent anything meanwhile')
})

t.test('who is at a limit has used all of it', async t => {
  const peaks = new FloodPeaks(FLOOD_NAMES)
  const allowance = new Allowance(LIMITS, peaks)
  t.throws(() => {
    for (let i = 0; i < 101; i++) allowance.spend(Flood.PINGS)
  })
  t.equal(pingsOf(peaks, 0), 1)
  t.equal(peaks.read(0).filter(([, part]) => part > 0).length, 1)
})
