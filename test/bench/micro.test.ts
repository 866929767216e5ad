/** That the micro benchmarks do the work that their names say: one that measures nothing must fail here. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import { runOnce } from '../../bench/micro/case.ts'
import { ClientCase, cases as connectionCases, ServerCase } from '../../bench/micro/connection.ts'
import { ForwardCase, cases as frameCases, ReadCase, WriteCase } from '../../bench/micro/frames.ts'
import { fieldsOf, type Kind, kinds, sessionOf } from '../../bench/micro/header-session.ts'
import { DecodeCase, EncodeCase, EncodeStringCase, cases as hpackCases } from '../../bench/micro/hpack.ts'
import { isWanted, PART_NAMES, PARTS } from '../../bench/micro/parts.ts'
import { resultOf, tableOf } from '../../bench/micro/result.ts'
import { cases as routerCases } from '../../bench/micro/router.ts'
import { FrameReader, FrameType, type RawFrame } from '../support/frames.ts'
import { type DecodedField, HpackDecoder } from '../support/hpack.ts'
import { wholeOnly } from '../support/whole.ts'

const RUN = new URL('../../bench/micro/run.ts', import.meta.url).pathname

t.test('every case does the same work each time', async t => {
  for (const part of PART_NAMES) {
    const all = (await PARTS[part]()).cases()
    const names = new Set<string>()
    for (const its of all) {
      t.doesNotThrow(() => {
        for (let i = 0; i < 3; i++) runOnce(its)
      }, `${part}: ${its.name}`)
      t.ok(its.perRun >= 1 && its.yields > 0, `${its.name} counts something`)
      names.add(its.name)
    }
    t.equal(names.size, all.length, `each name of ${part} is one case`)
  }
})

t.test('a run that yields something else is refused', async t => {
  const its = { name: 'idle', unit: 'frame', perRun: 1, yields: 1, run: () => 0 } as const
  t.throws(() => runOnce(its), { message: '"idle" yielded 0, not 1' })
})

/** What a kind says of its fields, as the independent decoder tells them. */
function expected({ lists }: Kind, block: number): string[][] {
  const list = lists[block % lists.length]!
  return list.map(([name, value, how]) => [name, value, how === 'never' ? 'never' : ''])
}

function seen(fields: readonly { name: string; value: string; neverIndexed: boolean }[]): string[][] {
  return fields.map(({ name, value, neverIndexed }) => [name, value, neverIndexed ? 'never' : ''])
}

t.test('header sessions are what their kinds say', async t => {
  for (const kind of kinds()) {
    const { opening, steady } = sessionOf(kind)
    const decoder = new HpackDecoder()
    // Round once, and some way on.
    const rounds = [...opening, ...steady, ...steady.slice(0, 100)].map(block => decoder.decode(block))
    const wrong = rounds.findIndex((fields, i) => seen(fields).join() !== expected(kind, i).join())
    t.equal(wrong, -1, `${kind.name}: a second decoder reads the same`)
    const representations = new Set(rounds.at(-1)!.map(({ representation }: DecodedField) => representation))
    const meant = new Set(kind.lists[0]!.map(([, , how]) => how ?? 'literal'))
    for (const how of meant) t.ok(representations.has(how), `${kind.name}: ${how}`)
    const [, value] = kind.lists[0]!.at(-1)!
    if (kind.name.endsWith('Huffman-coded')) t.ok(steady[0]!.length < value.length, `${kind.name}: is shorter`)
    if (kind.name.endsWith('plain')) t.ok(steady[0]!.includes(value, 'latin1'), `${kind.name}: as it is`)
  }
})

/** Decoding and encoding in turn, each case by one test. */
const HPACK = hpackCases()

t.test('decoding: the fields of the session; fresh values are new objects each time round', async t => {
  for (const its of HPACK) {
    if (!(its instanceof DecodeCase)) continue
    its.run()
    const opened = its.kind.lists.length === 1 ? 1 : 0
    const wrong = its.lists.findIndex((list, i) => seen(list).join() !== expected(its.kind, i + opened).join())
    t.equal(wrong, -1, its.name)
    if (its.kind.lists.length === 1) continue
    const before = its.lists[0]!.at(-1)
    for (let blocks = 0; blocks < its.kind.lists.length; blocks += its.perRun) its.run()
    const after = its.lists[0]!.at(-1)!
    t.equal(after.value, before!.value, `${its.name}: the session began again`)
    t.not(after, before, `${its.name}: and nothing remembered the value`)
  }
})

t.test('encoding: a second decoder reads what was written', async t => {
  for (const its of HPACK) {
    if (its instanceof DecodeCase) continue
    const decoder = new HpackDecoder()
    let first = 0
    if (its instanceof EncodeCase) for (const block of its.opening) first += decoder.decode(block).length > 0 ? 1 : 0
    for (let round = 0; round < 2; round++) {
      its.prepare()
      its.run()
      const lists = its.blocks().map(block => seen(decoder.decode(block)).join())
      const wrong = lists.findIndex((list, i) => {
        const at = first + round * its.perRun + i
        return (
          list !== (its instanceof EncodeStringCase ? [its.field, its.values[at], ''] : expected(its.kind, at)).join()
        )
      })
      t.equal(wrong, -1, `${its.name}, run ${round}`)
    }
    if (!(its instanceof EncodeStringCase)) continue
    const value = its.values[its.perRun]!
    t.equal(its.blocks()[0]!.includes(value, 'latin1'), its.name.endsWith('plain'), 'coded where that is shorter')
  }
})

const outline = ({ type, flags, payload }: RawFrame): string => `${type} ${flags} ${payload.toString('hex')}`

t.test('frames: what is read is counted, what is forwarded is the same on another stream', async t => {
  for (const its of frameCases()) {
    if (its instanceof ReadCase) {
      its.run()
      t.equal(its.counter.bytes, its.bytes - 9 * its.perRun, `${its.name}: all but the heads`)
    }
    if (!(its instanceof ForwardCase)) continue
    const came = new FrameReader().push(its.stream)
    for (const round of [0, 1, 2]) {
      const went = new FrameReader().push(its.output())
      t.equal(went.length, its.perRun)
      t.same(went.map(outline), came.map(outline), `${its.name}, run ${round}`)
      const ids = went.map((frame, i) => frame.streamId ^ came[i]!.streamId)
      t.ok(new Set(ids).size <= 2 && ids.every(id => id === 0 || id === 2), 'stream ids go back and forth')
    }
  }
})

t.test('frames: what is written can be read', async t => {
  for (const its of frameCases()) {
    if (!(its instanceof WriteCase)) continue
    const reader = new FrameReader()
    const frames = reader.push(its.output())
    t.equal(its.perRun % frames.length, 0, its.name)
    t.equal(reader.rest.length, 0)
  }
})

t.test('copies and spans: the pairs of a size do the same', async t => {
  const all = frameCases().filter(({ unit }) => unit === 'copy' || unit === 'span')
  t.equal(all.length, 16)
  for (let i = 0; i < all.length; i += 2) {
    t.equal(all[i]!.bytes, all[i + 1]!.bytes, `${all[i]!.name}; ${all[i + 1]!.name}`)
    t.equal(all[i]!.yields, all[i + 1]!.yields)
  }
})

t.test('connections: each call is answered whole', async t => {
  for (const its of connectionCases()) {
    if (!(its instanceof ServerCase || its instanceof ClientCase)) continue
    const perCall = its instanceof ServerCase ? 3 : 2
    const before = its.ended
    for (let run = 0; run < 2; run++) {
      its.prepare()
      const frames = new FrameReader().push(its.output()).filter(({ streamId }) => streamId > 0)
      t.equal(frames.length, perCall * its.perRun, `${its.name}: frames of run ${run}`)
      t.equal(new Set(frames.map(({ streamId }) => streamId)).size, its.perRun, 'a stream a call')
      const messages = frames.filter(({ type }) => type === FrameType.DATA)
      t.ok(messages.length === its.perRun && messages.every(({ payload }) => payload.length === 44))
      t.equal(frames.filter(({ flags }) => (flags & 1) !== 0).length, its.perRun, 'each ends its stream')
    }
    t.equal(its.ended - before, 2 * its.perRun, 'and is told of its end')
  }
})

t.test('router: the route that the name says', async t => {
  for (const its of routerCases()) {
    const routes = Number(/([\d,]+) routes/.exec(its.name)![1]!.replace(',', ''))
    const which = its.name.split(', ').at(-1)
    const backend = which === 'none' ? undefined : `backend-${which === 'first' ? 0 : routes - 1}`
    t.equal(its.decide(), backend, its.name)
  }
})

t.test('results', async t => {
  const its = { name: 'x', unit: 'copy', perRun: 10, bytes: 1_000, yields: 1, run: () => 1 } as const
  const result = resultOf('frames', its, [400, 100, 200, 300])
  t.same(result.nanoseconds, { least: 10, p25: 10, median: 20, p75: 30, most: 40 }, 'of one unit')
  t.equal(result.perSecond, 50e6)
  t.equal(result.bytesPerSecond, 5e9)
  t.equal(tableOf([result]), 'x  20.0  (10.0–30.0) ns a copy  50.0 M copies/s  5.00 GB/s')
  t.equal(tableOf([{ ...result, bytesPerSecond: undefined }]), 'x  20.0  (10.0–30.0) ns a copy  50.0 M copies/s')
})

t.test('filters', async t => {
  const its = frameCases()[0]!
  t.ok(isWanted('frames', its, []))
  t.ok(isWanted('frames', its, ['nothing', 'small calls']))
  t.ok(isWanted('frames', its, ['frames: read']))
  t.notOk(isWanted('frames', its, ['hpack:', 'frames: forward']))
})

const run = (args: string[]) => promisify(execFile)(process.execPath, [RUN, ...args])

t.test('npm run bench:micro: measures what the filter says, and keeps it', wholeOnly('a benchmark'), async t => {
  const file = `${t.testdir()}/micro.json`
  const { stdout } = await run([
    'windows: send',
    'windows: receive window, frames of 44 B',
    '--min-cpu-ms',
    '2',
    '--json',
    file,
  ])
  const record = JSON.parse(readFileSync(file, 'utf8'))
  const names = record.cases.map(({ name }: { name: string }) => name)
  t.same(names, ['send window, frames of 44 B', 'send window, frames of 16 KiB', 'receive window, frames of 44 B'])
  for (const { name, nanoseconds, samples, perSecond } of record.cases) {
    t.match(stdout, name)
    t.ok(samples >= 5, 'rounds')
    t.ok(nanoseconds.least > 0 && nanoseconds.least <= nanoseconds.median && nanoseconds.median <= nanoseconds.most)
    t.ok(perSecond > 0)
  }
  t.equal(record.minCpuMs, 2)
})

t.test('npm run bench:micro: what it cannot do, it says', async t => {
  await t.rejects(run(['windows: no such case', '--min-cpu-ms', '1']), {
    code: 2,
    stderr: /no case has "windows: no such/,
  })
  await t.rejects(run(['--min-cpu-ms', 'much']), {
    code: 2,
    stderr: /--min-cpu-ms is "much": give milliseconds, a number from 1 to 60000/,
  })
  await t.rejects(run(['--jason']), { code: 2, stderr: /jason/ })
  t.match((await run(['--help'])).stdout, /FILTER/)
})

t.test('fields made from strings stand as their lists say', async t => {
  const fields = fieldsOf([
    [':status', '200', 'indexed'],
    ['x', 'y', 'literal'],
    ['x', 'y', 'never'],
    ['x', 'y', 'incremental'],
  ])
  t.same(
    fields.map(({ mode, staticIndex }) => [mode, staticIndex]),
    [
      [0, 8],
      [1, 0],
      [2, 0],
      [0, 0],
    ],
  )
})
