/**
 * Which certificate a client gets, by the name that it asks for (SNI, RFC 6066 §3). What clients ask for is looked up and
 * never kept: there is one context for each certificate, however many names are asked for.
 */
import type { KeyObject, X509Certificate } from 'node:crypto'
import { altNames } from './alt-names.ts'
import { nodeCrypto } from './node-tls.ts'

/** A certificate with its chain, and its key. PEM. */
export interface CertificatePair {
  readonly cert: string | Buffer
  readonly key: string | Buffer
  /** What it is for: host names, and `*.` before one for all names with one label more. Default: its own names. */
  readonly names?: readonly string[]
}

/** Without the dot at its end, and in lower case: RFC 4343, RFC 6066 §3. */
export function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

/** A host name, or one with `*` as its first label: RFC 6125 §6.4.3. */
const SERVED_NAME = /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/

export function isServedName(name: string): boolean {
  return SERVED_NAME.test(canonicalName(name))
}

/** The names that a certificate says it is for. Its common name is none: RFC 9110 §4.3.4. */
export function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  const names = altNames(subjectAltName).filter(({ kind }) => kind === 'DNS')
  return names.map(({ name }) => canonicalName(name)).filter(isServedName)
}

type KeyKind = KeyObject['asymmetricKeyType']

interface Served {
  readonly names: readonly string[]
  readonly kind: KeyKind
}

export class ServerNames<Context> {
  readonly #exact = new Map<string, Context>()
  /** By what stands behind `*.`. */
  readonly #wildcard = new Map<string, Context>()
  /** For clients that ask for another name. */
  readonly first: Context
  /** Keys are of several kinds. */
  readonly isMixed: boolean

  /** @param pairs at least one; of two for the same name the first is used */
  constructor(pairs: readonly CertificatePair[], make: (pair: CertificatePair) => Context) {
    const kinds = new Set<KeyKind>()
    const contexts = pairs.map(pair => {
      const context = make(pair)
      const { names, kind } = servedBy(pair)
      kinds.add(kind)
      for (const name of names) this.#serve(name, context)
      return context
    })
    this.first = contexts[0]!
    this.isMixed = kinds.size > 1
  }

  #serve(name: string, context: Context): void {
    const isWildcard = name.startsWith('*.')
    const [all, key] = isWildcard ? [this.#wildcard, name.slice(2)] : [this.#exact, name]
    if (!all.has(key)) all.set(key, context)
  }

  /** @param name as the client sent it */
  of(name: string): Context | undefined {
    const asked = canonicalName(name)
    const exact = this.#exact.get(asked)
    if (exact !== undefined) return exact
    const dot = asked.indexOf('.')
    return dot < 1 ? undefined : this.#wildcard.get(asked.slice(dot + 1))
  }
}

function servedBy({ cert, names }: CertificatePair): Served {
  const { X509Certificate } = nodeCrypto()
  const certificate = new X509Certificate(cert)
  return {
    names: names?.map(canonicalName) ?? namesOf(certificate),
    kind: certificate.publicKey.asymmetricKeyType,
  }
}

/** Whether they are for the same names, each with another kind of key: then OpenSSL chooses by what a client can verify. */
export function areOneInSeveralKinds(pairs: readonly CertificatePair[]): boolean {
  const served = pairs.map(servedBy)
  const sameNames = new Set(served.map(({ names }) => names.toSorted().join())).size === 1
  return sameNames && new Set(served.map(({ kind }) => kind)).size === pairs.length
}
