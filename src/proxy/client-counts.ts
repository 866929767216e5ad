/** What became of clients' connections, counted between the acceptors and the proxy. */
import type { AcceptorOwner, Refusal } from '../transport/acceptor.ts'

/** Why a TLS handshake failed: the first row that is like what the system said. */
const HANDSHAKES = {
  certificate: /certificate/,
  version: /protocol version|unsupported protocol/,
  cipher: /no shared cipher|no suitable/,
  'not-tls': /wrong version number|http request|packet length too long|record layer/,
  closed: /ECONNRESET|socket hang up|EPIPE|closed/,
  timeout: /timeout/i,
  other: /^/,
} as const
export type HandshakeFailure = keyof typeof HANDSHAKES
const HANDSHAKE_FAILURES = Object.keys(HANDSHAKES) as HandshakeFailure[]

export class ClientCounts {
  /** Sessions whose preface was complete, with and without TLS. */
  encrypted = 0
  plaintext = 0
  closed = 0
  readonly refused = new Map<Refusal, number>()
  readonly handshakes = new Map<HandshakeFailure, number>()

  /** @returns who tells `owner` what it is told, and counts it */
  counting<Owner extends AcceptorOwner>(owner: Owner): Owner {
    return {
      // As it is: this is called for each call.
      ...owner,
      onSessionReady: session => {
        if (session.peer.encrypted) this.encrypted++
        else this.plaintext++
        owner.onSessionReady(session)
      },
      onSessionClosed: (session, reason) => {
        this.closed++
        owner.onSessionClosed(session, reason)
      },
      onRefused: (refusal, peer, detail) => {
        add(this.refused, refusal)
        if (refusal === 'tls') add(this.handshakes, HANDSHAKE_FAILURES.find(name => HANDSHAKES[name].test(detail))!)
        owner.onRefused(refusal, peer, detail)
      },
    }
  }
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
