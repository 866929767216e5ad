/** Hedging where many calls are slow or none is answered: what callers see of it, and what the backend gets. */
import t from 'tap'
import type { FakeStream } from '../support/fake-transport.ts'
import { answers, fails, hedging, held, tokens } from './hedge-rig.ts'
import { type CallRig, CLIENT_CANCELS, request } from './rig.ts'

/** A call begins in each of them. */
const STEP_MS = 5

interface Played {
  readonly calls: number
  readonly attempts: number
  /** How long each took, in their order. */
  readonly tookMs: readonly number[]
}

/**
 * 200 calls a second.
 * @param plays what the backend does with an attempt that is so old, every 5 ms until it is over
 * @param leavesMs after which clients leave
 */
function play(
  rig: CallRig,
  seconds: number,
  plays: (up: FakeStream, number: number, ageMs: number) => void,
  leavesMs = Infinity,
): Played {
  const ages = new Map<FakeStream, { number: number; ageMs: number }>()
  const open = new Map<FakeStream, number>()
  const tookMs: number[] = []
  let [calls, attempts] = [0, 0]
  rig.session.settings(10_000)
  for (let atMs = 0; atMs < seconds * 1_000 + 10_000; atMs += STEP_MS) {
    if (atMs < seconds * 1_000) {
      open.set(rig.open(request({ 'grpc-timeout': '1S' }), true).down, 0)
      calls++
    }
    rig.clock.advance(STEP_MS)
    // One on which too many streams wait to be reset is replaced.
    for (const session of rig.transport.sessions) {
      if (!session.isReady) session.ready(10_000)
      for (const up of session.opened.splice(0)) ages.set(up, { number: attempts++, ageMs: 0 })
    }
    for (const [up, one] of ages) {
      one.ageMs += STEP_MS
      if (!up.over) plays(up, one.number, one.ageMs)
      up.settle()
      if (up.ended !== undefined) ages.delete(up)
    }
    for (const [down, ageMs] of open) {
      open.set(down, ageMs + STEP_MS)
      if (down.sent.length === 0 && ageMs < leavesMs) continue
      if (down.sent.length === 0) down.close(CLIENT_CANCELS)
      else down.settle()
      tookMs.push(ageMs)
      open.delete(down)
    }
  }
  return { calls, attempts, tookMs: tookMs.sort((a, b) => a - b) }
}

const at = ({ tookMs }: Played, part: number): number => tookMs[Math.floor(tookMs.length * part)]!

t.test('one attempt of fifty is never answered: no caller waits for it', async t => {
  const rig = hedging({ delayMs: 100, percentile: 95 }, { silent: true })
  const played = play(rig, 20, (up, number, ageMs) => number % 50 !== 0 && ageMs >= 20 && answers(up))
  t.equal(played.tookMs.length, played.calls)
  t.ok(at(played, 0.5) <= 25)
  t.ok(at(played, 0.99) <= 60, `${at(played, 0.99)} ms`)
  t.ok(played.tookMs.at(-1)! < 300, `${played.tookMs.at(-1)} ms`)
  t.ok(played.attempts <= played.calls * 1.06, `${played.attempts} attempts of ${played.calls} calls`)
  t.same(held(rig), [0, 0])
})

t.test('all hang, and the proxy or the clients end the calls at their deadline: no storm', async t => {
  for (const leavesMs of [Infinity, 985]) {
    const rig = hedging({ delayMs: 50, maxAttempts: 5 }, { silent: true, replayBytes: 1_000 })
    const { calls, attempts } = play(rig, 20, () => {}, leavesMs)
    t.ok(attempts <= calls * 1.03, `${attempts} attempts of ${calls} calls`)
    t.ok(attempts > calls, 'some were sent once more')
    t.ok(tokens(rig) <= 50)
    t.same(held(rig), [0, 0])
  }
})

t.test('all fail: no storm', async t => {
  const rig = hedging({ delayMs: 50, maxAttempts: 5 }, { silent: true })
  const { calls, attempts } = play(rig, 20, up => fails(up))
  t.ok(attempts <= calls + 50, `${attempts} attempts of ${calls} calls`)
})

t.test('a backend that is slow as a whole gets no more than so many attempts at a time', async t => {
  const rig = hedging({ delayMs: 50, maxAttempts: 2 }, { silent: true })
  let most = 0
  const { calls, tookMs } = play(rig, 20, (up, _, ageMs) => {
    most = Math.max(most, rig.backend.shared.hedges)
    if (ageMs >= 500) answers(up)
  })
  t.equal(tookMs.length, calls)
  t.ok(most <= 50, `${most} at a time`)
})
