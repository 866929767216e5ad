/** A session with room for a call's stream, and the address that it leads to. */
import type { ClientSession, DialTarget } from '../transport/transport.ts'

export class Lease {
  readonly target: DialTarget
  readonly session: ClientSession

  constructor(target: DialTarget, session: ClientSession) {
    this.target = target
    this.session = session
  }
}
