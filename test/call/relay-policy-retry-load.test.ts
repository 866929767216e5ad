/** Retries by policy where many calls fail: what callers see of it, and what the backend gets. */
import t from 'tap'
import { answers, failed, rigWith, UNAVAILABLE } from './policy-retry-rig.ts'
import { request } from './rig.ts'

t.test('an outage makes no storm: half of the tokens, and no retry more', async t => {
  const rig = rigWith({ maxAttempts: 5, initialBackoffMs: 1, budget: { maxTokens: 20, tokenRatio: 0.1 } })
  for (let i = 0; i < 200; i++) {
    rig.open(request(), true)
    for (let attempt = 0; attempt < 5 && !rig.up.endReceived; attempt++) {
      answers(rig.up)
      rig.clock.advance(50)
    }
  }
  t.equal(rig.ups.length, 200 + 8, 'the tenth failure leaves half; two before it were the last of their calls')
  t.equal(rig.records.length, 0)
})

/** Calls of which the backend fails a part. @returns how many attempts it got, and what callers saw */
function load(calls: number, fails: (random: number) => boolean): { attempts: number; failures: number } {
  // The same numbers each time (xorshift).
  let seed = 2_463_534_242
  const random = (): number => {
    seed ^= seed << 13
    seed ^= seed >>> 17
    seed ^= seed << 5
    return (seed >>> 0) / 2 ** 32
  }
  const rig = rigWith({ initialBackoffMs: 1 }, { silent: true })
  let attempts = 0
  let failures = 0
  for (let i = 0; i < calls; i++) {
    const { down } = rig.open(request(), true)
    while (down.sent.length === 0) {
      attempts++
      const fail = fails(random())
      answers(rig.session.opened.at(-1)!, fail ? UNAVAILABLE : failed(0))
      if (down.sent.length > 0 && fail) failures++
      else rig.clock.advance(20)
    }
    down.settle()
    rig.session.opened.length = 0
  }
  return { attempts, failures }
}

t.test('5 % of attempts fail: callers see 0.1 % or less, and the backend gets what the budget allows', async t => {
  const { attempts, failures } = load(20_000, random => random < 0.05)
  t.ok(failures <= 20, `${failures} of 20000`)
  t.ok(attempts <= 20_000 * 1.06, `${attempts} attempts`)
})

t.test('all fails: the load is 1.2 of normal at most, and in the long run 1', async t => {
  const { attempts, failures } = load(1_000, () => true)
  t.equal(failures, 1_000)
  t.ok(attempts <= 1_050, `${attempts} attempts`)
})

t.test('half fails: the budget allows a tenth of what succeeds, and half a bucket', async t => {
  const { attempts } = load(10_000, random => random < 0.5)
  t.ok(attempts <= 10_000 * 1.1 + 50, `${attempts} attempts`)
})
