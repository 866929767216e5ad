import t from 'tap'
import { DynamicTable } from '../../../src/wire/hpack/dynamic-table.ts'
import { EncoderTable } from '../../../src/wire/hpack/encoder-table.ts'
import { HeaderField, HeaderName, Mode } from '../../../src/wire/hpack/header-field.ts'
import { dice } from './support.ts'

/** Every 32nd of what is made: their serial numbers fall on few chains, which so have many links. */
function sparse<Made>(count: number, make: (i: number) => Made): Made[] {
  return Array.from({ length: 32 * count }, (_, i) => make(i >> 5)).filter((_, i) => i % 32 === 0)
}
const names = sparse(5, i => new HeaderName(`n${i}`, 0))
const pool = sparse(60, i => new HeaderField(names[i % 5]!, 'v'.repeat(i), Mode.INDEXED))

/** The table of RFC 7541 §4, plainly: newest first. */
class Model {
  entries: HeaderField[] = []
  capacity: number
  constructor(capacity: number) {
    this.capacity = capacity
  }
  get size(): number {
    return this.entries.reduce((sum, field) => sum + field.size, 0)
  }
  add(field: HeaderField): void {
    while (this.entries.length > 0 && this.size + field.size > this.capacity) this.entries.pop()
    if (field.size <= this.capacity) this.entries.unshift(field)
  }
  resize(capacity: number): void {
    this.capacity = capacity
    while (this.size > capacity) this.entries.pop()
  }
}

function play(
  t: { fail(what: string): unknown; equal(a: number, b: number): unknown },
  table: DynamicTable,
  seed: number,
): void {
  const roll = dice(seed)
  const model = new Model(table.capacity)
  for (let step = 0; step < 4000; step++) {
    if (roll(50) === 0) {
      const capacity = roll(3) === 0 ? roll(100) : roll(6000)
      table.resize(capacity)
      model.resize(capacity)
    } else {
      const field = pool[roll(pool.length)]!
      table.add(field)
      model.add(field)
    }
    if (table.count !== model.entries.length || table.size !== model.size) return void t.fail(`step ${step}: sizes`)
    for (const [age, field] of model.entries.entries()) {
      if (table.get(62 + age) !== field) return void t.fail(`step ${step}: index ${62 + age}`)
    }
    if (table.get(62 + model.entries.length) !== undefined) return void t.fail(`step ${step}: past the end`)
    if (!(table instanceof EncoderTable)) continue
    for (const field of pool) {
      const newest = model.entries.indexOf(field)
      if (table.indexOf(field) !== (newest < 0 ? 0 : 62 + newest)) return void t.fail(`step ${step}: a stale index`)
    }
    for (const name of names) {
      const newest = model.entries.findIndex(field => field.key === name)
      if (table.indexOfName(name) !== (newest < 0 ? 0 : 62 + newest)) return void t.fail(`step ${step}: a stale name`)
    }
  }
  // What was evicted is let go.
  t.equal(table.ring.filter(field => field !== undefined).length, table.count)
}

t.test('a table behaves as §4 says', async t => {
  for (let seed = 1; seed <= 5; seed++) play(t, new DynamicTable(4096), seed)
})

t.test('so does one that finds indices', async t => {
  for (let seed = 1; seed <= 5; seed++) play(t, new EncoderTable(4096), seed)
})

t.test('numbers start again before they end', async t => {
  for (let early = 0; early < 200; early += 7) {
    const table = new EncoderTable(4096, 2 ** 30 - early)
    const roll = dice(early)
    const model = new Model(4096)
    for (let step = 0; step < 300; step++) {
      const field = pool[roll(20)]!
      table.add(field)
      model.add(field)
      const newest = pool.map(one => 1 + model.entries.indexOf(one))
      const got = pool.map(one => Math.max(0, table.indexOf(one) - 61))
      if (newest.join() !== got.join()) t.fail(`${early} before, step ${step}`)
    }
    t.ok(table.inserted < 2 ** 30)
  }
  const plain = new DynamicTable(4096)
  plain.inserted = 2 ** 31 - 10
  play(t, plain, 3)
})

t.test('an idle session has no ring', async t => {
  t.equal(new EncoderTable(4096).ring.length, 0)
})
