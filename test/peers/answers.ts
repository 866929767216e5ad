/** A real client with a call that lasts, and others, on the connection on which it gets odd answers through the proxy. */
import { setTimeout } from 'node:timers/promises'
import { createProxy } from '../../src/index.ts'
import { RawServer } from '../support/raw-server.ts'
import type { Scope } from '../support/teardown.ts'
import type { Transport, Verdict } from './isolation.ts'
import { answer, beginAnswer, endAnswer, ODD_ANSWERS, type OddAnswer } from './odd-answers.ts'
import type { Caller, Peer, Told } from './programs.ts'
import { WireTap } from './wire-tap.ts'

const LONG = '/peers.Echo/Long'
const STEADY = '/peers.Echo/Steady'
const ODD = '/peers.Echo/Odd'
/** Some clients tell nothing of a call with an answer that they do not understand, without a proxy too. */
const ODD_MS = 2_000
/** Its own deadline is a minute. */
const LONG_MS = 120_000
/** What the client ends for an answer, it ends within this. */
const SETTLE_MS = 20

/** Answers the calls of one path each, as they come. */
function answering(server: RawServer, path: string, how: OddAnswer['send']): void {
  const next = (): void => {
    server
      .request(({ headers }) => headers.fields.some(({ value }) => value === path))
      .then(
        ({ connection, streamId }) => {
          how(connection, streamId)
          next()
        },
        () => {},
      )
  }
  next()
}

/** One client, the call that lasts, and the backend that answers honestly: what is lost is lost by the odd answer. */
class Stage {
  readonly #caller: Caller
  readonly #steady: RawServer
  readonly #tap: WireTap
  readonly #long: Promise<Told>

  constructor(caller: Caller, steady: RawServer, tap: WireTap) {
    this.#caller = caller
    this.#steady = steady
    this.#tap = tap
    this.#long = caller.call(LONG, LONG_MS)
  }

  get version(): string {
    return this.#caller.version
  }

  async ready(): Promise<this> {
    const { connection, streamId } = await this.#steady.request(({ headers }) =>
      headers.fields.some(({ value }) => value === LONG),
    )
    beginAnswer(connection, streamId)
    this.endLong = () => endAnswer(connection, streamId)
    return this
  }

  private endLong: () => void = () => {}
  harmed = false

  async play(name: string): Promise<Verdict> {
    const began = performance.now()
    const told = await this.#caller.call(ODD, ODD_MS)
    const slowestMs = performance.now() - began
    await setTimeout(SETTLE_MS)
    const steady = await this.#caller.call(STEADY)
    const harm = this.#tap.ends.map(end => `the client ended its connection: ${end}`)
    if (this.#tap.connections > 1) harm.push('the client needed another connection')
    if (steady.code !== 0) harm.push(`a call after it ended with ${steady.code} ${steady.message}`)
    this.harmed = harm.length > 0
    return { attack: name, harm, answer: `${told.code} ${told.message}`, slowestMs }
  }

  /** The call that lasted through all of them. */
  async last(): Promise<Verdict> {
    this.endLong()
    const { code, message } = await this.#long
    const harm = code === 0 ? [] : [`it ended with ${code} ${message}`]
    return { attack: 'the call beside them', harm, answer: '', slowestMs: 0 }
  }

  end(): void {
    this.#tap.close()
    this.#caller.stop()
  }
}

async function raise(peer: Peer, port: number, steady: RawServer): Promise<Stage> {
  const tap = await WireTap.before(port, 'client')
  return new Stage(await peer.call!(`127.0.0.1:${tap.port}`), steady, tap).ready()
}

/** @param wanted whether an answer of this name is to be given */
export async function* answers(
  peer: Peer,
  transport: Transport,
  wanted: (name: string) => boolean,
): AsyncGenerator<Verdict> {
  const undo: (() => unknown)[] = []
  const scope: Scope = { teardown: fn => undo.push(fn) }
  const steady = await RawServer.listen(scope)
  answering(steady, STEADY, answer)
  const odd = await RawServer.listen(scope)
  let current: OddAnswer = ODD_ANSWERS[0]!
  answering(odd, ODD, (connection, id) => current.send(connection, id))
  const backends = {
    steady: { endpoints: [steady.url], transport },
    odd: { endpoints: [odd.url], transport },
  }
  const director = ({ path }: { path: string }) => ({ backend: path === ODD ? 'odd' : 'steady' })
  const proxy = createProxy({ backends, director, log: { level: 'silent' } })
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0, transport: 'frames' })
  let stage: Stage | undefined
  for (const one of ODD_ANSWERS) {
    if (!wanted(one.name)) continue
    current = one
    stage ??= await raise(peer, port, steady)
    yield await stage.play(one.name)
    if (!stage.harmed) continue
    stage.end()
    stage = undefined
  }
  if (stage !== undefined) {
    yield await stage.last()
    stage.end()
  }
  await proxy.close()
  for (const fn of undo) await fn()
}
