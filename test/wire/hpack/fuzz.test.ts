/** Mutated valid blocks: a list or a ConnectionError with a token of ours, soon, and in little memory. */
import t from 'tap'
import { DEFAULT_MAX_FIELDS, DEFAULT_MAX_LIST_BYTES, HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { HpackEncoder, maxEncodedBytes } from '../../../src/wire/hpack/encoder.ts'
import { HPACK_TOKENS } from '../../../src/wire/hpack/hpack-error.ts'
import { fieldOf } from '../../../src/wire/hpack/interning.ts'
import { ConnectionError } from '../../../src/wire/protocol-error.ts'
import { type Field, HpackDecoder as OtherDecoder, HpackEncoder as OtherEncoder } from '../../support/hpack.ts'
import { collect, dice } from './support.ts'

/** More in a recorded run: `HPACK_FUZZ=10000000 node test/wire/hpack/fuzz.test.ts`. */
const INPUTS = Number(process.env.HPACK_FUZZ ?? 60_000)
const SEED = Number(process.env.HPACK_SEED ?? 1)

const roll = dice(SEED)
const words = [
  ':path',
  ':method',
  'POST',
  'te',
  'trailers',
  'x-a',
  '',
  '/a.B/C',
  'grpc-timeout',
  '99m',
  'v'.repeat(300),
]
const pick = () => words[roll(words.length)]!

function validBlock(plain: OtherEncoder, ours: HpackEncoder): Buffer {
  const kinds = ['indexed', 'incremental', 'literal', 'never'] as const
  const list = Array.from({ length: roll(10) }, (): Field => [pick(), pick(), kinds[roll(4)]!])
  if (roll(20) === 0) plain.resize(roll(4097))
  if (roll(2) === 0) return plain.encode(list)
  const block = list.map(([name, value, how]) => fieldOf(name, value, how === 'never'))
  const into = Buffer.alloc(maxEncodedBytes(block))
  return into.subarray(0, ours.encode(block, into, 0))
}

function mutate(block: Buffer): Buffer {
  const bytes = [...block]
  for (let n = roll(4); n > 0; n--) {
    const at = roll(bytes.length + 1)
    const kind = roll(6)
    if (kind === 0) bytes.splice(at, 1 + roll(4))
    else if (kind === 1) bytes.splice(at, 0, ...Array.from({ length: 1 + roll(4) }, () => roll(256)))
    else if (kind === 2) bytes[at] = (bytes[at] ?? 0) ^ (1 << roll(8))
    else if (kind === 3) bytes.splice(at, 1, 0xff)
    else if (kind === 4) bytes.splice(at, 0, ...bytes.slice(at, at + roll(20)))
    else bytes.splice(at)
  }
  return Buffer.from(bytes)
}

t.test(`${INPUTS} mutated blocks, seed ${SEED}`, async t => {
  const counts = new Map<string, number>()
  let before = 0
  let slowest = 0
  let [decoder, other] = [new HpackDecoder(), new OtherDecoder()]
  let [plain, ours] = [new OtherEncoder(), new HpackEncoder()]
  const startOver = () => {
    ;[decoder, other, plain, ours] = [new HpackDecoder(), new OtherDecoder(), new OtherEncoder(), new HpackEncoder()]
  }
  for (let i = 0; i < INPUTS; i++) {
    if (roll(30) === 0) startOver()
    const block = mutate(validBlock(plain, ours))
    const start = performance.now()
    let mine: string
    try {
      const fields = decoder.decode(block, 0, block.length)
      mine = JSON.stringify(fields.map(field => [field.name, field.value, field.neverIndexed]))
      if (fields.length > DEFAULT_MAX_FIELDS || decoder.listBytes > DEFAULT_MAX_LIST_BYTES !== decoder.tooLarge) {
        if (fields.length !== DEFAULT_MAX_FIELDS) t.fail(`${block.toString('hex')}: limits`)
      }
      if (decoder.table.size > decoder.table.capacity) t.fail(`${block.toString('hex')}: table too large`)
    } catch (error) {
      if (!(error instanceof ConnectionError) || error.code !== 0x9 || !(error.token in HPACK_TOKENS)) {
        t.fail(`${block.toString('hex')}: ${error}`)
      }
      mine = 'error'
      counts.set((error as ConnectionError).token, 1 + (counts.get((error as ConnectionError).token) ?? 0))
    }
    slowest = Math.max(slowest, performance.now() - start)
    let theirs: string
    try {
      theirs = JSON.stringify(other.decode(block).map(field => [field.name, field.value, field.neverIndexed]))
    } catch {
      theirs = 'error'
    }
    // Integers may have more octets there.
    const [last] = mine === 'error' ? [...counts.keys()].slice(-1) : []
    if (mine !== theirs && !decoder.tooLarge && last === undefined)
      t.fail(`${block.toString('hex')}: ${mine}, ${theirs}`)
    if (mine === 'error' || theirs === 'error') startOver()
    if (i === Math.floor(INPUTS / 2)) {
      collect()
      before = process.memoryUsage().heapUsed
    }
  }
  collect()
  const grown = process.memoryUsage().heapUsed - before
  t.comment([...counts].map(([token, count]) => `${token} ${count}`).join(', '))
  t.comment(`slowest ${slowest.toFixed(1)} ms, heap ${(grown / 2 ** 20).toFixed(1)} MiB more than at half`)
  t.ok(counts.size >= 6, 'most errors occur')
  t.ok(slowest < 1000, 'none takes long')
  t.ok(grown < 64 * 2 ** 20, 'memory is bounded')
})
