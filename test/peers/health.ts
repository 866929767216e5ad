/** The health service of a real library at two endpoints, and where the proxy sends calls by what it says. */
import pino from 'pino'
import { createProxy, type GrpcProxy } from '../../src/index.ts'
import { ask } from '../backend/health/replica.ts'
import { RawClient } from '../support/raw-client.ts'
import type { Scope } from '../support/teardown.ts'
import { until } from '../support/until.ts'
import type { Transport, Verdict } from './isolation.ts'
import type { HealthServer, Peer } from './programs.ts'

const SERVICE = 'peers.Echo'
/** Any machine answers a check within this. One that is stopped is found after two. */
const HEALTH = { service: SERVICE, intervalMs: 500, timeoutMs: 500, unhealthyThreshold: 2, healthyThreshold: 1 }
const CALLS = 10

interface Line {
  readonly msg: string
  readonly endpoint?: string
}

class Stage {
  readonly #proxy: GrpcProxy
  readonly #client: RawClient
  readonly #servers: readonly HealthServer[]
  readonly #lines: readonly Line[]

  constructor(proxy: GrpcProxy, client: RawClient, servers: readonly HealthServer[], lines: readonly Line[]) {
    this.#proxy = proxy
    this.#client = client
    this.#servers = servers
    this.#lines = lines
  }

  /** What must become known of each endpoint, and then how many calls each gets. */
  async play({ name, step, expects, shares }: Step): Promise<Verdict> {
    const began = performance.now()
    step(this.#servers)
    await until(
      name,
      () => this.#known.every((known, i) => expects[i]!.test(known)),
      () => this.#known.join('\n'),
    )
    const before = this.#lines.length
    const answers = new Set<string | undefined>()
    for (let i = 0; i < CALLS; i++) answers.add(await ask(this.#client))
    const harm: string[] = []
    if ([...answers].join() !== '0') harm.push(`calls ended with ${[...answers].join(', ')}`)
    const calls = this.#lines.slice(before).filter(({ msg }) => msg === 'call')
    const counts = this.#servers.map(
      server => calls.filter(({ endpoint }) => endpoint?.endsWith(`:${server.port}`)).length,
    )
    if (counts.join() !== shares.join()) harm.push(`calls went ${counts.join(' and ')}`)
    return { attack: name, harm, answer: '', slowestMs: performance.now() - began }
  }

  get #known(): string[] {
    return this.#proxy
      .state()
      .backends[0]!.endpoints.map(({ usable, reasons }) => (usable ? 'usable' : reasons.map(({ text }) => text).join()))
  }
}

interface Step {
  readonly name: string
  step(servers: readonly HealthServer[]): void
  /** Of each server. */
  readonly expects: readonly RegExp[]
  readonly shares: readonly number[]
}

const STEPS: readonly Step[] = [
  {
    name: 'a service that neither knows: calls go to both all the same',
    step() {},
    expects: [/does not know the service/, /does not know the service/],
    shares: [5, 5],
  },
  {
    name: 'SERVING',
    step(servers) {
      for (const server of servers) server.set(SERVICE, 'SERVING')
    },
    expects: [/^usable$/, /^usable$/],
    shares: [5, 5],
  },
  {
    name: 'NOT_SERVING',
    step: ([, second]) => second!.set(SERVICE, 'NOT_SERVING'),
    expects: [/^usable$/, /it says NOT_SERVING/],
    shares: [10, 0],
  },
  {
    name: 'SERVING again',
    step: ([, second]) => second!.set(SERVICE, 'SERVING'),
    expects: [/^usable$/, /^usable$/],
    shares: [5, 5],
  },
  {
    name: 'stopped (SIGSTOP)',
    step: ([, second]) => process.kill(second!.pid, 'SIGSTOP'),
    expects: [/^usable$/, /the health check had no answer within 500 ms/],
    shares: [10, 0],
  },
  {
    name: 'continued (SIGCONT)',
    step: ([, second]) => process.kill(second!.pid, 'SIGCONT'),
    expects: [/^usable$/, /^usable$/],
    shares: [5, 5],
  },
  {
    name: 'killed',
    step: ([first]) => first!.stop(),
    expects: [/it cannot be reached/, /^usable$/],
    shares: [0, 10],
  },
]

/** @param wanted whether a step of this name is to be played; a step may need those before it */
export async function* healthOf(
  peer: Peer,
  transport: Transport,
  wanted: (name: string) => boolean,
): AsyncGenerator<Verdict> {
  const undo: (() => unknown)[] = []
  const scope: Scope = { teardown: fn => undo.push(fn) }
  const servers = [await peer.health!(), await peer.health!()]
  const lines: Line[] = []
  const logger = pino({ level: 'info' }, { write: (text: string) => lines.push(JSON.parse(text)) })
  const endpoints = servers.map(({ port }) => `127.0.0.1:${port}`)
  const proxy = createProxy({ backends: { main: { endpoints, transport, health: HEALTH } }, logger })
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  const stage = new Stage(proxy, await RawClient.connect(scope, port), servers, lines)
  try {
    for (const step of STEPS) if (wanted(step.name)) yield await stage.play(step)
  } finally {
    for (const fn of undo) await fn()
    await proxy.close()
    for (const server of servers) server.stop()
  }
}
