/** What happens to whole sessions and endpoints while calls are on them. Each storm is a loop of its own until it is told to stop, and leaves its endpoint in order. */
import { Code, Setting, type Settings } from '../../support/frames.ts'
import { type Backend, ERROR_CODES, type Session } from './backend.ts'
import { count, type Ledger } from './ledger.ts'
import type { Peer } from './peer.ts'
import type { ProxyProcess } from './proxy.ts'
import type { Random } from './random.ts'
import type { Relay } from './relay.ts'

/** Pauses that end at once when the storm is over. */
export class Weather {
  readonly random: Random
  readonly ledger: Ledger
  readonly #sleepers = new Set<() => void>()
  over = false

  constructor(random: Random, ledger: Ledger) {
    this.random = random
    this.ledger = ledger
  }

  pause(leastMs: number, mostMs: number): Promise<void> {
    if (this.over) return Promise.resolve()
    return new Promise(resolve => {
      const wake = () => {
        clearTimeout(timer)
        this.#sleepers.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, this.random.between(leastMs, mostMs))
      this.#sleepers.add(wake)
    })
  }

  stop(): void {
    this.over = true
    for (const wake of [...this.#sleepers]) wake()
  }

  did(what: string): void {
    count(this.ledger.injected, what)
  }
}

/** Up, killed, up again. */
export async function killing(backend: Backend, weather: Weather): Promise<void> {
  const { random } = weather
  for (;;) {
    await weather.pause(600, 3_000)
    if (weather.over) return
    await backend.kill(random.pick(['fin', 'destroy', 'reset']))
    await weather.pause(50, 800)
    await backend.listen()
  }
}

/** The relay in front stops passing bytes; after a while goes on, or resets all. */
export async function freezing(backend: Backend, relay: Relay, weather: Weather): Promise<void> {
  const { random, ledger } = weather
  for (;;) {
    await weather.pause(600, 3_000)
    if (weather.over) return
    weather.did('frozen')
    for (const { answers } of backend.sessions) for (const { call } of answers.values()) call.mark('held', 'frozen')
    relay.freeze()
    const sinceMs = performance.now()
    await weather.pause(100, 2_000)
    if (random.chance(0.4)) {
      // What was said meanwhile arrives now.
      ledger.goaway(backend.port)
      // A GOAWAY comes together with the end of its connection, and is lost where the proxy writes before it reads.
      const left = [...backend.sessions].some(({ leaving }) => leaving)
      if (relay.thaw() > 0 || left || ledger.troubledSince(backend.port, sinceMs))
        ledger.trouble(backend.port, 'gone while frozen')
      continue
    }
    // Also connections that have no session yet, and calls that never came through.
    ledger.trouble(backend.port, 'reset after freeze')
    for (const session of backend.sessions) session.doom('half-open, then reset')
    relay.reset()
  }
}

/** GOAWAYs of every kind, to all sessions, again and again. */
export async function goaways(backend: Backend, weather: Weather): Promise<void> {
  const leaving: Promise<void>[] = []
  while (!weather.over) {
    await weather.pause(100, 700)
    for (const session of [...backend.sessions]) {
      if (!session.leaving && session.peer.highestReceived > 0) leaving.push(leave(session, weather))
    }
  }
  await Promise.all(leaving)
}

/** How long a session that said GOAWAY waits for its last streams. */
const LEAVE_MS = 4_000

async function leave(session: Session, weather: Weather): Promise<void> {
  const { random } = weather
  const { peer } = session
  const kind = random.weighted({ gentle: 4, sudden: 3, lower: 3, error: 2, fin: 1 })
  weather.did(`GOAWAY ${kind}`)
  switch (kind) {
    case 'gentle':
      return gentle(session, weather)
    case 'sudden':
      session.goaway(peer.highestReceived, Code.NO_ERROR)
      return emptied(session)
    case 'lower': {
      const open = [...session.answers.keys()]
      const last = open.length === 0 ? peer.highestReceived : random.pick(open)
      session.goaway(Math.max(0, last - random.pick([0, 2])), Code.NO_ERROR)
      return emptied(session)
    }
    case 'error':
      session.goaway(peer.highestReceived, random.pick(ERROR_CODES))
      return session.end(random.pick(['fin', 'destroy']), 'GOAWAY with an error')
    case 'fin':
      return session.end('fin', 'closed without GOAWAY')
  }
}

/** RFC 9113 §6.8: two GOAWAYs, a while apart: no call may fail of it. */
export async function gentle(session: Session, weather: Weather): Promise<void> {
  const { peer } = session
  session.goaway(2 ** 31 - 1, Code.NO_ERROR)
  await weather.pause(20, 100)
  if (!peer.open) return
  session.goaway(peer.highestReceived, Code.NO_ERROR)
  await emptied(session)
}

/** Resolves when its last stream is gone and the session with it. */
async function emptied(session: Session): Promise<void> {
  const giveUp = setTimeout(() => session.end('fin', 'closed after GOAWAY'), LEAVE_MS)
  await session.idle()
  clearTimeout(giveUp)
  session.finish()
}

/**
 * Settings changed in mid-session, pings, windows withheld; and now and then a session that leaves as it should.
 * @param fewStreams MAX_CONCURRENT_STREAMS may become small
 */
export async function moods(backend: Backend, weather: Weather, fewStreams = true): Promise<void> {
  const { random } = weather
  const others: Promise<void>[] = []
  while (!weather.over) {
    await weather.pause(50, 400)
    const sessions = [...backend.sessions].filter(session => !session.leaving && session.peer.open)
    if (sessions.length === 0 || weather.over) continue
    const session = random.pick(sessions)
    const kind = random.weighted({ settings: 6, pings: 2, withheld: 2, gentle: 1 })
    weather.did(kind)
    if (kind === 'settings') change(session.peer, random, fewStreams)
    else if (kind === 'pings') for (let i = random.between(1, 30); i > 0; i--) session.peer.ping()
    else if (kind === 'withheld') others.push(withheld(session.peer, weather))
    else others.push(gentle(session, weather))
  }
  await Promise.all(others)
  // What one round has narrowed must not narrow the next.
  for (const { peer } of backend.sessions) peer.settings(WIDE)
}

const WIDE: Settings = { [Setting.INITIAL_WINDOW_SIZE]: 65_535, [Setting.MAX_CONCURRENT_STREAMS]: 1_000 }

/** One or more of our settings, up or down. */
export function change(peer: Peer, random: Random, fewStreams: boolean): void {
  const settings: Record<number, number> = {}
  if (random.chance(0.6)) settings[Setting.INITIAL_WINDOW_SIZE] = random.spread(1_000, 1_000_000)
  if (random.chance(0.3)) settings[Setting.MAX_FRAME_SIZE] = random.pick([16_384, 20_000, 65_536, 2 ** 24 - 1])
  if (random.chance(0.3)) settings[Setting.HEADER_TABLE_SIZE] = random.pick([0, 100, 1_000, 4_096, 16_384])
  if (fewStreams && random.chance(0.3)) settings[Setting.MAX_CONCURRENT_STREAMS] = random.pick([1, 3, 10, 1_000])
  peer.settings(settings)
}

async function withheld(peer: Peer, weather: Weather): Promise<void> {
  peer.withhold(true)
  await weather.pause(50, 500)
  peer.withhold(false)
}

/** The proxy gets another configuration for the same calls, or a wrong one that it must refuse. */
export async function reloading(proxy: ProxyProcess, weather: Weather): Promise<void> {
  const { random, ledger } = weather
  for (let number = 0; ; number++) {
    await weather.pause(50, 1_500)
    if (weather.over) return
    const wrong = random.chance(0.3)
    const seed = random.between(0, 2 ** 31)
    const { change } = await proxy.ask({ ask: 'change', seed, number, wrong })
    if (change !== (wrong ? 'refused' : 'applied'))
      ledger.complain(`a configuration that is ${wrong ? 'wrong' : 'right'}: ${change}`)
    weather.did(`configuration ${change}`)
  }
}
