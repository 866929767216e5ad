/** The hash of consistent hashing, against another implementation, and whether it spreads what people use as keys. */
import t from 'tap'
import { sorted } from '../../../src/backend/balance/sorted.ts'
import { seededRandom } from '../../../src/bench/random.ts'
import { hashText, mix } from '../../../src/routing/hash.ts'

t.test('it is MurmurHash3 x86_32 of UTF-16, as mmh3 5.1 for Python computes it', async t => {
  for (const [text, plain, seeded] of [
    ['', 0, 3954623016],
    ['a', 1867108634, 2863223161],
    ['ab', 374890698, 367751356],
    ['abc', 1118836419, 2647089982],
    ['user-1234567', 1047195273, 3383970488],
    ['grüße', 2116407466, 3772907535],
    ['10.0.0.1:50051', 378335505, 2637246823],
    ['日本', 2762076403, 707422960],
    ['x'.repeat(1_000), 3954602942, 965222215],
  ] as const) {
    t.same([hashText(text), hashText(text, 0x9747b28c)], [plain, seeded], text.slice(0, 20))
    t.equal(hashText(`<${text}>`, 0, 1, 1 + text.length), plain, 'a part of a text is hashed as that part')
  }
})

/** How far counts are from even, by the chi-squared statistic in units of its standard deviation. */
function unevenness(counts: readonly number[], total: number): number {
  const expected = total / counts.length
  const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  return (chi - (counts.length - 1)) / Math.sqrt(2 * (counts.length - 1))
}

t.test('keys that differ little are spread evenly, by the high bits and by the low ones', async t => {
  const kinds: Record<string, (i: number) => string> = {
    numbers: i => String(i),
    'padded numbers': i => `user-${String(i).padStart(12, '0')}`,
    addresses: i => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
    'texts with a long common end': i => `${i}/tenant/0123456789abcdef0123456789abcdef`,
  }
  const total = 200_000
  for (const [kind, keyOf] of Object.entries(kinds)) {
    const high = new Array<number>(512).fill(0)
    const low = new Array<number>(509).fill(0)
    for (let i = 0; i < total; i++) {
      const hash = hashText(keyOf(i)) >>> 1
      high[hash >>> 22]!++
      low[hash % 509]!++
    }
    t.ok(Math.abs(unevenness(high, total)) < 5, `${kind}: high bits`)
    t.ok(Math.abs(unevenness(low, total)) < 5, `${kind}: low bits`)
  }
})

t.test('mix: no two numbers have the same result, and one bit changes half of all', async t => {
  const random = seededRandom(1)
  const seen = new Set<number>()
  for (let i = 0; i < 100_000; i++) seen.add(mix(i))
  t.equal(seen.size, 100_000)
  for (let bit = 0; bit < 32; bit++) {
    let changed = 0
    for (let i = 0; i < 1_000; i++) {
      const number = Math.floor(random() * 2 ** 32) | 0
      for (let bits = mix(number) ^ mix(number ^ (1 << bit)); bits !== 0; bits &= bits - 1) changed++
    }
    t.ok(Math.abs(changed / 1_000 - 16) < 0.5, `bit ${bit} changes ${changed / 1_000}`)
  }
})

t.test('sorted: as a comparing sort does it, equal ones in their order', async t => {
  const random = seededRandom(2)
  for (const [length, most] of [
    [0, 1],
    [1, 2 ** 32],
    [1_000, 10],
    [5_000, 2 ** 32],
  ] as const) {
    const numbers = Uint32Array.from({ length }, () => Math.floor(random() * most))
    const expected = [...numbers].map((number, owner) => ({ number, owner })).sort((a, b) => a.number - b.number)
    const result = sorted({ numbers: numbers.slice(), owners: numbers.map((_, i) => i) })
    t.same(
      [...result.numbers].map((number, i) => ({ number, owner: result.owners[i] })),
      expected,
    )
  }
})
