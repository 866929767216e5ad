/** Peak EWMA: the arithmetic against linkerd's, and what a backend gets of endpoints that are slow, hang or fail. */
import t from 'tap'
import { PeakLatency } from '../../../src/backend/balance/peak-latency.ts'
import type { Outcome } from '../../../src/backend/outcome.ts'
import { seededRandom } from '../../../src/bench/random.ts'
import { BalancerRig, type FakeCall, type FakeEndpoint } from './fake-endpoints.ts'

const DECAY_MS = 10_000
const GUESS_MS = 30

class Rig {
  nowMs = 5_000
  readonly latency = new PeakLatency(DECAY_MS, GUESS_MS, this.nowMs)

  /** An attempt that ends now. */
  end(outcome: Partial<Outcome> & { headersMs: number }): void {
    const { headersMs, latencyMs = headersMs } = outcome
    if (headersMs !== -1) this.latency.onHeaders(headersMs, this, false, this.nowMs - latencyMs + headersMs)
    const rest = {
      status: 0,
      by: 'backend',
      refused: false,
      trailers: undefined,
      share: this,
      endMs: this.nowMs,
    } as const
    this.latency.onEnd({ ...rest, latencyMs, ...outcome })
  }

  get costMs(): number {
    return this.latency.costMs(this.nowMs)
  }
}

const near = (value: number, expected: number) => Math.abs(value - expected) < 1e-6 * Math.max(1, expected)

t.test('the guess counts until the first answer, and goes away with time', async t => {
  const rig = new Rig()
  t.equal(rig.costMs, GUESS_MS)
  rig.nowMs += DECAY_MS
  t.ok(near(rig.costMs, GUESS_MS / Math.E))
  rig.end({ headersMs: 2 })
  t.equal(rig.costMs, 2)
  const slow = new Rig()
  slow.end({ headersMs: 500 })
  t.equal(slow.costMs, 500)
})

t.test('as in linkerd: a peak counts at once, what is faster draws it down as time passes', async t => {
  const random = seededRandom(11)
  const rig = new Rig()
  rig.end({ headersMs: 4 })
  let [estimate, atMs] = [4, rig.nowMs]
  for (let i = 0; i < 2_000; i++) {
    rig.nowMs += random() * 300
    const rttMs = random() < 0.02 ? random() * 900 : 1 + random() * 5
    // linkerd's tower-peak-ewma, `update`, in its own order.
    const decay = Math.exp(-(rig.nowMs - atMs) / DECAY_MS)
    if (rttMs > estimate * decay) estimate = rttMs
    else estimate = estimate * decay + rttMs * (1 - decay)
    atMs = rig.nowMs
    rig.end({ headersMs: rttMs })
    if (!near(rig.costMs, estimate)) t.fail(`${rig.costMs}, not ${estimate}, after ${i}`)
  }
  t.ok(estimate > 1)
})

t.test('slow headers count before their call is over', async t => {
  const rig = new Rig()
  rig.end({ headersMs: 2 })
  rig.latency.onHeaders(800, rig, false, rig.nowMs)
  t.equal(rig.costMs, 800)
})

t.test('a call that ends without an answer took at least that long: an endpoint that hangs is slow', async t => {
  for (const [by, status] of [
    ['client', 1],
    ['proxy', 4],
  ] as const) {
    const rig = new Rig()
    rig.end({ headersMs: 2 })
    rig.nowMs += 700
    rig.end({ headersMs: -1, latencyMs: 700, by, status })
    t.equal(rig.costMs, 700, by)
    rig.end({ headersMs: -1, latencyMs: 1, by, status })
    t.equal(rig.costMs, 700, `${by}: one that gives up at once says nothing`)
  }
})

t.test('nothing counts as slower than the time in which it is forgotten', async t => {
  const rig = new Rig()
  rig.end({ headersMs: 86_400_000 })
  t.equal(rig.costMs, DECAY_MS)
  rig.end({ headersMs: -1, latencyMs: 86_400_000, by: 'client' })
  t.equal(rig.costMs, DECAY_MS)
})

t.test('failures that come fast do not make it look fast', async t => {
  for (const status of [2, 8, 13, 14]) {
    const rig = new Rig()
    rig.end({ headersMs: 40 })
    let before = rig.costMs
    for (let i = 0; i < 20; i++) {
      rig.nowMs += 100
      rig.end({ headersMs: 0.1, status })
      if (rig.costMs < before) t.fail(`${status}: ${rig.costMs} after ${before}`)
      before = rig.costMs
    }
    t.ok(before > 40 * 25, `${status}: a success takes ${before} ms here`)
    rig.nowMs += 10 * DECAY_MS
    for (let i = 0; i < 40; i++) rig.end({ headersMs: 3 })
    t.ok(rig.costMs < 3.1, 'it is forgiven')
  }
})

t.test(
  'a stream that the backend breaks off is a failure; a call that it refuses is none, nor is an error of the call',
  async t => {
    const lost = new Rig()
    lost.end({ headersMs: 40 })
    lost.end({ headersMs: -1, latencyMs: 0.1, status: 14 })
    t.ok(near(lost.costMs, 40 / 0.75))
    const refused = new Rig()
    refused.end({ headersMs: 40 })
    refused.end({ headersMs: -1, latencyMs: 0.1, status: 14, refused: true })
    t.equal(refused.costMs, 40)
    for (const status of [3, 5, 7, 12, 16]) {
      const rig = new Rig()
      rig.end({ headersMs: 40 })
      rig.nowMs += 1_000
      const before = rig.costMs
      rig.end({ headersMs: 0.1, status })
      t.equal(rig.costMs, before, `${status} counts neither way`)
    }
  },
)

t.test('a stream that began long ago tells nothing about now', async t => {
  const rig = new Rig()
  rig.end({ headersMs: 100 })
  rig.nowMs += DECAY_MS + 1
  const before = rig.costMs
  rig.end({ headersMs: 1, latencyMs: DECAY_MS + 1 })
  t.equal(rig.costMs, before)
  rig.nowMs += 1_000
  rig.end({ headersMs: 1, latencyMs: 500, by: 'client', status: 1 })
  t.ok(rig.costMs < before, 'one that its client ended a moment ago does')
})

t.test('what was not used for hours is a number, and calls in flight decide', async t => {
  const rig = new Rig()
  rig.nowMs += 86_400_000_000
  t.equal(rig.costMs, 0.01)
})

interface Behaviour {
  readonly latencyMs: number
  readonly fails?: boolean
  readonly hangs?: boolean
}

/** 2,000 calls a second for so long; a call that hangs is given up by its client after a second. */
function run(
  rig: BalancerRig,
  seconds: number,
  behaviourOf: (endpoint: FakeEndpoint) => Behaviour,
): Map<FakeEndpoint, number> {
  const counts = new Map<FakeEndpoint, number>(rig.endpoints.map(endpoint => [endpoint, 0]))
  for (let i = 0; i < seconds * 2_000; i++) {
    const call: FakeCall = rig.call()
    counts.set(call.endpoint, counts.get(call.endpoint)! + 1)
    const { latencyMs, fails = false, hangs = false } = behaviourOf(call.endpoint)
    rig.clock.after(hangs ? 1_000 : latencyMs * (0.8 + 0.4 * rig.random()), () => {
      if (hangs) rig.end(call, { headersMs: -1, by: 'client', status: 1 })
      else rig.end(call, fails ? { status: 14 } : {})
    })
    rig.clock.advance(0.5)
  }
  return counts
}

function most(counts: Map<FakeEndpoint, number>, endpoint: FakeEndpoint): number {
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return counts.get(endpoint)! / all
}

t.test('of eight, one that is slow, hangs or fails at once gets few calls', async t => {
  for (const [what, bad, part] of [
    ['100 times slower', { latencyMs: 200 }, 0.001],
    ['hangs', { latencyMs: 0, hangs: true }, 0.001],
    ['fails at once', { latencyMs: 0.1, fails: true }, 0.002],
  ] as const) {
    const rig = new BalancerRig('peak-ewma', new Array<number>(8).fill(1), 4)
    const [victim] = rig.endpoints
    run(rig, 5, () => ({ latencyMs: 2 }))
    const counts = run(rig, 10, endpoint => (endpoint === victim ? bad : { latencyMs: 2 }))
    t.ok(most(counts, victim!) < part, `${what}: ${most(counts, victim!)} of the calls`)
    rig.rebuild()
    const after = run(rig, 5, endpoint => (endpoint === victim ? bad : { latencyMs: 2 }))
    t.ok(most(after, victim!) < part, `${what}: ${most(after, victim!)} when the list was made again`)
    run(rig, 80, () => ({ latencyMs: 2 }))
    const back = run(rig, 5, () => ({ latencyMs: 2 }))
    t.ok(Math.abs(most(back, victim!) - 1 / 8) < 0.02, `${what}: ${most(back, victim!)} when it is well again`)
  }
})

t.test('a new one gets a call at once, and no second one until it has answered', async t => {
  const rig = new BalancerRig('peak-ewma', [1, 1, 1, 1], 6)
  run(rig, 2, () => ({ latencyMs: 2 }))
  const calm = () => rig.endpoints.every(({ inFlight }) => inFlight === 0)
  for (let i = 0; i < 10 && !calm(); i++) rig.clock.advance(10)
  t.ok(calm())
  const fresh = rig.endpoints[3]!
  delete fresh.known.latency
  const other = new BalancerRig('peak-ewma', [1])
  fresh.known.latency = other.endpoints[0]!.known.latency!
  const first = Array.from({ length: 20 }, () => rig.call())
  t.equal(first.filter(({ endpoint }) => endpoint === fresh).length, 1, 'one of 20 that come together')
})
