/** Hedging after a time that follows the latency of the method. */
import t from 'tap'
import { definePolicy } from '../../src/routing/policy.ts'
import { HeadersRefused } from '../../src/transport/transport.ts'
import type { FakeStream } from '../support/fake-transport.ts'
import { answers, delay, fails, hedging, settle } from './hedge-rig.ts'
import { type CallRig, CLIENT_CANCELS, PATH, RESPONSE, request, TRAILERS } from './rig.ts'

const LONGEST_MS = 1_000

/** Calls whose first attempt takes so long. The sessions' records of streams do not grow. */
function calls(rig: CallRig, count: number, ms: number, path = PATH): void {
  for (let i = 0; i < count; i++) {
    const { down } = rig.open(request({ ':path': path }), true)
    rig.clock.advance(ms)
    answers(rig.session.opened[0]!)
    settle(rig, down)
    rig.session.opened.length = 0
  }
}

/** After how long a call of the method is sent once more. */
function delayOf(rig: CallRig, path = PATH): number {
  const { down } = rig.open(request({ ':path': path }), true)
  let ms = 0
  for (; rig.session.opened.length < 2 && ms <= 2 * LONGEST_MS; ms++) rig.clock.advance(1)
  down.close(CLIENT_CANCELS)
  for (const up of rig.session.opened) up.settle()
  rig.session.opened.length = 0
  return ms
}

function percentile(percentile = 95): CallRig {
  return hedging({ delayMs: LONGEST_MS, percentile }, { silent: true })
}

t.test('the longest delay until enough is known, then that of the method', async t => {
  const rig = percentile()
  calls(rig, 50, 20)
  t.ok(delayOf(rig) >= LONGEST_MS)
  calls(rig, 60, 20)
  const found = delayOf(rig)
  t.ok(found >= 20 && found <= 20 * 1.1 + 6, `${found}`)
  t.ok(delayOf(rig, '/pkg.Service/Other') >= LONGEST_MS, 'of another method nothing is known')
})

t.test('a method that is slower than the longest delay', async t => {
  const rig = percentile()
  calls(rig, 120, LONGEST_MS - 20)
  calls(rig, 500, 4 * LONGEST_MS)
  t.ok(delayOf(rig) <= LONGEST_MS + 6)
})

t.test('a first attempt that another overtakes has taken at least so long: else all would seem quick', async t => {
  const rig = percentile(90)
  calls(rig, 100, 20)
  for (let i = 0; i < 200; i++) {
    const { down } = rig.open(request(), true)
    rig.clock.advance(i % 5 === 0 ? 60 : 20)
    answers(rig.session.opened.at(-1)!)
    settle(rig, down)
    rig.session.opened.length = 0
  }
  const found = delayOf(rig)
  t.ok(found >= 55, `${found}: a fifth took at least 60 ms`)
})

t.test('what says nothing about how long an answer takes', async t => {
  const rows: [what: string, play: (rig: CallRig) => FakeStream][] = [
    [
      'refusals',
      rig => {
        const { down } = rig.open(request(), true)
        fails(rig.session.opened[0]!, {}, 3)
        return down
      },
    ],
    ['clients that leave at once', rig => rig.open(request(), true).down],
    [
      'clients that leave before they have sent all',
      rig => {
        const { down } = rig.open()
        rig.clock.advance(500)
        return down
      },
    ],
    [
      'requests that cannot be sent',
      rig => {
        const { session } = rig
        const open = session.open
        session.open = owner => Object.assign(open.call(session, owner), { refuses: new HeadersRefused('too big') })
        const { down } = rig.open(request(), true)
        session.open = open
        return down
      },
    ],
  ]
  for (const [what, play] of rows) {
    const rig = percentile(50)
    calls(rig, 120, 50)
    const { session } = rig
    for (let i = 0; i < 200; i++) {
      const down = play(rig)
      if (down.sent.length === 0) down.close(CLIENT_CANCELS)
      // Resets of streams that no program has seen are sent no faster.
      rig.clock.advance(120)
      settle(rig, down)
      session.opened.length = 0
    }
    t.equal(rig.session, session, 'not one of others')
    const found = delayOf(rig)
    t.ok(found >= 50 && found <= 65, `${what}: ${found}`)
  }
})

t.test('it is measured from the last data of the request', async t => {
  const rig = percentile()
  for (let i = 0; i < 120; i++) {
    const { down } = rig.open()
    rig.clock.advance(500)
    down.data('at last', true)
    rig.clock.advance(10)
    answers(rig.session.opened[0]!)
    settle(rig, down)
    rig.session.opened.length = 0
  }
  t.ok(delayOf(rig) <= 17)
})

t.test('without a percentile nothing is measured', async t => {
  const rig = hedging()
  const { down } = rig.open(request(), true)
  rig.up.headers(RESPONSE)
  rig.up.trailers(TRAILERS)
  delay(rig)
  settle(rig, down)
  t.equal(rig.backend.shared.latencies.of(PATH), undefined)
})

t.test('percentiles that are none', async t => {
  for (const percentile of [0, 49, 100, Number.NaN])
    t.throws(() => definePolicy({ hedge: { delayMs: 10, percentile } }), TypeError)
  t.throws(() => definePolicy({ hedge: { delayMs: 0, percentile: 95 } }), TypeError)
})
