/** How windows grow, over links with a delay and with a capacity, and when they do not. */
import t from 'tap'
import { ReceiveWindow } from '../../src/wire/flow-window.ts'
import { RoundTrips } from '../../src/wire/window-growth.ts'

const KIB = 1_024
const MIB = 1_048_576
const SECONDS = 5

interface Link {
  readonly roundTripMs: number
  /** Bytes that the sender has to send in a millisecond, at most. */
  readonly sendPerMs: number
  /** Bytes that the path carries in a millisecond; what is more waits in it, and what comes behind that too. */
  readonly pathPerMs?: (ms: number) => number
  /** Bytes that the consumer takes in a millisecond, at most. */
  readonly consumePerMs?: number
  readonly ceiling: number
  /** Whether the receiver can tell the time. */
  readonly clock?: boolean
}

/** One stream over a link, a millisecond a step, for five seconds. */
function run({ roundTripMs, sendPerMs, pathPerMs, consumePerMs = MIB, ceiling, clock = true }: Link) {
  const trips = new RoundTrips()
  const w = new ReceiveWindow(1, 65_535)
  const halfMs = roundTripMs / 2
  const waiting: (number | 'ack')[] = []
  const toReceiver: [atMs: number, bytes: number | 'ack'][] = []
  const toSender: [atMs: number, increment: number | 'ping'][] = []
  let [credit, received, lastSecond, updates, pings, mostWaiting] = [65_535, 0, 0, 0, 0, 0]
  for (let ms = 0; ms < SECONDS * 1_000; ms++) {
    const nowMs = clock ? ms : 0
    while (toSender.length > 0 && toSender[0]![0] <= ms) {
      const what = toSender.shift()![1]
      if (what === 'ping') waiting.push('ack')
      else credit += what
    }
    for (let left = Math.min(credit, sendPerMs); left > 0; ) {
      const bytes = Math.min(left, 4 * KIB)
      waiting.push(bytes)
      credit -= bytes
      left -= bytes
    }
    for (let room = pathPerMs?.(ms) ?? Number.POSITIVE_INFINITY; waiting.length > 0 && room > 0; ) {
      const what = waiting.shift()!
      toReceiver.push([ms + halfMs, what])
      if (what !== 'ack') room -= what
    }
    mostWaiting = Math.max(mostWaiting, waiting.length * 4 * KIB)
    while (toReceiver.length > 0 && toReceiver[0]![0] <= ms) {
      const what = toReceiver.shift()![1]
      if (what === 'ack') {
        trips.acknowledged(nowMs)
        continue
      }
      if (trips.received(what, nowMs)) {
        toSender.push([ms + halfMs, 'ping'])
        pings++
      }
      w.receive(what, trips)
      received += what
      if (ms >= (SECONDS - 1) * 1_000) lastSecond += what
    }
    const increment = w.release(Math.min(w.held, consumePerMs), ceiling)
    if (increment > 0) {
      updates++
      toSender.push([ms + halfMs, increment])
    }
  }
  return { limit: w.limit, lastSecond, received, updates, pings, mostWaiting }
}

t.test('a lone stream over 50 ms is not stuck at 64 KiB a round trip', async t => {
  const fast = { roundTripMs: 50, sendPerMs: 100 * KIB }
  const stuck = run({ ...fast, ceiling: 65_535 })
  const grown = run({ ...fast, ceiling: 16 * MIB })
  t.ok(stuck.lastSecond < 1_500_000, `a window of 64 KiB: ${stuck.lastSecond} bytes a second`)
  t.ok(grown.lastSecond > 90 * KIB * 1_000, `a window that grows: ${grown.lastSecond} bytes a second`)
  t.ok(grown.limit <= 16 * MIB, `${grown.limit}`)
  const bounded = run({ ...fast, ceiling: 500_000 })
  t.equal(bounded.limit, 500_000)
  t.ok(
    bounded.lastSecond > 5_000_000,
    `500,000 bytes in 50 ms, at least half of it used: ${bounded.lastSecond} bytes a second`,
  )
  t.ok(grown.pings < (SECONDS * 1_000) / 50 + 1, `${grown.pings} PINGs in 100 round trips`)
})

t.test('no growth where it is of no use', async t => {
  const ceiling = 16 * MIB
  const slow = run({ roundTripMs: 50, sendPerMs: 100 * KIB, consumePerMs: KIB, ceiling })
  t.ok(
    slow.limit <= 6 * 50 * KIB,
    `at most 6 times what a consumer of 1 MiB a second takes in a round trip: ${slow.limit}`,
  )
  const slower = run({ roundTripMs: 50, sendPerMs: 100 * KIB, consumePerMs: 100, ceiling })
  t.ok(slower.limit <= 2 * 65_535, `a consumer of 100 kB a second: ${slower.limit}`)
  const little = run({ roundTripMs: 10, sendPerMs: KIB, ceiling })
  t.equal(little.limit, 65_535, 'a sender of 10 KiB a round trip')
  t.ok(little.updates <= little.received / 32_768 + 1, `${little.updates} updates for ${little.received} bytes`)
})

t.test('a reader that takes all at once, and seldom: its window stays', async t => {
  const trips = new RoundTrips()
  const w = new ReceiveWindow(1, 262_144)
  for (let second = 0; second < 40; second++) {
    // A burst within a round trip of 50 ms, which is then forwarded in one piece.
    for (let left = w.available; left > 0; left -= 16_384) {
      trips.received(Math.min(left, 16_384), 1_000 * second)
      w.receive(Math.min(left, 16_384), trips)
    }
    trips.acknowledged(1_000 * second + 50)
    w.release(w.held, 4 * MIB)
  }
  t.equal(w.limit, 262_144)
})

t.test('what a path cannot carry does not wait in it', async t => {
  const full = { roundTripMs: 10, sendPerMs: 1_000 * KIB, pathPerMs: () => 100 * KIB, ceiling: 64 * MIB }
  const path = 10 * 100 * KIB
  const bounded = run(full)
  t.ok(
    bounded.limit <= 6 * path,
    `at most six times what the path holds, as a third of it counts as all: ${bounded.limit} of ${path}`,
  )
  t.ok(bounded.lastSecond > 95 * KIB * 1_000, `and the path is full: ${bounded.lastSecond} bytes a second`)
  const blind = run({ ...full, clock: false })
  t.equal(blind.limit, full.ceiling, 'who cannot tell the time lets the window grow for ever')
  t.ok(blind.mostWaiting > 10 * bounded.mostWaiting, `${blind.mostWaiting} and ${bounded.mostWaiting} bytes waited`)
})

t.test('on a narrow path windows grow to half a megabyte at most', async t => {
  const narrow = run({ roundTripMs: 10, sendPerMs: 100 * KIB, pathPerMs: () => KIB, ceiling: 64 * MIB })
  t.ok(narrow.limit <= 524_288, `${narrow.limit}`)
})

t.test('a path that becomes wider is filled again', async t => {
  const pathPerMs = (ms: number) => (ms < 2_000 ? 10 * KIB : 100 * KIB)
  const wider = run({ roundTripMs: 20, sendPerMs: 1_000 * KIB, pathPerMs, ceiling: 64 * MIB })
  t.ok(wider.lastSecond > 95 * KIB * 1_000, `${wider.lastSecond} bytes a second`)
})

t.test('round trips', async t => {
  const trips = new RoundTrips()
  for (let i = 0; i < 840; i++) t.equal(trips.received(39, 7), false)
  t.equal(trips.round, 0)
  t.equal(trips.received(39, 10), true, 'one PING for 841 small calls')
  t.equal(trips.round, 1)
  t.equal(trips.received(1_000_000, 11), false, 'one at a time')
  trips.acknowledged(14)
  t.match(trips, { round: 0, lastRound: 1, lastMs: 4, leastMs: 4 })
  t.equal(trips.acknowledged(15), false, 'of no probe')
  t.match(trips, { round: 0, lastRound: 1, lastMs: 4, leastMs: 4 })
  t.equal(trips.received(32_768, 20), true)
  t.equal(trips.round, 2)
  trips.acknowledged(29)
  t.match(trips, { round: 0, lastRound: 2, lastMs: 9, leastMs: 4 })
})
