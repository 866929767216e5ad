/** Lists that come one after the other: only what is new is checked, and what is said of it is what a whole check says. */
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { Dialling } from '../../src/config/dialling.ts'
import { addressesOf, specsOf } from '../../src/config/endpoint-list.ts'
import { ConfigError } from '../../src/config/problems.ts'

const plain = () => new Dialling('/', undefined)
const secure = () => new Dialling('/', { ca: Buffer.from('CA') })

/** The addresses, or what is wrong. */
function told(list: unknown, dialling: Dialling): unknown {
  try {
    return addressesOf(list, 'main', dialling)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path}: ${message}`)
    throw error
  }
}

t.test('what stays is the same address, wherever it is in the list', async t => {
  const dialling = plain()
  const list = Array.from({ length: 200 }, (_, i) => (i % 2 ? `a${i}:1` : { address: `a${i}:1`, weight: 2 }))
  for (const next of [list.with(77, 'b:1'), list.toSpliced(77, 1), list.toSpliced(77, 0, 'b:1'), list.toReversed()]) {
    const before = addressesOf(list, 'main', dialling)
    const fresh = addressesOf(next, 'main', dialling).filter(address => !before.includes(address))
    t.same(
      fresh.map(({ name }) => name),
      next.includes('b:1') ? ['http://b:1'] : [],
    )
  }
})

t.test('any list after any other says what it says alone', async t => {
  const connect = () => new Duplex()
  const entry = fc.constantFrom<unknown>(
    'a:1',
    'b:1',
    'https://a:1',
    'http://a:1',
    'unix:/s',
    { address: 'a:1' },
    { address: 'a:1', weight: 2 },
    { address: 'a:1', weight: 70_000 },
    { address: 'a:1', wieght: 2 },
    { name: 'a:1', connect },
    'nowhere',
    7,
    null,
  )
  const list = fc.oneof(
    { weight: 9, arbitrary: fc.array(entry, { maxLength: 6 }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>('a:1', undefined, {}) },
  )
  fc.assert(
    fc.property(fc.array(list, { maxLength: 8 }), fc.boolean(), (lists, tls) => {
      const dialling = tls ? secure() : plain()
      for (const each of lists) t.same(told(each, dialling), told(each, tls ? secure() : plain()))
    }),
    { numRuns: 300 },
  )
})

t.test('an object that is changed after it was given is seen to be another', async t => {
  const dialling = plain()
  const entry = { address: 'a:1', weight: 1 }
  t.equal(addressesOf([entry], 'main', dialling)[0]!.weight, 1)
  entry.weight = 5
  t.equal(addressesOf([entry], 'main', dialling)[0]!.weight, 5)
  ;(entry as { weight?: unknown }).weight = 'heavy'
  t.match(told([entry], dialling), [/weight/])
})

t.test('one that is wrong among many is named by its place, and harms no list after it', async t => {
  const dialling = plain()
  const list: unknown[] = Array.from({ length: 100 }, (_, i) => `a${i}:1`)
  const before = specsOf(list, dialling)
  t.throws(() => specsOf(list.with(60, 'nowhere'), dialling), /^entry 61: "nowhere" has no port/)
  t.ok(specsOf(list, dialling).every((spec, i) => spec === before[i]))
})

t.test('what a source may say of an endpoint has bounds', async t => {
  const wrong = (entry: object) => () => specsOf(['b:1', { address: 'a:1', ...entry }], plain())
  t.throws(wrong({ weight: 2 ** 31 }), { message: 'entry 2: weight: must be at most 65535, it is 2147483648' })
  t.throws(wrong({ weight: -1 }), { message: 'entry 2: weight: must be at least 0, it is -1' })
  t.throws(wrong({ weight: Number.NaN }), { message: 'entry 2: weight: expected a number, found NaN' })
  t.throws(wrong({ priority: 65_536 }), { message: 'entry 2: priority: must be at most 65535, it is 65536' })
  t.throws(wrong({ locality: 'x'.repeat(256) }), { message: 'entry 2: locality: must have at most 255 characters' })
  const [, spec] = specsOf(['b:1', { address: 'a:1', weight: 0, priority: 3, locality: 'zone-1' }], plain())
  t.match(spec, { weight: 0, priority: 3, locality: 'zone-1' })
})

t.test('with tls: a list of which nothing uses it any more is a mistake', async t => {
  const dialling = secure()
  addressesOf(['https://a:1', 'http://b:1'], 'main', dialling)
  t.same(told(['http://b:1'], dialling), ['backends.main.tls: is not used: no endpoint is https://'])
  addressesOf(['https://a:1', 'http://b:1', 'http://c:1'], 'main', dialling)
})
