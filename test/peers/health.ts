/** The health service of a real library at two endpoints, and where the proxy sends calls by what it says. */
import pino from 'pino'
import { createProxy } from '../../src/index.ts'
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
  readonly detail: string
}

class Stage {
  readonly #client: RawClient
  readonly #servers: readonly HealthServer[]
  readonly #lines: readonly Line[]
  /** Lines that were there before the step that is played. */
  #before = 0

  constructor(client: RawClient, servers: readonly HealthServer[], lines: readonly Line[]) {
    this.#client = client
    this.#servers = servers
    this.#lines = lines
  }

  #of(server: HealthServer | undefined): Line[] {
    return this.#lines.filter(({ endpoint }) => server !== undefined && endpoint?.endsWith(`:${server.port}`))
  }

  /** What must be logged of an endpoint, and then how many calls each gets. */
  async play({ name, step, expects, shares }: Step): Promise<Verdict> {
    const began = performance.now()
    this.#before = this.#lines.length
    const harm: string[] = []
    step(this.#servers)
    for (const [at, pattern] of Object.entries(expects)) await this.#told(Number(at), pattern)
    const marked = this.#lines.length
    const answers = new Set<string | undefined>()
    for (let i = 0; i < CALLS; i++) answers.add(await ask(this.#client))
    if ([...answers].join() !== '0') harm.push(`calls ended with ${[...answers].join(', ')}`)
    const got = this.#servers.map(server =>
      this.#lines
        .slice(marked)
        .filter(({ msg }) => msg === 'call')
        .filter(line => this.#of(server).includes(line)),
    )
    const counts = got.map(({ length }) => length)
    if (counts.join() !== shares.join()) harm.push(`calls went ${counts.join(' and ')}`)
    return { attack: name, harm, answer: '', slowestMs: performance.now() - began }
  }

  #told(at: number, pattern: RegExp): Promise<void> {
    return until(
      `${pattern} of ${at}`,
      () => {
        const line = this.#of(this.#servers[at])
          .filter(one => this.#lines.indexOf(one) >= this.#before && one.msg !== 'call')
          .at(-1)
        return line !== undefined && pattern.test(`${line.msg}: ${line.detail}`)
      },
      () => JSON.stringify(this.#lines.filter(({ msg }) => msg !== 'call')),
    )
  }
}

interface Step {
  readonly name: string
  step(servers: readonly HealthServer[]): void
  /** By the number of the server. */
  readonly expects: Readonly<Record<number, RegExp>>
  readonly shares: readonly number[]
}

const STEPS: readonly Step[] = [
  {
    name: 'a service that neither knows: calls go to both all the same',
    step() {},
    expects: { 0: /unhealthy: .*does not know the service/, 1: /unhealthy: .*does not know the service/ },
    shares: [5, 5],
  },
  {
    name: 'SERVING',
    step(servers) {
      for (const server of servers) server.set(SERVICE, 'SERVING')
    },
    expects: { 0: /endpoint healthy/, 1: /endpoint healthy/ },
    shares: [5, 5],
  },
  {
    name: 'NOT_SERVING',
    step: ([, second]) => second!.set(SERVICE, 'NOT_SERVING'),
    expects: { 1: /unhealthy: it says NOT_SERVING/ },
    shares: [10, 0],
  },
  {
    name: 'SERVING again',
    step: ([, second]) => second!.set(SERVICE, 'SERVING'),
    expects: { 1: /endpoint healthy/ },
    shares: [5, 5],
  },
  {
    name: 'stopped (SIGSTOP)',
    step: ([, second]) => process.kill(second!.pid, 'SIGSTOP'),
    expects: { 1: /unhealthy: the health check had no answer within 500 ms/ },
    shares: [10, 0],
  },
  {
    name: 'continued (SIGCONT)',
    step: ([, second]) => process.kill(second!.pid, 'SIGCONT'),
    expects: { 1: /endpoint healthy/ },
    shares: [5, 5],
  },
  {
    name: 'killed',
    step: ([first]) => first!.stop(),
    expects: { 0: /unhealthy: it cannot be reached/ },
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
  const stage = new Stage(await RawClient.connect(scope, port), servers, lines)
  try {
    for (const step of STEPS) if (wanted(step.name)) yield await stage.play(step)
  } finally {
    for (const fn of undo) await fn()
    await proxy.close()
    for (const server of servers) server.stop()
  }
}
