/** The backends of the soak and the storms over them. */
import { Setting } from '../../support/frames.ts'
import { Backend, PLAIN } from './backend.ts'
import type { Ledger } from './ledger.ts'
import type { ProxyProcess } from './proxy.ts'
import { Random } from './random.ts'
import { Relay } from './relay.ts'
import { freezing, goaways, killing, moods, reloading, Weather } from './storms.ts'

export class Field {
  readonly calm: readonly Backend[]
  /** `steady` keeps its sessions and its streams, so that no call may ever find the whole pool unreachable. */
  readonly steady: Backend
  readonly killed: Backend
  readonly frozen: Backend
  readonly leaving: Backend
  readonly #ledger: Ledger
  #relay: Relay | undefined

  constructor(ledger: Ledger) {
    this.#ledger = ledger
    const narrow = { ...PLAIN, [Setting.INITIAL_WINDOW_SIZE]: 16_384, [Setting.HEADER_TABLE_SIZE]: 0 }
    this.calm = [
      new Backend('calm-1', 'calm', ledger, () => PLAIN),
      new Backend('calm-2', 'calm', ledger, () => narrow),
    ]
    this.steady = new Backend('steady', 'storm', ledger, () => PLAIN)
    this.killed = new Backend('killed', 'storm', ledger)
    this.frozen = new Backend('frozen', 'storm', ledger, () => PLAIN)
    this.leaving = new Backend('leaving', 'storm', ledger, () => PLAIN)
  }

  get backends(): Backend[] {
    return [...this.calm, this.steady, this.killed, this.frozen, this.leaving]
  }

  get storm(): Backend[] {
    return [this.steady, this.killed, this.frozen, this.leaving]
  }

  async listen(): Promise<void> {
    for (const backend of this.backends) await backend.listen()
    this.#relay = await Relay.listen(this.frozen.port)
    this.frozen.publicPort = this.#relay.port
  }

  endpoints(of: readonly Backend[]): string[] {
    return of.map(backend => `127.0.0.1:${backend.port}`)
  }

  /** @returns stops them; resolves when every endpoint is up and open again */
  storms(round: number, proxy: ProxyProcess): () => Promise<void> {
    let number = 2_000_000_000 + round * 100
    const weathers: Weather[] = []
    const weather = () => {
      const one = new Weather(Random.of(this.#ledger.seed, number++), this.#ledger)
      weathers.push(one)
      return one
    }
    const running = [
      killing(this.killed, weather()),
      freezing(this.frozen, this.#relay!, weather()),
      goaways(this.leaving, weather()),
      moods(this.steady, weather(), false),
      moods(this.killed, weather()),
      moods(this.frozen, weather()),
      moods(this.leaving, weather()),
      reloading(proxy, weather()),
    ]
    return async () => {
      for (const one of weathers) one.stop()
      await Promise.all(running)
    }
  }

  /** Calls that backends still have `withinMs` after their clients have none: the proxy's last frames are under way. */
  async leftovers(withinMs: number): Promise<string[]> {
    const giveUp = performance.now() + withinMs
    while (this.#held().length > 0 && performance.now() < giveUp) await new Promise(resolve => setTimeout(resolve, 10))
    return this.#held()
  }

  #held(): string[] {
    return this.backends.flatMap(backend =>
      [...backend.sessions].flatMap(session =>
        [...session.answers.values()].map(answer => `still on ${session.name}:\n${answer.call.describe()}`),
      ),
    )
  }

  async stop(): Promise<void> {
    for (const backend of this.backends) await backend.stop()
    this.#relay?.close()
  }
}
