/** Clients that come, call, and go in every manner. */
import { Setting, type Settings } from '../../support/frames.ts'
import { Call } from './call.ts'
import { type Connection, NodeConnection, RawConnection } from './client.ts'
import { ClientCall, LONGEST_CALL_MS } from './client-call.ts'
import { count, type Ledger } from './ledger.ts'
import { planOf } from './plan.ts'
import { Random } from './random.ts'
import { Relay } from './relay.ts'
import { change } from './storms.ts'

/** Client connections open at a time. */
const CONNECTIONS = 20
/** After the longest call a connection must be gone. */
const CLOSE_MS = LONGEST_CALL_MS + 5_000
/** Raw ones and Node's own. */
const MAKES = { raw: 3, node: 1 }
/** How a client goes: when its calls are through, or in the middle of them. */
const WAYS = { goodbye: 6, fin: 1, reset: 1, vanish: 1 }

export class Load {
  readonly #ledger: Ledger
  readonly #port: number
  /** Over all rounds, so that no seed is used twice. */
  #calls = 0
  #connections = 0
  #over = false
  /** What each open connection is at, by its name. */
  readonly #stages = new Map<string, string>()

  constructor(ledger: Ledger, port: number) {
    this.#ledger = ledger
    this.#port = port
  }

  /** Resolves when all calls have ended and all connections are gone; or complains of those that are not. */
  async round(ms: number): Promise<void> {
    this.#over = false
    const timer = setTimeout(() => {
      this.#over = true
    }, ms)
    let giveUp: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => {
      giveUp = setTimeout(resolve, ms + CLOSE_MS)
    })
    await Promise.race([late, Promise.all(Array.from({ length: CONNECTIONS }, () => this.#slot()))])
    clearTimeout(timer)
    clearTimeout(giveUp)
    for (const [name, stage] of this.#stages)
      this.#ledger.complain(`${name} is not gone after ${CLOSE_MS} ms: ${stage}`)
  }

  async #slot(): Promise<void> {
    while (!this.#over) {
      const number = ++this.#connections
      await this.#connection(number, Random.of(this.#ledger.seed, 1_000_000_000 + number))
    }
  }

  async #connection(number: number, random: Random): Promise<void> {
    const way = random.weighted(WAYS)
    const make = random.weighted(MAKES)
    const relay = way === 'vanish' ? await Relay.listen(this.#port) : undefined
    const port = relay?.port ?? this.#port
    const name = `client ${number} (${make}, ${way})`
    this.#stages.set(name, 'connecting')
    const connection =
      make === 'raw'
        ? await RawConnection.open(name, port, firstSettings(random), this.#ledger)
        : await NodeConnection.open(port)
    const closed = new Promise(resolve => connection.socket.once('close', resolve))
    this.#stages.set(name, 'calling')
    const active = new Set<ClientCall>()
    const workers = Array.from({ length: random.spread(2, 24) }, () => ({ left: random.spread(1, 30) }))
    const give = { up: false }
    const work = Promise.all(
      workers.map(async worker => {
        while (worker.left-- > 0 && !this.#over && !give.up && connection.open)
          await this.#call(connection, name, active)
      }),
    )
    const mood = connection instanceof RawConnection ? this.#mood(connection, random) : undefined
    if (way !== 'goodbye') {
      await Promise.race([work, new Promise(resolve => setTimeout(resolve, random.between(50, 1_500)))])
      give.up = true
      await this.#go(way, connection, active, relay, random)
    }
    this.#stages.set(name, 'waiting for its calls')
    await work
    clearInterval(mood)
    this.#stages.set(name, 'closing')
    if (way === 'goodbye') connection.goodbye()
    await closed
    relay?.close()
    this.#stages.delete(name)
  }

  async #call(connection: Connection, name: string, active: Set<ClientCall>): Promise<void> {
    const call = new Call(planOf(this.#ledger.seed, ++this.#calls))
    call.client = name
    const client = new ClientCall(call, this.#ledger)
    active.add(client)
    client.start((owner, fields) => connection.request(owner, fields))
    await client.done
    active.delete(client)
  }

  async #go(
    way: 'fin' | 'reset' | 'vanish',
    connection: Connection,
    active: Set<ClientCall>,
    relay: Relay | undefined,
    random: Random,
  ): Promise<void> {
    count(this.#ledger.injected, `client gone by ${way}`)
    relay?.freeze()
    for (const call of [...active]) call.leave(`the client goes by ${way}`)
    if (way === 'reset') connection.socket.resetAndDestroy()
    else connection.socket.destroy()
    // The proxy learns nothing until then.
    if (relay === undefined) return
    await new Promise(resolve => setTimeout(resolve, random.between(50, 1_500)))
    relay.reset()
  }

  /** Settings and pings in mid-session; windows are narrowed and widened. */
  #mood({ peer }: RawConnection, random: Random): NodeJS.Timeout {
    return setInterval(
      () => {
        if (!peer.open) return
        if (random.chance(0.5)) change(peer, random, false)
        else for (let i = random.between(1, 20); i > 0; i--) peer.ping()
      },
      random.between(100, 1_000),
    )
  }
}

function firstSettings(random: Random): Settings {
  const settings: Record<number, number> = { [Setting.ENABLE_PUSH]: 0 }
  if (random.chance(0.5)) settings[Setting.INITIAL_WINDOW_SIZE] = random.spread(4_000, 4_000_000)
  if (random.chance(0.2)) settings[Setting.HEADER_TABLE_SIZE] = random.pick([0, 256, 4_096, 16_384])
  if (random.chance(0.2)) settings[Setting.MAX_FRAME_SIZE] = random.pick([16_384, 32_768, 1_048_576])
  return settings
}
