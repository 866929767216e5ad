/** This project's proxy with a director that burns CPU, waits, or refuses: `Artifice` says how much. */
import { createProxy, GrpcError, Status } from '../../../src/index.ts'
import type { Artifice } from '../artificial.ts'
import { readAssignment } from './assignment.ts'
import { Delay } from './delay.ts'

const { port, backends, tls, cpuUs = 0, delayMs, dropEvery = 0 } = readAssignment<Artifice>()
const delay = delayMs === undefined ? undefined : new Delay(delayMs)
const MAIN = { backend: 'main' }
let calls = 0

/** The excess that earlier calls have burnt, because the clock of CPU time moves in steps. The next call burns less. */
let ahead = 0

/** It counts the CPU time of the process, so that waiting for the core does not count. */
function burn(us: number): void {
  const before = cpuTimeUs()
  for (;;) {
    const burnt = cpuTimeUs() - before + ahead
    if (burnt < us) continue
    ahead = burnt - us
    return
  }
}

function cpuTimeUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

const scheme = tls === undefined ? 'http' : 'https'
const proxy = createProxy({
  backends: {
    main: {
      endpoints: backends.map(backend => `${scheme}://127.0.0.1:${backend}`),
      transport: 'frames',
      ...(tls === undefined ? {} : { tls: { ca: tls.ca } }),
    },
  },
  log: { level: 'warn', access: false },
  async director() {
    calls++
    if (dropEvery > 0 && calls % dropEvery === 0) {
      throw new GrpcError(Status.UNAVAILABLE, `every call of ${dropEvery} is dropped`)
    }
    // The delay runs meanwhile, so that only the delay is added to a call's time.
    const passed = delay?.pass()
    if (cpuUs > 0) burn(cpuUs)
    await passed
    return MAIN
  },
})
await proxy.listen({
  host: '127.0.0.1',
  port,
  transport: 'frames',
  ...(tls === undefined ? {} : { tls: { cert: tls.cert, key: tls.key } }),
})
