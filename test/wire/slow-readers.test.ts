/** Who holds up others: streams, and consumers with many of them. */
import t from 'tap'
import { SlowReaders } from '../../src/wire/slow-readers.ts'
import type { WireStream } from '../../src/wire/stream.ts'

interface Played {
  receivedBytes: number
  receiveWindow: { held: number }
  owner: { consumer?: object }
  end: { kind: string } | undefined
}

const loud = {}

function played(consumer: object | undefined, held: number): Played {
  return { receivedBytes: held, receiveWindow: { held }, owner: { consumer }, end: undefined }
}

/** Takes so much, and as much comes. */
function passOn(stream: Played, bytes: number): void {
  stream.receivedBytes += bytes
}

function overdue(before: Played[], between: () => void, after: Played[]): Played[] {
  const readers = new SlowReaders()
  readers.mark(before as unknown as WireStream[])
  between()
  const held = after.reduce((sum, stream) => sum + stream.receiveWindow.held, 0)
  return readers.overdue(after as unknown as WireStream[], held) as unknown as Played[]
}

t.test('a stream that takes almost nothing, and none that takes more', async t => {
  const [still, slow] = [played(undefined, 3_200), played(undefined, 800)]
  t.same(
    overdue([still, slow], () => passOn(slow, 400), [still, slow]),
    [still],
  )
})

t.test('many streams of one consumer, each read at just over a sixteenth: half of what is held goes', async t => {
  const calls = Array.from({ length: 100 }, () => played(loud, 1_600))
  const other = played({}, 1_600)
  const all = [...calls, other]
  const found = overdue(
    all,
    () => {
      for (const call of all) passOn(call, 101)
    },
    all,
  )
  t.equal(found.length, 51)
  t.notOk(found.includes(other), 'not the one of another consumer')
})

t.test('streams that are given up and opened anew: what waited on them went nowhere', async t => {
  const before = Array.from({ length: 10 }, () => played(loud, 1_000))
  const after = Array.from({ length: 10 }, () => played(loud, 1_000))
  const end = (kind: string) => () => {
    for (const stream of before) stream.end = { kind }
  }
  t.equal(overdue(before, end('reset'), after).length, 5)
  const whole = () => {
    end('clean')()
    for (const stream of before) stream.receiveWindow.held = 0
  }
  t.equal(overdue(before, whole, after).length, 0, 'those that ended well were taken')
})

t.test('a consumer that takes half, or holds little, is let alone', async t => {
  const calls = Array.from({ length: 4 }, () => played(loud, 1_000))
  const half = () => {
    for (const call of calls) passOn(call, 500)
  }
  t.same(overdue(calls, half, calls), [])
  const [small, large] = [played(loud, 100), played({}, 1_000)]
  const little = () => {
    passOn(small, 10)
    passOn(large, 600)
  }
  t.same(overdue([small, large], little, [small, large]), [])
})
