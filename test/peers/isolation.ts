/** An honest victim beside a client that sends what ends a server's connection, through the proxy to a real server. */
import { setTimeout } from 'node:timers/promises'
import { createProxy, type GrpcProxy } from '../../src/index.ts'
import { RawClient } from '../support/raw-client.ts'
import type { Scope } from '../support/teardown.ts'
import { CHATTER, type Flood, RESETS } from './floods.ts'
import { BIG_REQUESTS, ODD_REQUESTS, type OddRequest } from './odd-requests.ts'
import type { Peer, Server } from './programs.ts'
import { grpcStatus, Victim } from './victim.ts'
import { WireTap } from './wire-tap.ts'

export type Transport = 'frames' | 'native'

export interface Attack {
  readonly name: string
  run(attacker: Attacker): Promise<void>
}

/** What became of the victim during one attack. */
export interface Verdict {
  readonly attack: string
  /** Of what an honest call lost; empty when it lost nothing. */
  readonly harm: readonly string[]
  /** How the peer ended connections on which no honest call was: whose they were has itself to blame. */
  readonly ends?: readonly string[]
  /** What the attacker got, where it waited for it. */
  readonly answer: string
  readonly slowestMs: number
}

/** An odd call may get no answer at all; that is its own matter. */
const ANSWER_MS = 3_000
/** After an attack its last frames are still on their way to the server, and what it ends for them. */
const SETTLE_MS = 100
/** Of each odd request in the mix: enough for servers that bear a thousand in half a minute. */
const ROUNDS = 20

/** A client that is refused again and again, and connects again and again. */
export class Attacker {
  readonly #port: number
  readonly #scope: Scope
  #client: RawClient | undefined

  constructor(scope: Scope, port: number) {
    this.#scope = scope
    this.#port = port
  }

  async client(): Promise<RawClient> {
    const old = this.#client
    if (old !== undefined && !old.socket.destroyed && !old.log.some(item => item.kind === 'goaway')) return old
    old?.destroy()
    this.#client = await RawClient.connect(this.#scope, this.#port)
    return this.#client
  }

  another(): Promise<RawClient> {
    return RawClient.connect(this.#scope, this.#port)
  }

  close(): void {
    this.#client?.destroy()
    this.#client = undefined
  }
}

function once(request: OddRequest, note: (answer: string) => void): Attack {
  return {
    name: request.name,
    run: async attacker => {
      const client = await attacker.client()
      const id = request.send(client)
      const timer = new AbortController()
      await Promise.race([
        client.ended(id).catch(() => {}),
        setTimeout(ANSWER_MS, undefined, { signal: timer.signal }).catch(() => {}),
      ])
      timer.abort()
      const items = client.stream(id)
      const goaway = client.log.find(item => item.kind === 'goaway')
      note(
        goaway !== undefined
          ? `GOAWAY ${goaway.code} ${goaway.debug}`
          : items.length === 0
            ? 'nothing'
            : grpcStatus(items),
      )
    },
  }
}

/** All odd requests, many times, without waiting for their answers. */
const MIX: Attack = {
  name: `all odd requests ${ROUNDS} times`,
  run: async attacker => {
    for (let round = 0; round < ROUNDS; round++) {
      for (const request of ODD_REQUESTS) request.send(await attacker.client())
      await setTimeout(SETTLE_MS)
    }
  },
}

function flood({ name, clients = 1, run }: Flood): Attack {
  return {
    name,
    run: async attacker => {
      const all = [await attacker.client()]
      while (all.length < clients) all.push(await attacker.another())
      await Promise.all(all.map(run))
      for (const client of all) client.destroy()
    },
  }
}

/** Of a victim that may already have lost its stream. */
class Stage {
  readonly #scope: Scope
  readonly #proxy: GrpcProxy
  readonly #port: number
  readonly #tap: WireTap
  readonly #peer: Peer
  #victim: Victim | undefined

  constructor(scope: Scope, proxy: GrpcProxy, port: number, tap: WireTap, peer: Peer) {
    this.#scope = scope
    this.#proxy = proxy
    this.#port = port
    this.#tap = tap
    this.#peer = peer
  }

  /** @param fresh a new victim for this attack alone */
  async play(attack: Attack, answer: () => string, fresh: boolean): Promise<Verdict> {
    this.#victim ??= await Victim.start(this.#scope, this.#port, this.#peer.answersAtEnd === true)
    const victim = this.#victim
    const endsBefore = this.#tap.ends.length
    const timesBefore = victim.timesMs.length
    const attacker = new Attacker(this.#scope, this.#port)
    await attack.run(attacker)
    if (fresh) await setTimeout(SETTLE_MS)
    // The server has read what came before.
    await victim.say()
    if (fresh || victim.losses.length > 0) {
      await victim.stop()
      this.#victim = undefined
    }
    attacker.close()
    return {
      attack: attack.name,
      harm: victim.losses.slice(0, 2),
      ends: this.#tap.ends.slice(endsBefore),
      answer: answer(),
      slowestMs: Math.max(0, ...victim.timesMs.slice(timesBefore)),
    }
  }

  async end(): Promise<void> {
    await this.#victim?.stop()
    this.#tap.close()
    await this.#proxy.close()
  }
}

async function stage(scope: Scope, peer: Peer, server: Server, transport: Transport): Promise<Stage> {
  const tap = await WireTap.before(server.port, 'server')
  // One session: it is shared whatever the proxy would rather do.
  const backend = { endpoints: [`http://127.0.0.1:${tap.port}`], transport, sessions: { max: 1 } }
  const proxy = createProxy({ backends: { peer: backend }, log: { level: 'silent' } })
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0, transport: 'frames' })
  return new Stage(scope, proxy, port, tap, peer)
}

/** @param wanted whether an attack of this name is to run */
export async function* isolation(
  peer: Peer,
  server: Server,
  transport: Transport,
  wanted: (name: string) => boolean,
): AsyncGenerator<Verdict> {
  const undo: (() => unknown)[] = []
  const scope: Scope = { teardown: fn => undo.push(fn) }
  const here = await stage(scope, peer, server, transport)
  let answer = ''
  for (const request of [...ODD_REQUESTS, ...BIG_REQUESTS]) {
    answer = ''
    if (wanted(request.name))
      yield await here.play(
        once(request, got => (answer = got)),
        () => answer,
        false,
      )
  }
  for (const attack of [MIX, ...RESETS.map(flood), ...CHATTER.map(flood)]) {
    if (wanted(attack.name)) yield await here.play(attack, () => '', true)
  }
  await here.end()
  for (const fn of undo) await fn()
}
