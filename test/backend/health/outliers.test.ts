/** Who is ejected, for how long, and who is not. Time and network are a test's. */
import t from 'tap'
import { Client, type ClientShare } from '../../../src/backend/client-share.ts'
import type { Endpoint } from '../../../src/backend/endpoint.ts'
import type { OutlierSettings } from '../../../src/backend/health/settings.ts'
import { block } from '../../support/fake-transport.ts'
import { BackendRig, shares } from '../rig.ts'

const INTERVAL_MS = 10_000
const BASE_MS = 30_000
const SETTINGS: OutlierSettings = {
  intervalMs: INTERVAL_MS,
  baseEjectionMs: BASE_MS,
  maxEjectionMs: 300_000,
  maxEjectedPercent: 10,
  statuses: ['UNAVAILABLE', 'INTERNAL', 'UNKNOWN'],
  consecutiveFailures: 5,
  successRate: { stdevFactor: 1.9, minimumEndpoints: 5, requestVolume: 100, enforcementPercent: 100 },
  failurePercentage: { threshold: 85, minimumEndpoints: 5, requestVolume: 50, enforcementPercent: 100 },
}
const OFF = { enforcementPercent: 0 }

type Part = Partial<OutlierSettings>

class Scene {
  readonly rig: BackendRig
  readonly #clients = new Map<string, ClientShare>()

  constructor(endpoints: string, outliers: Part = {}) {
    this.rig = new BackendRig({ endpoints, outliers: { ...SETTINGS, ...outliers }, sessions: { max: 2 } })
    // Before that nobody knows how many clients there are.
    this.interval()
  }

  at(name: string): Endpoint {
    return this.rig.backend.endpoints.find(({ address }) => address.name === name)!
  }

  #client(name: string): ClientShare {
    const known = this.#clients.get(name) ?? new Client(`${name}:1`).shareOf(this.rig.backend)
    this.#clients.set(name, known)
    return known
  }

  /** Attempts of a client end at an endpoint with this status. */
  calls(endpoint: string, count: number, status: number, client = '10.0.0.1'): void {
    for (let i = 0; i < count; i++) {
      const attempt = this.at(endpoint).outcomes!.begin(this.#client(client))
      attempt.answered(status, block({ 'grpc-status': String(status) }))
    }
  }

  /** … by nothing that the backend answered. */
  ended(endpoint: string, count: number, by: 'client' | 'proxy' | 'backend', status: number, refused = false): void {
    for (let i = 0; i < count; i++)
      this.at(endpoint).outcomes!.begin(this.#client('10.0.0.1')).ended(by, status, refused)
  }

  get ejected(): string {
    return this.rig.backend.endpoints
      .filter(({ bars }) => bars.has('outlier'))
      .map(({ address }) => address.name)
      .join('')
  }

  interval(count = 1): void {
    this.rig.clock.advance(count * INTERVAL_MS)
  }
}

t.test('failures in a row', async t => {
  const scene = new Scene('ab')
  scene.rig.warm(100)
  scene.calls('a', 4, 14)
  scene.calls('a', 1, 0)
  scene.calls('a', 4, 13)
  t.equal(scene.ejected, '', 'never five in a row')
  scene.calls('a', 1, 2)
  t.equal(scene.ejected, 'a')
  t.equal(
    scene.at('a').bars.get('outlier'),
    '5 of its calls failed in a row, the last one with UNKNOWN: no new calls for 30 s',
  )
  t.equal(scene.rig.events.at(-1), 'a ejected')
  t.same(shares(scene.rig.calls(10)), { b: 10 })
})

t.test('other statuses are answers, also between failures', async t => {
  const scene = new Scene('ab')
  for (const status of [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 99]) scene.calls('a', 100, status)
  t.equal(scene.ejected, '')
  for (let i = 0; i < 50; i++) scene.calls('a', 1, i % 2 === 0 ? 14 : 5)
  t.equal(scene.ejected, '')
})

t.test('which statuses are failures is an option', async t => {
  const scene = new Scene('ab', { statuses: ['RESOURCE_EXHAUSTED'] })
  scene.calls('a', 10, 14)
  t.equal(scene.ejected, '')
  scene.calls('a', 5, 8)
  t.equal(scene.ejected, 'a')
})

t.test('what the client or the proxy ends does not count, nor does a refusal', async t => {
  const scene = new Scene('ab')
  scene.ended('a', 100, 'client', 1)
  scene.ended('a', 100, 'proxy', 4)
  scene.ended('a', 100, 'proxy', 13)
  scene.ended('a', 100, 'backend', 14, true)
  scene.calls('a', 4, 14)
  scene.ended('a', 1, 'client', 1)
  t.equal(scene.ejected, '')
  scene.calls('a', 1, 14)
  t.equal(scene.ejected, 'a', 'and it ends no run')
})

t.test('resets count one by one; calls that one connection loses are one failure', async t => {
  const scene = new Scene('ab')
  scene.ended('a', 100, 'backend', 14)
  t.equal(scene.ejected, '', 'a session with a hundred calls was lost')
  for (let i = 0; i < 4; i++) {
    scene.rig.clock.advance(200)
    scene.ended('a', 100, 'backend', 14)
  }
  t.equal(scene.ejected, 'a', 'five of them in a row')
  scene.ended('b', 5, 'backend', 13)
  t.equal(scene.ejected, 'a', 'the last one stays')
  const other = new Scene('ab')
  other.ended('b', 5, 'backend', 13)
  t.equal(other.ejected, 'b')
})

t.test('an ejection ends after its time, and the calls of before do not count any more', async t => {
  const scene = new Scene('ab')
  scene.calls('a', 5, 14)
  scene.rig.clock.advance(BASE_MS - 1)
  t.equal(scene.ejected, 'a')
  scene.rig.clock.advance(1)
  t.equal(scene.ejected, '')
  t.same(scene.rig.events, ['a ejected', 'a readmitted'])
  scene.calls('a', 4, 14)
  t.equal(scene.ejected, '')
})

t.test('each further ejection is longer, up to the longest; time without one makes them shorter', async t => {
  const scene = new Scene('ab', { maxEjectionMs: 100_000 })
  const lasts = () => {
    scene.calls('a', 5, 14)
    t.equal(scene.ejected, 'a')
    let intervals = 0
    for (; scene.ejected !== ''; intervals++) scene.interval()
    return intervals
  }
  t.same([lasts(), lasts(), lasts(), lasts(), lasts()], [3, 6, 9, 10, 10], 'of 10 s each')
  scene.interval(3)
  // Five before, three intervals without: the next is the third.
  t.equal(lasts(), 9)
  scene.interval(10)
  t.equal(lasts(), 3)
})

t.test('a base time above the longest holds', async t => {
  const scene = new Scene('ab', { maxEjectionMs: 1_000 })
  scene.calls('a', 5, 14)
  scene.rig.clock.advance(BASE_MS - 1)
  t.equal(scene.ejected, 'a')
})

t.test('so many at a time', async t => {
  const scene = new Scene('abcdefghijklmnopqrst')
  for (const name of 'abcde') scene.calls(name, 5, 14)
  t.equal(scene.ejected, 'ab', '10 % of 20')
  const half = new Scene('abcd', { maxEjectedPercent: 50 })
  for (const name of 'abcd') half.calls(name, 5, 14)
  t.equal(half.ejected, 'ab')
  const none = new Scene('abcd', { maxEjectedPercent: 0 })
  none.calls('a', 5, 14)
  t.equal(none.ejected, '')
})

t.test('never the last, and never one that is alone', async t => {
  const all = new Scene('abc', { maxEjectedPercent: 100 })
  for (const name of 'abc') all.calls(name, 5, 14)
  t.equal(all.ejected, 'ab')
  const alone = new Scene('a', { maxEjectedPercent: 100 })
  alone.calls('a', 50, 14)
  t.equal(alone.ejected, '')
})

t.test('one of several clients ejects nothing that others can use, however loud it is', async t => {
  const scene = new Scene('ab')
  scene.calls('b', 1, 0, '10.0.0.1')
  for (let i = 0; i < 100; i++) {
    scene.calls('a', 1_000, 13, '10.6.6.6')
    if (i % 10 === 0) scene.calls('a', 1, 0, '10.0.0.1')
    scene.rig.clock.advance(500)
  }
  t.equal(scene.ejected, '')
  scene.calls('a', 1, 14, '10.0.0.1')
  scene.calls('a', 10, 14, '10.0.0.2')
  t.equal(scene.ejected, 'a', 'when others fail too it is ejected')
})

t.test('two victims and an attacker: it needs those two', async t => {
  const scene = new Scene('ab')
  scene.calls('a', 1, 0, '10.0.0.1')
  scene.calls('a', 1, 0, '10.0.0.2')
  scene.interval()
  scene.calls('a', 1_000, 13, '10.6.6.6')
  t.equal(scene.ejected, '', 'they are remembered at the beginning of an interval')
  scene.calls('a', 5, 13, '10.0.0.1')
  t.equal(scene.ejected, 'a')
})

t.test('success rate, at the end of an interval', async t => {
  const scene = new Scene('abcdef', {
    consecutiveFailures: 0,
    failurePercentage: { ...SETTINGS.failurePercentage, ...OFF },
  })
  for (const name of 'abcdef')
    for (const client of ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'])
      for (let i = 0; i < 50; i++) scene.calls(name, 1, name === 'c' && i % 2 === 0 ? 14 : 0, client)
  t.equal(scene.ejected, '')
  scene.interval()
  t.equal(scene.ejected, 'c')
  t.equal(
    scene.at('c').bars.get('outlier'),
    '50 % of its calls succeeded, and 91.7 % on average of all endpoints: no new calls for 30 s',
  )
  scene.interval(3)
  t.equal(scene.ejected, '')
})

t.test('failure percentage, at the end of an interval', async t => {
  const scene = new Scene('abcdef', { consecutiveFailures: 0, successRate: { ...SETTINGS.successRate, ...OFF } })
  for (const name of 'abcdef')
    for (const client of ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'])
      for (let i = 0; i < 20; i++) scene.calls(name, 1, name === 'c' && i !== 7 ? 14 : 0, client)
  scene.interval()
  t.equal(scene.ejected, 'c')
  t.equal(scene.at('c').bars.get('outlier'), '95 % of its calls failed: no new calls for 30 s')
})

t.test('rates: a loud attacker does not eject, neither at one endpoint nor at all', async t => {
  for (const targets of ['c', 'abcdef']) {
    const scene = new Scene('abcdef')
    for (let round = 0; round < 5; round++) {
      for (const name of 'abcdef')
        for (const client of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) scene.calls(name, 40, 0, client)
      for (const name of targets) scene.calls(name, 5_000, 13, '10.6.6.6')
      scene.interval()
      t.equal(scene.ejected, '', `at ${targets}, round ${round}`)
    }
  }
})

t.test('enforced in part', async t => {
  const scene = new Scene('abcdef', {
    consecutiveFailures: 0,
    failurePercentage: { ...SETTINGS.failurePercentage, enforcementPercent: 40 },
    successRate: { ...SETTINGS.successRate, ...OFF },
  })
  const fail = () => {
    for (const name of 'abcdef') scene.calls(name, 60, name === 'c' ? 14 : 0)
  }
  scene.rig.chance = 0.5
  fail()
  scene.interval()
  t.equal(scene.ejected, '')
  scene.rig.chance = 0.3
  fail()
  scene.interval()
  t.equal(scene.ejected, 'c')
})

t.test('connects that fail in a row, where there is no other session', async t => {
  const scene = new Scene('ab')
  const { rig } = scene
  rig.warm(100)
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) {
      scene.at('a').connect()
      rig.session('a').closed('ECONNREFUSED')
      rig.clock.advance(200_000)
    }
  }
  fail(8)
  t.equal(scene.ejected, '', 'it has a session, and may want no more of them')
  rig.transport.to('a')[0]!.closed('ECONNRESET')
  fail(4)
  t.equal(scene.ejected, '')
  scene.at('a').connect()
  rig.session('a').closed('ECONNREFUSED')
  t.equal(
    scene.at('a').bars.get('outlier'),
    '5 connects failed in a row, the last one by ECONNREFUSED: no new calls for 30 s',
  )
  rig.setEndpoints('abc')
  scene.calls('b', 5, 14)
  t.equal(scene.ejected, 'ab', 'it takes the place of none that answers wrong')
  scene.calls('c', 5, 14)
  t.equal(scene.ejected, 'ab', 'the last one stays')
})

t.test('nothing is left when it is not configured any more, and nothing is counted', async t => {
  const scene = new Scene('ab')
  scene.calls('a', 5, 14)
  scene.rig.update({ outliers: undefined })
  t.equal(scene.ejected, '')
  t.equal(scene.at('a').outcomes, undefined)
  t.equal(scene.rig.clock.pending, 0)
})

t.test('an endpoint that leaves is forgotten', async t => {
  const scene = new Scene('abc')
  scene.calls('a', 5, 14)
  scene.rig.setEndpoints('bc')
  scene.calls('b', 5, 14)
  t.equal(scene.ejected, 'b')
})

t.test('an attacker that fails all the time does not eject again what has just come back', async t => {
  const scene = new Scene('ab')
  for (const client of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) scene.calls('a', 3, 14, client)
  t.equal(scene.ejected, 'a')
  for (let i = 0; i < 3; i++) {
    scene.calls('b', 10, 0, '10.0.0.1')
    scene.interval()
  }
  t.equal(scene.ejected, '')
  scene.calls('a', 1_000, 13, '10.6.6.6')
  scene.calls('a', 1_000, 13, '10.6.6.7')
  t.equal(scene.ejected, '')
  for (const client of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) scene.calls('a', 2, 14, client)
  t.equal(scene.ejected, 'a', 'those of before can')
})
