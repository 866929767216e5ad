/**
 * The agents of http2-wrapper. Each session has one of its own, as an agent hands out the session that it has before it
 * makes another; the TLS tickets of an endpoint are shared by all of its sessions. The package is loaded when the first
 * backend on `native` is opened: a proxy without one does not need it.
 */
import type { Agent } from 'http2-wrapper'
import type { DialAddress } from '../transport.ts'

type Wrapper = typeof import('http2-wrapper')

/** TLS tickets kept per endpoint: a ticket is used again as often as the server allows. */
const TLS_TICKETS = 4

/** http2-wrapper's cache of TLS sessions, by origin and options; its types do not show it. */
type TicketKeeper = Agent & { tlsSessionCache: unknown }

let wrapper: Wrapper | undefined
let loading: Promise<Wrapper> | undefined

function load(): Promise<Wrapper> {
  loading ??= import('http2-wrapper').then(({ default: loaded }) => {
    wrapper = loaded
    return loaded
  })
  return loading
}

export class SessionAgents {
  readonly #tickets = new WeakMap<DialAddress, TicketKeeper>()

  constructor() {
    // This is most likely in time for the first call. If it fails, each session that asks gets the error.
    load().catch(() => {})
  }

  /** Calls `use` with an agent for one session: at once where the package is loaded, else as soon as it is. */
  forSession(address: DialAddress, use: (agent: Agent) => void, failed: (error: Error) => void): void {
    if (wrapper !== undefined) return use(this.#make(address, wrapper))
    load()
      .then(loaded => use(this.#make(address, loaded)))
      .catch(failed)
  }

  #make(address: DialAddress, { Agent }: Wrapper): Agent {
    let keeper = this.#tickets.get(address)
    if (keeper === undefined) {
      keeper = new Agent({ maxCachedTlsSessions: TLS_TICKETS }) as TicketKeeper
      this.#tickets.set(address, keeper)
    }
    const agent = new Agent({ maxEmptySessions: Number.POSITIVE_INFINITY }) as TicketKeeper
    agent.tlsSessionCache = keeper.tlsSessionCache
    return agent
  }
}
