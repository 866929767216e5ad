/**
 * What an authority that asks by TLS whether a name is ours is shown by each worker: any of them may be the one that it comes to.
 * Messages to a worker keep their order, so each knows it before the first connection of that authority.
 */
import type { Challenges } from '../transport/alpn-challenges.ts'
import type { CertificatePair } from '../transport/server-names.ts'
import type { Notice } from './messages.ts'

export class CrewChallenges implements Challenges {
  readonly #tell: (notice: Notice) => void
  readonly #all = new Map<string, CertificatePair>()

  /** @param tell all workers that serve */
  constructor(tell: (notice: Notice) => void) {
    this.#tell = tell
  }

  expect(name: string, pair: CertificatePair): void {
    this.#all.set(name, pair)
    this.#tell(this.notice)
  }

  forget(name: string): void {
    if (this.#all.delete(name)) this.#tell(this.notice)
  }

  /** For a worker that serves from now on: all that there is, in place of what it may know. */
  get notice(): Notice {
    return { kind: 'challenges', all: new Map(this.#all) }
  }
}
