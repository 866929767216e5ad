/** Where clients connect, and who has connected, as plain data. */
import { shownText } from '../observe/log-fields.ts'
import type { AcceptedSession } from '../transport/acceptor.ts'
import type { TransportName } from '../transport/transport.ts'
import type { Door } from './front.ts'
import type { Page } from './state-page.ts'

/** An address that clients connect to. */
export interface ListenerState {
  /** `''` for connections that others accepted (`proxy.connection`). */
  readonly address: string
  readonly transport: TransportName
  readonly tls: boolean
  /** It accepts nothing more, and its clients finish what they have. */
  readonly draining: boolean
  /** Also those that are not HTTP/2 yet. */
  readonly connections: number
  readonly sessions: number
}

/** A client's HTTP/2 session. */
export interface ClientSessionState {
  /** The client's address. */
  readonly peer: string
  readonly encrypted: boolean
  /** The subject of the certificate that the client sent, if it did. */
  readonly certificate?: string
  /** The address that it connected to. */
  readonly listener: string
  readonly ageMs: number
  /** Calls now. */
  readonly streams: number
  /** Calls that there ever were on it. */
  readonly opened: number
  /** What its calls take in memory beside the windows. */
  readonly heldBytes: number
}

const MOST_LISTENERS = 1_000

export function listenerStates(doors: readonly Door[]): ListenerState[] {
  return doors.slice(0, MOST_LISTENERS).map(({ acceptor, ...door }) => ({
    ...door,
    connections: acceptor.connections,
    sessions: acceptor.sessions,
  }))
}

/** The sessions before the first are counted, not looked at. */
export function sessionStates(doors: readonly Door[], { first, most }: Page, nowMs: number): ClientSessionState[] {
  const states: ClientSessionState[] = []
  let at = 0
  for (const { address, acceptor } of doors) {
    if (at + acceptor.sessions <= first) {
      at += acceptor.sessions
      continue
    }
    for (const accepted of acceptor.accepted) {
      if (states.length >= most) return states
      if (at++ >= first) states.push(stateOfSession(accepted, address, nowMs))
    }
  }
  return states
}

function stateOfSession({ session, sinceMs }: AcceptedSession, listener: string, nowMs: number): ClientSessionState {
  const { peer, streams, opened, heldBytes } = session
  return {
    peer: shownText(peer.address),
    encrypted: peer.encrypted,
    ...(peer.certificate && { certificate: shownText(peer.certificate.subject) }),
    listener,
    ageMs: Math.round(nowMs - sinceMs),
    streams,
    opened,
    heldBytes,
  }
}
