/**
 * `npm run replace`: a proxy is replaced again and again under new connections at a rate, calls on old ones, and long streams;
 * tells what was refused or lost. `REPLACE_RATE`, `REPLACE_TIMES`.
 */
import { setTimeout } from 'node:timers/promises'
import { callOn, callOnce, LongStream, replaceable, Tally } from './replacement.ts'

const RATE = Number(process.env.REPLACE_RATE ?? 1_000)
const TIMES = Number(process.env.REPLACE_TIMES ?? 3)
/** A machine that cannot do as many makes fewer. */
const MOST_AT_A_TIME = 200
const GRACE_MS = 3_000
const STREAMS = 30

const teardowns: (() => unknown)[] = []
const scope = { teardown: (fn: () => unknown) => void teardowns.push(fn) }
const here = await replaceable(scope, GRACE_MS)
const [onNew, onOld] = [new Tally(), new Tally()]
let over = false
const begin = performance.now()
const paced = async (): Promise<void> => {
  for (let n = 0; !over; await setTimeout(1)) {
    for (const due = ((performance.now() - begin) * RATE) / 1_000; n < due && n - onNew.calls < MOST_AT_A_TIME; n++) {
      const door = here.doors[n % here.doors.length]!
      void onNew.count(`a new connection to ${door.name}`, () => callOnce(door))
    }
  }
}
const load = [paced(), ...here.doors.map(door => callOn(door, onOld, () => over))]
const kept: string[] = []
for (let time = 0; time < TIMES; time++) {
  const streams = await Promise.all(
    Array.from({ length: STREAMS }, (_, i) => LongStream.open(here.doors[i % here.doors.length]!)),
  )
  const before = here.pid()
  process.kill(before, 'SIGUSR2')
  while (here.pid() === before) await setTimeout(10)
  const handed = performance.now()
  await Promise.all(streams.map(({ ended }) => ended))
  const statuses = new Set(streams.map(({ status }) => status))
  kept.push(
    `${STREAMS} streams ended ${Math.round(performance.now() - handed)} ms later with ${[...statuses].join(', ')}`,
  )
}
over = true
await Promise.all(load)
const seconds = (performance.now() - begin) / 1_000
for (const [what, { calls, wrong, latenciesMs }] of Object.entries({
  'new connections': onNew,
  'calls on old ones': onOld,
})) {
  const sorted = latenciesMs.toSorted((one, other) => one - other)
  const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))]!.toFixed(1)
  console.log(
    `${what}: ${calls} (${(calls / seconds).toFixed(0)} a second), ${wrong.length} refused or lost; p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`,
  )
  for (const one of wrong.slice(0, 10)) console.log(`  ${one}`)
}
console.log(`${TIMES} replacements, grace ${GRACE_MS} ms: ${kept.join('; ')}`)
for (const fn of teardowns.reverse()) await fn()
process.exit(onNew.wrong.length + onOld.wrong.length > 0 ? 1 : 0)
