import t from 'tap'
import { type Work, workSample } from '../../../bench/suite/work.ts'

const WORK: Work = {
  cpuMs: 590,
  userMs: 400,
  contextSwitches: 100,
  steadyBytes: 2 ** 20,
  peakBytes: 2 ** 21,
  foreign: 3,
}

t.test('a subject that works all the time of the load is busy, however long the load took to start', async t => {
  const sample = workSample(WORK, 'call', 1_000, 0.6)
  t.equal(Math.round(sample.busy!), 98)
  t.equal(workSample(WORK, 'call', 1_000, 0.5).busy, 100, 'connections that were made before make it no more than that')
  t.strictSame([sample['CPU a call'], sample['user a call'], sample['system a call']], [590, 400, 190])
  t.equal(workSample(WORK, 'GB', 2, 0.6)['CPU a GB'], 295)
  t.strictSame(workSample(undefined, 'call', 1, 1), {})
})
