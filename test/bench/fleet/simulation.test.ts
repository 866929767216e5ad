/** The simulation of a fleet: it is the same each time, what it counts adds up, and what docs/fleet.md says of it holds in small. */
import t from 'tap'
import { Agenda } from '../../../bench/fleet/agenda.ts'
import { deployPicture, spreadPicture } from '../../../bench/fleet/pictures.ts'
import { type Rollout, rollout, type Size, spreads } from '../../../bench/fleet/plan.ts'

const SMALL: Size = { proxies: 60, endpoints: 60, subsets: [3, 12], subset: 12, measuredMs: 2_000 }
const SEED = 7
const quiet = (): void => {}

t.test('the agenda: in the order of time, then as added; what is cancelled does not happen', async t => {
  const agenda = new Agenda()
  const happened: string[] = []
  const note = (what: string) => () => happened.push(`${what} ${agenda.now()}`)
  agenda.after(5, note('b'))
  agenda.after(5, note('c'))
  agenda.after(1, () => agenda.after(2, note('a')))
  agenda.after(4, note('never')).cancel()
  agenda.after(11, note('late'))
  agenda.runUntil(10)
  t.same(happened, ['a 3', 'b 5', 'c 5'])
  t.equal(agenda.now(), 10)
})

t.test('two runs with the same seed are the same to the last call, and another seed is another run', async t => {
  const [first, second] = [spreads(SMALL, SEED, quiet), spreads(SMALL, SEED, quiet)]
  t.same(second, first)
  t.notSame(spreads(SMALL, SEED + 1, quiet), first)
})

t.test(
  'subsets: sessions are as many as said, larger ones spread calls more evenly, and least request waits less',
  async t => {
    const all = spreads(SMALL, SEED, quiet)
    const of = (balancer: string, subset: number) =>
      all.find(one => one.balancer === balancer && one.subset === subset)!
    for (const subset of SMALL.subsets) t.equal(of('round-robin', subset).sessions, SMALL.proxies * subset)
    for (const balancer of ['round-robin', 'least-request', 'peak-ewma'])
      t.ok(of(balancer, 12).mostToMean < of(balancer, 3).mostToMean, balancer)
    t.ok(of('least-request', 3).p99Ms < of('round-robin', 3).p99Ms)
    t.same(
      all.filter(({ failed }) => failed > 0),
      [],
      'no call failed',
    )
  },
)

t.test(
  'deploys: nothing is lost but what was on a killed endpoint, and slow start keeps calls from cold ones',
  async t => {
    const of = (more: Partial<Rollout>) =>
      rollout(SMALL, { balancer: 'least-request', slowStart: true, leaving: 'orderly', ...more }, SEED)
    for (const leaving of ['orderly', 'goaway'] as const) t.equal(of({ leaving }).failed, 0, leaving)
    const killed = of({ leaving: 'killed' })
    t.ok(killed.failed > 0)
    t.equal(killed.failed, killed.onKilled)
    t.same(of({ leaving: 'killed' }), killed, 'it is the same each time')
    const [cold, warm] = [false, true].map(slowStart => of({ balancer: 'round-robin', slowStart }))
    t.ok(cold!.slowBefore < cold!.slow / 100)
    t.ok(warm!.slow < cold!.slow / 2, `${cold!.slow} calls were slow, and ${warm!.slow} with slow start`)
  },
)

t.test('pictures: each curve is there', async t => {
  const spec = JSON.stringify(spreadPicture(spreads(SMALL, SEED, quiet), 1.2, 'small'))
  for (const name of ['round-robin', 'least-request', 'peak-ewma', 'chance alone', 'sessions'])
    t.ok(spec.includes(`"subject":"${name}"`), name)
  const deploy = rollout(SMALL, { balancer: 'round-robin', slowStart: true, leaving: 'orderly' }, SEED)
  t.ok(JSON.stringify(deployPicture([deploy], 'small')).includes('"subject":"round-robin, slow start"'))
})
