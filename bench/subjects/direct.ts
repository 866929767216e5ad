/** Nothing between load and backend: it shows latency and throughput without a proxy. */
import type { Contender } from './contender.ts'

export const direct: Contender = {
  name: 'direct',
  title: 'no proxy: the backend itself (of several, the first)',
  find: () => ({ version: 'no proxy' }),
  async start(world) {
    return { port: world.backends[0]! }
  },
}
