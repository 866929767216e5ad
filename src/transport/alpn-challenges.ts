/**
 * The challenge tls-alpn-01 (RFC 8737): an authority opens a TLS connection with the protocol `acme-tls/1`, and expects a
 * certificate that says what it gave us. Other clients of the same name get what they always get meanwhile.
 *
 * It needs TLS 1.3, in which OpenSSL asks for the protocol before the certificate; in TLS 1.2 it is the other way round.
 */
import type { SecureContext, TLSSocket } from 'node:tls'
import { nodeTls } from './node-tls.ts'
import { type CertificatePair, canonicalName } from './server-names.ts'

const ACME_TLS = 'acme-tls/1'

/** What an authority is shown, by the name that it asks for. */
export interface Challenges {
  expect(name: string, pair: CertificatePair): void
  forget(name: string): void
}

export class AlpnChallenges implements Challenges {
  readonly #contexts = new Map<string, SecureContext>()
  /** In a handshake with an authority. */
  readonly #asked = new WeakSet<TLSSocket>()

  expect(name: string, { cert, key }: CertificatePair): void {
    this.#contexts.set(canonicalName(name), nodeTls().createSecureContext({ cert, key }))
  }

  forget(name: string): void {
    this.#contexts.delete(canonicalName(name))
  }

  /** These and no others. */
  replace(all: ReadonlyMap<string, CertificatePair>): void {
    this.#contexts.clear()
    for (const [name, pair] of all) this.expect(name, pair)
  }

  /** Whether the client is an authority that asks for a challenge of ours. §4: else the protocol is not to be chosen. */
  isAsked(socket: TLSSocket, name: string, protocols: readonly string[]): boolean {
    if (!protocols.includes(ACME_TLS) || !this.#contexts.has(canonicalName(name))) return false
    this.#asked.add(socket)
    return true
  }

  /** What it is shown. Undefined: it is no such client. */
  contextFor(socket: TLSSocket, name: string): SecureContext | undefined {
    return this.#asked.has(socket) ? this.#contexts.get(canonicalName(name)) : undefined
  }

  /** The handshake was all that it wanted. */
  static isOver({ alpnProtocol }: TLSSocket): boolean {
    return alpnProtocol === ACME_TLS
  }

  static readonly protocol = ACME_TLS
}
