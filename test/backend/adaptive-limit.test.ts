/** The limit that follows latency, against an endpoint that a test plays: with more calls than it can work on, all wait. */
import t, { type Test } from 'tap'
import { AdaptiveLimit, type AimdSettings, type GradientSettings } from '../../src/backend/adaptive-limit.ts'

const GRADIENT: GradientSettings = { kind: 'gradient', min: 10, max: 1_000, windowMs: 100, tolerance: 2 }
const AIMD: AimdSettings = { kind: 'aimd', min: 10, max: 1_000, windowMs: 100, latencyMs: 50 }

/** Nearly the limit of windows that a proxy sees in an hour. */
const LONG = 3_000

class Model {
  readonly limit: AdaptiveLimit
  /** Calls that clients would like to have in flight. */
  demand = 100_000
  /** Calls that the endpoint works on at a time. */
  capacity = 50
  /** What a call takes alone. */
  workMs = 10
  /** Clients, and how much longer than others their calls take by nature. */
  clients: { readonly share: object; readonly slowness: number }[] = [{ share: {}, slowness: 1 }]
  more = 0
  #nowMs = 1_000

  constructor(settings: GradientSettings | AimdSettings) {
    this.limit = new AdaptiveLimit(
      settings,
      () => this.inFlight,
      () => this.more++,
    )
  }

  get inFlight(): number {
    return Math.min(this.demand, this.limit.maxCalls)
  }

  get latencyMs(): number {
    return this.workMs * Math.max(1, this.inFlight / this.capacity)
  }

  /** @returns the limit after each */
  windows(count: number): number[] {
    return Array.from({ length: count }, () => {
      const { latencyMs } = this
      for (let i = 0; i < 10; i++) {
        this.#nowMs += 12
        for (const { share, slowness } of this.clients)
          this.limit.onHeaders(latencyMs * slowness, share, false, this.#nowMs)
      }
      return this.limit.maxCalls
    })
  }

  /** Errors of an endpoint that does nothing. */
  errors(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#nowMs += 12
      this.limit.onHeaders(0.1, this.clients[0]!.share, true, this.#nowMs)
    }
  }
}

/** A limit swings; it should do so between the same numbers, or nearly. */
function alike(t: Test, some: readonly number[], others: readonly number[]): void {
  for (const end of [Math.min, Math.max]) {
    const [one, other] = [end(...some), end(...others)]
    t.ok(Math.abs(one - other) <= 0.15 * other, `${one} as ${other}`)
  }
}

t.test('gradient: from its least it finds in seconds what the endpoint can work on', async t => {
  const model = new Model(GRADIENT)
  t.equal(model.limit.maxCalls, 10)
  t.same(model.windows(4), [20, 40, 80, 160], 'twice as many, as long as nobody waits')
  const later = model.windows(20).slice(5)
  t.ok(Math.min(...later) >= model.capacity, `all that it can work on: ${later}`)
  t.ok(Math.max(...later) <= 2.5 * model.capacity, `none waits for much longer than it is worked on: ${later}`)
})

t.test('gradient: a load that stays does not make slow usual, however long', async t => {
  const model = new Model(GRADIENT)
  model.windows(20)
  const later = model.windows(LONG)
  t.ok(Math.max(...later) <= 2.5 * model.capacity, `${Math.max(...later)}`)
  t.ok(Math.min(...later) >= model.capacity)
})

t.test('gradient: a load that grows slowly does not either', async t => {
  const model = new Model(GRADIENT)
  model.demand = 20
  model.windows(50)
  for (let demand = 20; demand < 500; demand++) {
    model.demand = demand
    model.windows(3)
  }
  t.ok(model.limit.maxCalls <= 2.5 * model.capacity, `${model.limit.maxCalls}`)
})

t.test(
  'gradient: with a tenth of its strength an endpoint gets a tenth of the calls, and all of them back',
  async t => {
    const model = new Model(GRADIENT)
    model.windows(50)
    model.capacity = 20
    const weak = model.windows(50).slice(20)
    t.ok(Math.max(...weak) <= 2.5 * 20, `${weak}`)
    model.capacity = 50
    const strong = model.windows(50).slice(30)
    t.ok(Math.min(...strong) >= 50, `${strong}`)
  },
)

t.test('gradient: work that takes longer for good becomes usual', async t => {
  const model = new Model(GRADIENT)
  model.windows(50)
  model.workMs = 100
  t.equal(Math.min(...model.windows(20)), GRADIENT.min, 'it looks like a queue at first')
  const later = model.windows(100).slice(60)
  t.ok(Math.min(...later) >= model.capacity, `${later}`)
  t.ok(Math.max(...later) <= 2.5 * model.capacity, `${later}`)
})

t.test('gradient: where half of the limit is not used it stays as it is', async t => {
  const model = new Model(GRADIENT)
  model.demand = 9
  const all = model.windows(100)
  t.equal(all.at(-1), 18)
})

for (const settings of [GRADIENT, AIMD]) {
  t.test(`${settings.kind}: one client of three has slow calls: the limit is none the lower`, async t => {
    const [alone, beside] = [new Model(settings), new Model(settings)]
    for (const model of [alone, beside]) model.clients = Array.from({ length: 3 }, () => ({ share: {}, slowness: 1 }))
    beside.clients[2] = { share: {}, slowness: 100 }
    alike(t, beside.windows(100).slice(10), alone.windows(100).slice(10))
  })

  t.test(`${settings.kind}: a client that becomes slow changes nothing for the other one`, async t => {
    const [alone, beside] = [new Model(settings), new Model(settings)]
    const slow = {}
    for (const model of [alone, beside])
      model.clients = [
        { share: {}, slowness: 1 },
        { share: slow, slowness: 1 },
      ]
    for (const model of [alone, beside]) model.windows(100)
    beside.clients = [beside.clients[0]!, { share: slow, slowness: 1_000 }]
    alike(t, beside.windows(100), alone.windows(100))
  })

  t.test(`${settings.kind}: errors that come at once say nothing`, async t => {
    const [alone, beside] = [new Model(settings), new Model(settings)]
    for (const model of [alone, beside]) model.windows(100)
    beside.errors(10_000)
    t.equal(beside.limit.maxCalls, alone.limit.maxCalls)
    const after = beside.windows(50)
    t.ok(Math.min(...after) >= 0.9 * alone.limit.maxCalls - 2, `${after}`)
  })

  t.test(`${settings.kind}: never outside of its bounds`, async t => {
    const model = new Model({ ...settings, min: 30, max: 40 })
    model.capacity = 1_000
    t.equal(model.windows(30).at(-1), 40)
    model.workMs = 1_000
    model.capacity = 1
    t.equal(Math.min(...model.windows(30)), 30)
  })

  t.test(
    `${settings.kind}: a thousand connections that are slow have no vote beside those that were there`,
    async t => {
      const [alone, beside] = [new Model(settings), new Model(settings)]
      for (const model of [alone, beside]) {
        model.clients = Array.from({ length: 64 }, () => ({ share: {}, slowness: 1 }))
        model.windows(100)
      }
      beside.clients.push(...Array.from({ length: 1_000 }, () => ({ share: {}, slowness: 1_000 })))
      alike(t, beside.windows(30), alone.windows(30))
    },
  )
}

t.test('gradient: a client whose calls are slow by nature may have as many at a time as any other', async t => {
  const model = new Model(GRADIENT)
  model.clients = [{ share: {}, slowness: 500 }]
  const later = model.windows(60).slice(30)
  t.ok(Math.min(...later) >= model.capacity, `${later}`)
})

t.test('gradient: clients that have gone make place for others', async t => {
  const model = new Model(GRADIENT)
  model.clients = Array.from({ length: 64 }, () => ({ share: {}, slowness: 1 }))
  model.windows(3)
  model.clients = [{ share: {}, slowness: 1 }]
  model.windows(100)
  t.ok(model.limit.maxCalls <= 2.5 * model.capacity, `its vote counts: ${model.limit.maxCalls}`)
})

t.test('aimd: one more at a time while answers come in time, a tenth less when they do not', async t => {
  const model = new Model(AIMD)
  // 50 ms: five times as many calls as it works on.
  const later = model.windows(200).slice(100)
  t.ok(Math.max(...later) <= 251, `${Math.max(...later)}`)
  t.ok(Math.min(...later) >= 224, `${Math.min(...later)}`)
})

t.test('a few answers are no window, however much time has passed', async t => {
  const model = new Model(GRADIENT)
  for (let i = 0; i < 9; i++) model.limit.onHeaders(5, {}, false, 1_000_000 * i)
  t.equal(model.limit.maxCalls, 10)
  model.limit.onHeaders(5, {}, false, 20_000_000)
  t.equal(model.limit.maxCalls, 20)
})
