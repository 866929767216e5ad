/** Which of several backends gets a call: in proportion to weights, and the same one for calls of one key. */
import t from 'tap'
import type { CallInfo, Target } from '../../src/routing/director.ts'
import { CallHash, type HashKey } from '../../src/routing/hash-key.ts'
import { createRouter, type Route, type WeightedBackend } from '../../src/routing/router.ts'
import { call, HELLO } from './rig.ts'

type Weights = Readonly<Record<string, number>>

const USER: HashKey = { metadata: 'x-user' }

function backendsOf(weights: Weights): WeightedBackend[] {
  return Object.entries(weights).map(([backend, weight]) => ({ backend, weight }))
}

/** Where the calls of a user go. A random number would go to the first backend of the list. */
function homes(weights: Weights, keyed: Partial<Route> = { hashKey: USER }): (user: string) => string {
  const router = createRouter([{ backends: backendsOf(weights), ...keyed }], { random: () => 0 })
  return user => (router(call(HELLO, { metadata: [['x-user', user]] })) as Target).backend as string
}

const users = Array.from({ length: 20_000 }, (_, i) => `user-${i}`)

/** Six standard deviations of a count of so many draws. */
function within(part: number, total: number): number {
  return 6 * Math.sqrt(total * part * (1 - part))
}

t.test('each backend has its part of the keys, and a key stays', async t => {
  const weights = { stable: 90, canary: 9.5, probe: 0.5 }
  const home = homes(weights)
  const counts = new Map<string, number>()
  for (const user of users) counts.set(home(user), (counts.get(home(user)) ?? 0) + 1)
  for (const [backend, weight] of Object.entries(weights)) {
    const part = weight / 100
    const off = Math.abs(counts.get(backend)! - part * users.length)
    t.ok(off < within(part, users.length), `${backend} has ${counts.get(backend)} of ${users.length}`)
  }
})

t.test('from a weight of 5 of 100 to one of 25, a canary keeps its keys and takes a fifth of all', async t => {
  const [before, after] = [homes({ stable: 95, canary: 5 }), homes({ stable: 75, canary: 25 })]
  const moved = users.filter(user => before(user) !== after(user))
  t.strictSame(new Set(moved.map(after)), new Set(['canary']))
  const off = Math.abs(moved.length - 0.2 * users.length)
  t.ok(off < within(0.2, users.length), `${moved.length} of ${users.length}`)
})

t.test('keys move from backends that get less to those that get more, and not between two that stay', async t => {
  const before = homes({ less: 60, more: 10, one: 15, other: 15 })
  const after = homes({ less: 40, more: 30, one: 15, other: 15 })
  const moves = new Set(users.map(user => `${before(user)} ${after(user)}`))
  for (const move of ['more less', 'more one', 'more other', 'one less', 'other less', 'one other', 'other one'])
    t.notOk(moves.has(move), move)
  for (const move of ['less more', 'one more', 'less one']) t.ok(moves.has(move), move)
})

t.test('a backend that is taken out gives its keys away, and no other key moves', async t => {
  const before = homes({ a: 3, b: 2, c: 1 })
  const after = homes({ a: 3, c: 1 })
  const moved = users.filter(user => before(user) !== after(user))
  t.ok(moved.length > 0)
  t.equal(
    moved.every(user => before(user) === 'b'),
    true,
  )
})

t.test('the order of the list does not matter, so that all proxies agree', async t => {
  const [one, other] = [homes({ a: 3, b: 2, c: 1 }), homes({ c: 1, a: 3, b: 2 })]
  t.strictSame(users.map(one), users.map(other))
})

t.test('a backend that is listed twice has both parts', async t => {
  const backends = [...backendsOf({ a: 1 }), ...backendsOf({ a: 1 }), ...backendsOf({ b: 2 })]
  const home = homes({}, { backends, hashKey: USER })
  const toA = users.filter(user => home(user) === 'a').length
  t.ok(Math.abs(toA - users.length / 2) < within(0.5, users.length), `${toA} of ${users.length}`)
})

t.test('the keys of one backend are spread over all of a circle by the same key', async t => {
  // Both go by the same 31 bits of a call: a backend must not have a part of its own endpoints alone.
  const hash = new CallHash(USER, () => 0)
  const home = homes({ stable: 3, canary: 1 })
  const places = new Array<number>(16).fill(0)
  const canaries = users.filter(user => home(user) === 'canary')
  for (const user of canaries) places[hash.of(call(HELLO, { metadata: [['x-user', user]] })) >>> 27]!++
  const expected = canaries.length / places.length
  for (const count of places)
    t.ok(Math.abs(count - expected) < within(1 / 16, canaries.length), `${count}, of ${expected}`)
})

t.test('a call without the key goes anywhere', async t => {
  const router = createRouter([{ backends: backendsOf({ a: 1, b: 1 }), hashKey: USER }], { random: () => 0.75 })
  t.equal((router(call(HELLO)) as Target).backend, 'b')
  t.equal((router(call(HELLO, { metadata: [['x-user', '']] })) as Target).backend, 'b', 'an empty key is none')
})

t.test('keys: authority, method, client address without its port, and a function', async t => {
  const backends = backendsOf({ a: 1, b: 1, c: 1, d: 1 })
  const spread = (hashKey: HashKey, asked: (i: number) => CallInfo) => {
    const router = createRouter([{ backends, hashKey }], { random: () => 0 })
    return new Set(Array.from({ length: 64 }, (_, i) => (router(asked(i)) as Target).backend)).size
  }
  const from = (address: string) => ({ ...call(HELLO), peer: { address, encrypted: false } })
  t.equal(
    spread('authority', i => call(HELLO, { authority: `${i}.test` })),
    4,
  )
  t.equal(
    spread('method', i => call(`/pkg.Service/M${i}`)),
    4,
  )
  t.equal(
    spread('client-address', i => from(`10.0.0.${i}:1`)),
    4,
  )
  t.equal(
    spread('client-address', i => from(`10.0.0.1:${i}`)),
    1,
  )
  t.equal(
    spread(
      ({ path }) => path.slice(-1),
      i => call(`/pkg.Service/M${i}`),
    ),
    4,
  )
  t.equal(
    spread(
      ({ service }) => service,
      i => call(`/pkg.Service/M${i}`),
    ),
    1,
  )
})

t.test('a function sees what the gates of the route have noted', async t => {
  const router = createRouter(
    [
      {
        backends: backendsOf({ a: 1, b: 1 }),
        hashKey: ({ notes }) => notes.identity?.name,
        gate: next => asked => {
          asked.notes.identity = { name: asked.metadata.get('x-user')!, by: 'test' }
          return next(asked)
        },
      },
    ],
    { random: () => 0 },
  )
  const gated = users.slice(0, 100).map(user => router(call(HELLO, { metadata: [['x-user', user]] })) as Target)
  t.strictSame(
    gated.map(({ backend }) => backend),
    users.slice(0, 100).map(homes({ a: 1, b: 1 })),
  )
})

t.test('a key function that throws throws as a director does', async t => {
  const failing: HashKey = () => {
    throw new Error('no')
  }
  const router = createRouter([{ backends: backendsOf({ a: 1 }), hashKey: failing }])
  t.throws(() => router(call(HELLO)), { message: 'no' })
  const number = createRouter([{ backends: backendsOf({ a: 1 }), hashKey: (() => 5) as unknown as HashKey }])
  t.throws(() => number(call(HELLO)), { message: 'a hash key is a string, this is number' })
})
