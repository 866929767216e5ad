/** This project's proxy with a director that burns CPU, waits, or refuses: `Artifice` says how much. */
import { createProxy, GrpcError, Status } from '../../../src/index.ts'
import type { Artifice } from '../artificial.ts'
import { readAssignment } from './assignment.ts'
import { Delay } from './delay.ts'

const { port, backends, tls, cpuUs = 0, delayMs, dropEvery = 0 } = readAssignment<Artifice>()
const delay = delayMs === undefined ? undefined : new Delay(delayMs)
const MAIN = { backend: 'main' }
let calls = 0

/** By the process's own account, which a thread that had to wait for its core does not fool. */
function burn(us: number): void {
  const before = process.cpuUsage()
  for (;;) {
    const { user, system } = process.cpuUsage(before)
    if (user + system >= us) return
  }
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
    if (cpuUs > 0) burn(cpuUs)
    if (delay !== undefined) await delay.pass()
    return MAIN
  },
})
await proxy.listen({
  host: '127.0.0.1',
  port,
  transport: 'frames',
  ...(tls === undefined ? {} : { tls: { cert: tls.cert, key: tls.key } }),
})
