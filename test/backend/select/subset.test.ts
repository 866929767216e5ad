/** Subsets: which endpoints of a list a proxy uses. */
import t from 'tap'
import { endpointSpecs } from '../../../src/backend/endpoint-source.ts'
import { subsetOf } from '../../../src/backend/select/subset.ts'

function specsOf(count: number, of: (i: number) => { weight?: number; priority?: number } = () => ({})) {
  return endpointSpecs(
    Array.from({ length: count }, (_, i) => ({
      name: `http://10.0.${i >> 8}.${i & 255}:50051`,
      tcp: { host: `10.0.${i >> 8}.${i & 255}`, port: 50051 },
      ...of(i),
    })),
  )
}

const idOf = (proxy: number) => `proxy-${proxy}:${1_000 + proxy}`

t.test('subsets: a thousand proxies spread over a thousand endpoints as chance would', async t => {
  const all = specsOf(1_000)
  const times = new Map(all.map(({ key }) => [key, 0]))
  for (let proxy = 0; proxy < 1_000; proxy++) {
    const subset = subsetOf(all, { size: 20, id: idOf(proxy) })
    if (subset.length !== 20 || new Set(subset).size !== 20) t.fail('it has 20')
    for (const { key } of subset) times.set(key, times.get(key)! + 1)
  }
  const counts = [...times.values()]
  const variance = counts.reduce((sum, count) => sum + (count - 20) ** 2, 0) / counts.length
  // Binomial with 1,000 tries of 20 in 1,000: variance 19.6, of which the sample of 1,000 may be 15 % off.
  t.ok(Math.abs(variance - 19.6) < 3, `variance ${variance}`)
  t.ok(
    Math.max(...counts) < 20 + 6 * 4.43 && Math.min(...counts) > 0,
    `${Math.min(...counts)} to ${Math.max(...counts)}`,
  )
})

t.test('subsets: one endpoint that comes or goes changes one entry where it is, and none elsewhere', async t => {
  const all = specsOf(1_000)
  const without = all.filter((_, i) => i !== 500)
  let moved = 0
  for (let proxy = 0; proxy < 1_000; proxy++) {
    const settings = { size: 20, id: idOf(proxy) }
    const before = new Set(subsetOf(all, settings))
    const after = subsetOf(without, settings)
    const fresh = after.filter(spec => !before.has(spec)).length
    if (fresh !== (before.has(all[500]!) ? 1 : 0)) t.fail(`${fresh} of proxy ${proxy}`)
    moved += fresh
  }
  t.ok(moved > 0 && moved < 50, `${moved} of 20,000 sessions move`)
})

t.test('subsets: the same proxy has the same one, whatever the order of the list, and another has another', async t => {
  const all = specsOf(300)
  const names = (id: string, list = all) =>
    subsetOf(list, { size: 10, id })
      .map(({ address }) => address.name)
      .sort()
  t.same(names('host:1'), names('host:1', all.toReversed()))
  t.notSame(names('host:1'), names('host:2'))
  const subset = subsetOf(all, { size: 10, id: 'host:1' })
  t.same(
    subset,
    all.filter(spec => subset.includes(spec)),
    'in the order of the list',
  )
  t.equal(subsetOf(all, { size: 300, id: 'host:1' }), all, 'a small list is used as it is')
})

t.test('subsets: each level of priority has its own, and weight 0 takes no place', async t => {
  const levels = specsOf(100, i => ({ priority: i < 90 ? 0 : 1 }))
  const subset = subsetOf(levels, { size: 20, id: 'a' })
  t.same(Map.groupBy(subset, ({ priority }) => priority).get(0)!.length, 20)
  t.same(Map.groupBy(subset, ({ priority }) => priority).get(1)!.length, 10)
  const settings = { size: 10, id: 'a' }
  const before = subsetOf(specsOf(100), settings)
  const drained = specsOf(100, i => ({
    weight: `${i}` === `${Number(before[3]!.address.tcp!.host.split('.')[3])}` ? 0 : 1,
  }))
  const after = subsetOf(drained, settings)
  t.same([after.length, after.filter(({ weight }) => weight > 0).length], [11, 10])
  for (const { key } of before)
    t.ok(
      after.some(spec => spec.key === key),
      'who was there stays',
    )
})
