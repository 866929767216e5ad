/** A gate by the client's certificate: which names may call. TLS has checked who signed it. */
import type { CallInfo } from '../routing/director.ts'
import type { Gate } from '../routing/gate.ts'
import { refusal } from '../routing/gate.ts'
import { type AltName, altNames } from '../transport/alt-names.ts'
import type { Peer } from '../transport/transport.ts'

export interface CertificateOptions {
  /**
   * Names in the certificate (subjectAltName): `spiffe://example.org/web`, `web.example.org`. A `*` stands for one part of a
   * path, or one label of a name.
   */
  readonly names: readonly string[]
}

const NONE = refusal('unauthenticated', 'the client has no certificate that was checked')
const OTHER = refusal('forbidden', 'the certificate has none of the names that may call')

export function certificate({ names }: CertificateOptions): Gate {
  const patterns = names.map(patternOf)
  const known = new WeakMap<Peer, string | undefined>()
  const nameOf = (call: CallInfo): string | undefined => {
    const { peer } = call
    if (peer.certificate?.authorized !== true) throw NONE
    // A connection has one certificate for all of its calls.
    if (!known.has(peer)) {
      known.set(
        peer,
        namesIn(peer.certificate.subjectAltName).find(one => patterns.some(pattern => takes(pattern, one)))?.name,
      )
    }
    return known.get(peer)
  }
  return next => call => {
    const name = nameOf(call)
    if (name === undefined) throw OTHER
    call.notes.identity = { name, by: 'certificate' }
    return next(call)
  }
}

interface NamePattern {
  readonly kind: 'URI' | 'DNS'
  readonly text: RegExp
}

/** SPIFFE ids are compared as they are; names of hosts in any case of letters (RFC 4343). */
function patternOf(pattern: string): NamePattern {
  const kind = pattern.includes('://') ? 'URI' : 'DNS'
  const part = kind === 'URI' ? '[^/]+' : '[^.]+'
  const text = pattern.split('*').map(piece => piece.replace(/[.+?^${}()|[\]\\/]/g, '\\$&'))
  return { kind, text: new RegExp(`^${text.join(part)}$`, kind === 'URI' ? '' : 'i') }
}

/** A name of a host cannot pass for a URI, whatever it looks like. */
function takes({ kind, text }: NamePattern, subject: AltName): boolean {
  return kind === subject.kind && text.test(subject.name)
}

const KINDS: ReadonlySet<string> = new Set(['DNS', 'URI', 'IP Address', 'email'])

/** A form that is not known may hide anything. */
function namesIn(subjectAltName: string): AltName[] {
  const names = altNames(subjectAltName)
  return names.every(({ kind }) => KINDS.has(kind)) ? names : []
}
