/**
 * What HPACK costs a header block, in nanoseconds: `node bench/micro/hpack.ts [case…]`.
 *
 * Each case is a session in its steady state: what repeats is in the tables. Printed are the median
 * and the spread (fastest and slowest) of the rounds, decoding and encoding apart.
 */
import { HpackDecoder } from '../../src/wire/hpack/decoder.ts'
import { HpackEncoder, maxEncodedBytes } from '../../src/wire/hpack/encoder.ts'
import { type HeaderField, Mode } from '../../src/wire/hpack/header-field.ts'
import { type Field, HpackEncoder as TestEncoder } from '../../test/support/hpack.ts'

const ROUNDS = 31
const BLOCKS = 20_000
/** Blocks that differ, where a case has fresh values: more than any cache keeps. */
const FRESH = 16_384

const REQUEST: readonly Field[] = [
  [':method', 'POST', 'indexed'],
  [':scheme', 'http', 'indexed'],
  [':path', '/helloworld.Greeter/SayHello', 'indexed'],
  [':authority', 'greeter.example.com:50051', 'indexed'],
  ['content-type', 'application/grpc', 'indexed'],
  ['te', 'trailers', 'indexed'],
  ['user-agent', 'grpc-node-js/1.14.0', 'indexed'],
  ['grpc-accept-encoding', 'identity,deflate,gzip', 'indexed'],
]
/** As nghttp2's client sends it: the path is never in its table. */
const H2LOAD: readonly Field[] = REQUEST.map(([name, value]) =>
  name === ':path' ? [name, value, 'literal'] : [name, value, 'indexed'],
)
const RESPONSE: readonly Field[] = [
  [':status', '200', 'indexed'],
  ['server', 'nghttpd nghttp2/1.52.0', 'indexed'],
  ['cache-control', 'max-age=3600', 'indexed'],
  ['date', 'Sun, 22 Nov 2026 19:00:00 GMT', 'indexed'],
  ['content-length', '39', 'literal'],
  ['content-type', 'application/grpc', 'indexed'],
  ['trailer', 'grpc-status', 'indexed'],
]
const TRAILERS: readonly Field[] = [['grpc-status', '0', 'literal']]

let random = 12345
function hex(digits: number): string {
  let text = ''
  while (text.length < digits) {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0
    text += (random >>> 16).toString(16).padStart(4, '0')
  }
  return text.slice(0, digits)
}

function fresh(how: 'literal' | 'incremental'): Field[] {
  return [
    ['grpc-timeout', `${hex(6).replace(/[a-f]/g, '7')}u`, how],
    ['traceparent', `00-${hex(32)}-${hex(16)}-01`, how],
  ]
}

const TOKEN = `Bearer ${hex(893)}`

interface Case {
  readonly name: string
  /** The lists of the session, in turn. */
  readonly lists: readonly (readonly Field[])[]
}

const repeat = (make: (i: number) => readonly Field[]) => Array.from({ length: FRESH }, (_, i) => make(i))

const CASES: readonly Case[] = [
  { name: 'request, 8 fields, all indexed', lists: [REQUEST] },
  { name: 'request, literal :path (h2load)', lists: [H2LOAD] },
  { name: 'response head of nghttpd', lists: [RESPONSE] },
  { name: 'trailers of nghttpd', lists: [TRAILERS] },
  { name: 'request + fresh timeout, traceparent, literal', lists: repeat(() => [...REQUEST, ...fresh('literal')]) },
  {
    name: 'request + fresh timeout, traceparent, inserted',
    lists: repeat(() => [...REQUEST, ...fresh('incremental')]),
  },
  { name: 'request + authorization 900 B, indexed', lists: [[...REQUEST, ['authorization', TOKEN, 'indexed']]] },
  { name: 'request + authorization 900 B, literal', lists: [[...REQUEST, ['authorization', TOKEN, 'literal']]] },
  { name: 'request + authorization 900 B, never', lists: [[...REQUEST, ['authorization', TOKEN, 'never']]] },
  {
    name: 'request + authorization 900 B, fresh literal',
    lists: repeat(() => [...REQUEST, ['authorization', `Bearer ${hex(893)}`, 'literal']]),
  },
]

/**
 * The blocks of a session, and where it starts over. The sender is our own encoder: it codes as
 * others do (Huffman where shorter), which the tests' encoder does not.
 */
function wireOf({ lists }: Case): { opening: Buffer[]; steady: Buffer[] } {
  const plain = new TestEncoder()
  const reader = new HpackDecoder()
  const writer = new HpackEncoder()
  const into = Buffer.alloc(65_536)
  const one = (list: readonly Field[]) => {
    const block = plain.encode(list)
    const fields = reader.decode(block, 0, block.length)
    return Buffer.from(into.subarray(0, writer.encode(fields, into, 0)))
  }
  return { opening: lists.map(one), steady: lists.length === 1 ? [one(lists[0]!)] : [] }
}

function median(times: number[]): string {
  times.sort((a, b) => a - b)
  const [least, middle, most] = [times[0]!, times[times.length >> 1]!, times.at(-1)!]
  return `${middle.toFixed(0).padStart(6)} (${least.toFixed(0)}–${most.toFixed(0)})`
}

let sink = 0

function run(its: Case): void {
  const { opening, steady } = wireOf(its)
  const decoder = new HpackDecoder()
  const encoder = new HpackEncoder()
  const into = Buffer.alloc(65_536)
  const decoding: number[] = []
  const encoding: number[] = []
  for (const block of steady.length > 0 ? opening : []) encoder.encode(decoder.decode(block, 0, block.length), into, 0)
  const blocks = steady.length > 0 ? steady : opening
  const lists: (readonly HeaderField[])[] = new Array(64).fill([])
  let next = 0
  // In batches, so that decoding and encoding are timed apart while fresh values stay fresh.
  for (let round = -5; round < ROUNDS; round++) {
    // A session of fresh values that starts over is a new session.
    let [decodeNs, encodeNs] = [0, 0]
    let session: HpackDecoder = decoder
    let out: HpackEncoder = encoder
    if (steady.length === 0) {
      session = new HpackDecoder()
      out = new HpackEncoder()
      next = 0
    }
    const total = steady.length === 0 ? Math.min(BLOCKS, blocks.length) : BLOCKS
    for (let done = 0; done < total; done += lists.length) {
      const t0 = process.hrtime.bigint()
      for (let i = 0; i < lists.length; i++) {
        const block = blocks[next]!
        next = next + 1 === blocks.length ? 0 : next + 1
        lists[i] = session.decode(block, 0, block.length)
      }
      const t1 = process.hrtime.bigint()
      for (let i = 0; i < lists.length; i++) {
        const list = lists[i]!
        if (maxEncodedBytes(list) > into.length) throw new Error('too long')
        sink += out.encode(list, into, 0)
      }
      encodeNs += Number(process.hrtime.bigint() - t1)
      decodeNs += Number(t1 - t0)
    }
    const count = Math.ceil(total / lists.length) * lists.length
    if (round < 0) continue
    decoding.push(decodeNs / count)
    encoding.push(encodeNs / count)
  }
  const bytes = Math.round(blocks.slice(-100).reduce((sum, b) => sum + b.length, 0) / blocks.slice(-100).length)
  console.log(
    `${its.name.padEnd(50)} ${String(bytes).padStart(5)} B  decode ${median(decoding)}  encode ${median(encoding)}`,
  )
}

console.log(`node ${process.version}, ns a block: median of ${ROUNDS} rounds (fastest–slowest)`)
const wanted = process.argv.slice(2)
for (const its of CASES) {
  if (wanted.length === 0 || wanted.some(word => its.name.includes(word))) run(its)
}
if (sink === 0 || Mode.INDEXED !== 0) throw new Error('nothing was encoded')
