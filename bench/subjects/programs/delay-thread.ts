/** The thread of delay.ts: it sleeps until the time that it was given, wakes the loop, and waits for the next. */
import { workerData } from 'node:worker_threads'
import { ASKED, DUE, WOKEN } from './delay.ts'

const NS_PER_MS = 1e6
const counters = new Int32Array(workerData as SharedArrayBuffer)
const times = new BigInt64Array(workerData as SharedArrayBuffer)
/** Nobody ever changes it, so waiting for it is a sleep by the kernel's clock and not in milliseconds. */
const never = new Int32Array(new SharedArrayBuffer(4))

for (let seen = 0; ; ) {
  Atomics.wait(counters, ASKED, seen)
  // The loop asks again only when it was woken: one question at a time.
  const asked = Atomics.load(counters, ASKED)
  if (asked === seen) continue
  seen = asked
  sleepUntil(Atomics.load(times, DUE))
  Atomics.add(counters, WOKEN, 1)
  Atomics.notify(counters, WOKEN)
}

function sleepUntil(dueNs: bigint): void {
  for (;;) {
    const leftMs = Number(dueNs - process.hrtime.bigint()) / NS_PER_MS
    if (leftMs <= 0) return
    Atomics.wait(never, 0, 0, leftMs)
  }
}
