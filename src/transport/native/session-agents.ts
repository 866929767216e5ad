/**
 * The agents of http2-wrapper. Each session has one of its own, as an agent hands out the session that it has before it
 * makes another. The package is loaded when the first backend on `native` is opened: a proxy without one does not need it.
 */
import type { Agent } from 'http2-wrapper'

type Wrapper = typeof import('http2-wrapper')

let wrapper: Wrapper | undefined
let loading: Promise<Wrapper> | undefined

function load(): Promise<Wrapper> {
  loading ??= import('http2-wrapper').then(({ default: loaded }) => {
    wrapper = loaded
    return loaded
  })
  return loading
}

/** This is most likely in time for the first call. If it fails, each session that asks gets the error. */
export function loadAgents(): void {
  load().catch(() => {})
}

/** Calls `use` with an agent for one session: at once where the package is loaded, else as soon as it is. */
export function forSession(use: (agent: Agent) => void, failed: (error: Error) => void): void {
  if (wrapper !== undefined) return use(agentOf(wrapper))
  load()
    .then(loaded => use(agentOf(loaded)))
    .catch(failed)
}

function agentOf({ Agent }: Wrapper): Agent {
  return new Agent({ maxEmptySessions: Number.POSITIVE_INFINITY })
}
